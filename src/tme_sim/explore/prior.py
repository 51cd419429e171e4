"""A handful of parameter vectors from what is known, for the band around a curve.

Without a posterior each parameter of the body that the scenario leaves open is drawn by Latin hypercube from the prior
of :class:`tme_sim.priors.Priors`: a normal around its value, cut at the ends of its evidence, on a logarithmic
scale where these differ by more than a factor of three.  Parameters are drawn independently, which is assumed: where
they go together, the band is too wide.  The members of a posterior (:mod:`tme_sim.posterior`) do go together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tme_sim.plan import Plan
from tme_sim.quantities import Parameter

__all__ = ["draw_plans", "draws", "members"]

WIDE = 3.0
PURPOSE = 31  # of the random numbers


def draws(parameters: Mapping[str, Parameter], n: int, seed: int) -> list[dict[str, float]]:
    """`n` draws of the parameters whose evidence is a range, in internal units."""
    from tme_sim.priors import Priors, generator

    free = [parameters[name] for name in sorted(parameters) if parameters[name].low < parameters[name].high]
    centre, low, high = (np.array([getattr(p, key) for p in free])
                         for key in ("internal", "low_internal", "high_internal"))  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        priors = Priors(tuple(p.name for p in free), centre, low, high, (low > 0) & (high / low > WIDE))
    random = generator(seed, PURPOSE)
    shares = np.array([(random.permutation(n) + random.random(n)) / n for _ in free]).T
    values = priors.values(priors.quantile(shares))
    return [dict(zip(priors.names, map(float, row), strict=True)) for row in values]


def members(posterior: Any, n: int, seed: int) -> list[dict[str, float]]:
    """`n` members of a posterior: the parameters of the model among what was fitted, in internal units."""
    rows = posterior.priors.values(posterior.members(n, seed))
    return [{name: float(v) for name, v in zip(posterior.priors.names, row, strict=True) if "." not in name}
            for row in rows]  # fmt: skip


def draw_plans(plan: Plan, vectors: Sequence[Mapping[str, float]], lesion: Sequence[str] = ()) -> list[Plan]:
    """The plan with each vector of parameters that it leaves open; what it sets stays, and so does what is drawn of a
    lesion (names in `lesion`).
    """
    return [replace(plan, values={**{n: v for n, v in one.items() if n not in lesion}, **plan.values})
            for one in vectors]  # fmt: skip
