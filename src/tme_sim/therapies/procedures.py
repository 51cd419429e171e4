"""Ablation, stereotactic radiotherapy and yttrium-90 as changes of state: kill, antigen, occlusion, cost to the liver.

Biology.  Heat coagulates the tumour and a rim of liver at once; it fails beyond the size of its zone and, next to
vessels, where the rim is thin.  Radiation dooms cells that die over weeks, spares cells without oxygen, and harms liver
late and in part for good.  Yttrium-90 microspheres come by the artery, decay with a half-life of 2.7 days, close hardly
any vessel and leave cold spots.  All of them set antigen free.

Simplified.  Procedures are jumps of the states that are there.  The size of a lesion is that at day 0.  Survivors of
radiation follow the linear-quadratic form, quiescent cells at a dose divided by the oxygen enhancement; cells die on
nine days over three months, those doomed and not yet dead go on living till then.  Killed cells add to the debris that
frees antigen in proportion to an immunogenic weight.  All clones die alike.

Not included.  Damage of vessels by heat or radiation, dose to liver as a map, repair between fractions, repopulation,
radiation pneumonitis, needle tract seeding, bleeding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tme_sim.mechanisms.liver import session_burden
from tme_sim.mechanisms.tumour import CLONES
from tme_sim.quantities import Parameter
from tme_sim.therapies.dosing import Row, add
from tme_sim.therapies.session import SELECTIVITY, fill

Change = tuple[float, list[Row]]  # delay in days, rows

SMALL = ("complete ablation of HCC up to 30 mm in 95 %, local progression 21 % (RF) and 8 % (MW): "
         "DOI 10.1245/s10434-016-5527-2")  # fmt: skip
MEDIUM = "microwave, 30-50 mm: technical effectiveness 93 % (n = 182, PMC4356920)"
TOXIC = "17 of 104 went up a Child-Pugh class after 43 Gy in 3 fractions (DOI 10.2147/OTT.S112290)"
NOBODY = "no source found"
WORN = ("no source for the part of ablation; albumin falls by 4 g/L in the year after radiofrequency, which is 0.34, "
        "the course of the liver itself included (45 patients without recurrence, 20 embolised before, "
        "DOI 10.1111/j.1872-034X.2009.00613.x)")


@dataclass(frozen=True)
class Cost:
    """What a procedure does beside the tumour: ALBI shift, the share of it that stays, injury, immunogenic weight.

    The shift and the injury are those of `dose`, and in proportion to it (0: they do not depend on a dose).
    """

    albi: Parameter
    persist: Parameter
    injury: Parameter
    immunogenic: Parameter
    dose: float = 0.0


def _cost(name, albi, persist, injury, immunogenic, source, grade, dose=0.0) -> Cost:
    return Cost(
        Parameter(f"{name}_albi", albi[0], "1", source, grade, albi[1], albi[2], "ALBI shift in all liver it reaches"),
        Parameter(f"{name}_persist", persist[0], "1", NOBODY, "assumed", persist[1], persist[2],
                  "share of it that is never regained"),
        Parameter(f"{name}_injury", injury[0], "1", NOBODY, "assumed", injury[1], injury[2],
                  "injury of the parenchyma, that of a lobar lipiodol TACE = 1"),
        Parameter(f"{name}_immunogenic", immunogenic[0], "1", NOBODY, "assumed", immunogenic[1], immunogenic[2],
                  "antigen and danger set free per killed cell, necrosis = 1"),
        dose,
    )


COSTS = {
    "ablation": _cost("ablation", (0.05, 0.0, 0.2), (0.1, 0.0, 0.5), (0.3, 0.1, 0.6), (1.0, 0.3, 1.0), WORN,
                      "assumed"),
    "sbrt": _cost("sbrt", (0.15, 0.03, 0.5), (0.5, 0.2, 0.8), (0.05, 0.0, 0.2), (0.5, 0.05, 1.0), TOXIC, "low", 43.0),
    "radioembolisation": _cost("radioembolisation", (0.25, 0.05, 0.6), (0.4, 0.1, 0.8), (0.15, 0.0, 0.5),
                               (0.5, 0.05, 1.0), NOBODY, "assumed", 205.0),
}  # fmt: skip
ZONES = {
    "radiofrequency": Parameter("radiofrequency_zone", 40.0, "mm", f"derived: 30 mm and a rim of 5 mm; {SMALL}", "low",
                                30.0, 50.0, "diameter that one treatment coagulates"),
    "microwave": Parameter("microwave_zone", 60.0, "mm", f"derived: 50 mm and a rim of 5 mm; {MEDIUM}", "low", 45.0,
                           70.0, "diameter that one treatment coagulates"),
}  # fmt: skip
SPARED = {
    "radiofrequency": Parameter("radiofrequency_spared", 0.03, "1", f"{NOBODY}; {SMALL}", "assumed", 0.0, 0.2,
                                "share of cells that vessels keep cool, without any rim"),
    "microwave": Parameter("microwave_spared", 0.015, "1", f"{NOBODY}; {SMALL}", "assumed", 0.0, 0.1,
                           "share of cells that vessels keep cool, without any rim"),
}  # fmt: skip
RIM = Parameter("ablation_rim", 2.5, "mm", f"{NOBODY} for the length; effect: local progression in 14 of 85 HCC below "
                "3 cm, a margin of 5 mm the one independent factor (acemap.info/paper/457272356)", "assumed", 1.5,
                5.0, "rim of ablated liver that lowers what is spared e-fold")
SURVIVAL = ("fitted to survival after irradiation of primary liver cancer (Int J Radiat Oncol Biol Phys 2008;70:900), "
            "which holds much that is not kill")
ALPHA = Parameter("alpha", 0.06, "1/Gy", f"{NOBODY}; clinical estimates spread widely (review: Radiat Oncol 2018, "
                  "van Leeuwen, 64 studies), lower than those of cells in a dish", "assumed", 0.01, 0.3,
                  f"log-kill per dose, small doses; measured: 0.010 +- 0.001, {SURVIVAL}")
ALPHA_BETA = Parameter("alpha_beta", 10.0, "Gy", "by convention for tumours", "assumed", 4.0, 15.0,
                       f"linear-quadratic ratio; measured: 15 +- 2, {SURVIVAL}")
ENHANCEMENT = Parameter("oxygen_enhancement", 1.5, "1", "about 3 for X rays on cells without oxygen (ICRP Publication "
                        "127, icrpaedia.org/Oxygen_enhancement_ratio); quiescent cells here have some", "low", 1.0,
                        3.0, "dose that quiescent, hypoxic cells need over that of cycling cells")
DEATH = Parameter("radiation_death", 14.0, "day", f"{NOBODY}; responses come over one to three months", "assumed", 5.0,
                  40.0, "half-time in which doomed cells die")
DECAY = Parameter("y90_half_life", 64.1, "h", "physics", "high", 64.0, 64.2, "decay of yttrium-90")
Y90_ALPHA = {
    "glass": Parameter("glass_alpha", 0.02, "1/Gy", "derived: a third of alpha, as glass spheres harm the liver a "
                       "third as much per dose as beams (DOI 10.1201/9781315369150-21): few hot spheres, much of the "
                       "dose wasted",
                       "low", 0.005, 0.06, "log-kill per mean dose of the tumour"),
    "resin": Parameter("resin_alpha", 0.04, "1/Gy", f"{NOBODY}; more spheres, spread more evenly", "assumed", 0.01, 0.1,
                       "log-kill per mean dose of the tumour"),
}  # fmt: skip
COLD = Parameter("y90_cold", 0.03, "1", NOBODY, "assumed", 0.0, 0.2, "share of cells in tissue without microspheres")
Y90_LOST = {
    "glass": Parameter("glass_lost", 0.02, "1", f"{NOBODY}; 20-30 um spheres, hardly embolic", "assumed", 0.0, 0.1,
                       "perfused vessels lost"),
    "resin": Parameter("resin_lost", 0.08, "1", f"{NOBODY}; ten times as many spheres", "assumed", 0.0, 0.3,
                       "perfused vessels lost"),
}  # fmt: skip

MINUTE = 1.0 / 1440.0  # days; heat takes some, and a scan of the same minute sees the lesion as it was
DEATH_DAYS = (1, 4, 7, 14, 21, 28, 42, 56, 84)  # after the middle of the irradiation
VIABLE = tuple((f"cycling{clone}", f"quiescent{clone}") for clone in CLONES)


def ablated_share(technique: str, diameter: float, margin: float) -> float:
    """Share of a lesion's cells that heat kills.

    Args:
        technique: a key of ZONES.
        diameter: of the lesion [mm].
        margin: rim of liver asked for [mm]; where the zone is too small the rim is thinner, or a part of the lesion
            lies outside.
    """
    zone, spared = ZONES[technique].value, SPARED[technique].value
    if diameter > zone:
        return (zone / diameter) ** 3 * (1.0 - spared)
    reached = min(margin, 0.5 * (zone - diameter))
    return 1.0 - spared * math.exp(-reached / RIM.value)


def log_kill(dose: float, fractions: int) -> float:
    """Natural logarithm of cells over survivors after `fractions` equal fractions of `dose` [Gy] in all."""
    return ALPHA.value * dose * (1.0 + dose / fractions / ALPHA_BETA.value)


def fraction_days(fractions: int) -> list[int]:
    """Days of consecutive working days, the first a Monday."""
    return [7 * (n // 5) + n % 5 for n in range(fractions)]


def _killed(share: float, cells: str, into: str, debris_per_cell: float) -> list[Row]:
    """Rows that move a share of `cells` on, with the debris that they leave."""
    rows = [Row(cells, cells, -share, 0.0), Row(into, cells, share, 0.0)]
    return [*rows, Row("debris", cells, share * debris_per_cell, 0.0)] if debris_per_cell else rows


def _debris(kind: str, diameter: float) -> float:
    """Debris per killed cell [1/mm^3]: the immunogenic weight over the lesion's volume at day 0."""
    return COSTS[kind].immunogenic.value / (math.pi / 6.0 * diameter**3)


def _doomed(kind: str, diameter: float, begin: float, cycling: float, quiescent: float, spared: float) -> list[Change]:
    """Cells dying over weeks from day `begin`: log-kill of cycling and quiescent cells, a share `spared` of both.

    What survives all jumps is ``spared + (1 - spared) exp(-log-kill)``.
    """
    reached = [1.0 - 2.0 ** (-day / DEATH.value) for day in DEATH_DAYS]
    out, debris = [], _debris(kind, diameter)
    totals = [-math.log(spared + (1.0 - spared) * math.exp(-kill)) for kill in (cycling, quiescent)]
    for i, day in enumerate(DEATH_DAYS):
        weight = (reached[i] - (reached[i - 1] if i else 0.0)) / reached[-1]
        rows: list[Row] = []
        for pair in VIABLE:
            for cells, total in zip(pair, totals, strict=True):
                rows += _killed(-math.expm1(-total * weight), cells, "dying", debris)
        out.append((begin + day, rows))
    return out


def lesion_changes(kind: str, data: Mapping[str, Any], of: Callable[[str], float], core_share: float) -> list[Change]:
    """Changes of a treated lesion.

    Args:
        kind: ``ablation``, ``sbrt`` or ``radioembolisation``.
        data: that of its calendar entry (mm, Gy).
        of: gives a parameter of the lesion (internal unit): `diameter`, `arterial_share`.
        core_share: share of vessels in the core.

    Returns:
        (delay in days, rows) in order of time.
    """
    diameter = of("diameter")
    if kind == "ablation":
        share = ablated_share(data["technique"], diameter, data["margin"])
        debris = _debris(kind, diameter)
        return [
            (MINUTE, [row for pair in VIABLE for cells in pair for row in _killed(share, cells, "necrotic", debris)])
        ]
    if kind == "sbrt":
        dose, fractions = data["dose"], data["fractions"]
        kill = log_kill(dose, fractions), log_kill(dose / ENHANCEMENT.value, fractions)
        return _doomed(kind, diameter, 0.5 * fraction_days(fractions)[-1], *kill, 0.0)
    fed = of("arterial_share")
    kill = Y90_ALPHA[data["material"]].value * data["dose"] * fed
    lost = Y90_LOST[data["material"]].value * fed
    closed = [(0.0, [fill("occluded_core", lost / core_share if lost < core_share else 1.0)])] if lost > 0.0 else []
    mean_life = DECAY.internal / math.log(2.0)
    return closed + _doomed(kind, diameter, mean_life, kill, kill / ENHANCEMENT.value, COLD.value)


def body_changes(kind: str, data: Mapping[str, Any]) -> list[Change]:
    """Changes of the liver, at the time when the procedure has done its harm; (delay in days, rows)."""
    cost = COSTS[kind]
    exposed = 1.0 - SELECTIVITY[data["selectivity"]] if kind == "radioembolisation" else 1.0
    scale = data["dose"] / cost.dose if cost.dose else 1.0
    burden = session_burden(exposed, cost.albi.value * scale, cost.persist.value)
    burden["injury"] = cost.injury.value * scale * exposed
    when = {"ablation": 0.0, "sbrt": 28.0, "radioembolisation": 14.0}[kind]
    rows = [add(state, amount) for state, amount in burden.items() if amount > 0.0]
    return [(when, rows)] if rows else []


def all_parameters(kind: str) -> list[Parameter]:
    """Every number a procedure of this kind uses, for the list of sources."""
    cost = COSTS[kind]
    out = [cost.albi, cost.persist, cost.injury, cost.immunogenic]
    if kind == "ablation":
        return [*out, *ZONES.values(), *SPARED.values(), RIM]
    if kind == "sbrt":
        return [*out, ALPHA, ALPHA_BETA, ENHANCEMENT, DEATH]
    return [*out, *Y90_ALPHA.values(), *Y90_LOST.values(), COLD, DECAY, ENHANCEMENT, DEATH]
