"""How each target depends on each parameter: penalised regressions over runs that all have other parameters.

Shares are regressed on the logit scale (an indicator or a fraction per run), logarithms on a straight line.  The
penalty is a normal prior on the slopes whose width the data choose (Laplace approximation of the evidence, MacKay
1992, doi 10.1162/neco.1992.4.3.415), so that few runs give small slopes with honest uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Emulator", "fit_emulator"]

WIDTHS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.6)  # tried sds of slopes, per score
SQUARES = 0.5  # sd of quadratic terms over that of slopes
LEAST_RUNS = 12


@dataclass(frozen=True)
class Emulator:
    """A fitted regression: `weights` (p) of intercept, slopes and squares, and their `covariance` (p, p)."""

    weights: np.ndarray
    covariance: np.ndarray
    logit: bool
    squares: bool
    runs: int

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (n, n) of the target at scores [n, k]."""
        x = _terms(scores, self.squares)
        eta = x @ self.weights
        sd = np.sqrt(np.maximum(((x @ self.covariance) * x).sum(axis=1), 0.0))
        if not self.logit:
            return eta, sd
        p = 1.0 / (1.0 + np.exp(-eta))
        return p, p * (1.0 - p) * sd

    def slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """Change of the target per score at the centre (k), and its standard error (k)."""
        k = (len(self.weights) - 1) // (2 if self.squares else 1)
        p = 1.0 / (1.0 + np.exp(-self.weights[0]))
        factor = p * (1.0 - p) if self.logit else 1.0
        return factor * self.weights[1 : k + 1], factor * np.sqrt(np.diag(self.covariance)[1 : k + 1])


def _terms(scores: np.ndarray, squares: bool) -> np.ndarray:
    scores = np.atleast_2d(scores)
    parts = [np.ones((len(scores), 1)), scores]
    if squares:
        parts.append(scores**2 - 1.0)
    return np.hstack(parts)


def fit_emulator(scores: np.ndarray, y: np.ndarray, *, logit: bool, squares: bool = True) -> Emulator:
    """Regress `y` (n; NaN left out) on scores [n, k].

    Raises:
        ValueError: fewer than 12 runs that count.
    """
    good = np.isfinite(y)
    if good.sum() < LEAST_RUNS:
        raise ValueError(f"{int(good.sum())} runs count; {LEAST_RUNS} are needed")
    x, y, k = _terms(scores[good], squares), y[good], scores.shape[1]
    best = None
    for width in WIDTHS:
        sd = np.concatenate([[10.0], np.full(k, width), np.full(k if squares else 0, SQUARES * width)])
        one = _logistic(x, y, sd) if logit else _linear(x, y, sd)
        if best is None or one[0] > best[0]:
            best = one
    return Emulator(best[1], best[2], logit, squares, int(good.sum()))


def _logistic(x: np.ndarray, y: np.ndarray, sd: np.ndarray):
    """Log evidence, mode and covariance of a penalised logistic regression on fractions."""
    inner = np.clip(y.mean(), 0.5 / len(y), 1 - 0.5 / len(y))
    w = np.zeros(x.shape[1])
    w[0] = np.log(inner / (1 - inner))
    centre = w * (np.arange(len(w)) == 0)  # the intercept is pulled to the mean, so a share of 0 or 1 stays finite
    sd = np.where(np.arange(len(sd)) == 0, 2.0, sd)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-x @ w))
        gradient = x.T @ (y - p) - (w - centre) / sd**2
        precision = (x * (p * (1 - p))[:, None]).T @ x + np.diag(1.0 / sd**2)
        step = np.linalg.solve(precision, gradient)
        w = w + step * min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    eta = x @ w
    fit = float((y * eta - np.logaddexp(0.0, eta)).sum())
    evidence = fit - 0.5 * float((((w - centre) / sd) ** 2).sum()) - float(np.log(sd).sum())
    evidence -= 0.5 * np.linalg.slogdet(precision)[1]
    return evidence, w, np.linalg.inv(precision)


def _linear(x: np.ndarray, y: np.ndarray, sd: np.ndarray):
    """The same on a straight line, noise variance from the residuals; slopes are in sds of `y`."""
    scale = max(float(y.std()), 1e-9)
    sd = np.where(np.arange(len(sd)) == 0, 10.0 * (scale + abs(y.mean())), sd * scale)
    noise = scale**2
    for _ in range(20):
        precision = x.T @ x / noise + np.diag(1.0 / sd**2)
        w = np.linalg.solve(precision, x.T @ y / noise)
        used = np.trace(x @ np.linalg.solve(precision, x.T) / noise)
        noise = max(float(((y - x @ w) ** 2).sum() / max(len(y) - used, 1.0)), 1e-12)
    fit = -0.5 * float(((y - x @ w) ** 2).sum()) / noise - 0.5 * len(y) * np.log(noise)
    evidence = fit - 0.5 * float(((w / sd) ** 2).sum()) - float(np.log(sd).sum())
    evidence -= 0.5 * np.linalg.slogdet(precision)[1]
    return evidence, w, np.linalg.inv(precision)
