"""Experiments with cohorts: growth, necrosis, response, recurrence, liver and drugs alone.

Each function gives quantities by name: those of the cohort with biology as given first, then of cohorts with drawn biology.
Follow-up times that the sources do not state are assumed here and stand in the rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.evidence.world import (
    RABBIT,
    closed,
    cohorts,
    diameter,
    doses,
    endpoints,
    entry,
    follow,
    occlusion,
    scans,
    share,
    tace,
    with_satellite,
    within,
)
from tme_sim.quantities import internal

MONTH = 365.25 / 12
SEEN = 10.0  # mm of viable tumour that a scan finds again
GONE = 5.0  # mm below which a known lesion counts as gone


def between(low: float, high: float) -> Callable:
    """Diameters (mm), uniform."""
    return lambda rng: rng.uniform(low, high)


def around(mean: float, spread: float, low: float, high: float) -> Callable:
    """Diameters (mm), normal within bounds."""
    return lambda rng: float(np.clip(rng.normal(mean, spread), low, high))


def lost(size: np.ndarray) -> np.ndarray:
    """Whether a scan sees viable tumour of this diameter; a run that did not come so far was full of tumour."""
    return (size >= SEEN) | np.isnan(size)


# --- growth ----------------------------------------------------------------------------------------------------------


def untreated() -> dict[str, list[float]]:
    """Volume doubling times over the first 60 days of untreated lesions of 20 to 50 mm: shares (%) of the thirds."""

    def measure(people):
        volume = follow(people, ["lesion_volume"], [0.0, 60.0])["lesion_volume"]
        months = 60.0 / np.log2(volume[:, 1] / volume[:, 0]) / MONTH
        months = months[np.isfinite(months)]
        return {"fast": share(months < 3), "intermediate": share((months >= 3) & (months <= 9)), "indolent": share(months > 9)}

    return cohorts(measure, between(20, 50), lambda rng: [], n=500)


# --- embolisation ----------------------------------------------------------------------------------------------------


def necrosis(hypotheses=None) -> dict[str, list[float]]:
    """Necrotic share (%) of nodules of 10 to 50 mm two months after one session, superselective and lobar.

    `rabbit`: superselective, with the vessels lost that rabbits lose and as many sessions to stasis as short of it.
    """
    out: dict[str, list[float]] = {}
    for way in ("superselective", "lobar") if hypotheses else ("superselective", "lobar", "rabbit"):

        def treat(rng, way=way):
            if way == "rabbit":
                return [tace(lost=occlusion(rng, 0.5, RABBIT))]
            return [tace(selectivity=way, lost=closed(rng, hypotheses))]

        def measure(people, way=way):
            dead = 100.0 * follow(people, ["necrotic_share"], [0.0, 60.0], hypotheses=hypotheses)["necrotic_share"][:, 1]
            sizes = np.array([one.lesion["diameter"] for one in people])
            return {f"mean {way}": np.nanmean(dead), f"complete {way}": share(dead[np.isfinite(dead)] >= 99.0),
                    f"large less small {way}": np.nanmean(dead[sizes > 30]) - np.nanmean(dead[sizes < 20])}  # fmt: skip

        out |= cohorts(measure, between(10, 50), treat, hypotheses=hypotheses)
    return out


def explants(hypotheses=None) -> dict[str, list[float]]:
    """Nodules of 15 to 50 mm after one or two sessions (mean 1.35) and 112 days: how dead they are, and what scans said."""

    def treat(rng):
        again = [tace(28.0, lost=closed(rng, hypotheses))] if rng.random() < 0.35 else []
        return [*scans(0.0, 60.0), tace(0.0, lost=closed(rng, hypotheses)), *again]

    def measure(people):
        found = follow(people, ["necrotic_share", "viable_cells"], [0.0, 60.0, 112.0], hypotheses=hypotheses)
        dead = np.sort(100.0 * found["necrotic_share"][:, 2])
        dead = dead[np.isfinite(dead)]
        third = len(dead) // 3
        left = found["viable_cells"]
        return {"at least 90": share(dead >= 90.0), "upper two thirds": dead[third:].mean(), "lower third": dead[:third].mean(),
                "imaging CR": share(diameter(left[:, 1]) < GONE), "viable": share(left[:, 2] > 1e5)}  # fmt: skip

    return cohorts(measure, between(15, 50), treat, key=1, hypotheses=hypotheses)


SIZES = {"below 30 mm": (15, 30), "30 to 50 mm": (30, 50), "above 50 mm": (50, 100)}


def response_by_size(hypotheses=None) -> dict[str, list[float]]:
    """Complete response by mRECIST (%) six weeks after one superselective session, by diameter."""
    out: dict[str, list[float]] = {}
    for name, (low, high) in SIZES.items():
        out |= cohorts(
            lambda people, name=name: {name: share(e["cr_mrecist"] for e in endpoints(people, 45.0, hypotheses))},
            between(low, high), lambda rng: [*scans(0.0, 42.0), tace(lost=closed(rng, hypotheses))], key=2,
            hypotheses=hypotheses)  # fmt: skip
    return out


def first_session(technique: str = "conventional", hypotheses=None) -> dict[str, list[float]]:
    """Responses by mRECIST (%) six weeks after the first session of larger disease (mean 68 mm), and AFP."""

    def measure(people):
        found = endpoints(people, 45.0, hypotheses)
        afp = follow(people, ["AFP_relative"], [0.0, 42.0], hypotheses=hypotheses)["AFP_relative"][:, 1]
        best = [e["best_response_mrecist"] for e in found]
        return {k: share(b == k for b in best) for k in ("CR", "PR", "SD", "PD")} | {
            "AFP down": share(afp[np.isfinite(afp)] < 0.8), "objective": share(b in ("CR", "PR") for b in best)}  # fmt: skip

    def treat(rng):
        return [*scans(0.0, 42.0), tace(technique=technique, selectivity="segmental", lost=closed(rng, hypotheses))]

    return cohorts(measure, around(68, 20, 30, 140), treat, key=3, hypotheses=hypotheses)


def recurrence(hypotheses=None, satellites=False) -> dict[str, list[float]]:
    """Lesions up to 50 mm that one session made vanish (viable part below 5 mm at six weeks): seen again by (%).

    With `satellites`, the one beside a lesion counts as its recurrence once a scan sees it.
    """
    months = (6, 12, 24)

    def measure(people):
        early = diameter(follow(people, ["viable_cells"], [0.0, 42.0], hypotheses=hypotheses)["viable_cells"][:, 1])
        done = [one for one, size in zip(people, early, strict=True) if size < GONE]
        found = {"complete": 100.0 * len(done) / len(people)}
        if not done:
            return found | {f"{m} months": float("nan") for m in months}
        days = [0.0, *(42.0 + m * MONTH for m in months)]
        names = ["viable_cells.1", "viable_cells.2"] if satellites else ["viable_cells"]
        cells = follow([with_satellite(one) for one in done] if satellites else done, names, days, hypotheses=hypotheses)
        back = np.any([lost(diameter(cells[name])) for name in names], axis=0)
        return found | {f"{m} months": share(back[:, 1 : 2 + i].any(axis=1)) for i, m in enumerate(months)}

    return cohorts(measure, between(15, 50), lambda rng: [tace(lost=closed(rng, hypotheses))], key=4, hypotheses=hypotheses)


def recurrence_by_satellites(hypotheses=None) -> dict[str, list[float]]:
    """As :func:`recurrence`, where a fifth of lesions have a satellite that no scan showed."""
    return recurrence(hypotheses, satellites=True)


THIN = 1.0  # mm; living rims below it count as gone (assumed: about the slice of a scan)


def thin_rims(hypotheses=None) -> dict[str, list[float]]:
    """Complete response at six weeks (%) by diameter, and recurrence up to 50 mm, if the living part is a rim.

    A scan that shows no rim thinner than `THIN` calls the lesion gone; a lesion is seen again by the size of what lives,
    as in :func:`recurrence`.
    """

    def gone(cells, volume):
        left = np.clip(cells / 2.06e5 / volume, 0.0, 1.0)
        return diameter(volume * 2.06e5) / 2.0 * (1.0 - np.cbrt(1.0 - left)) < THIN

    def early(people):
        found = follow(people, ["viable_cells", "lesion_volume"], [0.0, 42.0], hypotheses=hypotheses)
        return gone(found["viable_cells"][:, 1], found["lesion_volume"][:, 1])

    def treat(rng):
        return [tace(lost=closed(rng, hypotheses))]

    def again(people):
        done = [one for one, ended in zip(people, early(people), strict=True) if ended]
        if not done:
            return {f"{m} months": float("nan") for m in (6, 12, 24)}
        days = [0.0, *(42.0 + m * MONTH for m in (6, 12, 24))]
        back = lost(diameter(follow(done, ["viable_cells"], days, hypotheses=hypotheses)["viable_cells"]))
        return {f"{m} months": share(back[:, 1 : 2 + i].any(axis=1)) for i, m in enumerate((6, 12, 24))}

    out = cohorts(again, between(15, 50), treat, key=4, hypotheses=hypotheses)
    for name, (low, high) in SIZES.items():
        out |= cohorts(lambda people, name=name: {name: share(early(people))}, between(low, high), treat, key=2,
                       hypotheses=hypotheses)  # fmt: skip
    return out


def three_sessions(hypotheses=None) -> dict[str, list[float]]:
    """Objective response by mRECIST at six months after three sessions two months apart: beads and conventional."""
    out: dict[str, list[float]] = {}
    for technique, load in (("beads", 150.0), ("conventional", 100.0)):

        def treat(rng, technique=technique, load=load):
            sessions = [tace(day, technique=technique, drug_load=load, selectivity="segmental",
                             lost=closed(rng, hypotheses)) for day in (0.0, 61.0, 122.0)]  # fmt: skip
            return [*scans(0.0, 91.0, 183.0), *sessions]

        def measure(people, technique=technique):
            found = endpoints(people, 185.0, hypotheses)
            return {f"CR {technique}": share(e["cr_mrecist"] for e in found),
                    f"objective {technique}": share(e["orr_mrecist"] for e in found)}  # fmt: skip

        out |= cohorts(measure, around(55, 20, 20, 120), treat, key=5, hypotheses=hypotheses)
    return out


def infusion(hypotheses=None) -> dict[str, list[float]]:
    """Objective response by RECIST 1.1 (%) of lesions from 70 mm on within six months: FOLFOX by the hepatic artery, or TACE.

    Six cycles of three weeks, oxaliplatin 130, fluorouracil 400 and 2400 mg/m^2 over 24 h, 1.82 m^2; three sessions.
    """
    artery = [dose for drug, mg, hours in (("oxaliplatin", 237.0, 2.0), ("fluorouracil", 5096.0, 24.0))
              for dose in doses(drug, mg, 21.0, 120.0, hours=hours, artery=True)]  # fmt: skip
    out: dict[str, list[float]] = {}
    for name in ("FOLFOX", "TACE"):

        def treat(rng, name=name):
            sessions = [tace(day, selectivity="segmental", lost=closed(rng, hypotheses)) for day in (0.0, 42.0, 84.0)]
            return [*scans(0.0, 42.0, 84.0, 126.0, 168.0), *(artery if name == "FOLFOX" else sessions)]

        def measure(people, name=name):
            return {name: share(e["orr_recist11"] for e in endpoints(people, 170.0, hypotheses))}

        out |= cohorts(measure, around(95, 20, 70, 150), treat, key=9, hypotheses=hypotheses)
    return out


# --- ablation and radiotherapy ---------------------------------------------------------------------------------------


def local_control() -> dict[str, list[float]]:
    """Lesions that ablation (10 to 30 mm) or 45 Gy in 3 fractions (20 to 60 mm) did not control (%)."""
    ways = {
        "radiofrequency": (between(10, 30), entry("ablation", 0.0, technique="radiofrequency", margin=5.0, targets=())),
        "microwave": (between(10, 30), entry("ablation", 0.0, technique="microwave", margin=5.0, targets=())),
        "radiotherapy": (between(20, 60), entry("sbrt", 0.0, dose=45.0, fractions=3, targets=())),
    }
    out: dict[str, list[float]] = {}
    for name, (size, given) in ways.items():

        def measure(people, name=name):
            cells = follow(people, ["viable_cells"], [0.0, 182.0, 365.0, 547.0, 730.0])["viable_cells"]
            size = diameter(cells)
            grown = size[:, 2:] >= 1.2 * np.fmin.accumulate(size, axis=1)[:, 1:-1]
            back = lost(size[:, 2:]) & (grown | np.isnan(size[:, 2:]))
            return {f"{name} 1 year": share(back[:, 0]), f"{name} 2 years": share(back.any(axis=1))}

        out |= cohorts(measure, size, lambda rng, given=given: [given], key=6)
    return out


# --- liver -----------------------------------------------------------------------------------------------------------


def reserve(rng) -> dict[str, float]:
    """Albumin and bilirubin at entry, internal units: ALBI -2.59 (0.62) over patients, as published.

    The split of the spread is assumed: albumin 39.6 (5.9) g/L, bilirubin 15 umol/L times or over 1.6, correlation -0.4.
    """
    a, b = rng.standard_normal(2)
    albumin = float(np.clip(39.6 + 5.9 * a, 24.0, 52.0))
    bilirubin = float(np.clip(15.0 * np.exp(0.46 * (-0.4 * a + 0.917 * b)), 3.0, 90.0))
    return {"albumin_base": internal(f"{albumin} g/L"), "bilirubin_base": internal(f"{bilirubin} umol/L")}


OWN_SIGNS = ("inr_base", "ascites_albi")  # of `liver.points` = `signs`: their ranges are those of patients


def reserve_after_session(hypotheses=None) -> dict[str, list[float]]:
    """Patients (%) whose ALBI grade or Child-Pugh class is worse after one lobar session, a week and two months on.

    Where a hypothesis counts ascites and INR, INR at entry and the ALBI at which ascites forms are the patient's own.
    """
    grades = (-2.60, -1.39)

    def measure(people):
        days = [0.0, 7.0, 28.0, 60.0]
        treated = follow(people, ["albi", "child_pugh"], days, hypotheses=hypotheses)
        start = follow([type(one)(one.values, one.lesion, (), one.number) for one in people], ["albi", "child_pugh"], [0.0],
                       hypotheses=hypotheses)  # fmt: skip
        grade = sum(treated["albi"] > g for g in grades)
        before = sum(start["albi"] > g for g in grades)
        first = before[:, 0] == 0
        class_a = start["child_pugh"][:, 0] < 6.5
        return {
            "acute": share(grade[:, 1] > before[:, 0]), "chronic": share(grade[:, 3] > before[:, 0]),
            "albi 1 to 2": share(grade[first, 2] >= 1),
            "A to B": share(treated["child_pugh"][class_a, 2] >= 6.5),
        }  # fmt: skip

    apart = OWN_SIGNS if "liver.points" in (hypotheses or {}) else ()
    return cohorts(measure, around(55, 20, 20, 120), lambda rng: [tace(selectivity="lobar", lost=occlusion(rng))], key=7,
                   values=reserve, hypotheses=hypotheses, apart=apart)  # fmt: skip


# --- drugs alone -----------------------------------------------------------------------------------------------------

REGIMENS = {
    "placebo": [],
    "nivolumab": [("nivolumab", 240.0, 14.0)],
    "pembrolizumab": [("pembrolizumab", 200.0, 21.0)],
    "durvalumab": [("durvalumab", 1500.0, 28.0)],
    "atezolizumab": [("atezolizumab", 1200.0, 21.0)],
    "atezolizumab and bevacizumab": [("atezolizumab", 1200.0, 21.0), ("bevacizumab", 1050.0, 21.0)],
    "lenvatinib": [("lenvatinib", 12.0, 1.0)],
    "sorafenib": [("sorafenib", 400.0, 0.5)],
}


POTENCY = 0.7, 5.1, 10.0  # nmol/L free lenvatinib for half of the block of VEGF signalling: range of its file
ANTIGENICITY = ("f_spec",)  # what T cells see of a tumour: its range is that of patients, if they differ


def systemic(name: str, hypotheses=None, apart=(), values=None) -> dict[str, list[float]]:
    """Best responses (%) within eight months of a drug alone, scans every eight weeks, target lesion of 70 mm."""

    def treat(rng):
        given = [dose for drug, mg, every in REGIMENS[name] for dose in doses(drug, mg, every, 230.0)]
        return [*scans(0.0, 56.0, 112.0, 168.0, 224.0), *given]

    def measure(people):
        found = endpoints(people, 230.0, hypotheses)
        return {"objective": share(e["orr_recist11"] for e in found), "mRECIST": share(e["orr_mrecist"] for e in found),
                "progression": share(e["pd_recist11"] for e in found)}  # fmt: skip

    return cohorts(measure, around(70, 25, 20, 140), treat, key=8, hypotheses=hypotheses, apart=apart,
                   values=values)  # fmt: skip


def systemic_by_antigenicity(name: str, hypotheses=None) -> dict[str, list[float]]:
    """As :func:`systemic`, where the tumour-specific share of CD8 cells is the patient's own within its range."""
    return systemic(name, hypotheses, apart=ANTIGENICITY)


def systemic_by_addiction(name: str, hypotheses=None) -> dict[str, list[float]]:
    """As :func:`systemic` for a kinase inhibitor, where a quarter of tumours depend on what it blocks for all division.

    The others do not depend on it at all; half-maximum 10 nM, the low end of the range of lenvatinib (free drug).
    """

    def addiction(rng):
        return {"tki_direct_max": float(rng.random() < 0.25), "tki_direct_IC50": internal("10 nmol/L")}

    return systemic(name, hypotheses, values=addiction)


def systemic_by_potency(name: str, hypotheses=None) -> dict[str, list[float]]:
    """As :func:`systemic` for lenvatinib, its half-maximum for VEGF signalling the patient's own within the drug file."""
    return systemic(name, hypotheses, values=lambda rng: {"tki_IC50": internal(f"{within(*POTENCY, rng.random())} nmol/L")})


def systemic_at_low_end(name: str, hypotheses=None) -> dict[str, list[float]]:
    """As :func:`systemic` for lenvatinib, at the low end of that range in everyone."""
    return systemic(name, hypotheses, values=lambda rng: {"tki_IC50": internal(f"{POTENCY[0]} nmol/L")})
