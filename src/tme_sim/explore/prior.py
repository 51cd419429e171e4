"""A handful of patients from what is known of the parameters, for the band around a curve.

Each parameter of the body that the scenario leaves open is drawn between the ends of its evidence, most likely at its
value (triangular; on a logarithmic scale where the ends differ by more than a factor of three), by Latin hypercube.
The parameters are drawn independently of each other, which is assumed: where they go together, the band is too wide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tme_sim.quantities import Parameter
from tme_sim.simulation import Plan

__all__ = ["draw_plans", "draws"]

WIDE = 3.0


def draws(parameters: Mapping[str, Parameter], n: int, seed: int) -> list[dict[str, float]]:
    """`n` draws of the parameters whose evidence is a range, in internal units."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    out: list[dict[str, float]] = [{} for _ in range(n)]
    for name in sorted(parameters):
        one = parameters[name]
        if not one.low < one.high:
            continue
        shares = (generator.permutation(n) + generator.random(n)) / n
        low, mode, high = one.low_internal, one.internal, one.high_internal
        log = low > 0 and high / low > WIDE
        ends = [math.log(v) if log else v for v in (low, mode, high)]
        for draw, share in zip(out, shares, strict=True):
            value = _triangular(float(share), *ends)
            draw[name] = math.exp(value) if log else value
    return out


def _triangular(share: float, low: float, mode: float, high: float) -> float:
    """Quantile of a triangular distribution."""
    whole, first = high - low, mode - low
    if share * whole < first:
        return low + math.sqrt(share * whole * first)
    return high - math.sqrt((1.0 - share) * whole * (high - mode))


def draw_plans(plan: Plan, parameters: Mapping[str, Parameter], n: int, seed: int) -> list[Plan]:
    """The plan with each draw of the parameters that it leaves open; what it sets stays."""
    return [replace(plan, values={**draw, **plan.values}) for draw in draws(parameters, n, seed)]
