"""The picture of a study: what an endpoint does over what was varied.

A grid of two numbers is a map, one number a line, choices and arms are ranked, and many factors are a strip each, the
one that matters most first.  What is drawn for each patient counts as a factor in strips only: elsewhere patients are
what means, medians and bands are taken over.  Drawn from the table of the store, so that it can be drawn again at any
time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tme_sim.plots.style import (
    DPI,
    INK,
    MUTED,
    RUN_COLOURS,
    TEXT,
    TITLE,
    WIDTH_MM,
    between_powers,
    dress_axes,
    number_text,
    power_text,
    unit_text,
)

if TYPE_CHECKING:
    from tme_sim.study.plan_table import PlanTable

__all__ = ["draw_study", "how_to_read", "study_figure"]

PREFERRED = ("viable_fraction_d180", "viable_fraction_d90", "burden_d90", "burden_d28", "pfs", "depth_mrecist", "depth")
MOST_STRIPS, MOST_MAPS, MOST_RANKED = 8, 4, 40
FEW_RUNS = 100  # below which the dots of strips are large
MOST_RANKS = 3  # arms whose rank correlations are told one by one
FEW_LEVELS, APART = 6, 0.025  # values of a factor at which arms stand side by side, and how far, of its span
MM = 25.4
NOTHING = "#E4E4E4"  # where no run has a value


@dataclass(frozen=True)
class _View:
    """The rows that have a result, and what is drawn of them."""

    endpoint: str
    unit: str
    meaning: str
    values: np.ndarray
    arms: np.ndarray
    numbers: dict[str, np.ndarray]
    choices: dict[str, np.ndarray]
    labels: dict[str, str]
    failed: int
    design: str
    drawn: frozenset[str]  # factors that are drawn for each patient


def draw_study(plan: PlanTable, table: Mapping[str, Any], out: str | Path, endpoint: str = "") -> Path:
    """Write the picture of a study as PNG and return its path.

    Raises:
        ValueError: as :func:`study_figure`.
    """
    from tme_sim.plots.files import save_figure

    caption = f"Study {plan.about['name']}: {plan.about.get('question', '')}"
    return save_figure(study_figure(plan, table, endpoint), out, plan.about.get("title", ""), caption)


def study_figure(plan: PlanTable, table: Mapping[str, Any], endpoint: str = ""):
    """A matplotlib Figure of one endpoint over the factors.

    Raises:
        ValueError: no run has a result, or an endpoint that is not in the table.
    """
    view, draw, height = _form(_view(plan, table, endpoint))
    figure = _sheet(plan, view, height)
    draw(figure, view)
    return figure


def _view(plan: PlanTable, table: Mapping[str, Any], endpoint: str) -> _View:
    from tme_sim.definitions import definition_of
    from tme_sim.study.tables import unit_of

    good = table["status"] == "ok"
    if not good.any():
        raise ValueError("there is nothing to draw: no run has a result")
    known = plan.settings | {"status", "message"}
    numeric = [n for n, v in table.items() if n not in known and v.dtype != object]
    if endpoint and endpoint not in numeric:
        raise ValueError(f"{endpoint} is no number in this table")
    if not numeric:
        raise ValueError("there is nothing to draw: no endpoint of this study is a number (outputs.endpoints)")
    asked = [endpoint] if endpoint else [n for n in plan.shown if n in numeric]
    spread = [n for n in (*PREFERRED, *numeric) if n in numeric and np.ptp(_finite(table[n][good])) > 0]
    name = (asked or spread or numeric)[0]
    found, of_study = definition_of(name), {derived: title for derived, _, _, title in plan.derived}
    numbers, choices, labels = {}, {}, {}
    for factor, unit, title, is_choice in plan.factors:
        column = table[factor][good]
        labels[factor] = title + ("" if is_choice or unit == "1" else f" ({unit_text(unit)})")
        if is_choice:
            choices[factor] = column
        elif np.unique(column[np.isfinite(column)]).size > 1:
            numbers[factor] = column
    meaning = found.text.replace("day N", f"day {name.rpartition('_d')[2]}") if found else of_study.get(name) or name
    drawn = frozenset(factor for factor, *_ in plan.factors if _is_drawn(table, factor))
    return _View(name, unit_of(plan, name), meaning, table[name][good], table["arm"][good], numbers, choices, labels,
                 int((~good).sum()), plan.about.get("design", ""), drawn)  # fmt: skip


def _is_drawn(table: Mapping[str, Any], factor: str) -> bool:
    """Whether a factor belongs to patients: each of several has one value of it, at every point and in every arm."""
    column = table[factor]
    numbers, first, which = np.unique(table["replicate"], return_index=True, return_inverse=True)
    same = column == column[first][which]
    if column.dtype.kind == "f":
        same |= np.isnan(column)
    return numbers.size > 1 and bool(same.all())


def _finite(values: np.ndarray) -> np.ndarray:
    found = values[np.isfinite(values)]
    return found if found.size else np.zeros(1)


def how_to_read(plan: PlanTable, table: Mapping[str, Any]) -> str:
    """What one sees in :func:`study_figure`, in a sentence.

    Raises:
        ValueError: no run has a result.
    """
    return READ[_form(_view(plan, table, ""))[1]]


def _form(view: _View) -> tuple[_View, Callable[[Any, _View], None], float]:
    """What of a view is drawn, how, and the height of that in mm."""
    own = replace(view, numbers={n: v for n, v in view.numbers.items() if n not in view.drawn},
                  choices={n: v for n, v in view.choices.items() if n not in view.drawn})  # fmt: skip
    count, arms = len(own.numbers), len(set(view.arms))
    if count == 2 and view.design == "grid" and not own.choices:
        return own, _maps, 70.0 * (1 + (min(MOST_MAPS, arms) - 1) // 2)
    if count == 1 and not own.choices:
        return own, _lines, 70.0
    if count == 0 and (own.choices or arms > 1 or not view.numbers):
        return own, _ranked, 12.0 + 5.0 * min(MOST_RANKED, len(set(_groups(own))))
    strips = min(MOST_STRIPS, len(view.numbers) + len(view.choices))
    return view, _strips, 42.0 * (1 + (strips - 1) // 2)


def _sheet(plan: PlanTable, view: _View, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    top, bottom = 15.0, 12.0
    whole = top + height + bottom
    figure = Figure(figsize=(WIDTH_MM / MM, whole / MM), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    title = plan.about.get("title") or plan.about.get("question") or plan.about["name"]
    figure.text(4 / WIDTH_MM, 1 - 3 / whole, _cut(title, 110), fontsize=TITLE, fontweight="bold", color=INK, va="top")
    under = f"{view.endpoint}: {_plain(view.meaning)}"
    figure.text(4 / WIDTH_MM, 1 - 8 / whole, _cut(under, 140), fontsize=TEXT, color=MUTED, va="top")
    left_out = f"; {view.failed} without a result are left out" if view.failed else ""
    foot = f"{len(view.values)} runs{left_out}"
    figure.text(4 / WIDTH_MM, 1 / whole, foot, fontsize=TEXT, color=MUTED, va="bottom")
    figure.subplots_adjust(left=17 / WIDTH_MM, right=1 - 8 / WIDTH_MM, top=1 - (top + 3) / whole, bottom=bottom / whole,
                           wspace=0.28, hspace=0.45)  # fmt: skip
    return figure


def _aside(figure, words: str) -> None:
    """What marks mean, at the lower right."""
    whole = figure.get_size_inches()[1] * MM
    figure.text(1 - 4 / WIDTH_MM, 1 / whole, words, fontsize=TEXT, color=MUTED, va="bottom", ha="right")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")


def _scaled(axes, side: str, values: np.ndarray) -> None:
    """A logarithmic axis where the values are spread like that, with plain numbers at its ticks."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if _logarithmic(values):
        getattr(axes, f"set_{side}scale")("log")
        axis = getattr(axes, f"{side}axis")
        found = values[np.isfinite(values)]
        axis.set_major_locator(LogLocator(subs=between_powers(found.min(), found.max()), numticks=6))
        axis.set_major_formatter(FuncFormatter(power_text))
        axis.set_minor_locator(NullLocator())


def _endpoint(view: _View) -> str:
    unit = unit_text(view.unit)
    return view.endpoint + (f" ({unit})" if unit and view.unit not in ("1", "text") else "")


def _logarithmic(values: np.ndarray) -> bool:
    """Whether distinct values are spread evenly over a logarithm rather than a line."""
    distinct = np.unique(values[np.isfinite(values)])
    return bool(distinct.size > 2 and distinct[0] > 0 and distinct[-1] / distinct[0] >= 10
                and np.median(distinct) < 0.75 * 0.5 * (distinct[0] + distinct[-1]))  # fmt: skip


def _maps(figure, view: _View) -> None:
    """A map for each arm: mean over patients at each node, one scale for all."""
    from matplotlib.ticker import ScalarFormatter

    figure.subplots_adjust(right=1 - 13 / WIDTH_MM)  # room for a scale of six characters and its name
    names, sense = list(view.numbers), _sense(view.endpoint)
    colours = "cividis_r" if sense < 0 else "cividis"  # bright is better, as on timing surfaces
    arms = list(dict.fromkeys(view.arms))[:MOST_MAPS]
    xs, ys = (np.unique(view.numbers[n]) for n in names)
    grids, most = [], 0
    for arm in arms:
        grid = np.full((ys.size, xs.size), np.nan)
        here = view.arms == arm
        ix, iy = (np.searchsorted(v, view.numbers[n][here]) for v, n in zip((xs, ys), names, strict=True))
        total, count = np.zeros(grid.shape), np.zeros(grid.shape)
        good = np.isfinite(view.values[here])
        np.add.at(total, (iy[good], ix[good]), view.values[here][good])
        np.add.at(count, (iy[good], ix[good]), 1)
        grid[count > 0] = total[count > 0] / count[count > 0]
        most = max(most, int(count.max()))
        grids.append(grid)
    low, high = (f([f(_finite(g.ravel())) for g in grids]) for f in (np.min, np.max))
    columns = min(2, len(arms))
    rows = -(-len(arms) // columns)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for one in axes[len(arms) :]:
        one.set_visible(False)
    for one, arm, grid in zip(axes, arms, grids, strict=False):
        one.set_facecolor(NOTHING)
        shade = one.pcolormesh(_edges(xs), _edges(ys), grid, cmap=colours, vmin=low, vmax=high, rasterized=True)
        for v, axis in ((xs, "x"), (ys, "y")):
            _scaled(one, axis, v)
            if v.size <= 9 and not _logarithmic(v):
                getattr(one, f"set_{axis}ticks")(v, [number_text(x) for x in v])
        dress_axes(one, view.labels[names[0]], view.labels[names[1]])
        if len(arms) > 1:
            one.set_title(arm, fontsize=TEXT, color=INK, loc="left", pad=3)
    beside = list(axes[: len(arms)])
    bar = figure.colorbar(shade, ax=beside, fraction=0.045, pad=0.02, format=ScalarFormatter(useOffset=False))
    bar.set_label(_endpoint(view), fontsize=TEXT, color=INK)
    bar.ax.tick_params(labelsize=TEXT, length=2, width=0.5)
    bar.outline.set_visible(False)
    several = ["colour: mean over patients"] if most > 1 else []
    several += ["bright: better"] if sense else []
    empty = [] if all(np.isfinite(grid).all() for grid in grids) else ["grey: no run with a value"]
    if several or empty:
        _aside(figure, "; ".join(several + empty))


def _sense(endpoint: str) -> int:
    """1 where more of an endpoint is better, -1 where less is, 0 where that is not known."""
    from tme_sim.diagnostics import InputError
    from tme_sim.findings.table import sense_of

    try:
        return sense_of(endpoint)
    except InputError:
        return 0


def _edges(nodes: np.ndarray) -> np.ndarray:
    """Borders of the cells around nodes."""
    log = _logarithmic(nodes)
    v = np.log(nodes) if log else nodes
    middle = 0.5 * (v[1:] + v[:-1])
    edges = np.concatenate([[v[0] - (middle[0] - v[0])], middle, [v[-1] + (v[-1] - middle[-1])]])
    return np.exp(edges) if log else edges


def _lines(figure, view: _View) -> None:
    """A line for each arm: the median, and the middle 80 % where there are several patients."""
    name = next(iter(view.numbers))
    axes = figure.subplots()
    x_all, told = view.numbers[name], ""
    for k, arm in enumerate(dict.fromkeys(view.arms)):
        colour = RUN_COLOURS[k % len(RUN_COLOURS)]
        here = (view.arms == arm) & np.isfinite(x_all) & np.isfinite(view.values)
        xs = np.unique(x_all[here])
        groups = [view.values[here & (x_all == x)] for x in xs]
        marker = "o" if xs.size <= 60 else ""
        middle = [np.median(g) for g in groups]
        axes.plot(xs, middle, marker=marker, markersize=2.5, linewidth=1.0, color=colour, label=arm)
        if max((g.size for g in groups), default=0) > 2:
            low, high = (np.array([np.percentile(g, p) for g in groups]) for p in (10, 90))
            axes.fill_between(xs, low, high, color=colour, alpha=0.15, linewidth=0)
            told = "line: median; band: middle 80 %"
    if told:
        _aside(figure, told)
    _scaled(axes, "x", x_all)
    dress_axes(axes, view.labels[name], _endpoint(view))
    if len(set(view.arms)) > 1:
        axes.legend(fontsize=TEXT, frameon=False, loc="best")


def _groups(view: _View) -> list[str]:
    """What each row is: its arm and choices in words."""
    arms = len(set(view.arms)) > 1 or not view.choices
    parts = [view.arms.astype(str)] if arms else []
    parts += [column.astype(str) for column in view.choices.values()]
    return [", ".join(p for p in row if p) or "base" for row in zip(*parts, strict=True)]


def _ranked(figure, view: _View) -> None:
    """Choices and arms from the smallest to the largest median, with every patient as a dot."""
    groups = np.array(_groups(view), dtype=object)
    medians = {g: float(np.median(_finite(view.values[groups == g]))) for g in dict.fromkeys(groups)}
    order = sorted(medians, key=medians.get)[:MOST_RANKED]
    longest = max(len(_cut(str(g), 60)) for g in order)
    figure.subplots_adjust(left=min(0.5, (8 + 1.25 * longest) / WIDTH_MM))
    axes = figure.subplots()
    for i, group in enumerate(order):
        values = view.values[groups == group]
        look = {"markersize": 2.5, "color": RUN_COLOURS[1], "alpha": 0.5, "markeredgewidth": 0}
        axes.plot(values, np.full(values.size, i), "o", **look)
        axes.plot([medians[group]], [i], "|", markersize=8, color=INK)
    axes.set_yticks(range(len(order)), [_cut(str(g), 60) for g in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    _aside(figure, "dot: a run; bar: median")
    dress_axes(axes, _endpoint(view), None)


def _strips(figure, view: _View) -> None:
    """A scatter over each factor, those first whose rank goes with the endpoint most in some arm; where one factor was
    moved at a time, those first that move it most."""
    alone = view.design == "one_at_a_time"
    columns = view.numbers | {n: _by_median(v.astype(str), view.values) for n, v in view.choices.items()}
    ranks = {n: _strengths(view, v) for n, v in columns.items()}
    size = {n: _moved(view, n) if alone else max(map(abs, ranks[n])) for n in columns}
    order = sorted(size, key=lambda n: -size[n])[:MOST_STRIPS]
    rows = -(-len(order) // 2)
    axes = figure.subplots(rows, 2, squeeze=False, sharey=alone).ravel()
    for one in axes[len(order) :]:
        one.set_visible(False)
    arms = list(dict.fromkeys(view.arms))
    for k, (one, name) in enumerate(zip(axes, order, strict=False)):
        _strip(one, view, name, arms)
        dress_axes(one, view.labels[name], _endpoint(view) if k % 2 == 0 else None)
        enough = name in view.numbers and np.isfinite(view.numbers[name]).sum() > 2  # choices have no order
        if enough and not alone:
            one.set_title(_ranks_text(ranks[name]), fontsize=TEXT, color=MUTED, loc="right", pad=2)
    if len(arms) > 1:
        axes[0].legend(fontsize=TEXT, frameon=False, loc="best", markerscale=2 if view.values.size >= FEW_RUNS else 1)


def _strengths(view: _View, column: np.ndarray) -> list[float]:
    """Rank correlation in each arm, as the arms differ for other reasons than the factor."""
    return [_strength(column[view.arms == arm], view.values[view.arms == arm]) for arm in dict.fromkeys(view.arms)]


def _moved(view: _View, name: str) -> float:
    """How far the endpoint moves with a factor in some arm, over the rows that do not leave it alone."""
    column = view.numbers.get(name)
    given = np.isfinite(column) if column is not None else view.choices[name].astype(str) != ""
    return max(float(np.ptp(_finite(view.values[given & (view.arms == arm)]))) for arm in dict.fromkeys(view.arms))


def _ranks_text(ranks: Sequence[float]) -> str:
    """The rank correlation of each arm, in the order of the legend; of many arms the ends."""
    told = [f"{r:+.2f}" if abs(r) >= 0.005 else "0.00" for r in ranks]
    if len(told) > MOST_RANKS:
        told = [f"{min(ranks):+.2f} to {max(ranks):+.2f}"]
    return f"rank correlation {', '.join(told)}".replace("-", "\N{MINUS SIGN}")


def _strip(axes, view: _View, name: str, arms: Sequence[str]) -> None:
    """Rows over one factor, but for those that leave it alone, as most of a design of one at a time do."""
    if name in view.choices:
        chosen = view.choices[name].astype(str)
        levels, at = np.unique(chosen[chosen != ""], return_inverse=True)
        axes.set_xticks(range(levels.size), [_cut(level, 18) for level in levels])
        x = np.full(chosen.size, np.nan)
        x[chosen != ""] = at
    else:
        x = view.numbers[name]
        _scaled(axes, "x", x)
    size = 4.0 if x.size < FEW_RUNS else 2.5 if x.size < 500 else 1.2
    known = np.unique(x[np.isfinite(x)])
    few = 0 < known.size <= FEW_LEVELS and axes.get_xscale() == "linear"
    apart = APART * np.ptp(known) if few else 0.0
    for i, arm in enumerate(arms):
        here = view.arms == arm
        look = {"markersize": size, "markeredgewidth": 0, "alpha": 0.6 if x.size < 500 else 0.3, "rasterized": True}
        beside = x[here] + apart * (i - (len(arms) - 1) / 2)
        axes.plot(beside, view.values[here], "o", color=RUN_COLOURS[(i + 1) % len(RUN_COLOURS)], label=arm, **look)


READ = {
    _maps: "Each cell is the mean over the patients at one pair of values; all arms share one scale.",
    _lines: "A line is the median of an arm, its band the middle 80 % of patients.",
    _ranked: "Dots are single runs, a stroke is their median; the smallest median stands at the top.",
    _strips: "A dot is a run; the factor whose rank goes with the endpoint most comes first.",
}


def _by_median(groups: np.ndarray, y: np.ndarray) -> np.ndarray:
    """For each value the median of all values of its group."""
    names, at = np.unique(groups, return_inverse=True)
    return np.array([np.median(_finite(y[at == i])) for i in range(names.size)])[at]


def _strength(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where either does not vary."""
    from scipy.stats import spearmanr

    good = np.isfinite(x) & np.isfinite(y)
    if good.sum() < 3 or np.ptp(x[good]) == 0 or np.ptp(y[good]) == 0:
        return 0.0
    return float(spearmanr(x[good], y[good]).statistic)
