"""What a figure is made of: panels of curves, bands and levels, and the ends of their axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tme_sim.plots.style import TimeScale

__all__ = ["Area", "KeyItem", "Line", "Panel", "Reference", "axis_limits", "window"]

FLOOR = 1e-4  # smallest share of the largest value that a logarithmic axis shows


@dataclass(frozen=True)
class Line:
    """A curve: days, values, text at its right end ("" for none), colour; `marker` alone for points."""

    time: np.ndarray
    values: np.ndarray
    label: str
    colour: str
    style: Any = "-"
    width: float = 1.2
    step: bool = False
    marker: str = ""


@dataclass(frozen=True)
class Area:
    """A band stacked on those before it."""

    time: np.ndarray
    values: np.ndarray
    label: str
    colour: str


@dataclass(frozen=True)
class Reference:
    """A level drawn across a panel, with its text at the right (or none); `include` keeps it inside the axis."""

    value: float
    label: str = ""
    include: bool = True


@dataclass(frozen=True)
class Panel:
    """One row: a title in words, the unit of its axis, and what is drawn.

    `scale` is "linear", "log" or "auto" (logarithmic where values span more than 1.5 decades); `zero` starts a linear
    axis at 0; `limits` fixes it; `strips` false leaves the treatment strips out, for a calendar, which shows treatments
    itself; `draw(axes, scale)` draws what is no curve and `texts` are (level, text, colour) at the right.
    """

    title: str
    unit: str = ""
    lines: Sequence[Line] = ()
    areas: Sequence[Area] = ()
    references: Sequence[Reference] = ()
    scale: str = "linear"
    zero: bool = True
    limits: tuple[float, float] | None = None
    height: float = 16.0
    strips: bool = True
    draw: Callable[[Any, TimeScale], None] | None = None
    texts: Sequence[tuple[float, str, str]] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.lines or self.areas or self.draw)


@dataclass(frozen=True)
class KeyItem:
    """One entry of the key under the title: "bar", "line" or "point" in a colour."""

    kind: str
    label: str
    colour: str
    style: Any = "-"


def axis_limits(panel: Panel, scale: TimeScale | None = None) -> tuple[bool, tuple[float, float]]:
    """Whether the axis is logarithmic, and its ends, for all data or those of a window."""

    def seen(time, values) -> np.ndarray:
        """The values that lie in the window, all without one."""
        values = np.asarray(values, dtype=float)
        return values if scale is None else values[window(time, scale)]

    parts = [seen(line.time, line.values) for line in panel.lines]
    if panel.areas:
        parts.append(np.sum([seen(a.time, a.values) for a in panel.areas], axis=0))
    parts.append(np.array([r.value for r in panel.references if r.include]))
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    positive = values[values > 0]
    log = panel.scale == "log" or (
        panel.scale == "auto" and positive.size > 0 and _floored(positive) * 10**1.5 < positive.max()
    )
    if panel.limits is not None:
        return log, panel.limits
    if not positive.size and (log or not values.size):
        return False, (0.0, 1.0)
    if log:
        low, high = _floored(positive), positive.max()
        pad = max(0.06 * math.log10(high / low), 0.05)
        return True, (low * 10**-pad, high * 10**pad)
    low, high = values.min(), values.max()
    if panel.zero and low >= 0:
        return False, (0.0, 1.08 * high if high > 0 else 1.0)
    pad = 0.08 * (high - low) or 0.05 * abs(high) or 0.5
    return False, (low - pad, high + pad)


def _floored(positive: np.ndarray) -> float:
    return float(max(positive.min(), FLOOR * positive.max()))


def window(time: np.ndarray, scale: TimeScale) -> slice:
    """The samples inside a window and one beyond each end."""
    first = max(0, int(np.searchsorted(time, scale.start, "left")) - 1)
    return slice(first, int(np.searchsorted(time, scale.stop, "right")) + 1)
