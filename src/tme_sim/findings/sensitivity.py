"""Sensitivity of a number to parameters: Morris, Sobol', partial rank correlation, local derivatives.

Each method is a design in the unit cube and an analysis of what came out, so that the runs between may be made by
anything.  A run without a value (NaN) is never read as a number: a whole trajectory (Morris) or base sample (Sobol')
is left out for it, which every result declares, and above `MOST_LEFT_OUT` of them the analysis is refused.

Sources: Morris 1991 (doi 10.1080/00401706.1991.10484804) with mu* of Campolongo 2007 (10.1016/j.envsoft.2006.10.004);
Sobol' indices by the estimators of Saltelli 2010 (first order) and Jansen (total; both 10.1016/j.cpc.2009.09.018);
partial rank correlation as in Marino 2008 (10.1016/j.jtbi.2008.04.011).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tme_sim.diagnostics import InputError, Problem

__all__ = [
    "MOST_LEFT_OUT", "Index", "Local", "Morris", "Prcc", "Sobol", "local_derivatives", "morris", "morris_design",
    "prcc", "sobol", "sobol_design",
]  # fmt: skip

MOST_LEFT_OUT = 0.1
LEVELS = 4  # of the grid of Morris
STEP = 0.02  # of a local derivative, as a share of the range
RESAMPLES = 500  # of the bootstrap
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Index:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Morris:
    """Elementary effects: mean size `mu_star`, mean `mu`, spread `sigma`, per factor; effects per unit cube."""

    names: tuple[str, ...]
    mu_star: tuple[Index, ...]
    mu: np.ndarray
    sigma: np.ndarray
    used: int
    left_out: int


@dataclass(frozen=True)
class Sobol:
    """First-order and total indices per factor; `variance` of the output."""

    names: tuple[str, ...]
    first: tuple[Index, ...]
    total: tuple[Index, ...]
    variance: float
    used: int
    left_out: int


@dataclass(frozen=True)
class Prcc:
    """Partial rank correlation of each factor with the output, with intervals and p-values of Student."""

    names: tuple[str, ...]
    values: tuple[Index, ...]
    p: np.ndarray
    used: int
    left_out: int


@dataclass(frozen=True)
class Local:
    """Derivatives `at` some values, per whole range of each factor, and how far those of a double step differ.

    `as_used` says of each value whether it is the one that the scenario has, and not the middle of the range.
    """

    names: tuple[str, ...]
    slopes: np.ndarray
    error: np.ndarray
    left_out: int
    at: np.ndarray
    as_used: tuple[bool, ...]


# --- Morris ----------------------------------------------------------------------------------


def morris_design(factors: int, trajectories: int, seed: int) -> np.ndarray:
    """Trajectories of Morris in the unit cube, [trajectories * (factors + 1), factors].

    Each walks over a grid of four levels and moves one factor at a time by two thirds, in random order and direction.
    """
    random = np.random.Generator(np.random.Philox(seed))
    step = LEVELS / (2.0 * (LEVELS - 1.0))
    low = np.arange(LEVELS // 2) / (LEVELS - 1.0)
    out = np.empty((trajectories, factors + 1, factors))
    for walk in out:
        up = random.integers(0, 2, factors).astype(bool)
        base = low[random.integers(0, low.size, factors)]
        walk[0] = np.where(up, base, base + step)
        for k, factor in enumerate(random.permutation(factors), 1):
            walk[k] = walk[k - 1]
            walk[k, factor] += step if up[factor] else -step
    return np.clip(out.reshape(-1, factors), 0.0, 1.0)


def morris(design: np.ndarray, values: np.ndarray, names: Sequence[str], *, seed: int = 0) -> Morris:
    """Elementary effects of `values` (one per row of a `morris_design`; NaN where a run gave none).

    Raises:
        InputError: more than a tenth of the trajectories have a run without a value.
    """
    factors = len(names)
    walks = design.reshape(-1, factors + 1, factors)
    y = np.asarray(values, dtype=float).reshape(-1, factors + 1)
    whole = np.isfinite(y).all(axis=1)
    used, left_out = _counted(whole, "trajectories")
    walks, y = walks[whole], y[whole]
    moves, rises = np.diff(walks, axis=1), np.diff(y, axis=1)
    moved = np.abs(moves).argmax(axis=2)
    effects = np.empty((used, factors))
    rows = np.arange(used)[:, None]
    effects[rows, moved] = rises / np.take_along_axis(moves, moved[:, :, None], axis=2)[:, :, 0]
    size = np.abs(effects)
    low, high = _bootstrap(used, seed, lambda pick: size[pick].mean(axis=0))
    stars = tuple(Index(*map(float, v)) for v in zip(size.mean(axis=0), low, high, strict=True))
    sigma = effects.std(axis=0, ddof=1) if used > 1 else np.zeros(factors)
    return Morris(tuple(names), stars, effects.mean(axis=0), sigma, used, left_out)


# --- Sobol' ----------------------------------------------------------------------------------


def sobol_design(factors: int, base: int, seed: int) -> np.ndarray:
    """Samples for :func:`sobol` in the unit cube, [base * (factors + 2), factors].

    Per base point: one of A, then A with column k of B for each factor k, then one of B; A and B come from a scrambled
    Sobol' sequence in twice as many dimensions.  `base` should be a power of 2.
    """
    from scipy.stats import qmc

    random = np.random.Generator(np.random.Philox(seed))
    both = qmc.Sobol(2 * factors, scramble=True, rng=random).random(base)
    a, b = both[:, :factors], both[:, factors:]
    out = np.repeat(a[:, None, :], factors + 2, axis=1)
    for k in range(factors):
        out[:, k + 1, k] = b[:, k]
    out[:, factors + 1] = b
    return out.reshape(-1, factors)


def sobol(values: np.ndarray, names: Sequence[str], *, seed: int = 0) -> Sobol:
    """First-order and total indices of `values` (one per row of a `sobol_design`; NaN where a run gave none).

    An output that does not vary has no indices; all are 0 then.

    Raises:
        InputError: more than a tenth of the base samples have a run without a value.
    """
    factors = len(names)
    y = np.asarray(values, dtype=float).reshape(-1, factors + 2)
    whole = np.isfinite(y).all(axis=1)
    used, left_out = _counted(whole, "base samples")
    y = y[whole]
    scale = np.abs(y).max() or 1.0  # of rounding only: the indices do not depend on it
    y = (y - y.mean()) / scale

    def estimate(pick: np.ndarray) -> np.ndarray:
        """First and total order of every factor from some of the base samples, for resampling."""
        a, b, mixed = y[pick, 0], y[pick, -1], y[pick, 1:-1]
        variance = np.concatenate([a, b]).var()
        if variance <= 1e-24:
            return np.zeros(2 * factors)
        first = (b[:, None] * (mixed - a[:, None])).mean(axis=0) / variance
        total = 0.5 * ((a[:, None] - mixed) ** 2).mean(axis=0) / variance
        return np.concatenate([first, total])

    middle = estimate(np.arange(used))
    low, high = _bootstrap(used, seed, estimate)
    all_of = tuple(Index(*map(float, v)) for v in zip(middle, low, high, strict=True))
    variance = float(y[:, [0, -1]].var() * scale**2)
    return Sobol(tuple(names), all_of[:factors], all_of[factors:], variance, used, left_out)


# --- partial rank correlation ----------------------------------------------------------------------------------


def prcc(points: np.ndarray, values: np.ndarray, names: Sequence[str]) -> Prcc:
    """Partial rank correlation of each column of `points` [run, factor] with `values`; any scattered design serves.

    Intervals by Fisher's transform, p-values by Student, both with the degrees of freedom left by the other factors.

    Raises:
        InputError: more than a tenth of the runs without a value, or fewer than three runs more than factors.
    """
    from scipy.stats import norm, rankdata, t

    points, y = np.asarray(points, dtype=float), np.asarray(values, dtype=float)
    used, left_out = _counted(np.isfinite(y), "runs")
    points, y = points[np.isfinite(y)], y[np.isfinite(y)]
    factors = points.shape[1]
    if used < factors + 3:
        raise InputError(Problem("study", "", f"{used} runs are too few for {factors} factors; give more points"))
    ranks = np.column_stack([rankdata(points[:, k]) for k in range(factors)])
    ranked = rankdata(y)
    found, p = [], np.empty(factors)
    free = used - factors - 1
    for k in range(factors):
        others = np.column_stack([np.ones(used), np.delete(ranks, k, axis=1)])
        both = np.column_stack([ranks[:, k], ranked])
        rest = both - others @ np.linalg.lstsq(others, both, rcond=None)[0]
        norms = np.linalg.norm(rest, axis=0)
        r = float(np.clip(rest[:, 0] @ rest[:, 1] / np.prod(norms), -1, 1)) if norms.min() > 1e-9 * used else 0.0
        half = norm.ppf(0.5 + CONFIDENCE / 2) / np.sqrt(max(free - 1, 1))
        z = np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15))
        found.append(Index(r, float(np.tanh(z - half)), float(np.tanh(z + half))))
        p[k] = 2.0 * t.sf(abs(r) * np.sqrt(free / max(1.0 - r * r, 1e-300)), free)
    return Prcc(tuple(names), tuple(found), p, used, left_out)


# --- local ----------------------------------------------------------------------------------


def local_derivatives(
    run: Callable[[np.ndarray], np.ndarray], at: np.ndarray, *, step: float | np.ndarray = STEP
) -> tuple[np.ndarray, np.ndarray]:
    """Central differences per unit cube at a point, and how far those of the double step differ (their error).

    `run` maps points [n, factor] to values; at an edge of the cube the difference is taken inwards (second order).
    `step` is one of all factors or one for each.  A derivative of which a run gave no value is NaN.
    """
    at = np.asarray(at, dtype=float)
    points, weights = [], []
    for k, (x, one) in enumerate(zip(at, np.broadcast_to(step, at.shape), strict=True)):
        for h in (one, 2 * one):
            if x - h < 0:
                offsets, w = (0, h, 2 * h), np.array([-1.5, 2.0, -0.5]) / h
            elif x + h > 1:
                offsets, w = (0, -h, -2 * h), np.array([1.5, -2.0, 0.5]) / h
            else:
                offsets, w = (-h, h), np.array([-0.5, 0.5]) / h
            for offset in offsets:
                point = at.copy()
                point[k] += offset
                points.append(point)
            weights.append(w)
    values = np.asarray(run(np.array(points)), dtype=float)
    parts = np.split(values, np.cumsum([w.size for w in weights])[:-1])
    slopes = np.array([w @ part for w, part in zip(weights, parts, strict=True)]).reshape(-1, 2)
    return slopes[:, 0], np.abs(slopes[:, 1] - slopes[:, 0])


# --- helpers ----------------------------------------------------------------------------------


def _counted(whole: np.ndarray, what: str) -> tuple[int, int]:
    used, left_out = int(whole.sum()), int((~whole).sum())
    if used == 0 or left_out > MOST_LEFT_OUT * whole.size:
        raise InputError(Problem("study", "", (
            f"{left_out} of {whole.size} {what} hold a run without a value; no sensitivity is told from so few. "
            "Look at the messages of the failed runs, or narrow the ranges")))
    return used, left_out


def _bootstrap(count: int, seed: int, estimate: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile interval of an estimate over resampled members."""
    random = np.random.Generator(np.random.Philox(seed + 1))
    drawn = np.array([estimate(random.integers(0, count, count)) for _ in range(RESAMPLES)])
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(drawn, (tail, 100.0 - tail), axis=0)
    return low, high
