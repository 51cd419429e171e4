"""Priors within evidence ranges, a tempered sequential Monte Carlo sampler, and how its output is checked.

All of it is plain statistics and knows no biology.  A sampler works on scores: of a prior that is a normal cut at the
ends of the evidence, the score is the distance from the centre in standard deviations, on a linear or logarithmic
scale.

Sources: tempering by effective sample size, Del Moral, Doucet and Jasra 2006 (doi 10.1111/j.1467-9868.2006.00553.x);
split R-hat, Gelman and Rubin as in Vehtari et al. 2021 (doi 10.1214/20-BA1221); simulation-based calibration, Talts et
al. 2018 (arXiv 1804.06788).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Priors", "Sample", "effective_size", "flat", "generator", "r_hat", "rank_of", "smc", "systematic"]

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


@dataclass(frozen=True)
class Sample:
    """What a sampler gives: scores [n, k] of equal weight, and how it went.

    `temperatures` run from 0 to 1; `sizes` are effective sample sizes before each resampling, `accepted` the share of
    moves accepted at each temperature, `moved` the share of draws that have left their parent, `evidence` the log of
    the mean likelihood under the prior.
    """

    scores: np.ndarray
    log_likelihood: np.ndarray
    temperatures: tuple[float, ...]
    sizes: tuple[float, ...]
    accepted: tuple[float, ...]
    moved: tuple[float, ...]
    evidence: float
    notes: tuple[str, ...] = field(default=())


def effective_size(log_weights: np.ndarray) -> float:
    """Effective number of draws behind log weights (n)."""
    w = np.exp(log_weights - log_weights.max())
    return float(w.sum() ** 2 / (w**2).sum())


def systematic(weights: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Places (n) drawn in proportion to `weights`, with the least possible noise."""
    edges = np.cumsum(weights / weights.sum())
    edges[-1] = 1.0
    return np.searchsorted(edges, (np.arange(n) + rng.random()) / n)


def smc(
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    priors: Priors,
    *,
    n: int = 1000,
    seed: int = 1,
    keep: float = 0.5,
    sweeps: int = 10,
    settle: int = 0,
    most: int = 200,
) -> Sample:
    """Draw from prior times likelihood, warming the likelihood up in steps that keep the share `keep` of the draws.

    Args:
        log_likelihood: of scores [n, k], vectorised, gives (n); may be minus infinity.
        sweeps: random-walk moves of every draw at each temperature, scaled to the draws' own covariance.
        settle: moves more at the last temperature, the walk fitted anew to the draws every `sweeps` of them, so that
            draws forget which of the first ones they descend from.

    Raises:
        ValueError: no draw of the prior has a likelihood above 0, or the temperature does not reach 1.
    """
    rng = generator(seed, 2)
    x = priors.draw(n, seed)
    fit, prior = np.asarray(log_likelihood(x), dtype=np.float64), priors.log_density(x)
    if not np.isfinite(fit).any():
        raise ValueError("no draw of the prior has a likelihood above 0: the targets and the evidence ranges disagree")
    beta, evidence = 0.0, 0.0
    temperatures, sizes, accepted, moved = [0.0], [], [], []
    scale = 2.38 / np.sqrt(x.shape[1])
    while beta < 1.0:
        if len(temperatures) > most:
            raise ValueError(f"{most} temperatures did not reach the likelihood; it is narrower than draws can follow")
        step = _step(fit, 1.0 - beta, keep * n)
        weights = step * np.where(np.isfinite(fit), fit, -np.inf)
        sizes.append(effective_size(weights))
        top = weights.max()
        evidence += top + float(np.log(np.mean(np.exp(weights - top))))
        beta = 1.0 if beta + step > 1.0 - 1e-12 else beta + step
        at = systematic(np.exp(weights - top), n, rng)
        x, fit, prior = x[at], fit[at], prior[at]
        last = beta == 1.0
        taken, apart = 0.0, np.zeros(n, dtype=bool)
        for k in range(sweeps + (settle if last else 0)):
            if k % sweeps == 0:
                factor = _factor(x)
            new = x + scale * rng.standard_normal(x.shape) @ factor.T
            new_prior = priors.log_density(new)
            inside = np.isfinite(new_prior)
            new_fit = np.full(n, -np.inf)
            if inside.any():
                new_fit[inside] = log_likelihood(new[inside])
            with np.errstate(invalid="ignore"):
                gain = beta * (new_fit - fit) + new_prior - prior
            take = np.log(rng.random(n)) < np.where(np.isfinite(new_fit), gain, -np.inf)
            x[take], fit[take], prior[take] = new[take], new_fit[take], new_prior[take]
            taken += take.mean()
            apart |= take
        taken /= sweeps + (settle if last else 0)
        scale *= float(np.exp(taken - 0.25))
        temperatures.append(beta)
        accepted.append(float(taken))
        moved.append(float(apart.mean()))
    return Sample(x, fit, tuple(temperatures), tuple(sizes), tuple(accepted), tuple(moved), evidence)


def _step(fit: np.ndarray, most: float, wanted: float) -> float:
    """The largest step of temperature that leaves `wanted` effective draws, by bisection."""
    finite = np.where(np.isfinite(fit), fit, -np.inf)
    if effective_size(most * finite) >= wanted:
        return most
    low, high = 0.0, most
    for _ in range(60):
        middle = 0.5 * (low + high)
        if effective_size(middle * finite) >= wanted:
            low = middle
        else:
            high = middle
    return max(low, 1e-9 * most)


def _factor(x: np.ndarray) -> np.ndarray:
    """Cholesky factor of the draws' covariance, kept positive."""
    covariance = np.atleast_2d(np.cov(x.T))
    return np.linalg.cholesky(covariance + 1e-10 * np.eye(len(covariance)) * max(1e-12, np.trace(covariance)))


def r_hat(chains: np.ndarray) -> np.ndarray:
    """Split R-hat (k) of chains [chain, draw, k]; independent runs of a sampler count as chains."""
    half = chains.shape[1] // 2
    parts = np.concatenate([chains[:, :half], chains[:, half : 2 * half]])
    within = parts.var(axis=1, ddof=1).mean(axis=0)
    between = half * parts.mean(axis=1).var(axis=0, ddof=1)
    return np.sqrt(((half - 1) / half * within + between / half) / np.maximum(within, 1e-300))


def rank_of(truth: float, draws: np.ndarray, bins: int) -> int:
    """Which of `bins` equal shares of the draws (n) the truth falls into, from 0."""
    return min(int((draws < truth).mean() * bins), bins - 1)


def flat(ranks: Sequence[int], bins: int) -> float:
    """p of a chi-squared test that ranks 0 to bins-1 are equally frequent, as simulation-based calibration asks."""
    from scipy.stats import chisquare

    return float(chisquare(np.bincount(np.asarray(ranks), minlength=bins)).pvalue)
