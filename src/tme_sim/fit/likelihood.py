"""The likelihood of a fit by its regressions: one for every target, and a last one for whether a run can be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tme_sim.fit.emulator import Emulator
from tme_sim.fit.targets import FitProblem

__all__ = ["DOUBTED", "log_likelihood"]

DOUBTED = 0.1  # sd of the share of runs that can be done, around all of them: patients of a cohort do exist


def log_likelihood(
    problem: FitProblem, emulators: Sequence[Emulator], nuisance: np.ndarray, values: Mapping[int, float] | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Log likelihood (n) of scores [n, k] of the chosen parameters: normal, with noise of observation and regression.

    The last regression is of whether a run can be done: vectors under which patients cannot exist count little.

    Args:
        nuisance: sd of each target by parameters that are left out.
        values: observations by place of a target, instead of the problem's own.
    """
    if values is None:
        values = {i: t.value for i, t in enumerate(problem.targets) if t.role == "fit"}

    def of(scores: np.ndarray) -> np.ndarray:
        total = -0.5 * ((1.0 - emulators[-1](scores)[0]) / DOUBTED) ** 2
        for i, value in values.items():
            mean, sd = emulators[i](scores)
            variance = problem.targets[i].noise ** 2 + sd**2 + nuisance[i] ** 2
            total += -0.5 * (value - mean) ** 2 / variance - 0.5 * np.log(variance)
        return total

    return of
