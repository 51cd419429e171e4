"""Figures of a cohort: how its draws are spread, and its baseline beside the published one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tme_sim.plots.style import DPI, FAINT, INK, MUTED, TEXT, TITLE, WIDTH_MM, number_text, unit_text
from tme_sim.plots.trial_sheet import counted, shortened

__all__ = ["cohort_figure"]

MM = 25.4
MOST_LETTERS = 138  # of the line below the question
QUESTION = "Who is drawn?"
CAPTION = "Distributions of a cohort's draws, and its baseline beside what was published."
BAR, POINT = "#8FB8DE", "#D55E00"
FIRST = (
    "tumour_number",
    "largest_diameter",
    "burden",
    "bclc",
    "aetiology",
    "doubling_time",
    "albi",
    "child_pugh_points",
    "vegf_plasma_start",
    "cd8_density",
    "mdsc_density",
    "f_spec",
)
WORDS = {
    "tumour_number": "tumours in the liver",
    "largest_diameter": "largest diameter",
    "burden": "diameter (cm) + number",
    "bclc": "BCLC stage",
    "aetiology": "aetiology",
    "doubling_time": "doubling time",
    "albi": "ALBI score",
    "child_pugh_points": "Child-Pugh points",
    "vegf_plasma_start": "VEGF in plasma",
    "cd8_density": "CD8 in the tumour",
    "mdsc_density": "MDSC in the tumour",
    "f_spec": "tumour-specific share of CD8",
}
LOGARITHMIC = ("largest_diameter", "doubling_time", "vegf_plasma_start", "cd8_density", "mdsc_density", "f_spec")


def cohort_figure(cohort: Any, patients: Sequence[Any], published: Sequence[dict[str, Any]]):
    """A matplotlib Figure: a panel per draw (the best known twelve), then published against drawn figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from tme_sim.cohort.baseline import unit_of

    names = [n for n in FIRST if n in patients[0].values]
    rows = -(-len(names) // 4)
    top, panel, gap, below = 14.0, 24.0, 14.0, 8.0 + 5.0 * len(published) + (12.0 if published else 0.0)
    height = top + rows * (panel + gap) + below
    figure = Figure(figsize=(WIDTH_MM / MM, height / MM), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(4 / WIDTH_MM, 1 - 3 / height, QUESTION, fontsize=TITLE, fontweight="bold", color=INK, va="top")
    told = f": {counted(len(patients))}; % over bars, lines at medians"
    about = shortened(cohort.title or cohort.name, MOST_LETTERS - len(told)) + told
    figure.text(4 / WIDTH_MM, 1 - 8 / height, about, fontsize=TEXT, color=MUTED, va="top")
    for i, name in enumerate(names):
        row, column = divmod(i, 4)
        left, width = 8.0 + 43.5 * column, 36.0
        bottom = height - top - row * (panel + gap) - panel - 4.0
        axes = figure.add_axes((left / WIDTH_MM, bottom / height, width / WIDTH_MM, panel / height))
        _spread(axes, [p.values[name] for p in patients], name in LOGARITHMIC)
        unit = unit_of(cohort, name)
        bare = name in ("burden", "bclc", "child_pugh_points") or unit in ("1", "text")
        unit = "" if bare else f" ({unit_text(unit)})"
        axes.set_title(WORDS[name] + unit, fontsize=TEXT, color=INK, loc="left", pad=3)
    if published:
        bottom = 9.0
        axes = figure.add_axes((62 / WIDTH_MM, bottom / height, 84 / WIDTH_MM, 5.0 * len(published) / height))
        _published(axes, published)
    return figure


def _bare(axes: Any) -> None:
    axes.tick_params(labelsize=TEXT, length=2, width=0.5, color=MUTED, labelcolor=INK)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_linewidth(0.5)
    axes.spines["bottom"].set_color(MUTED)


def _spread(axes: Any, values: list[Any], logarithmic: bool) -> None:
    _bare(axes)
    axes.set_yticks([])
    distinct = sorted(set(values))
    if isinstance(values[0], str) or len(distinct) <= 10:
        shares = [100 * sum(v == d for v in values) / len(values) for d in distinct]
        axes.bar(range(len(distinct)), shares, width=0.7, color=BAR)
        words = [d if isinstance(d, str) else format(d, "g") for d in distinct]
        axes.set_xticks(range(len(distinct)), words)
        for place, share in enumerate(shares):
            axes.text(place, share, f"{share:.0f}", ha="center", va="bottom", fontsize=TEXT, color=MUTED)
        axes.set_ylim(0, 1.2 * max(shares))
        return
    numbers = np.array(values, dtype=np.float64)
    if logarithmic:
        edges = np.geomspace(numbers.min(), numbers.max(), 22)
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(_none())
        axes.xaxis.set_major_locator(_round_values(numbers))
        axes.xaxis.set_major_formatter(number_text)
    else:
        edges = np.linspace(numbers.min(), numbers.max(), 22)
    axes.hist(numbers, bins=edges, color=BAR, linewidth=0)
    axes.axvline(float(np.median(numbers)), color=INK, linewidth=0.8)


def _none():
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _round_values(numbers: np.ndarray):
    """About four round places of a logarithmic axis."""
    from matplotlib.ticker import FixedLocator

    low, high = numbers.min(), numbers.max()
    for leading in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)):
        inside = [m * 10.0**e for e in range(-6, 8) for m in leading if low <= m * 10.0**e <= high]
        if len(inside) > 1:  # a narrow range needs finer places
            break
    while len(inside) > (3 if high > 2000 else 4):
        inside = inside[::2]
    return FixedLocator(inside or [low, high])


def _published(axes: Any, published: Sequence[dict[str, Any]]) -> None:
    """Drawn over published, each with twice its sampling error, on the scale of the published figure."""
    _bare(axes)
    axes.set_title(
        "Drawn over published (1 is equal), twice the sampling error; drawn | published",
        fontsize=TEXT,
        color=INK,
        loc="left",
        pad=3,
    )
    axes.axvline(1.0, color=FAINT, linewidth=0.8)
    ratios = []
    for lane, one in enumerate(published):
        scale = one["published"] if one["published"] else 1.0
        ratio, error = one["drawn"] / scale, abs(2 * one["error"] / scale) if one["error"] == one["error"] else 0.0
        ratios += [ratio - error, ratio + error]
        axes.errorbar(ratio, lane, xerr=error, fmt="o", color=POINT, markersize=3, elinewidth=1.0)
        axes.text(
            1.01,
            lane,
            f"{_figure(one, 'drawn')} | {_figure(one, 'published')}",
            fontsize=TEXT,
            color=INK,
            va="center",
            transform=axes.get_yaxis_transform(),
            ha="left",
        )
    axes.set_yticks(range(len(published)), [one["what"][:44] for one in published])
    axes.set_ylim(len(published) - 0.5, -0.5)
    axes.set_xlim(min(0.5, *ratios), max(1.5, *ratios))


def _figure(one: dict[str, Any], key: str) -> str:
    return f"{100 * one[key]:.0f} %" if one["statistic"] == "share" else f"{one[key]:.3g}"
