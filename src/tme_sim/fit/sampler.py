"""A tempered sequential Monte Carlo sampler on the scores of priors, and how its output is checked.

All of it is plain statistics and knows no biology.

Sources: tempering by effective sample size, Del Moral, Doucet and Jasra 2006 (doi 10.1111/j.1467-9868.2006.00553.x);
split R-hat, Gelman and Rubin as in Vehtari et al. 2021 (doi 10.1214/20-BA1221); simulation-based calibration, Talts et
al. 2018 (arXiv 1804.06788).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tme_sim.priors import Priors, generator, systematic

__all__ = ["Sample", "effective_size", "flat", "r_hat", "rank_of", "smc"]

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
