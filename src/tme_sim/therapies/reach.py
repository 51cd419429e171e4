"""Rival accounts of a session: how much of a lesion it reaches is drawn, by lesion and session.

Biology.  A lesion has one feeding artery or several, more as it grows.  In a branch that is entered far enough,
lipiodol runs through the tumour into portal venules around it and closes both supplies (PMC6933118): tumour and a
margin are stained, and nothing is left alive.  Where it stains the tumour without a margin, portal blood comes back to
the rim.  Where part of the tumour stays unstained, a feeder was missed.  Of 109 nodules treated superselectively 62, 30
and 17 were of these three kinds, and recurred within a year in 16, 41 and 100 % (Bannangkoon 2019, DOI
10.3350/cmh.2018.0072).  Large lesions draw arteries from outside the liver besides: 3 % of them at 2-3 cm, 93 % above
9 cm (DOI 10.3892/etm.2015.2822).

Simplified.  What portal blood feeds of a lesion is closed with the margin and by nothing else.  Branches feed equal
shares and are drawn one by one; the shares closed are averaged over the lesion, core and rim apart.  The number of
branches and the artery from outside are anatomy, drawn once per lesion; what a session makes of them is drawn anew at
each date.  A session that a rule dates takes the draw of its rule.  Diameters are those of day 0.  The share that is
closed to stasis is 0.88 on average in small lesions, as in the default.

`by size` draws the same, and lets the lesion decide how far the catheter gets.  The most distal branches are entered
mainly for lesions of up to 5 cm (PMC6933118); larger ones span segments, and are treated from the trunk that feeds them
all.  Where a protocol says `segmental`, which stands for "as far as one gets", the session counts as superselective in
small lesions and as lobar in large ones, with a logistic between; `superselective` and `lobar` are taken as they are
written.  Healthy liver that a session meets follows the protocol all the same, which is simplified.

Not included.  Skill, shunts, catheters that cannot enter, arteries ruined by earlier sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tme_sim.network import Hypothesis, Mechanism
from tme_sim.quantities import Parameter

if TYPE_CHECKING:
    from tme_sim.therapies.session import Session

SLOT = "tace.reach"
STAINING = "DOI 10.3350/cmh.2018.0072 (Bannangkoon 2019, 109 nodules, cone-beam CT, abstract)"
FEEDERS = "DOI 10.1186/s12880-024-01408-z (136 tumours of 69 patients, 185 feeding arteries, abstract)"
OUTSIDE = "DOI 10.3892/etm.2015.2822 (942 patients, abstract)"
DISTAL = "https://pmc.ncbi.nlm.nih.gov/articles/PMC6933118 (review: done mainly for HCC of up to 5 cm)"
EXPLANT = "DOI 10.1002/hep.24246 (122 nodules, explants)"

PARAMETERS = (
    Parameter("reach_margin", 0.57, "1", f"{STAINING}: tumour and margin stained in 62 of 109", "medium", 0.47, 0.66,
              "chance that a branch is closed with the portal venules around it, superselective, lipiodol",
              maximum=1.0),
    Parameter("reach_partial", 0.156, "1", f"{STAINING}: staining incomplete in 17 of 109", "medium", 0.10, 0.24,
              "chance that part of a branch is missed", maximum=1.0),
    Parameter("reach_partial_share", 0.5, "1", "no source found", "assumed", 0.3, 0.7,
              "mean share of such a branch that is closed; even between none and twice this"),
    Parameter("reach_margin_lobar", 0.55, "1", f"fitted: complete necrosis 29.8 % lobar over 53.8 % superselective, "
              f"{EXPLANT}", "low", 0.2, 0.9, "chance of a closed margin, lobar over superselective"),
    Parameter("reach_margin_solid", 0.4, "1", "no source read; lipiodol above beads in complete responses, from memory",
              "assumed", 0.2, 1.0, "chance of a closed margin without lipiodol, over that with it"),
    Parameter("feeders_more", 0.36, "1", f"{FEEDERS}: 1.36 per tumour", "low", 0.2, 1.0,
              "mean number of feeding arteries beyond the first at `feeders_diameter`; follows the cross-section"),
    Parameter("feeders_diameter", 40.0, "mm", "no source found; size of such tumours not in the abstract", "assumed",
              30.0, 60.0, ""),
    Parameter("outside_diameter", 68.0, "mm", f"derived: logistic through 2.7, 5.5, 43.2, 61.8 and 93.4 % at 2-3, 3-5, "
              f"5-7, 7-9 and above 9 cm, {OUTSIDE}", "medium", 62.0, 75.0,
              "diameter at which half of the lesions have an artery from outside the liver"),
    Parameter("outside_width", 12.0, "mm", f"derived: as outside_diameter, {OUTSIDE}", "medium", 9.0, 15.0,
              "width of that logistic"),
    Parameter("outside_share", 0.2, "1", "no source found", "assumed", 0.05, 0.5,
              "mean share of a lesion that such an artery feeds; even between none and twice this"),
    Parameter("outside_taken", 0.5, "1", "no source found; 93 % succeed by the phrenic artery once it is tried "
              "(https://digital.car.chula.ac.th/clmjournal/vol57/iss1/3, 141 patients, abstract), but it must be "
              "looked for", "assumed", 0.1, 0.95, "chance that a session closes it too", maximum=1.0),
)  # fmt: skip

DRAWN = Hypothesis(
    SLOT, "drawn", "what a session reaches is drawn: margin closed too, tumour alone, or part missed",
    f"{STAINING}; {OUTSIDE}", adds=Mechanism("tace", "", parameters=PARAMETERS))  # fmt: skip

BY_SIZE = (
    Parameter("selective_diameter", 50.0, "mm", f"{DISTAL}; that half are at this size is ours", "low", 30.0, 70.0,
              "diameter at which a segmental session gets half as far as a superselective one"),
    Parameter("selective_width", 8.0, "mm", "no source found; between a cut at one size and hardly any dependence",
              "assumed", 4.0, 15.0, "width of that logistic"),
)  # fmt: skip

SIZED = Hypothesis(
    SLOT, "by size", "the same, and small lesions are entered further than large ones",
    f"{STAINING}; {OUTSIDE}; {DISTAL}", adds=Mechanism("tace", "", parameters=PARAMETERS + BY_SIZE))  # fmt: skip

COUNT, FED_OUTSIDE, SHARE_OUTSIDE = range(3)  # draws of anatomy
TAKEN, BRANCH = 0, 1  # draws of a session: two for each branch from BRANCH on
MOST = 12  # branches
LATER = 2**40  # keeps keys of dates before day 0 positive
LESION = 2**48  # keeps keys of lesions apart from those of vessels of agent tissue


def is_drawn(model) -> bool:
    """Whether a compiled model has the parameters of drawn reach: it is chosen, and TACE is not switched off."""
    return PARAMETERS[0].name in model.layout.theta["body"]


def is_sized(model) -> bool:
    """Whether a compiled model lets a lesion's diameter decide how far a session gets."""
    return BY_SIZE[0].name in model.layout.theta["body"]


def depth_at(session: Session, diameter: float, value: Callable[[str], float]) -> float:
    """How far a session gets into a lesion of `diameter` (mm, of day 0), from 0 (lobar) to 1 (superselective)."""
    from tme_sim.engine.elementary import exp

    if session.selectivity != "segmental":
        return session.depth
    return 1.0 / (1.0 + float(exp((diameter - value("selective_diameter")) / value("selective_width"))))


def draws(seed: int, patient: int, lesion: int, tick: int) -> tuple[Callable, Callable]:
    """Draws of a lesion's anatomy and of one of its sessions, from (seed, patient, lesion, date) alone.

    Each takes the number of the draw, and the mean of a Poisson one if it is not uniform between 0 and 1.
    """
    import numpy as np

    from tme_sim.engine.rng import PURPOSES, poisson, uniform

    def stream(purpose: str, step: int) -> Callable:
        def draw(which: int, mean: float | None = None) -> float:
            key = (np.uint64(v) for v in (seed, patient, LESION + lesion, step, PURPOSES[purpose], which))
            return float(uniform(*key) if mean is None else poisson(*key, mean))

        return draw

    return stream("tumour_baseline", 0), stream("tace_response", LATER + tick)


def closed_by(session: Session, diameter: float, value: Callable[[str], float], anatomy: Callable,
              chance: Callable, arterial: float, depth: float,
              ) -> tuple[float, float, float]:  # fmt: skip
    """Shares of core and rim vessels that a session closes, and of the lesion that it reaches with drug.

    `diameter` is that of day 0 and `value` gives parameters (internal units); `anatomy` and `chance` are :func:`draws`.
    `arterial` is the share that the artery feeds: a branch closed with its portal venules loses the rest as well.
    `depth` is how far the session gets into the lesion (:func:`depth_at`, or `Session.depth` whatever the size).
    """
    import numpy as np

    from tme_sim.engine.elementary import exp
    from tme_sim.therapies.session import occlusion

    technique_margin = 1.0 if session.technique == "conventional" else value("reach_margin_solid")
    lobar = value("reach_margin_lobar")
    margin = value("reach_margin") * (lobar + depth * (1.0 - lobar)) * technique_margin
    if session.end_point != "stasis":
        margin = 0.0
    core, rim = occlusion(session, value("core_share"), depth)
    mean = value("feeders_more") * (diameter / value("feeders_diameter")) ** 2
    branches = min(1 + int(anatomy(COUNT, mean)), MOST)
    closed = np.zeros(3)
    for branch in range(branches):
        kind, part = chance(BRANCH + 2 * branch), chance(BRANCH + 2 * branch + 1)
        if kind < margin:
            closed += (1.0, 1.0, 1.0)
        elif kind < 1.0 - value("reach_partial"):
            closed += (arterial * core, arterial * rim, arterial)
        else:
            share = min(1.0, 2.0 * value("reach_partial_share") * part)
            share *= arterial
            closed += (share * core, share * rim, share)
    closed /= branches
    odds = exp((value("outside_diameter") - diameter) / value("outside_width"))
    if anatomy(FED_OUTSIDE) < 1.0 / (1.0 + odds) and chance(TAKEN) >= value("outside_taken"):
        closed *= 1.0 - min(1.0, 2.0 * value("outside_share") * anatomy(SHARE_OUTSIDE))
    return float(closed[0]), float(closed[1]), float(closed[2])
