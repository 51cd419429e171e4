"""Occult foci of a patient: drawn from the seed, pooled where a model holds no more lesions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tme_sim.patient import Occult

SMALLEST, LARGEST = 1.0, 9.9  # mm; what imaging does not show at entry
DOUBLING = (11.0, 2500.0)  # days; shortest and longest believed (declaration of doubling_time)
SIZE, GROWTH, FEEDING, BIRTH = range(4)  # draws of a focus
BORN = 1.0  # mm; what a focus measures on the day from which it counts as born
LEAST = 0.1  # mm; a hundred cells, below which a lesion of densities means nothing
HORIZON = 3 * 365.25  # days after day 0 within which births are drawn
LN2 = 0.6931471805599453
LATER = 1000  # numbers of foci born later begin here, so that those of day 0 are the same with and without them

Focus = dict[str, float]


def draw_foci(occult: Occult, seed: int, patient: int, doubling_time: float, cell_loss_factor: float) -> list[Focus]:
    """Lesion parameters (internal units) of the foci of one patient: in the liver, outside it, born later.

    Numbers are Poisson, diameters and doubling times log-normal, the arterial share uniform around its mean.  They
    depend on (seed, patient) and the settings alone.  A focus divides faster or slower than the first lesion, whose
    doubling time and cell loss factor are given, and loses cells at the same rate; so its own loss factor follows.

    A focus born later stands there from day 0 with the size that lets it reach `BORN` on its day: nothing sees it, yet
    systemic therapy meets its precursor, which is simplified.
    """
    import numpy as np

    from tme_sim.engine.elementary import exp
    from tme_sim.engine.rng import PURPOSES, normal, poisson, uniform
    from tme_sim.quantities import convert

    def draw(kind, number: int, which: int, *more):
        """Draw number `which` of a focus."""
        return kind(*(np.uint64(v) for v in (seed, patient, number, 0, PURPOSES["occult_foci"], which)), *more)

    def focus(number: int, extrahepatic: float = 0.0) -> Focus:
        """What a focus has but its size."""
        slower = doubling_time * exp(occult.growth_spread * draw(normal, number, GROWTH))
        slower = min(max(slower, DOUBLING[0]), DOUBLING[1])
        share = cell_loss_factor * slower
        reach = min(occult.arterial, 1.0 - occult.arterial)
        return {
            "doubling_time": slower,
            "cell_loss_factor": share / (share + (1.0 - cell_loss_factor) * doubling_time),
            "arterial_share": occult.arterial + reach * (2.0 * draw(uniform, number, FEEDING) - 1.0),
            "extrahepatic": extrahepatic,
        }

    means = occult.liver, occult.extrahepatic, convert(*occult.births, "1/day") * HORIZON
    liver, extrahepatic, later = (draw(poisson, 0, i, mean) for i, mean in enumerate(means))
    median = convert(*occult.diameter, "mm")
    out = []
    for number in range(1, liver + extrahepatic + 1):
        size = median * exp(occult.spread * draw(normal, number, SIZE))
        one = focus(number, 0.0 if number <= liver else 1.0)
        out.append({"diameter": min(max(size, SMALLEST), LARGEST)} | one)
    for number in range(LATER, LATER + later):
        one = focus(number)
        waits = HORIZON * draw(uniform, number, BIRTH) / (3.0 * one["doubling_time"])  # doublings of the diameter
        out.append({"diameter": max(BORN * exp(-LN2 * waits), LEAST)} | one)
    return out


def pool(foci: Sequence[Focus], room: int) -> tuple[list[Focus], str]:
    """Foci that fit into `room` lesion slots, and a warning ("" if all fit).

    The smallest of one kind become one focus of their joint volume (but no larger than what imaging misses), which
    grows and feeds as the largest of them.
    """
    from tme_sim.engine.elementary import power

    kept = sorted(foci, key=lambda one: -one["diameter"])
    spare = len(kept) - room
    if spare <= 0:
        return list(foci), ""
    outside = [any(one["extrahepatic"] == place for one in kept) for place in (0.0, 1.0)]
    if room < sum(outside):
        return kept[:room], f"{spare} of {len(kept)} occult foci are left out: a model holds no more lesions"
    while len(kept) > room:
        last = kept.pop()
        host = next((i for i in reversed(range(len(kept))) if kept[i]["extrahepatic"] == last["extrahepatic"]), None)
        if host is None:  # the only one of its kind: it stays, and the two smallest of the other kind are joined
            last, other = kept.pop(), last
            kept.append(other)
            host = next(i for i in reversed(range(len(kept))) if kept[i]["extrahepatic"] == last["extrahepatic"])
        joint = power(sum(one["diameter"] * one["diameter"] * one["diameter"] for one in (kept[host], last)), 1.0 / 3.0)
        kept[host] = kept[host] | {"diameter": min(joint, LARGEST)}
        kept.sort(key=lambda one: -one["diameter"])
    return kept, f"the smallest of {len(foci)} occult foci are pooled into {room}: a model holds no more lesions"
