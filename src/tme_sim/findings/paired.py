"""Paired differences between two arms over the same members: mean with interval, and for how many it is above 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Difference", "difference"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """Mean of `first` less `second` over members with its 95 % interval (Student), and how many members are above 0."""

    mean: float
    low: float
    high: float
    members: int
    above: int

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0.0 or self.high < 0.0


def difference(first: np.ndarray, second: np.ndarray) -> Difference:
    """The paired difference of two arms; members without a value in either are left out.

    One member has no interval: its low and high are the difference itself, as nothing varies.
    """
    from scipy.stats import t

    gaps = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    gaps = gaps[np.isfinite(gaps)]
    if gaps.size == 0:
        return Difference(np.nan, np.nan, np.nan, 0, 0)
    mean = float(gaps.mean())
    half = 0.0
    if gaps.size > 1:
        half = float(t.ppf(0.5 + CONFIDENCE / 2, gaps.size - 1) * gaps.std(ddof=1) / np.sqrt(gaps.size))
    return Difference(mean, mean - half, mean + half, int(gaps.size), int((gaps > 0).sum()))
