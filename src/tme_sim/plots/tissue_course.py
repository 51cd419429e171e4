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
from tme_sim.plots.treatments import origin_of, treatments_of
from tme_sim.tissue.measures import measures
from tme_sim.tissue.snapshots import FILM, film_of, snapshots_of

__all__ = ["draw_tissue", "measure_figure"]

QUESTION = "What a pathologist would count on the tissue"
PANELS = (
    ("Shares of the tissue", "%", True, (
        ("hypoxic", "hypoxic viable", COLOURS["hypoxic"]), ("perfused", "viable near flow", COLOURS["mature"]),
        ("necrotic", "necrotic", COLOURS["necrotic"]), ("cleared", "cleared", "#4D4D4D"))),
    ("CD8 by what stands at their place", "cell/mm^3", True, (
        ("cd8_in_tumour", "viable tumour", COLOURS["viable"]), ("cd8_in_necrosis", "necrosis", COLOURS["necrotic"]),
        ("cd8_in_stroma", "cleared", "#4D4D4D"))),
    ("Median distance from a CD8 cell", "um", True, (
        ("cd8_to_tumour", "to viable tumour", COLOURS["viable"]), ("cd8_to_mdsc", "to MDSC", COLOURS["MDSC"]),
        ("cd8_to_vessel", "to open vessel", COLOURS["mature"]))),
    ("Pairs over those at random (Ripley's K over its expectation)", "1", False, (
        ("cd8_clustering_100", "CD8, 100 µm", COLOURS["CD8"]), ("cd8_near_mdsc", "CD8-MDSC, 100 µm", COLOURS["MDSC"]),
        ("vessel_clustering_50", "vessels, 50 µm", COLOURS["mature"]))),
)  # fmt: skip


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
            values = np.array([np.nan if r[name] is None else factor * r[name] for r in rows])
            seen = np.isfinite(values)
            if seen.any():
                drawn.append(Line(days[seen], values[seen], label, colour))
        axis = "" if unit == "1" else unit_text(unit)
        panels.append(Panel(title, axis, tuple(drawn), zero=zero, scale="linear" if zero else "log"))
    treatments = treatments_of(run)
    return draw_sheet(panels, title=QUESTION, subtitle=title_of(run), key=[], tracks=treatments.tracks(),
                      span=(float(days[0]), float(days[-1])), origin=origin_of(treatments))  # fmt: skip


def draw_tissue(run: Any, folder: Path, target: Path) -> list[Path]:
    """Draw `tissue.png` (the sheet of snapshots) and `tissue_measures.png`; returns their paths."""
    from tme_sim.plots.tissue import snapshot_sheet

    paths = []
    files = run.manifest["files"]
    if any(n.startswith("snapshots/") and n != FILM for n in files):
        sheet = snapshot_sheet(snapshots_of(folder), title_of(run))
        paths.append(save_figure(sheet, target / "tissue.png", title_of(run)))
    if FILM in files:
        paths.append(save_figure(measure_figure(run, folder), target / "tissue_measures.png", QUESTION))
    return paths
