"""Several runs over each other: one colour per run, one row per quantity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tme_sim.plots.files import save_figure
from tme_sim.plots.panel import KeyItem, Line, Panel, Reference
from tme_sim.plots.record import diameter, lesion_volumes, title_of, unit_of
from tme_sim.plots.sheet import draw_sheet
from tme_sim.plots.style import COLOURS, LESION_STYLES, RUN_COLOURS, TimeScale
from tme_sim.plots.treatments import PROCEDURES, Track, Treatments, origin_of, treatments_of
from tme_sim.thresholds import PARTIAL

__all__ = ["comparison_figure", "draw_comparison"]

QUESTION = "What does each treatment change?"
CAPTION = "Runs over each other: calendar, tumour, vessels, suppression, T cells, liver; one colour per run."

# title, column, scale, unit shown when the column is a plain number
ROWS = (
    ("Share of viable tissue that is hypoxic (below 12 mmHg)", "hypoxic_share", "linear", "%"),
    ("Free VEGF in plasma", "vegf_free_plasma", "auto", ""),
    ("Perfusion (open vessels × quality), against the untreated tumour", "perfusion", "linear", "%"),
    ("Suppressor cells (MDSC) in the tumour", "MDSC", "linear", ""),
    ("CD8 effectors in the tumour", "CD8", "linear", ""),
    ("T-cell killing per visible tumour cell", "kill_hazard", "auto", ""),
    ("Liver function: ALBI score (higher is worse)", "albi", "linear", "score"),
)


def comparison_figure(runs: Sequence):
    """A matplotlib Figure of :class:`tme_sim.results.Run` objects over each other; lesions are averaged by volume.

    Raises:
        ValueError: no runs, or runs without a column in common with the figure.
    """
    if not runs:
        raise ValueError("there is nothing to compare: give at least one run")
    names, styles = run_names(runs), _styles(len(runs))
    treatments = [treatments_of(run) for run in runs]
    looks = list(zip(runs, names, styles, strict=True))
    panels = [_calendar(names, styles, treatments), *_burden(looks)]
    for title, column, scale, unit in ROWS:
        found = _lines(looks, lambda run, c=column: _of_body(run, c), factor=100.0 if unit == "%" else 1.0)
        if found:
            unit = unit or next((unit_of(r, column) for r in runs if column in r), "")
            panels.append(Panel(title, unit, found, scale=scale, zero=column != "albi", height=12.5))
    tracks = [
        Track(name, style[0], _joined(t), _points(t))
        for name, style, t in zip(names, styles, treatments, strict=True)
        if t.any
    ]
    span = (min(float(r.time[0]) for r in runs), max(float(r.time[-1]) for r in runs))
    key = [KeyItem("line", _with_end(run, name, span), *style) for run, name, style in looks]
    if any(t.tace for t in treatments):
        key.append(KeyItem("point", "TACE", COLOURS["tace"]))
    key += [KeyItem("point", PROCEDURES[kind], COLOURS[kind])
            for kind in dict.fromkeys(kind for t in treatments for kind, _ in t.others)]  # fmt: skip
    key += [
        KeyItem("bar", drug, colour)
        for drug, colour in {c.drug: c.colour for t in treatments for c in t.courses}.items()
    ]
    origins = {origin_of(t) for t in treatments if t.any} or {"day 0"}
    return draw_sheet(
        panels, title=QUESTION, subtitle="; ".join(dict.fromkeys(title_of(r) for r in runs))[:110], key=key,
        tracks=tracks, span=span, origin=origins.pop() if len(origins) == 1 else "day 0",
    )  # fmt: skip


def draw_comparison(runs: Sequence, out: str | Path) -> Path:
    """Write the comparison of runs as PNG and return its path.

    Raises:
        ValueError: as `comparison_figure`.
    """
    return save_figure(comparison_figure(runs), out, QUESTION, CAPTION)


def run_names(runs: Sequence) -> list[str]:
    """Short names that tell runs apart: of their scenario, else of their folder, else with a number."""
    scenario = [str(r.manifest.get("scenario", {}).get("name", "")) for r in runs]
    folders = [Path(r.folder).name if r.folder else "" for r in runs]
    for names in (scenario, folders):
        if all(names) and len(set(names)) == len(names):
            return [n if len(n) <= 24 else n[:23] + "…" for n in names]
    return [f"{(name or 'run')[:20]} {i}" for i, name in enumerate(scenario, 1)]


def _with_end(run, name: str, span: tuple[float, float]) -> str:
    """A name for the key; where the run ends well before the others, its last day as well."""
    last = float(run.time[-1])
    return name if last >= span[0] + 0.95 * (span[1] - span[0]) else f"{name} (to day {last:g})"


def _styles(count: int) -> list[tuple[str, object]]:
    """(colour, dashes) of each run; after all colours come dashed ones."""
    n = len(RUN_COLOURS)
    return [(RUN_COLOURS[i % n], LESION_STYLES[(i // n) % len(LESION_STYLES)]) for i in range(count)]


def _joined(treatments: Treatments) -> tuple[tuple[float, float], ...]:
    """Stretches (days) on any drug."""
    out: list[list[float]] = []
    for begin, end in sorted(bar for course in treatments.courses for bar in course.bars(treatments.end)):
        if out and begin <= out[-1][1]:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([begin, end])
    return tuple((begin, end) for begin, end in out)


def _lines(looks, read: Callable, factor: float = 1.0) -> list[Line]:
    out = []
    for run, name, (colour, dashes) in looks:
        values = read(run)
        if values is not None:
            out.append(Line(run.time, factor * values, name, colour, dashes))
    return out


def _of_body(run, name: str):
    """A column over time; of several lesions their mean by volume."""
    if name not in run:
        return None
    values = np.asarray(run[name], dtype=float)
    if values.ndim == 1:
        return values
    weight = np.asarray(run["lesion_volume"], dtype=float) if "lesion_volume" in run else np.ones_like(values)
    return (values * weight).sum(axis=1) / weight.sum(axis=1)


def _burden(looks) -> list[Panel]:
    """Viable volume, and change of the sum of diameters."""
    volumes = {id(run): lesion_volumes(run) for run, _, _ in looks}

    def viable(run):
        """Viable tumour of all lesions (mL), or None."""
        found = volumes[id(run)]
        return None if found is None else found["viable"].sum(axis=1)

    def change(run):
        """Sum of diameters against day 0 (%), or None."""
        found = volumes[id(run)]
        if found is None:
            return None
        sums = diameter(sum(found.values()) * 1000.0).sum(axis=1)
        start = sums[int(np.argmin(np.abs(run.time)))]
        return 100.0 * (sums / start - 1.0) if start else None

    partial = [Reference(-100.0 * PARTIAL, "partial response below")]
    return [
        Panel("Viable tumour volume", "mL", _lines(looks, viable), scale="auto", height=18.0),
        Panel("Sum of diameters, change since day 0", "%", found := _lines(looks, change),
              references=partial if found else (), zero=False, height=16.0),
    ]  # fmt: skip


def _points(one: Treatments) -> tuple[float, ...]:
    """Days of all procedures."""
    return tuple(sorted((*one.tace, *(day for _, days in one.others for day in days))))


def _calendar(names, styles, treatments: Sequence[Treatments]) -> Panel:
    """One row per run: procedures as marks, courses of drugs as bars in the colours of their targets."""
    if not any(t.any for t in treatments):
        return Panel("")

    def draw(axes, scale: TimeScale) -> None:
        """Draw a row of bars for each run."""
        from matplotlib.patches import Rectangle

        for i, one in enumerate(treatments):
            row = len(treatments) - 1 - i
            marked = bool(one.tace or one.others)
            high = 0.8 / max(1, len(one.courses) + marked)
            for k, course in enumerate(one.courses):
                bottom = row + 0.4 - (k + 1 + marked) * high
                for begin, end in course.bars(one.end):
                    begin, end = max(begin, scale.start), min(end, scale.stop)
                    if end > begin:
                        x = scale.of(begin)
                        axes.add_patch(Rectangle((x, bottom), scale.of(end) - x, 0.9 * high, facecolor=course.colour,
                                                 edgecolor="none", zorder=2, gid=f"bar:{course.drug}"))  # fmt: skip
            level = row + 0.4 - 0.5 * high
            for kind, days in (("tace", one.tace), *one.others):
                inside = [scale.of(d) for d in days if scale.start <= d <= scale.stop]
                axes.plot(inside, [level] * len(inside), "v", color=COLOURS[kind], markersize=4.5, markeredgewidth=0,
                          clip_on=False, zorder=4)  # fmt: skip

    texts = [(len(names) - 1 - i, name, style[0]) for i, (name, style) in enumerate(zip(names, styles, strict=True))]
    return Panel("Treatments of each run", draw=draw, texts=texts, limits=(-0.6, len(names) - 0.4),
                 height=sum(2.4 + 1.2 * len(t.courses) for t in treatments) + 1.0, strips=False)  # fmt: skip
