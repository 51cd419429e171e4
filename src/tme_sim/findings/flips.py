"""What flips the order: over which range of a parameter which arm is best, and at what value that changes.

For each parameter, all arms run over a scan of its evidence range with everything else as it was; the best arm changes
where the curves of two arms cross.  Where two arms differ by less than a tie (by default 2 % of the gap between best
and worst arm at the values used), neither is called better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["TIE", "Flip", "Scan", "flips_of", "scan_points"]

TIE = 0.02  # of the gap between best and worst arm at the values used: nearer arms are called equal


@dataclass(frozen=True)
class Flip:
    """Below `threshold` (in the unit of the parameter) arm `below` is best, above it `above`; `bracket` holds it."""

    parameter: str
    below: str
    above: str
    threshold: float
    bracket: tuple[float, float]


@dataclass(frozen=True)
class Scan:
    """The outcome of every arm over values of one parameter: `outcomes` [arm, point]; NaN where a run failed.

    Two arms nearer than `tie`, in the unit of the outcome, are equal.
    """

    parameter: str
    unit: str
    arms: tuple[str, ...]
    values: np.ndarray
    outcomes: np.ndarray
    sense: int
    tie: float = 0.0

    @property
    def best(self) -> list[str]:
        """Best arm at every point; "" where two are equal or a run failed."""
        out = []
        for at in (self.sense * self.outcomes).T:
            if not np.isfinite(at).all():
                out.append("")
                continue
            first, second = np.sort(at)[::-1][:2] if at.size > 1 else (at[0], -np.inf)
            tied = first - second <= self.tie
            out.append("" if tied else self.arms[int(np.argmax(at))])
        return out

    @property
    def failed(self) -> int:
        """Runs without a value."""
        return int((~np.isfinite(self.outcomes)).sum())

    @property
    def spread(self) -> np.ndarray:
        """Best less worst arm at every point, at least 0."""
        return np.ptp(self.outcomes, axis=0)


def scan_points(low: float, high: float, nominal: float, count: int) -> np.ndarray:
    """`count` values over an evidence range, the nominal among them; evenly by ratio where the range spans tenfold."""
    if low == high:
        return np.array([nominal])
    by_ratio = low > 0 and high / low >= 10
    points = np.geomspace(low, high, count) if by_ratio else np.linspace(low, high, count)
    points[0], points[-1] = low, high
    inside = np.abs(np.log(points / nominal) if by_ratio and nominal > 0 else points - nominal).argmin()
    if 0 < inside < count - 1 or points[inside] == nominal:
        points[inside] = nominal
        return points
    return np.unique(np.append(points, nominal))


def flips_of(scan: Scan) -> list[Flip]:
    """Where the best arm changes along a scan; the threshold by straight lines between the points on either side.

    A stretch in which arms are equal belongs to neither side; its flip is bracketed by the points around it.
    """
    known = [(i, arm) for i, arm in enumerate(scan.best) if arm]
    out = []
    for (i, a), (j, b) in zip(known, known[1:], strict=False):
        if a != b:
            first, second = (scan.sense * scan.outcomes[scan.arms.index(name)] for name in (a, b))
            out.append(Flip(scan.parameter, a, b, _crossing(scan.values, first - second, i, j),
                            (float(scan.values[i]), float(scan.values[j]))))  # fmt: skip
    return out


def _crossing(values: np.ndarray, lead: np.ndarray, i: int, j: int) -> float:
    """Where `lead` falls through 0 between points i and j (positive at i, negative at j)."""
    for k in range(i, j):
        if np.isfinite(lead[k : k + 2]).all() and lead[k] >= 0 > lead[k + 1]:
            part = lead[k] / (lead[k] - lead[k + 1])
            return float(values[k] + part * (values[k + 1] - values[k]))
    return float(0.5 * (values[i] + values[j]))


