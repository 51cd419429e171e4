"""Figures of findings: timing surfaces, sensitivity, thresholds, knock-outs, differences between protocols."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tme_sim.plots.style import (
    DPI,
    FAINT,
    INK,
    MUTED,
    RUN_COLOURS,
    TEXT,
    TITLE,
    WIDTH_MM,
    between_powers,
    number_text,
    power_text,
    unit_text,
)  # fmt: skip

__all__ = [
    "arms_figure", "bars_figure", "differences_figure", "flips_figure", "knockouts_figure", "morris_figure", "png",
    "scan_figure", "surface_figure", "tornado_figure",
]  # fmt: skip

LEFT = 46.0  # mm of names before bars, at least
NAME_HIGH = 0.042  # of a name in the figure of Morris, as a share of the axes
LETTER = 1.5  # mm that a letter of a name takes
ROW = 5.0  # mm a bar takes
HEAD = 13.0  # mm of title and subtitle
ARM_COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#7A4A00", "#0072B2")  # of arms, wherever orders are flipped
FACTORS = (  # round ratios on an axis, by how far it goes
    (1.02, 1.05, 1.1), (1.05, 1.1, 1.2), (1.1, 1.2, 1.4), (1.2, 1.5, 2.0, 3.0), (1.5, 2.0, 4.0, 8.0),
    (2.0, 5.0, 10.0, 30.0),
)  # fmt: skip
MOST_CARRIED = 150.0  # per cent of a gap that an arrow carries, beyond which its bar is cut and its number written
BLUE, RED, GREY = "#0072B2", "#D55E00", "#9A9A9A"


def png(figure: Any) -> bytes:
    """A figure as the bytes of a PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, pil_kwargs={"compress_level": 6})
    return stream.getvalue()


class _Paper:
    """A figure measured in mm from its upper left corner, with title and subtitle."""

    def __init__(self, height: float, title: str, subtitle: str):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.height = height
        self.figure = Figure(figsize=(WIDTH_MM / 25.4, height / 25.4), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self.figure)
        self.text(4, 2.0, title, fontsize=TITLE, fontweight="bold", color=INK, va="top")
        for i, line in enumerate(_lines(subtitle, 128)):
            self.text(4, 6.6 + 3.2 * i, line, fontsize=TEXT, color=MUTED, va="top")

    def text(self, x: float, y: float, words: str, **style: Any) -> Any:
        return self.figure.text(x / WIDTH_MM, 1.0 - y / self.height, words, **style)

    def axes(self, left: float, top: float, width: float, height: float) -> Any:
        box = (left / WIDTH_MM, 1.0 - (top + height) / self.height, width / WIDTH_MM, height / self.height)
        axes = self.figure.add_axes(box)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_linewidth(0.6)
            spine.set_color(INK)
        axes.tick_params(labelsize=TEXT, width=0.6, length=2.2, pad=1.5, color=INK, labelcolor=INK)
        return axes


def _left(names: Sequence[str], least: float) -> float:
    """Room before bars (mm) for the longest of their names."""
    return max(least, 6.0 + LETTER * max((len(name) for name in names), default=0))


def _lines(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)[:3]


def _name(axes: Any, x: str, y: str = "") -> None:
    axes.set_xlabel(x, fontsize=TEXT, color=INK, labelpad=2)
    if y:
        axes.set_ylabel(y, fontsize=TEXT, color=INK, labelpad=2)


def _numbers(axes: Any, *, x: bool = True, y: bool = True) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for axis, wanted in ((axes.xaxis, x), (axes.yaxis, y)):
        if wanted:
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
            axis.set_major_formatter(FuncFormatter(number_text))


# --- timing surface ----------------------------------------------------------------------------------


def surface_figure(
    surface, window, paired, *, title: str, subtitle: str, labels: tuple[str, str, str],
    points: Mapping[str, tuple[float, float]] | None = None, dates: tuple[bool, bool] = (True, True),
):  # fmt: skip
    """A map of the mean outcome with the near-best windows and named orders, and its course along both dates.

    `labels` name x, y and the outcome; `points` are named orders (x, y); `dates` says which axes are days, whose day 0
    is marked.
    """
    paper = _Paper(112.0, title, subtitle)
    axes = paper.axes(16, 20, 86, 76)
    mean = surface.mean
    levels = np.linspace(mean.min(), mean.max(), 15) if np.ptp(mean) > 0 else [mean.min() - 1, mean.min() + 1]
    colours = "cividis" if surface.sense > 0 else "cividis_r"  # as the maps of studies and of the explorer
    filled = axes.contourf(surface.x, surface.y, mean.T, levels=levels, cmap=colours)
    axes.set_xlim(surface.x[0], surface.x[-1]), axes.set_ylim(surface.y[0], surface.y[-1])
    told = ["star: best point"]
    several = len(surface.values) > 1
    edge = "white line: edge of near-best (5 % of the best, or its 80 % band)" if several else "white line: within 5 %"
    for one, style, colour, word in (
        (window, "-", "white", edge), *([(paired, "--", INK, "dashed: edge of the paired window")] if several else []),
    ):  # fmt: skip
        if not one.near.all():
            axes.contour(surface.x, surface.y, one.margin.T, levels=[0.0], colors=colour, linestyles=style,
                         linewidths=1.1)  # fmt: skip
            told.append(word)
    told += ["the star's side is inside"] if len(told) > 1 else []
    axes.plot(*window.best, marker="*", markersize=9, color="white", markeredgecolor=INK, markeredgewidth=0.6,
              clip_on=False, zorder=5)  # fmt: skip
    middle = 0.5 * (surface.x[0] + surface.x[-1])
    for name, (x, y) in (points or {}).items():
        axes.plot(x, y, "o", markersize=4, color="white", markeredgecolor=INK, markeredgewidth=0.8, clip_on=False,
                  zorder=5)  # fmt: skip
        right = x <= middle
        axes.annotate(name, (x, y), xytext=(4 if right else -4, 0), textcoords="offset points", fontsize=TEXT,
                      ha="left" if right else "right", va="center", color=INK, zorder=6,
                      bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75})  # fmt: skip
    zero = {"color": "white", "linewidth": 0.5, "alpha": 0.6, "linestyle": ":"}
    marked = [date and axis[0] < 0 < axis[-1] for date, axis in zip(dates, (surface.x, surface.y), strict=True)]
    for mark, line in zip(marked, (axes.axvline, axes.axhline), strict=True):
        if mark:
            line(0, **zero)
    told += ["dotted: day 0"] if any(marked) else []
    _name(axes, labels[0], labels[1])
    _numbers(axes)
    bar = paper.figure.colorbar(filled, cax=paper.axes(104, 20, 3, 76))
    bar.outline.set_linewidth(0.4)
    bar.ax.tick_params(labelsize=TEXT, width=0.6, length=2)
    from matplotlib.ticker import MaxNLocator

    bar.ax.yaxis.set_major_locator(MaxNLocator(7))
    bar.ax.yaxis.set_major_formatter(lambda v, _: number_text(float(f"{v:.4g}")))
    bar.set_label(labels[2], fontsize=TEXT, color=INK)
    _courses(paper, surface, window, labels)
    for i, line in enumerate(_lines("; ".join(told), 124)):
        paper.text(16, 106 + 3.2 * i, line, fontsize=TEXT, color=MUTED, va="top")
    return paper.figure


def _courses(paper: _Paper, surface, window, labels) -> None:
    """Mean and 80 % band along each date, through the best point."""
    i = int(np.flatnonzero(surface.x == window.best[0])[0])
    j = int(np.flatnonzero(surface.y == window.best[1])[0])
    low, high = surface.band
    for k, (axis, cut) in enumerate(((surface.x, (slice(None), j)), (surface.y, (i, slice(None))))):
        axes = paper.axes(139, 28 + 42 * k, 37, 25)
        if len(surface.values) > 1:
            axes.fill_between(axis, low[cut], high[cut], color="#BFD7EA", linewidth=0, zorder=1)
        axes.plot(axis, surface.mean[cut], "-", color=BLUE, linewidth=1.2, zorder=2)
        axes.set_xlim(axis[0], axis[-1])
        _numbers(axes)
        _name(axes, "\n".join(_lines(labels[k], 34)))
    paper.text(130, 17.6, labels[2], fontsize=TEXT, color=INK, va="top")
    what = "mean and 80 % band of members," if len(surface.values) > 1 else "course of the only member,"
    paper.text(130, 20.6, what, fontsize=TEXT, color=MUTED, va="top")
    paper.text(130, 23.6, "the other axis as at the star", fontsize=TEXT, color=MUTED, va="top")


# --- sensitivity ----------------------------------------------------------------------------------


def bars_figure(
    names: Sequence[str], series: Mapping[str, Sequence[Any]], *, title: str, subtitle: str, label: str, most: int = 20
):
    """Horizontal bars with intervals, largest first; each of `series` holds one index (value, low, high) per name."""
    sizes = np.array([[abs(one.value) for one in row] for row in series.values()])
    order = np.argsort(-sizes.max(axis=0), kind="stable")[:most]
    each = ROW if len(series) == 1 else ROW + 1.6
    top = HEAD + (4 if len(series) == 1 else 8)  # room for the names of the series
    paper = _Paper(top + 2 + each * len(order) + 12, title, subtitle)
    left = _left([names[k] for k in order], LEFT + 10)
    axes = paper.axes(left, top, WIDTH_MM - left - 8, each * len(order))
    thick = 0.72 / len(series)
    for s, (name, row) in enumerate(series.items()):
        y = np.arange(len(order)) - 0.36 + thick * (s + 0.5)
        values = np.array([row[k].value for k in order])
        errors = np.array([[row[k].value - row[k].low, row[k].high - row[k].value] for k in order]).T
        colour = (BLUE, RED, GREY)[s]
        axes.barh(y, values, 0.9 * thick, color=colour, label=name)
        axes.errorbar(values, y, xerr=np.maximum(errors, 0.0), fmt="none", ecolor=INK, elinewidth=0.6, capsize=1.2)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_yticks(range(len(order)), [names[k] for k in order])
    axes.axvline(0, color=INK, linewidth=0.6)
    _numbers(axes, y=False)
    _name(axes, label)
    if len(series) > 1:
        _legend(paper, axes, left)
    return paper.figure


def _legend(paper, axes, left: float) -> None:
    """Names of the colours above the axes, from `left` (mm)."""
    paper.figure.legend(*axes.get_legend_handles_labels(), fontsize=TEXT, frameon=False, ncols=2, loc="upper left",
                        bbox_to_anchor=(left / WIDTH_MM - 0.01, 1 - (HEAD + 1.5) / paper.height))  # fmt: skip


def tornado_figure(found, *, title: str, subtitle: str, label: str, most: int = 20):
    """The outcome at both ends of each factor's range against that at the values used, widest first."""
    width = np.nan_to_num(np.maximum(np.abs(found.low - found.at), np.abs(found.high - found.at)))
    order = np.argsort(-width, kind="stable")[:most]
    paper = _Paper(HEAD + 8 + ROW * len(order) + 12, title, subtitle)
    names = [found.names[k] + _without(found.low[k], found.high[k]) for k in order]
    left = _left(names, LEFT)
    axes = paper.axes(left, HEAD + 8, WIDTH_MM - left - 10, ROW * len(order))
    ends = {"low end of the range": (found.low, BLUE), "high end of the range": (found.high, RED)}
    shorter = np.fmin(np.abs(found.low - found.at), np.abs(found.high - found.at))
    for name, (values, colour) in ends.items():
        far = values[order] - found.at
        bars = axes.barh(range(len(order)), far, 0.66, left=found.at, color=colour, label=name)
        for bar, length, least in zip(bars, np.abs(far), shorter[order], strict=True):
            bar.set_zorder(3 if length <= least else 2)  # where both ends lie on one side, the nearer one is in front
    axes.axvline(found.at, color=INK, linewidth=0.6)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_yticks(range(len(order)), names)
    _numbers(axes, y=False)
    _name(axes, label)
    _legend(paper, axes, left)
    return paper.figure


def _without(low: float, high: float) -> str:
    """What to add to the name of a factor whose ends gave no value, so that no bar is not taken for no effect."""
    ends = [word for word, value in (("low", low), ("high", high)) if not np.isfinite(value)]
    return f" ({' and '.join(ends)} end: no value)" if ends else ""


def morris_figure(found, *, title: str, subtitle: str, label: str, most: int = 12):
    """Mean size of the effects against their spread; the largest are named.  Above the line: interactions or bends."""
    paper = _Paper(HEAD + 96, title, subtitle)
    axes = paper.axes(20, HEAD + 4, WIDTH_MM - 30, 76)
    stars = np.array([one.value for one in found.mu_star])
    top = 1.06 * max(stars.max(initial=0.0), found.sigma.max(initial=0.0)) or 1.0
    high = min(top, 1.5 * found.sigma.max(initial=0.0)) or top  # a strong effect may have no spread
    axes.plot([0, high], [0, high], "-", color=FAINT, linewidth=0.8)
    axes.plot(stars, found.sigma, "o", color=BLUE, markersize=3.6, clip_on=False)
    named = [k for k in np.argsort(-stars, kind="stable")[:most] if stars[k] > 0.002 * top]
    points = np.column_stack([stars / top, found.sigma / high])
    width = LETTER / (WIDTH_MM - 30) * np.array([len(found.names[k]) for k in named])
    for k, (x, y), wide in zip(named, _free_places(points, points[named], width), width, strict=True):
        at = points[k]
        if abs(y - at[1]) > NAME_HIGH:  # a stroke to a name that stands off its point
            axes.plot([at[0] * top, np.clip(at[0], x, x + wide) * top], [at[1] * high, y * high], "-", color=MUTED,
                      linewidth=0.4, zorder=1)  # fmt: skip
        axes.text(x * top, y * high, found.names[k], fontsize=TEXT, color=INK, va="center", zorder=3,
                  bbox={"pad": 0.3, "fc": "white", "ec": "none", "alpha": 0.8})  # fmt: skip
    axes.set_xlim(0, top), axes.set_ylim(0, high)
    _numbers(axes)
    _name(axes, f"mean size of the effect, μ* ({label})", "spread of the effect, σ")
    others = len(found.names) - len(named)
    if others:
        said = f"without a name: {others} of less or no effect"
        paper.text(20, HEAD + 91, said, fontsize=TEXT, color=MUTED, va="top")
    return paper.figure


def _free_places(points: np.ndarray, named: np.ndarray, width: np.ndarray) -> list[tuple[float, float]]:
    """Where names of some points begin (left, middle; shares of the axes), each near its point and clear of the rest.

    Beside the point if there is room, else above it, ever higher; never beyond the axes.
    """
    gap, placed = 0.011, []
    for (x, y), wide in zip(named, width, strict=True):
        sides = [x + gap, x - gap - wide]
        heights = [max(y, 0.6 * NAME_HIGH), *np.arange(0.6, 24.0, 0.25) * NAME_HIGH]
        heights.sort(key=lambda h, y=y: abs(h - y))
        inside = [(s, h) for h in heights for s in sides if s >= 0 and s + wide <= 1.04]
        free = [
            (s, h) for s, h in inside
            if not any(s < a + w and a < s + wide and abs(h - b) < NAME_HIGH for a, b, w in placed)
            and not ((points[:, 0] > s) & (points[:, 0] < s + wide) & (abs(points[:, 1] - h) < 0.6 * NAME_HIGH)).any()
        ]  # fmt: skip
        best = (free or inside or [(max(0.0, 1.0 - wide), y)])[0]
        placed.append((*best, wide))
    return [(a, b) for a, b, _ in placed]


def scan_figure(scans: Sequence[Any], nominal: Mapping[str, float], *, title: str, subtitle: str, label: str,
                most: int = 12):  # fmt: skip
    """A small panel per parameter with how far every arm lies from the mean of all arms, over its evidence range.

    In per cent of that mean, or in the unit of the outcome where some are below 0.  `scans` of findings.flips;
    `nominal` the values used, which a dotted line marks.
    """
    shown = list(scans)[:most]
    columns = 3
    rows = -(-len(shown) // columns)
    paper = _Paper(HEAD + 10 + 40 * rows, title, subtitle)
    arms = shown[0].arms
    colours = dict(zip(arms, ARM_COLOURS, strict=False))
    relative = all(np.nanmin(scan.outcomes, initial=np.inf) >= 0 for scan in shown)
    x = 4.0
    for arm in arms:
        paper.text(x, HEAD + 2.6, "—", fontsize=TITLE, fontweight="bold", color=colours[arm], va="center")
        paper.text(x + 4, HEAD + 2.6, arm, fontsize=TEXT, color=INK, va="center")
        x += 8 + 1.5 * len(arm)
    width = (WIDTH_MM - 12) / columns - 12
    for k, scan in enumerate(shown):
        left, top = 14 + (k % columns) * (width + 12), HEAD + 11 + 40 * (k // columns)
        axes = paper.axes(left, top, width, 24)
        for arm, values in zip(scan.arms, apart(scan, relative), strict=True):
            axes.plot(scan.values, values, "-", color=colours[arm], linewidth=1.1)
        told = apart(scan, relative)[:, scan.spread > scan.tie]  # where arms are equal, a share is of nearly nothing
        told = told[:, (told > -95.0).all(axis=0)] if relative else told  # and where an arm leaves nearly nothing
        if np.isfinite(told).any():
            room = 0.08 * float(np.nanmax(told) - np.nanmin(told))
            axes.set_ylim(float(np.nanmin(told)) - room, float(np.nanmax(told)) + room)
        by_ratio = scan.values[0] > 0 and scan.values[-1] / scan.values[0] >= 10
        axes.set_xscale("log" if by_ratio else "linear")
        if by_ratio:
            from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

            few = LogLocator(subs=between_powers(scan.values[0], scan.values[-1]), numticks=5)
            axes.xaxis.set_major_locator(few)
            axes.xaxis.set_major_formatter(FuncFormatter(power_text))
            axes.xaxis.set_minor_locator(NullLocator())
        if scan.parameter in nominal:
            axes.axvline(nominal[scan.parameter], color=MUTED, linewidth=0.7, linestyle=":", zorder=0)
        _numbers(axes, x=not by_ratio)
        _name(axes, _with_unit(scan.parameter, scan.unit))
    told = (f"{label.partition(' (')[0]}: % above or below the mean of the orders" if relative
            else f"{label}: above or below the mean of the orders")  # fmt: skip
    paper.text(4, HEAD + 5.6, f"{told}; dotted: the value used", fontsize=TEXT, color=MUTED, va="top")
    return paper.figure


def apart(scan: Any, relative: bool) -> np.ndarray:
    """How far every arm lies from the mean of all at every point of a scan [arm, point]; in per cent if `relative`."""
    mean = scan.outcomes.mean(axis=0)
    return 100.0 * (scan.outcomes / np.where(mean > 0, mean, np.nan) - 1.0) if relative else scan.outcomes - mean


def _with_unit(name: str, unit: str) -> str:
    shown = unit_text(unit)
    return f"{name} ({shown})" if shown else name


def flips_figure(scans: Sequence[Any], flips: Mapping[str, Sequence[Any]], nominal: Mapping[str, float], *, title: str,
                 subtitle: str, most: int = 24):  # fmt: skip
    """Per parameter its evidence range as a bar, coloured by the best arm, with the thresholds and the value used."""
    shown = list(scans)[:most]
    best = {arm for scan in shown for arm in scan.best}
    arms = shown[0].arms if shown else ()
    colours = {arm: colour for arm, colour in zip(arms, ARM_COLOURS, strict=False) if arm in best}
    paper = _Paper(HEAD + 12 + 6.4 * len(shown) + 8, title, subtitle)
    left = _left([scan.parameter for scan in shown], LEFT)
    wide = WIDTH_MM - left - 38
    axes = paper.axes(left, HEAD + 8, wide, 6.4 * max(len(shown), 1))
    for row, scan in enumerate(shown):
        place = _shares(scan.values)
        edges = np.concatenate([[0.0], 0.5 * (place[1:] + place[:-1]), [1.0]])
        cuts = {k: flip for flip in flips.get(scan.parameter, ()) for k in [_between(scan.values, flip.threshold)]}
        for k, flip in cuts.items():
            edges[k + 1] = np.interp(flip.threshold, scan.values, place)
        for k, arm in enumerate(scan.best):
            axes.barh(row, edges[k + 1] - edges[k], 0.62, left=edges[k], color=colours.get(arm, "#E4E4E4"), linewidth=0)
        for flip in cuts.values():
            at = float(np.interp(flip.threshold, scan.values, place))
            axes.plot([at, at], [row - 0.42, row + 0.42], "-", color=INK, linewidth=1.0)
            said = number_text(float(f"{flip.threshold:.3g}"))
            room = LETTER * (len(said) + 1.5) / wide  # of the number, which keeps clear of the diamond
            used = np.interp(nominal[scan.parameter], scan.values, place) - at if scan.parameter in nominal else -1.0
            right = at + room < 1 and (not 0 <= used < room or at < room)
            axes.text(at + (0.006 if right else -0.006), row, said, fontsize=TEXT, color=INK, va="center_baseline",
                      ha="left" if right else "right")  # fmt: skip
        if scan.parameter in nominal:
            axes.plot(np.interp(nominal[scan.parameter], scan.values, place), row, "D", color="white", markersize=3.2,
                      markeredgecolor=INK, markeredgewidth=0.7)  # fmt: skip
        low, high = (power_text(float(f"{v:.3g}")) for v in (scan.values[0], scan.values[-1]))
        said = f"{low} to {high} {unit_text(scan.unit)}"
        axes.text(1.01, row, said, fontsize=TEXT, color=MUTED, va="center_baseline")
    axes.set_xlim(0, 1), axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [s.parameter for s in shown])
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    x = 4.0
    for arm, colour in [*colours.items(), ("equal, or a failed run", "#E4E4E4")]:
        paper.text(x, HEAD + 3, "■", fontsize=TITLE, color=colour, va="center")
        paper.text(x + 3.4, HEAD + 3, arm, fontsize=TEXT, color=INK, va="center")
        x += 8 + 1.4 * len(arm)
    paper.text(4, HEAD + 11 + 6.4 * len(shown), "bars: evidence range of each parameter, low to high; "
               "diamond: the value used; line: where the best order changes", fontsize=TEXT, color=MUTED, va="top")
    return paper.figure


def _shares(values: np.ndarray) -> np.ndarray:
    """Where values lie on a bar from 0 to 1; by ratio if they span tenfold."""
    by_ratio = values[0] > 0 and values[-1] / values[0] >= 10
    scaled = np.log(values) if by_ratio else values
    return (scaled - scaled[0]) / (scaled[-1] - scaled[0])


def _between(values: np.ndarray, at: float) -> int:
    return int(np.clip(np.searchsorted(values, at) - 1, 0, values.size - 2))


# --- knock-outs and differences ----------------------------------------------------------------------------------


def knockouts_figure(found, labels: Mapping[str, str], *, title: str, subtitle: str, label: str, most: int = 20):
    """The share of the gap between best and worst order that each arrow carries, median and 80 % band over members."""
    shown = list(found.cut)[:most]
    paper = _Paper(HEAD + 6 + ROW * len(shown) + 12, title, subtitle)
    axes = paper.axes(LEFT + 24, HEAD + 4, WIDTH_MM - LEFT - 34, ROW * max(len(shown), 1))
    for row, one in enumerate(shown):
        carried = 100 * one.carried.median
        axes.barh(row, carried, 0.66, color=BLUE if carried > 0 else RED)
        if abs(carried) <= MOST_CARRIED:
            axes.plot([100 * one.carried.low, 100 * one.carried.high], [row, row], "-", color=INK, linewidth=0.7)
        else:  # goes beyond the axis, so that the others can be seen
            way = 1 if carried > 0 else -1
            axes.text(way * 0.98 * MOST_CARRIED, row, f"{number_text(float(f'{carried:.3g}'))} %", fontsize=TEXT,
                      color="white", va="center_baseline", ha="right" if way > 0 else "left")  # fmt: skip
    ends = [float(np.clip(100 * v, -MOST_CARRIED, MOST_CARRIED)) for one in shown
            for v in ((one.carried.median, one.carried.low, one.carried.high)
                      if abs(100 * one.carried.median) <= MOST_CARRIED else (one.carried.median,))]  # fmt: skip
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = 0.05 * (high - low)
    axes.set_xlim(max(low - room * (low < 0), -MOST_CARRIED), min(high + room * (high > 0), MOST_CARRIED))
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks(range(len(shown)), [labels.get(one.arrow, one.arrow) for one in shown])
    _numbers(axes, y=False)
    _name(axes, label)
    return paper.figure


def arms_figure(values: Mapping[str, np.ndarray], *, title: str, subtitle: str, label: str):
    """The outcome of every member in every arm, members joined by lines, with the mean of each arm."""
    paper = _Paper(HEAD + 66, title, subtitle)
    axes = paper.axes(20, HEAD + 4, WIDTH_MM - 28, 50)
    names = list(values)
    stacked = np.array([values[n] for n in names])
    for member in stacked.T:
        axes.plot(range(len(names)), member, "-", color=FAINT, linewidth=0.6, zorder=1)
    for k, row in enumerate(stacked):
        axes.plot(np.full(row.size, k), row, "o", color=RUN_COLOURS[1], markersize=2.2, alpha=0.6, zorder=2)
        axes.plot([k - 0.16, k + 0.16], [np.nanmean(row)] * 2, "-", color=INK, linewidth=1.6, zorder=3)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xticks(range(len(names)), [_wrapped(n) for n in names])
    _numbers(axes, x=False)
    axes.set_ylabel(label, fontsize=TEXT, color=INK, labelpad=2)
    return paper.figure


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text.replace("_", " "), 24))


def differences_figure(
    rows: Mapping[str, tuple[np.ndarray, Any]], *, title: str, subtitle: str, label: str,
    asked: Mapping[str, float] | None = None, ratios: bool = False,
):  # fmt: skip
    """Paired differences of members per row, with mean and 95 % interval; `asked`: what was predicted.

    `ratios`: the differences are logarithms of ratios, which the axis names as factors worse or better.
    """
    paper = _Paper(HEAD + 14 * len(rows) + 14, title, subtitle)
    axes = paper.axes(LEFT + 24, HEAD + 4, WIDTH_MM - LEFT - 34, 14 * len(rows))
    for row, (values, one) in enumerate(rows.values()):
        spread = np.linspace(-0.16, 0.16, max(values.size, 2))[: values.size]
        axes.plot(values, row + spread, "o", color=BLUE, markersize=2.4, alpha=0.6)
        axes.plot([one.low, one.high], [row + 0.3, row + 0.3], "-", color=INK, linewidth=1.2)
        axes.plot(one.mean, row + 0.3, "D", color=INK, markersize=3.4)
    for row, name in enumerate(rows):
        if (asked or {}).get(name):
            axes.plot([asked[name]] * 2, [row - 0.32, row + 0.42], "--", color=RED, linewidth=1.1)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [_wrapped(n) for n in rows])
    if ratios:
        ticks = _factors(*axes.get_xlim())
        axes.set_xticks([way * np.log(f) for way, f in ticks], [number_text(f) for _, f in ticks])
    else:
        _numbers(axes, y=False)
    _name(axes, label)
    return paper.figure


def _factors(low: float, high: float) -> list[tuple[int, float]]:
    """Ticks between two logarithms of ratios, the same both ways: (-1 for worse or 1 for better, a round factor)."""
    far = max(-low, high)
    listed = next((one for one in FACTORS if far <= 1.4 * np.log(one[-1])), None)
    if listed is None:
        most = int(np.ceil(far / np.log(10.0)))
        listed = tuple(10.0**k for k in range(1, most + 1, max(1, most // 3)))
    both = [(1, 1.0), *((way, factor) for factor in listed for way in (-1, 1))]
    return [(way, factor) for way, factor in both if low <= way * np.log(factor) <= high]
