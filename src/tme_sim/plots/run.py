"""Figures of one run, drawn from its record alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tme_sim.plots.figures import FIGURES
from tme_sim.plots.files import save_figure
from tme_sim.plots.panel import KeyItem
from tme_sim.plots.record import lesion_names, title_of
from tme_sim.plots.sheet import draw_sheet
from tme_sim.plots.style import LESION_STYLES, MUTED
from tme_sim.plots.tissue_course import draw_tissue
from tme_sim.plots.treatments import Treatments, key_of, origin_of, treatments_of

__all__ = ["draw_run", "run_figures"]


def run_figures(run, names: Any = None) -> dict[str, Any]:
    """matplotlib Figures of a :class:`tme_sim.results.Run` by name; one that would be empty is left out.

    `names` chooses some of them.

    Raises:
        ValueError: a name that no figure has.
    """
    known = [f.name for f in FIGURES]
    unknown = [n for n in names or () if n not in known]
    if unknown:
        from tme_sim.diagnostics import nearest

        raise ValueError(f'there is no figure "{unknown[0]}"{nearest(unknown[0], known)}')
    treatments = treatments_of(run)
    out = {}
    for figure in FIGURES:
        if names is not None and figure.name not in names:
            continue
        panels = figure.panels(run, treatments)
        if all(p.empty for p in panels):
            continue
        out[figure.name] = draw_sheet(
            panels, title=figure.question, subtitle=_subtitle(run), key=_key(run, treatments),
            tracks=treatments.tracks(), span=(float(run.time[0]), float(run.time[-1])), origin=origin_of(treatments),
        )  # fmt: skip
    return out


def draw_run(folder: str | Path) -> list[Path]:
    """Draw the figures of a run folder into its ``figures/`` and return their paths.

    Raises:
        InputError: no run folder, or one that is damaged.
    """
    from tme_sim.results import Run

    folder = Path(folder)
    run = Run.load(folder)
    target = folder / "figures"
    target.mkdir(exist_ok=True)
    drawn = run_figures(run)
    paths = []
    for figure in FIGURES:
        path = target / f"{figure.name}.png"
        if figure.name in drawn:
            paths.append(save_figure(drawn[figure.name], path, figure.question, figure.caption))
        else:
            path.unlink(missing_ok=True)  # an earlier drawing of this folder
    if any(name.startswith("snapshots/") for name in run.manifest["files"]):
        paths += draw_tissue(run, folder, target)
    return paths


def _subtitle(run) -> str:
    text = title_of(run)
    return text if len(text) <= 110 else text[:109] + "…"


def _key(run, treatments: Treatments) -> list[KeyItem]:
    out = key_of(treatments)
    names = lesion_names(run)
    if len(names) > 1:
        out += [KeyItem("line", name, MUTED, LESION_STYLES[i % len(LESION_STYLES)]) for i, name in enumerate(names)]
    return out
