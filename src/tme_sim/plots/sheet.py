"""Draws a figure from a list of panels: rows of time courses with treatment marks, labelled at their right end.

A long run shows each row twice on one vertical axis: its first weeks, where treatments act, and its whole course.  All
lengths are millimetres on paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tme_sim.plots.panel import KeyItem, Panel, axis_limits, window
from tme_sim.plots.style import (
    DPI,
    FAINT,
    INK,
    MUTED,
    TEXT,
    TITLE,
    WIDTH_MM,
    TimeScale,
    between_powers,
    ink,
    number_text,
    power_text,
)
from tme_sim.plots.treatments import Track

__all__ = ["draw_sheet", "spread"]

LEFT, RIGHT, GAP = 15.0, 38.0, 11.0
EARLY_DAYS, EARLY_WIDTH = 112.0, 52.0
APART = 0.4  # first weeks that span less than this share of the whole axis get an axis of their own
LONG = 240.0  # days; longer runs show their first weeks apart
TRACK, TRACK_GAP, TITLE_MM = 0.9, 0.4, 4.3
BETWEEN = 2.2  # free space under a row
LINE_MM = 2.9  # height of a line of text
CHAR_MM = 1.45  # mean width of a character


@dataclass
class _Sheet:
    """A figure and where its columns of axes stand."""

    figure: Any
    height: float
    columns: list[tuple[float, float, TimeScale]] = field(default_factory=list)

    def axes(self, left: float, top: float, width: float, height: float):
        """Axes by their upper left corner and size, in mm."""
        box = (left / WIDTH_MM, 1.0 - (top + height) / self.height, width / WIDTH_MM, height / self.height)
        return self.figure.add_axes(box)

    def text(self, x: float, y: float, text: str, **style: Any):
        """Text at a place in mm from the upper left corner."""
        return self.figure.text(x / WIDTH_MM, 1.0 - y / self.height, text, **style)


def draw_sheet(
    panels: Sequence[Panel],
    *,
    title: str,
    subtitle: str,
    key: Sequence[KeyItem],
    tracks: Sequence[Track],
    span: tuple[float, float],
    origin: str,
):
    """A matplotlib Figure of the panels that hold something.

    `span` is the first and last day; `tracks` are the treatment strips of every axis; `origin` says what day 0 is.

    Raises:
        ValueError: no panel holds anything.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [p for p in panels if not p.empty]
    if not shown:
        raise ValueError("there is nothing to draw: no panel holds anything")
    key_lines = _key_lines(key)
    header = 10.5 + 3.6 * len(key_lines)
    above = [TITLE_MM + (_strip_height(tracks) if p.strips else 0.8) for p in shown]
    height = header + sum(a + p.height + BETWEEN for a, p in zip(above, shown, strict=True)) + 6.4
    figure = Figure(figsize=(WIDTH_MM / 25.4, height / 25.4), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    sheet = _Sheet(figure, height, _columns(span, bool(tracks)))
    sheet.text(LEFT - 11, 1.8, title, fontsize=TITLE, fontweight="bold", color=INK, va="top")
    sheet.text(LEFT - 11, 6.3, subtitle, fontsize=TEXT, color=MUTED, va="top")
    for i, items in enumerate(key_lines):
        _draw_key(sheet, 11.6 + 3.6 * i, items)
    top = header
    for i, panel in enumerate(shown):
        letter = chr(ord("a") + i)
        sheet.text(LEFT - 11, top + 0.6, letter, fontsize=TITLE, fontweight="bold", color=INK, va="top")
        sheet.text(LEFT - 7, top + 0.9, panel.title, fontsize=TEXT + 0.5, color=INK, va="top")
        _draw_row(sheet, panel, top + above[i], tracks, last=i == len(shown) - 1)
        top += above[i] + panel.height + BETWEEN
    _name_time(sheet, origin)
    return figure


def _strip_height(tracks: Sequence[Track]) -> float:
    return len(tracks) * (TRACK + TRACK_GAP) + 0.4 if tracks else 1.4


def _columns(span: tuple[float, float], treated: bool) -> list[tuple[float, float, TimeScale]]:
    """(left, width, time scale) of each column of axes."""
    start, stop = span
    whole = WIDTH_MM - LEFT - RIGHT
    if stop - start <= LONG or not treated:
        unit = "month" if stop - start > LONG else "week"
        return [(LEFT, whole, TimeScale(start, stop, unit))]
    early = TimeScale(start, max(EARLY_DAYS, start + EARLY_DAYS), "week")
    right = LEFT + EARLY_WIDTH + GAP
    return [(LEFT, EARLY_WIDTH, early), (right, WIDTH_MM - RIGHT - right, TimeScale(start, stop, "month"))]


# --- rows ------------------------------------------------------------------------------------------------------------


def _draw_row(sheet: _Sheet, panel: Panel, top: float, tracks: Sequence[Track], *, last: bool) -> None:
    log, whole = axis_limits(panel)
    limits = whole
    for column, (left, width, scale) in enumerate(sheet.columns):
        before, limits = limits, whole
        if column < len(sheet.columns) - 1 and not log and panel.limits is None:
            _, part = axis_limits(panel, scale)
            if part[1] - part[0] < APART * (whole[1] - whole[0]):
                limits = part
        axes = sheet.axes(left, top, width, panel.height)
        axes.set_gid(f"panel:{scale.unit}")
        labelled = column == 0 or limits != before
        _dress(axes, scale, log, limits, labelled=labelled, last=last, levels=panel.draw is None)
        _mark(axes, scale, tracks, panel.height, strips=panel.strips)
        _fill(axes, panel, scale, limits[0] if log else None)
        if column == 0 and panel.unit:
            axes.set_ylabel(panel.unit, fontsize=TEXT, color=INK, labelpad=0)
            axes.yaxis.set_label_coords(-10.9 / width, 0.5)
    _label(axes, panel, log, whole, width)


def _dress(axes, scale: TimeScale, log: bool, limits, *, labelled: bool, last: bool, levels: bool) -> None:
    """Limits, ticks and spines."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    axes.set_xlim(scale.of(scale.start), scale.of(scale.stop))
    if log:
        axes.set_yscale("log")
    axes.set_ylim(*limits)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom") if levels else side == "bottom")
        spine.set_linewidth(0.6)
        spine.set_color(INK)
    axes.patch.set_visible(False)
    axes.xaxis.set_major_locator(FixedLocator(scale.ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(number_text))
    if not levels:
        axes.yaxis.set_major_locator(NullLocator())
    elif log:
        axes.yaxis.set_major_locator(LogLocator(subs=between_powers(*limits), numticks=5))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(power_text if log else number_text))
    axes.tick_params(labelsize=TEXT, width=0.6, length=2.2, pad=1.5, color=INK, labelcolor=INK)
    axes.tick_params(axis="x", labelbottom=last)
    axes.tick_params(axis="y", labelleft=labelled)


def _mark(axes, scale: TimeScale, tracks: Sequence[Track], height: float, *, strips: bool) -> None:
    """Treatment marks: a light line per embolisation, and above the axis one strip per track."""
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import blended_transform_factory

    above = blended_transform_factory(axes.transData, axes.transAxes)
    for i, track in enumerate(tracks):
        bottom = 1.0 + (0.5 + (len(tracks) - 1 - i) * (TRACK + TRACK_GAP)) / height
        for begin, end in track.bars if strips else ():
            begin, end = max(begin, scale.start), min(end, scale.stop)
            if end > begin:
                x = scale.of(begin)
                axes.add_patch(
                    Rectangle((x, bottom), scale.of(end) - x, TRACK / height, transform=above, clip_on=False,
                              facecolor=track.colour, edgecolor="none", gid=f"strip:{track.name}")
                )  # fmt: skip
        for day in track.points:
            if scale.start <= day <= scale.stop:
                axes.axvline(scale.of(day), color=FAINT, linewidth=0.7, zorder=0.5, gid=f"mark:{track.name}")
        inside = [scale.of(day) for day in track.points if scale.start <= day <= scale.stop] if strips else []
        if inside:
            edge = 0.5 if track.bars else 0.0  # so that a mark shows on a bar of its own colour
            axes.plot(
                inside, [bottom + 0.5 * TRACK / height] * len(inside), "v", transform=above, clip_on=False,
                color=track.colour, markersize=3.4 + edge, markeredgewidth=edge, markeredgecolor="white",
                gid=f"point:{track.name}",
            )  # fmt: skip


def _fill(axes, panel: Panel, scale: TimeScale, floor: float | None) -> None:
    """The data."""
    for reference in panel.references:
        axes.axhline(reference.value, color=MUTED, linewidth=0.6, linestyle=(0, (3, 2)), zorder=1)
    below = None
    for area in panel.areas:
        keep = window(area.time, scale)
        values = np.asarray(area.values, dtype=float)[keep]
        below = np.zeros_like(values) if below is None else below
        axes.fill_between(scale.of(area.time[keep]), below, below + values, color=area.colour, linewidth=0, zorder=2)
        below = below + values
    for line in panel.lines:
        keep = window(line.time, scale)
        values = np.asarray(line.values, dtype=float)[keep]
        if floor is not None:
            values = np.where(values >= floor, values, np.nan)
        axes.plot(
            scale.of(line.time[keep]), values, color=line.colour, linestyle=line.style if not line.marker else "none",
            linewidth=line.width, marker=line.marker or None, markersize=6.0 if line.marker == "*" else 2.6,
            markeredgewidth=0,
            drawstyle="steps-post" if line.step else "default", solid_capstyle="butt", dash_capstyle="butt", zorder=3,
        )  # fmt: skip
    if panel.draw is not None:
        panel.draw(axes, scale)


# --- texts -----------------------------------------------------------------------------------------------------------


def _label(axes, panel: Panel, log: bool, limits, width: float) -> None:
    """Texts at the right of the last axes, each beside its curve, moved apart where they would touch."""
    wanted = []
    below = 0.0
    for area in panel.areas:
        wanted.append((below + 0.5 * area.values[-1], area.label, area.colour))
        below += area.values[-1]
    for line in panel.lines:
        finite = np.flatnonzero(np.isfinite(line.values) & ((np.asarray(line.values) > 0) | (not log)))
        if line.label and finite.size:
            wanted.append((float(line.values[finite[-1]]), line.label, line.colour))
    low, high = limits
    wanted += [(r.value, r.label, MUTED) for r in panel.references if r.label and low <= r.value <= high]
    wanted += list(panel.texts)

    def place(value: float) -> float:
        """Height (mm) of a value above the foot of the panel."""
        value = min(max(value, low), high)
        share = math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
        return share * panel.height

    wanted.sort(key=lambda w: w[0])
    natural = [place(value) for value, _, _ in wanted]
    for at, y, (_, text, colour) in zip(natural, spread(natural, LINE_MM, panel.height), wanted, strict=True):
        share = y / panel.height
        if abs(y - at) > 0.8:
            axes.plot(
                [1 + 0.3 / width, 1 + 1.6 / width], [at / panel.height, share], transform=axes.transAxes, clip_on=False,
                color=colour, linewidth=0.5,
            )  # fmt: skip
        axes.text(
            1 + 2.0 / width,
            share,
            text,
            transform=axes.transAxes,
            fontsize=TEXT,
            color=ink(colour),
            va="center_baseline",
        )


def spread(places: Sequence[float], apart: float, height: float) -> list[float]:
    """Sorted places moved as little as needed to stand `apart` within [0, height] (beyond it, only if they must)."""
    blocks: list[list[float]] = []  # [sum of wanted first places, count]
    for i, place in enumerate(places):
        blocks.append([place - i * apart, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    room = height - apart * (len(places) - 1)
    out: list[float] = []
    for total, count in blocks:
        first = total / count
        first = min(max(first, 0.0), room) if room >= 0 else room / 2
        out += [first + (len(out) + k) * apart for k in range(int(count))]
    return out


def _key_lines(key: Sequence[KeyItem]) -> list[list[tuple[float, KeyItem]]]:
    """Entries of the key with their left ends (mm), broken into lines."""
    lines: list[list[tuple[float, KeyItem]]] = []
    x = WIDTH_MM
    for item in key:
        width = (4.5 if item.kind == "point" else 7.5) + CHAR_MM * len(item.label)
        if x + width > WIDTH_MM - 4:
            lines.append([])
            x = LEFT - 11
        lines[-1].append((x, item))
        x += width + 2.0
    return lines


def _draw_key(sheet: _Sheet, y: float, items: Sequence[tuple[float, KeyItem]]) -> None:
    from matplotlib.lines import Line2D

    for x, item in items:
        level = 1.0 - y / sheet.height
        ends = [x / WIDTH_MM, (x + 5.0) / WIDTH_MM]
        if item.kind == "point":
            handle = Line2D([(x + 1.2) / WIDTH_MM], [level], marker="v", color=item.colour, markersize=4.2,
                            linestyle="none", markeredgewidth=0)  # fmt: skip
        else:
            wide = 72 / 25.4 * (1.4 if item.kind == "bar" else 0.45)
            handle = Line2D(ends, [level, level], color=item.colour, linewidth=wide, linestyle=item.style,
                            solid_capstyle="butt", dash_capstyle="butt")  # fmt: skip
        sheet.figure.add_artist(handle)
        sheet.text(
            x + (3.0 if item.kind == "point" else 6.0), y, item.label, fontsize=TEXT, color=INK, va="center_baseline"
        )


def _name_time(sheet: _Sheet, origin: str) -> None:
    """What the time axes count, under the last row."""
    for left, width, scale in sheet.columns:
        text = f"{scale.unit}s since {origin}"
        if len(sheet.columns) > 1:
            text = f"{'first weeks' if scale.unit == 'week' else 'whole course'} ({text})"
        sheet.text(
            left + width / 2, sheet.height - 2.2, text, fontsize=TEXT, color=INK, ha="center", va="center_baseline"
        )
