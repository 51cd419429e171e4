"""Designs: which combinations of values are run.  Random ones depend on the seed of the study and on nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from tme_sim.study.factors import Factor, Value

__all__ = ["DESIGNS", "RANDOM", "design_points", "unit_points"]

DESIGNS = ("grid", "latin_hypercube", "sobol", "one_at_a_time", "list")
RANDOM = ("latin_hypercube", "sobol")


def unit_points(kind: str, dimensions: int, n: int, seed: int) -> np.ndarray:
    """`n` points (n, dimensions) of the unit cube: a Latin hypercube, or a scrambled Sobol' sequence.

    A Sobol' sequence is balanced where `n` is a power of two; other numbers take its first `n` points.
    """
    from scipy.stats import qmc

    if dimensions == 0:
        return np.zeros((n, 0))
    if kind == "latin_hypercube":
        return qmc.LatinHypercube(dimensions, rng=np.random.default_rng(seed)).random(n)
    power = max(0, (n - 1).bit_length())
    return qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed)).random_base2(power)[:n]


def design_points(
    kind: str, factors: Sequence[Factor], n: int, seed: int, centre: Sequence[Value | None] = ()
) -> list[tuple[Value, ...]]:
    """Values of the factors, point by point; `centre` is what one-at-a-time starts from (None: the base's value)."""
    if kind == "grid":
        return list(itertools.product(*(f.grid() for f in factors)))
    if kind == "one_at_a_time":
        middle = tuple(centre)
        out = [middle]
        for i, factor in enumerate(factors):
            out += [(*middle[:i], value, *middle[i + 1 :]) for value in factor.grid()]
        return list(dict.fromkeys(out))
    cube = unit_points(kind, len(factors), n, seed)
    return [tuple(f.at(u) for f, u in zip(factors, row, strict=True)) for row in cube.tolist()]
