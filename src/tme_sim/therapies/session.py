"""One embolisation session as changes of state: what technique, end point and selectivity do at once and after a lag.

Numbers of techniques are data with unit, source and grade, like all parameters; a session only chooses among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tme_sim.mechanisms.liver import session_burden
from tme_sim.quantities import Parameter
from tme_sim.therapies.dosing import Row, add, set_to


@dataclass(frozen=True)
class Technique:
    """Material and drug carrier of a session."""

    name: str
    label: str
    recanalisation: Parameter  # rate once the lag is over
    lag: Parameter  # until emboli start to dissolve
    burst: Parameter  # share of the drug that is released at once
    carries_drug: bool
    injury: Parameter  # injury of the parenchyma, cTACE = 1


VX2 = "https://pmc.ncbi.nlm.nih.gov/articles/PMC4698187 (rabbit VX2, 100-300 um beads; SEM given)"
NAMUR = "DOI 10.1016/j.jhep.2011.03.024 (human explants)"
GELATIN = "Beagle hepatic artery: DOI 10.3109/13645706.2012.719909; rabbit kidney: partial degradation at day 3"
VEGF_BY_TECHNIQUE = "DOI 10.14218/JCTH.2016.00058: serum VEGF at 24 h 164 / 114 / 121 % for lipiodol / beads / starch"
BEADS = "DOI 10.3348/kjr.2018.0088 calls beads permanent; the value is not confirmed"

PCT = "https://pmc.ncbi.nlm.nih.gov/articles/PMC9028792 (52 patients with HCC, perfusion CT within 48 h, abstract)"
TRIP = "https://pmc.ncbi.nlm.nih.gov/articles/PMC2885358 (22 HCC, transcatheter perfusion MRI during TACE, abstract)"

LOST_STASIS = Parameter("lost_stasis", 0.88, "1",
                        f"derived: {PCT}: arterial perfusion 4.4 (5.3) of tumour embolised whole, 34.7 (10.1) and 39.1 "
                        "(10.1) mL/100 mL/min of what stayed or came back, which stand for tumour before", "medium",
                        0.72, 0.98, "perfused vessels lost, embolised to stasis; perfusion read as vessels",
                        maximum=1.0)
LOST_SUBSTASIS = Parameter("lost_substasis", 0.61, "1",
                           f"{TRIP}: perfusion falls by 61.0 % (95 % CI 48.3 to 73.6); that these sessions ended short "
                           "of stasis is assumed", "low", 0.48, 0.74, "the same, short of stasis", maximum=1.0)
LOST_STASIS_RABBIT = Parameter("lost_stasis_rabbit", 0.56, "1", VX2, "high", 0.40, 0.72,
                               "perfused vessels lost in rabbits, embolised to stasis; the rival of the human figure",
                               maximum=1.0)
LOST_SUBSTASIS_RABBIT = Parameter("lost_substasis_rabbit", 0.37, "1", VX2, "high", 0.19, 0.55,
                                  "the same, short of stasis", maximum=1.0)
RIM_SPARING = Parameter("rim_sparing", 0.4, "1", f"{VX2}: what is left lies at the rim; the ratio is not measured",
                        "assumed", 0.1, 0.8, "occlusion of the rim over that of the core", maximum=1.0)
LOBAR = Parameter("lobar", 0.85, "1", "DOI 10.1002/hep.24246: necrosis 52.8 % lobar against 75.1 % superselective; "
                  "fitted by hand on one patient, within the range; a cohort's lobar necrosis stays lower (36 %)",
                  "low", 0.5, 0.9,
                  "occlusion of a lobar over that of a superselective session", maximum=1.0)
TISSUE_LEVEL = Parameter("tissue_level", 5.0, "umol/L", NAMUR, "high", 2.0, 10.0,
                         "tissue doxorubicin near beads 8 h after a mean dose of 112 mg")
TISSUE_DOSE = Parameter("tissue_dose", 112.0, "mg", f"{NAMUR}: doses 75-150 mg", "medium", 75.0, 150.0, "")
REACH = Parameter("reach", 0.3, "1", f"{NAMUR}: 0.6 mm around occluded vessels (0.2-1.2 mm); the share of cells is not "
                  "measured", "assumed", 0.05, 0.8, "share of viable cells within reach of the drug", maximum=1.0)
INJURY_FLOOR = Parameter("injury_floor", 0.4, "1", "no source found; necrosis inflames even when parenchyma is spared",
                         "assumed", 0.1, 1.0, "injury of a superselective over that of a lobar session")


def _technique(name, label, k_rec, lag, burst, drug, injury):
    (k, k_low, k_high, k_source, k_grade), (t, t_low, t_high, t_source) = k_rec, lag
    return Technique(
        name, label,
        Parameter("recanalisation", k, "1/day", k_source, k_grade, k_low, k_high, ""),
        Parameter("lag", t, "day", t_source, "medium", t_low, t_high, ""),
        Parameter("burst", burst[0], "1", burst[1], "assumed", burst[2], burst[3], ""),
        drug,
        Parameter("injury", injury[0], "1", VEGF_BY_TECHNIQUE, "low", injury[1], injury[2],
                  "relative to lipiodol TACE"),
    )


NO_BURST = (0.0, "no burst by construction", 0.0, 0.2)
TECHNIQUES = {
    t.name: t
    for t in (
        _technique("conventional", "conventional TACE (lipiodol emulsion, gelatin)",
                   (0.12, 0.05, 0.25, GELATIN, "medium"),
                   (3.0, 2.0, 7.0, GELATIN), (0.5, "no source found; depends on the emulsion (PMC4281073)", 0.2, 0.8),
                   True, (1.0, 0.5, 1.5)),
        _technique("beads", "drug-eluting beads", (0.005, 0.0, 0.03, BEADS, "low"), (0.0, 0.0, 1.0, BEADS), NO_BURST,
                   True, (0.3, 0.1, 0.6)),
        _technique("bland", "bland embolisation (permanent particles)", (0.005, 0.0, 0.03, BEADS, "low"),
                   (0.0, 0.0, 1.0, BEADS), NO_BURST, False, (0.3, 0.1, 0.6)),
        _technique("starch", "degradable starch microspheres",
                   (28.0, 20.0, 50.0, "half-life of the embolisation 35-50 min by product information; from memory",
                    "assumed"),
                   (0.0, 0.0, 0.1, "degradation starts at once; from memory"), NO_BURST, True, (0.35, 0.1, 0.6)),
    )
}
FIXED = (LOST_STASIS, LOST_SUBSTASIS, RIM_SPARING, LOBAR, TISSUE_LEVEL, REACH, INJURY_FLOOR)
END_POINTS = {"stasis": LOST_STASIS, "short of stasis": LOST_SUBSTASIS}
RABBIT = {"stasis": LOST_STASIS_RABBIT, "short of stasis": LOST_SUBSTASIS_RABBIT}
"""What rabbit VX2 tumours lose: the rival of END_POINTS, for `Session.lost`."""
SELECTIVITY = {"superselective": 1.0, "segmental": 0.5, "lobar": 0.0}


@dataclass(frozen=True)
class Session:
    """An embolisation of one lesion.

    `technique` is a key of TECHNIQUES, `end_point` of END_POINTS, `selectivity` of SELECTIVITY; `dose` is doxorubicin
    in mg. `lost` overrides the share of perfused vessels lost (a draw of a patient and session); `numbers` override
    what holds for all techniques, by name (`FIXED`), in internal units: a fit varies them within their evidence.
    """

    technique: str = "conventional"
    end_point: str = "stasis"
    selectivity: str = "superselective"
    dose: float = 50.0
    lost: float | None = None
    numbers: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def depth(self) -> float:
        """How far its selectivity gets into a lesion, 0 (lobar) to 1 (superselective)."""
        return SELECTIVITY[self.selectivity]

    def number(self, parameter: Parameter) -> float:
        """One of the numbers that hold for all techniques, as this session has it (internal unit)."""
        return self.numbers.get(parameter.name, parameter.internal)


def occlusion(session: Session, core_share: float, depth: float) -> tuple[float, float]:
    """Occluded shares of core and rim vessels, which together lose the session's share of perfused vessels.

    `depth` is how far the session gets into the lesion, as `Session.depth`.
    """
    lost = session.number(END_POINTS[session.end_point]) if session.lost is None else session.lost
    lobar, sparing = session.number(LOBAR), session.number(RIM_SPARING)
    lost *= lobar + depth * (1 - lobar)
    core = lost / (core_share + sparing * (1 - core_share))
    if core_share == 1.0:  # no vessels are counted as rim
        return core, sparing * core
    if core > 1.0:  # the core is full; the rest falls to the rim
        core = 1.0
    rim = (lost - core_share * core) / (1 - core_share)
    return core, min(rim, 1.0)


def fill(target: str, share: float) -> Row:
    """Row by which `share` of what is left free of a share between 0 and 1 is taken."""
    return Row(target, target, -share, share)


def lesion_changes(
    session: Session, value: Callable[[str], float], closed: tuple[float, float, float] | None = None
) -> list[tuple[float, list[Row]]]:
    """Changes of the treated lesion, as (delay in days, rows); `value(name)` gives a parameter (internal unit).

    `closed`: shares of core and rim vessels closed and of the lesion reached with drug, in place of those of the end
    point (:func:`tme_sim.therapies.reach.closed_by`).
    """
    technique = TECHNIQUES[session.technique]
    core, rim, met = (*occlusion(session, value("core_share"), session.depth), 1.0) if closed is None else closed
    rows = [fill("occluded_core", core), fill("occluded_rim", rim)]
    if technique.carries_drug and session.dose > 0.0:
        level = session.number(TISSUE_LEVEL) * session.dose / TISSUE_DOSE.value
        burst = technique.burst.value
        rows += [
            add("depot_slow", (1 - burst) * level),
            add("depot_fast", burst * level * value("k_depot_fast") / value("k_depot_slow")),
            fill("dox_exposed", met * session.number(REACH)),
        ]
    opening = set_to("recanalisation_rate", technique.recanalisation.internal)
    if technique.lag.internal <= 0.0:
        return [(0.0, [*rows, opening])]
    return [(0.0, [*rows, set_to("recanalisation_rate", 0.0)]), (technique.lag.internal, [opening])]


def reached(rows: list[Row], share: float) -> list[Row]:
    """Changes of a lesion that the hepatic artery feeds to this share: so much less is taken, filled and loaded."""
    if share == 1.0:
        return rows
    return [
        row if row.target == "recanalisation_rate"
        else replace(row, coefficient=share * row.coefficient, constant=share * row.constant)
        for row in rows
    ]  # fmt: skip


def body_changes(session: Session, value: Callable[[str], float]) -> list[Row]:
    """Changes of the body: injury of the parenchyma and the ALBI step, which selectivity spares."""
    exposed = 1 - SELECTIVITY[session.selectivity]
    burden = session_burden(exposed, value("albi_session"), value("albi_persist"))
    floor = session.number(INJURY_FLOOR)
    inflamed = floor + exposed * (1 - floor)
    burden["injury"] = TECHNIQUES[session.technique].injury.value * inflamed
    return [add(state, amount) for state, amount in burden.items()]


def all_parameters() -> list[Parameter]:
    """Every number a session can use, for the list of sources."""
    return [*FIXED, *RABBIT.values(), TISSUE_DOSE] + [
        replace(p, name=f"{t.name}_{p.name}") for t in TECHNIQUES.values()
        for p in (t.recanalisation, t.lag, t.burst, t.injury)
    ]
