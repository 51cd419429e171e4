"""Priors within evidence ranges, and the random numbers of what draws from them.

Plain statistics that knows no biology.  A prior is a normal cut at the ends of the evidence; the score of a value is
its distance from the centre in standard deviations, on a linear or logarithmic scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Priors", "generator", "systematic"]

WIDTH = 2.0  # the evidence range spans so many standard deviations to the farther side of the declared value


def generator(seed: int, purpose: int = 0) -> np.random.Generator:
    """Random numbers of a fit: Philox seeded by seed and purpose, so that no part shares a stream with another."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, purpose])))


@dataclass(frozen=True)
class Priors:
    """Independent priors of k parameters, each within its evidence.

    `centre`, `low`, `high` (k) are in the parameter's own unit; `log` (k) says which are on a logarithmic scale.

    Raises:
        ValueError: a range that is empty, does not hold its centre, or reaches 0 on a logarithmic scale.
    """

    names: tuple[str, ...]
    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    log: np.ndarray

    def __post_init__(self) -> None:
        for name, centre, low, high, log in zip(self.names, self.centre, self.low, self.high, self.log, strict=True):
            if not low < high or not low <= centre <= high:
                raise ValueError(f"{name}: the range {low:g} to {high:g} is empty or does not hold {centre:g}")
            if log and low <= 0:
                raise ValueError(f"{name}: a logarithmic scale needs a range above 0, not from {low:g}")

    @property
    def spread(self) -> np.ndarray:
        """Standard deviation on each parameter's scale (k): the farther end of the range lies 2 of them away."""
        centre, low, high = (self._scaled(v) for v in (self.centre, self.low, self.high))
        return np.maximum(high - centre, centre - low) / WIDTH

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        out = np.array(values, dtype=np.float64)
        out[..., self.log] = np.log(out[..., self.log])
        return out

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Scores [..., k] of values [..., k]."""
        return (self._scaled(values) - self._scaled(self.centre)) / self.spread

    def values(self, scores: np.ndarray) -> np.ndarray:
        """Values [..., k] of scores [..., k], held within the evidence against rounding."""
        out = np.asarray(scores) * self.spread + self._scaled(self.centre)
        out[..., self.log] = np.exp(out[..., self.log])
        return np.clip(out, self.low, self.high)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest score (k, k)."""
        return self.scores(self.low), self.scores(self.high)

    def quantile(self, shares: np.ndarray) -> np.ndarray:
        """Scores at shares [..., k] of the prior, each in (0, 1)."""
        from scipy.special import ndtr, ndtri

        low, high = self.bounds()
        a, b = ndtr(low), ndtr(high)
        return np.clip(ndtri(a + np.asarray(shares) * (b - a)), low, high)

    def draw(self, n: int, seed: int) -> np.ndarray:
        """`n` scores [n, k] that fill the prior evenly: a scrambled Sobol sequence, started anew by each seed."""
        import warnings

        from scipy.stats import qmc

        sobol = qmc.Sobol(len(self.names), scramble=True, rng=generator(seed, 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # balance needs powers of two, which is no need here
            shares = sobol.random(n)
        return self.quantile(np.clip(shares, 1e-9, 1 - 1e-9))

    def log_density(self, scores: np.ndarray) -> np.ndarray:
        """Log density [...] up to a constant; minus infinity outside the evidence."""
        low, high = self.bounds()
        inside = ((scores >= low) & (scores <= high)).all(axis=-1)
        return np.where(inside, -0.5 * (np.asarray(scores) ** 2).sum(axis=-1), -np.inf)

    def chosen(self, places: Sequence[int]) -> Priors:
        """The priors of some of the parameters."""
        at = np.asarray(places, dtype=np.int64)
        return Priors(tuple(self.names[i] for i in at), self.centre[at], self.low[at], self.high[at], self.log[at])


def systematic(weights: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Places (n) drawn in proportion to `weights`, with the least possible noise."""
    edges = np.cumsum(weights / weights.sum())
    edges[-1] = 1.0
    return np.searchsorted(edges, (np.arange(n) + rng.random()) / n)
