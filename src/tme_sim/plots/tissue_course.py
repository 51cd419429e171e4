"""What is measured on the tissue of a run over time, and its sheet of snapshots, as figures of the run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.plots.files import save_figure
from tme_sim.plots.panel import Line, Panel
from tme_sim.plots.record import title_of
from tme_sim.plots.sheet import draw_sheet
from tme_sim.plots.style import COLOURS, unit_text
from tme_sim.plots.treatments import key_of, origin_of, treatments_of
from tme_sim.tissue.measures import VIABLE, measures
from tme_sim.tissue.snapshots import FILM, Snapshot, film_of, snapshots_of

__all__ = ["draw_tissue", "measure_figure"]

QUESTION = "What a pathologist would count on the tissue"
FEW = 20  # places; of fewer, a share or a density is the luck of single cells and is not drawn
PANELS = (
    (f"Shares of the tissue (of viable cells: while {FEW} places hold one)", "%", True, (
        ("hypoxic", "hypoxic viable", COLOURS["hypoxic"]), ("perfused", "viable near flow", COLOURS["mature"]),
        ("necrotic", "necrotic", COLOURS["necrotic"]), ("cleared", "cleared", "#4D4D4D"))),
    (f"CD8 by what stands at their place (while {FEW} places hold it)", "cell/mm^3", True, (
        ("cd8_in_tumour", "viable tumour", COLOURS["viable"]), ("cd8_in_necrosis", "necrosis", COLOURS["necrotic"]),
        ("cd8_in_stroma", "cleared", "#4D4D4D"))),
    ("Median distance from a CD8 cell", "um", True, (
        ("cd8_to_tumour", "to viable tumour", COLOURS["viable"]), ("cd8_to_mdsc", "to MDSC", COLOURS["MDSC"]),
        ("cd8_to_vessel", "to open vessel", COLOURS["mature"]))),
    ("Pairs over those at random (Ripley's K over its expectation)", "1", False, (
        ("cd8_clustering_100", "CD8, 100 µm", COLOURS["CD8"]), ("cd8_near_mdsc", "CD8-MDSC, 100 µm", COLOURS["MDSC"]),
        ("vessel_clustering_50", "vessels, 50 µm", COLOURS["mature"]))),
)  # fmt: skip


OF_PLACES = {"hypoxic": VIABLE, "perfused": VIABLE, "cd8_in_tumour": VIABLE, "cd8_in_necrosis": ("necrotic",),
             "cd8_in_stroma": ("",)}  # fmt: skip
"""Measures that are taken at places of some kinds only."""


def _drawn(name: str, value: float | None, frame: Snapshot) -> float:
    """A measure of a frame as the figure shows it: NaN where there is nothing, or too little, to measure."""
    if value is None or (name in OF_PLACES and np.count_nonzero(frame.is_kind(*OF_PLACES[name])) < FEW):
        return np.nan
    return value


def measure_figure(run: Any, folder: Path) -> Any:
    """A matplotlib Figure of the measures over time, from the film of a run.

    Raises:
        InputError: a film that is missing or damaged.
    """
    frames = film_of(folder)
    days = np.array([f.day for f in frames])
    rows = [measures(f) for f in frames]
    panels = []
    for title, unit, zero, lines in PANELS:
        factor = 100.0 if unit == "%" else 1.0
        drawn = []
        for name, label, colour in lines:
            values = factor * np.array([_drawn(name, r[name], f) for r, f in zip(rows, frames, strict=True)])
            seen = np.flatnonzero(np.isfinite(values))
            if seen.size:
                span = slice(seen[0], seen[-1] + 1)  # gaps within stay gaps
                drawn.append(Line(days[span], values[span], label, colour))
        axis = "" if unit == "1" else unit_text(unit)
        panels.append(Panel(title, axis, tuple(drawn), zero=zero, scale="linear" if zero else "log"))
    treatments = treatments_of(run)
    return draw_sheet(
        panels, title=QUESTION, subtitle=title_of(run), key=key_of(treatments), tracks=treatments.tracks(),
        span=(float(days[0]), float(days[-1])), origin=origin_of(treatments),
    )  # fmt: skip


def draw_tissue(run: Any, folder: Path, target: Path) -> list[Path]:
    """Draw `tissue.png` (the sheet of snapshots) and `tissue_measures.png`; returns their paths."""
    from tme_sim.plots.tissue import snapshot_sheet

    paths = []
    files = run.manifest["files"]
    if any(n.startswith("snapshots/") and n != FILM for n in files):
        sheet = snapshot_sheet(snapshots_of(folder), title_of(run), sessions=treatments_of(run).tace)
        paths.append(save_figure(sheet, target / "tissue.png", title_of(run)))
    if FILM in files:
        paths.append(save_figure(measure_figure(run, folder), target / "tissue_measures.png", QUESTION))
    return paths
