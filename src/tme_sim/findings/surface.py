"""Timing surfaces: an outcome over two start dates, the near-best window, its width in days, and regret.

Near-best (docs: findings.md): within 5 % of the best mean, or inside the best point's 80 % band, whichever is wider.
The band of a point is that of the virtual members (patients, draws) there.  As patients differ more from each other
than dates do, two paired windows are given beside it: that of each member on its own surface, with a band over members;
and the points where members lose, on average, at most 5 % of what each has at the common best point, or no more than
can be told from 0 (80 % interval of Student).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.findings.table import Missing, Table, column, cube, sense_of

__all__ = [
    "Band", "Regret", "Surface", "Window", "indifferent", "member_windows", "near_best", "paired_window", "regret",
    "refuse_no_surface", "relative_losses", "surface_of",
]  # fmt: skip

NEAR = 0.05  # of the best
BAND = (10.0, 90.0)  # percentiles: an 80 % band
EQUAL = 1e-9  # relative: outcomes nearer than this are the same


@dataclass(frozen=True)
class Surface:
    """An outcome over two axes: `values` [member, x, y]; `sense` is +1 where more is better."""

    outcome: str
    x_name: str
    y_name: str
    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    sense: int
    missing: Missing

    @property
    def mean(self) -> np.ndarray:
        """Mean over members [x, y]."""
        return self.values.mean(axis=0)

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """80 % band over members, each [x, y]."""
        low, high = np.percentile(self.values, BAND, axis=0)
        return low, high


@dataclass(frozen=True)
class Window:
    """The near-best points around the best one.

    `best` is (x, y) of the best point, `value` its mean, `limit` the outcome that still counts as near-best, `near` a
    mask [x, y], `margin` [x, y] what is left to the edge of the window (below 0: outside), `share` the part of the map
    that is near-best.  `along_x` and `along_y` are (from, to) through the best
    point; `open_x` and `open_y` say at which ends the map stops before the window does, so that the width is a least
    one.
    """

    best: tuple[float, float]
    value: float
    limit: float
    near: np.ndarray
    margin: np.ndarray
    share: float
    along_x: tuple[float, float]
    along_y: tuple[float, float]
    open_x: tuple[bool, bool]
    open_y: tuple[bool, bool]

    @property
    def width_x(self) -> float:
        """Width along x, in the unit of x."""
        return self.along_x[1] - self.along_x[0]

    @property
    def width_y(self) -> float:
        """Width along y, in the unit of y."""
        return self.along_y[1] - self.along_y[0]


@dataclass(frozen=True)
class Band:
    """Median and 80 % band of a number over members."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Band:
        """The band of some values."""
        low, median, high = np.percentile(np.asarray(values, dtype=float), (BAND[0], 50.0, BAND[1]))
        return cls(float(median), float(low), float(high))


@dataclass(frozen=True)
class Regret:
    """What a point loses against the best one: of the mean, over members against each one's own best, and the worst
    tenth of members; all at least 0 in the unit of the outcome.  `share` is the loss of members over their own best.
    """

    name: str
    x: float
    y: float
    value: float
    of_mean: float
    members: Band
    worst_tenth: float
    share: Band


def surface_of(
    table: Table, outcome: str, x: str, y: str, *, member: Sequence[str] = ("replicate",), better: str | None = None
) -> Surface:
    """The surface of an outcome over columns `x` and `y`, paired over `member`.

    Raises:
        InputError: no full grid, two runs in one cell, too many failed runs, or no known direction of better.
    """
    sense = sense_of(outcome, better)
    _refuse_words(table, x, y)
    found = cube(table, outcome, (x, y), member)
    xs, ys = _grid(x, y, found.cells)
    values = found.values.reshape(len(found.members), xs.size, ys.size)
    return Surface(outcome, x, y, xs.astype(float), ys.astype(float), values, sense, found.missing)


def refuse_no_surface(
    plan: Table, outcome: str, x: str, y: str, points: Mapping[str, tuple[float, float]], better: str | None = None
) -> None:
    """Refuse, before any run, what :func:`surface_of` and :func:`regret` would of the table of a plan (its columns).

    Raises:
        InputError: as there.
    """
    sense_of(outcome, better)
    _refuse_words(plan, x, y)
    axes = _grid(x, y, set(zip(column(plan, x).tolist(), column(plan, y).tolist(), strict=True)))
    for name, point in points.items():
        for axis, at, label in zip(axes, point, (x, y), strict=True):
            _refuse_outside(axis, at, name, label)


def _refuse_words(table: Table, *names: str) -> None:
    for name in names:
        if column(table, name).dtype.kind not in "fiu":
            raise InputError(Problem("study", name, "is no number; a surface has two numbers as axes"))


def _grid(x: str, y: str, cells: Collection[tuple]) -> tuple[np.ndarray, np.ndarray]:
    """The values of both axes of a full grid."""
    xs, ys = (np.unique([c[k] for c in cells]) for k in (0, 1))
    if len(cells) != xs.size * ys.size or min(xs.size, ys.size) < 2:
        raise InputError(Problem("study", "", (
            f"{x} and {y} make no grid: {len(cells)} pairs of {xs.size} and {ys.size} values; "
            'a surface needs design = "grid" with at least two values of each')))
    return xs, ys


def _refuse_outside(axis: np.ndarray, at: float, name: str, label: str) -> None:
    if not axis[0] <= at <= axis[-1]:
        raise InputError(Problem("study", name, (
            f"{label} = {at:g} lies outside the map ({axis[0]:g} to {axis[-1]:g}); widen the factor")))


def near_best(surface: Surface) -> Window:
    """The near-best window of the mean surface, by the definition above."""
    mean = surface.mean
    best = _best(mean, surface.sense)
    low, high = (edge[best] for edge in surface.band)
    return _window(surface, mean, best, edge=min(low, high, key=lambda v: surface.sense * v))


def paired_window(surface: Surface) -> Window:
    """The points that cost members at most 5 % on average, or nothing that can be told from 0 at 80 %."""
    from scipy.stats import t

    mean = surface.mean
    best = _best(mean, surface.sense)
    lost = relative_losses(surface, surface.values[(slice(None), *best)])
    allowed = NEAR - lost.mean(axis=0)
    count = len(surface.values)
    if count > 1:
        sure = lost.mean(axis=0) - t.ppf(0.9, count - 1) * lost.std(axis=0, ddof=1) / np.sqrt(count)
        allowed = np.maximum(allowed, -sure)
    return _window_of(surface, allowed, best, float(mean[best]), float("nan"))


def relative_losses(surface: Surface, best: np.ndarray) -> np.ndarray:
    """What each member [member, x, y] loses against `best` [member], relative to it; to the mean of all if one is 0."""
    size = np.abs(best)
    if size.min() <= 1e-9 * max(size.max(), 1e-300):
        size = np.full_like(size, size.mean() or 1.0)
    return surface.sense * (best[:, None, None] - surface.values) / size[:, None, None]


def member_windows(surface: Surface) -> dict[str, Band]:
    """Bands over members of the best dates and the widths of each one's own 5 % window: ``best_x``, ``width_x`` ...

    Members that are :func:`indifferent` have no best dates; where all are, there is no ``best_x`` and no ``best_y``.
    """
    windows = [_window(surface, one, _best(one, surface.sense)) for one in surface.values]
    own = [w.best for w, flat in zip(windows, indifferent(surface), strict=True) if not flat]
    best = {"best_x": Band.of([x for x, _ in own]), "best_y": Band.of([y for _, y in own])} if own else {}
    return best | {
        "width_x": Band.of([w.width_x for w in windows]),
        "width_y": Band.of([w.width_y for w in windows]),
        "share": Band.of([w.share for w in windows]),
    }


def indifferent(surface: Surface) -> np.ndarray:
    """Which members [member] have the same outcome everywhere on the map."""
    values = surface.values.reshape(len(surface.values), -1)
    return np.ptp(values, axis=1) <= EQUAL * np.abs(values).max(axis=1)


def regret(surface: Surface, points: Mapping[str, tuple[float, float]]) -> list[Regret]:
    """What each named point (x, y) loses, read between the points of the grid by bilinear interpolation.

    Raises:
        InputError: a point outside the map.
    """
    mean, out = surface.mean, []
    top = surface.sense * np.max(surface.sense * mean)
    own = surface.sense * np.max(surface.sense * surface.values, axis=(1, 2))
    for name, (x, y) in points.items():
        value = float(_at(surface, mean, name, x, y))
        losses = surface.sense * (own - np.array([_at(surface, one, name, x, y) for one in surface.values])) + 0.0
        worst = np.sort(losses)[-max(1, round(0.1 * losses.size)) :]
        lost = float(surface.sense * (top - value)) + 0.0  # no zero with a minus
        size = np.where(np.abs(own) > 0, np.abs(own), np.nan)
        share = losses / (size if np.isfinite(size).all() else np.abs(own).mean() or 1.0)
        out.append(Regret(name, x, y, value, lost, Band.of(losses), float(worst.mean()), Band.of(share)))
    return out


def _best(values: np.ndarray, sense: int) -> tuple[int, int]:
    """Where `values` [x, y] are best; of equal points that nearest to the middle of them, not the earliest."""
    worth = sense * values
    equal = np.argwhere(worth >= worth.max() - EQUAL * np.abs(worth).max())
    i, j = equal[np.argmin(((equal - equal.mean(axis=0)) ** 2).sum(axis=1))]
    return int(i), int(j)


def _window(surface: Surface, values: np.ndarray, best: tuple[int, int], edge: float | None = None) -> Window:
    """Points of `values` [x, y] that are within 5 % of the best, or not worse than `edge`."""
    sense, top = surface.sense, float(values[best])
    limit = top - sense * NEAR * abs(top)
    if edge is not None:
        limit = min(limit, edge, key=lambda v: sense * v)
    return _window_of(surface, sense * (values - limit), best, top, float(limit))


def _window_of(surface: Surface, margin: np.ndarray, best: tuple[int, int], top: float, limit: float) -> Window:
    """The window where `margin` [x, y] is at least 0."""
    near = margin >= -1e-12 * max(1.0, abs(top))
    along_x, open_x = _extent(surface.x, margin[:, best[1]], best[0])
    along_y, open_y = _extent(surface.y, margin[best[0], :], best[1])
    where = float(surface.x[best[0]]), float(surface.y[best[1]])
    share = float(_area(surface.x) @ near @ _area(surface.y))
    return Window(where, top, limit, near, margin, share, along_x, along_y, open_x, open_y)


def _area(axis: np.ndarray) -> np.ndarray:
    """Share of the axis that each of its points stands for (trapezoids)."""
    width = np.zeros(axis.size)
    width[:-1] += np.diff(axis) / 2
    width[1:] += np.diff(axis) / 2
    return width / width.sum()


def _extent(axis: np.ndarray, margin: np.ndarray, at: int) -> tuple[tuple[float, float], tuple[bool, bool]]:
    """From where to where around `at` the margin stays at least 0 (straight lines), and which ends are open."""
    ends, is_open = [], []
    for step in (-1, 1):
        i = at
        while 0 <= i + step < axis.size and margin[i + step] >= 0.0:
            i += step
        if 0 <= i + step < axis.size:
            inside, outside = max(margin[i], 0.0), margin[i + step]
            ends.append(float(axis[i] + (axis[i + step] - axis[i]) * inside / (inside - outside)))
            is_open.append(False)
        else:
            ends.append(float(axis[i]))
            is_open.append(True)
    return (ends[0], ends[1]), (is_open[0], is_open[1])


def _at(surface: Surface, values: np.ndarray, name: str, x: float, y: float) -> float:
    weights = []
    for axis, at, label in ((surface.x, x, surface.x_name), (surface.y, y, surface.y_name)):
        _refuse_outside(axis, at, name, label)
        i = min(int(np.searchsorted(axis, at, side="right")) - 1, axis.size - 2)
        weights.append((i, (at - axis[i]) / (axis[i + 1] - axis[i])))
    (i, u), (j, v) = weights
    return (
        (1 - u) * ((1 - v) * values[i, j] + v * values[i, j + 1])
        + u * ((1 - v) * values[i + 1, j] + v * values[i + 1, j + 1])
    )  # fmt: skip
