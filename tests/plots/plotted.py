"""A made-up run that touches every panel, and what stands in its figures."""

import numpy as np
import pytest

from tme_sim import criteria
from tme_sim.plots.figures import FIGURES
from tme_sim.plots.record import diameter
from tme_sim.results import Run

NAMES = [f.name for f in FIGURES]


TACE = (0.0, 28.0)


BODY = {
    "VEGF_serum": ("pg/mL", 420.0),
    "MDSC_share": ("1", 0.06),
    "Treg_share": ("1", 0.09),
    "VEGF_plasma": ("pg/mL", 150.0), "vegf_free_plasma": ("pg/mL", 50.0), "MDSC_blood": ("cell/mm^3", 180.0),
    "MDSC_marrow": ("1", 1.0), "Treg_blood": ("1", 0.8), "DC_node": ("cell/mm^3", 400.0), "CD8_blood": ("cell/mm^3", 90.0),
    "trap_plasma": ("mg/L", 200.0), "pd1_plasma": ("mg/L", 250.0), "tki_plasma": ("mg/L", 0.0),
    "pd1_engaged": ("1", 0.9), "vegf_free_share": ("1", 0.2), "ctla4_engaged": ("1", 0.0),
    "albi": ("1", -2.4), "albi_reserve": ("1", -2.5), "IL6": ("1", 3.0), "NLR": ("1", 2.5), "AFP": ("ng/mL", 200.0),
    "death_hazard": ("1", 0.3), "invaded": ("1", 0.2),
}  # fmt: skip


LESION = {
    "oxygen_mean": ("mmHg", 9.0), "hypoxic_share": ("1", 0.6), "anoxic_viable": ("1", 0.1), "HIF1": ("1", 0.6),
    "HIF2": ("1", 0.5), "VEGF": ("1", 1.1), "vegf_fold": ("1", 0.6), "vegf_blocked": ("1", 0.4),
    "immature_vessels": ("1/mm^2", 90.0), "mature_vessels": ("1/mm^2", 75.0), "perfused_density": ("1/mm^2", 100.0),
    "vessel_quality": ("1", 0.7), "normalisation": ("1", 0.2), "open_share": ("1", 0.8), "perfusion": ("1", 0.9),
    "ENTPD2": ("1", 1.2), "ATP": ("1", 1.4), "AMP": ("1", 1.6), "adenosine": ("1", 1.5), "MDSC": ("cell/mm^3", 3000.0),
    "TAM": ("cell/mm^3", 8000.0), "Treg": ("cell/mm^3", 1200.0), "antigen": ("1", 2.0), "DAMP": ("1", 3.0),
    "DC": ("cell/mm^3", 400.0), "DC_mature": ("cell/mm^3", 25.0), "CD8": ("cell/mm^3", 5000.0),
    "CD8_exhausted": ("cell/mm^3", 2500.0), "CD8_stem": ("cell/mm^3", 850.0), "PDL1": ("1", 1.3), "pd1_bonds": ("1", 0.5),
    "kill_hazard": ("1/day", 0.004), "growth_rate": ("1/day", 0.0043), "doxorubicin": ("umol/L", 90.0),
}  # fmt: skip


SCENARIO = """
title = "A case"
[[patient.lesion]]
name = "main"
[[patient.lesion]]
name = "satellite"
"""


def volume_of(time, lesion=0):
    """Lesion volume (mm^3) that shrinks to a quarter and grows again."""
    return (
        65000.0 / (lesion + 1) * (0.25 + 0.75 * np.exp(-time / 40.0) + 0.6 * (np.maximum(time - 200.0, 0) / 500.0) ** 2)
    )


def scans_of(days, lesions):
    """Scan events with what they read of the first lesions, as a run tells them."""
    memory, out = np.zeros(criteria.memory_size(lesions)), []
    for day in days:
        seen = np.array([[*(diameter(v) for v in (volume_of(day, i), 0.7 * volume_of(day, i))), 1, 0, 1]
                         for i in range(lesions)], dtype=float)  # fmt: skip
        criteria.read_visit(day * 1440, seen, np.zeros(criteria.CLINIC), criteria.default_settings(), memory)
        row = {"day": float(day), "kind": "scan", "treatment": "scan", "what": "mri"}
        for c, name in enumerate(criteria.CRITERIA[:2]):
            block = criteria.block(c)
            row[f"sum_{name}"] = memory[block + criteria.SUM]
            if day:
                row[name] = criteria.RESPONSES[int(memory[block + criteria.STATUS])]
        out.append(row)
    return out


def a_run(days=730, lesions=1, tace=TACE, drugs=True, without=(), start=0.0, name="case", **more):
    """A run record as `simulate` writes it, with made-up curves that touch every panel."""
    time = np.arange(start, days + 1.0)
    columns, units = {}, {}
    for i, (column, (unit, size)) in enumerate(BODY.items()):
        columns[column], units[column] = size * (1 + 0.3 * np.sin(time / 60 + i)), unit
        if not drugs and column.endswith(("_plasma", "_engaged")) and column not in ("VEGF_plasma", "vegf_free_plasma"):
            columns[column] = 0.0 * time
    if not drugs:
        columns["vegf_free_share"] = 0.0 * time + 1.0
    for k in range(lesions):
        for i, (column, (unit, size)) in enumerate(LESION.items()):
            columns[f"{column}.{k + 1}"] = size * (1 + 0.3 * np.cos(time / 50 + i + k))
            units[f"{column}.{k + 1}"] = unit
        if not tace:
            columns[f"doxorubicin.{k + 1}"] = 0.0 * time
        volume = volume_of(time, k)
        for column, unit, values in (
            ("lesion_volume", "mm^3", volume), ("viable_cells", "cell", 0.7 * 2e5 * volume),
            ("dying", "cell", 0.05 * 2e5 * volume), ("necrotic", "cell", 0.25 * 2e5 * volume),
        ):  # fmt: skip
            columns[f"{column}.{k + 1}"], units[f"{column}.{k + 1}"] = values, unit
    for column in [c for c in columns if c.split(".")[0] in without]:
        del columns[column]
    events = [{"day": d, "kind": "tace", "treatment": "tace", "what": "conventional TACE"} for d in tace]
    events += scans_of(range(0, days + 1, 56), lesions)
    for drug, dose, first in (("durvalumab", 1500, 7), ("bevacizumab", 1050, 42)) if drugs else ():
        events += [
            {"day": float(d), "kind": "drug", "treatment": drug, "what": f"{drug} {dose} mg"}
            for d in range(first, days, 21)
        ]
    about = {"scenario": {"name": name}}
    return Run(time, columns, units, events=events, manifest=about, scenario_text=SCENARIO, **more)


def panels_of(figure):
    """Axes that carry time."""
    return [a for a in figure.axes if (a.get_gid() or "").startswith("panel:")]


def gids(axes):
    return [g for g in (c.get_gid() for c in axes.get_children()) if g]


def words(figure):
    return [t.get_text() for t in figure.texts]


def every_text(figure):
    """Visible texts with what they cover, in pixels."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    found = [*figure.texts]
    for axes in figure.axes:
        found += [*axes.texts, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high and tick.label1.get_visible():
                    found.append(tick.label1)
    return [(t, t.get_window_extent(renderer)) for t in found if t.get_visible() and t.get_text().strip()]


def marks_are_on(axes, tace, drugs):
    low, high = axes.get_xlim()
    days = {"week": 7.0, "month": 30.4375}[axes.get_gid().split(":")[1]]
    seen = sorted(
        line.get_xdata()[0] for line in axes.lines if line.get_gid() == "mark:tace" and line.get_transform() is not None
    )
    assert seen == pytest.approx([d / days for d in tace if low <= d / days <= high])
    bars = [g for g in gids(axes) if g.startswith(("strip:", "bar:"))]
    for drug, first in drugs.items():
        assert any(g.endswith(f":{drug}") for g in bars) == (first / days < high), (axes.get_gid(), drug)
