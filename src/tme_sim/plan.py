"""Everything that decides a run, resolved; and how a checked scenario becomes such a plan."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.imaging import Imaging
from tme_sim.network import Mechanism, Network
from tme_sim.protocol.calendar import PROCEDURES, Calendar
from tme_sim.quantities import Parameter
from tme_sim.therapies import dosing
from tme_sim.therapies.drug import Drug

if TYPE_CHECKING:
    from tme_sim.tissue.settings import Tissue

SLOTS = (1, 3, 6, 12)  # numbers of lesions for which a model is compiled

PHASES = (
    ("compose", "join the mechanisms, leave out those switched off, choose hypotheses"),
    ("compile", "load the compiled model, or write, check and compile it once per structure"),
    ("patient", "set parameters of biology, drugs and patient; solve the untreated baseline"),
    ("calendar", "turn dated entries into jumps in the queue"),
    ("integrate", "advance the states to each date; at one date scans come first, then procedures, then drugs"),
    ("observe", "compute signals at the saved times"),
)


@dataclass(frozen=True)
class Plan:
    """Everything that decides a run, resolved: no file, no text with units.

    `values` and each of `lesions` map parameter names to internal values; `parameters` are the resolved declarations
    (for provenance).  `drugs` maps a kinetic slot to (library entry, covariates).  `entries` are dated entries of
    :mod:`tme_sim.schedule`.  Times are ticks of one minute; day 0 is tick 0.
    """

    mechanisms: Sequence[Mechanism]
    lesions: Sequence[Mapping[str, float]]
    values: Mapping[str, float] = field(default_factory=dict)
    off: Sequence[str] = ()
    hypotheses: Mapping[str, str] = field(default_factory=dict)
    drugs: Mapping[str, tuple[Drug, Mapping[str, float | str]]] = field(default_factory=dict)
    entries: Sequence = ()
    calendar: Calendar = Calendar()  # what visits decide about; its dated entries are `entries`
    start: int = 0
    stop: int = 365 * TICKS_PER_DAY
    every: int = TICKS_PER_DAY
    oral: str = "averaged"  # daily tablets as a constant intake, or "resolved" dose by dose
    rtol: float = 1e-5
    max_steps: int = 200_000
    wall_seconds: float | None = 600.0
    imaging: Imaging = field(default_factory=Imaging)
    seed: int = 1
    patient: int = 0  # keys the draws of this patient
    chance: str = "median"  # what cumulative hazards must reach to strike: their median, or "drawn" per patient
    session: Mapping[str, float] = field(default_factory=dict)  # numbers of embolisation in place of the declared ones
    piece: Tissue | None = None  # the first lesion as a piece of agent tissue instead of densities


def plan_of(scenario) -> Plan:
    """The plan of a checked scenario (:class:`tme_sim.scenario.Scenario`).

    Raises:
        InputError: two drugs of the protocol that need the same kinetic slot.
    """
    from tme_sim.diagnostics import InputError, Problem

    library, covariates = scenario.catalogue.library, scenario.covariates()
    drugs: dict[str, tuple[Drug, Mapping[str, float | str]]] = {}
    for name in scenario.calendar.drugs:
        drug = library.get(name).in_place(drugs)
        if drug.slot in drugs and drugs[drug.slot][0].name != drug.name:
            raise InputError(Problem(scenario.name, "protocol", (
                f"{drugs[drug.slot][0].name} and {drug.name} are both {drug.role}: one run holds one drug of a role; "
                "leave one out")))
        drugs[drug.slot] = (drug, covariates)
    entries = scenario.calendar.entries
    start = scenario.calendar.first_tick
    every = max(1, round(_days(scenario.run.output_every) * TICKS_PER_DAY))
    return Plan(
        mechanisms=scenario.catalogue.sources,
        lesions=scenario.lesion_values(),
        values=_values(scenario, drugs),
        off=scenario.biology.off,
        hypotheses=scenario.biology.hypotheses,
        drugs=drugs,
        entries=_numbered_targets(entries, scenario.patient.lesion),
        calendar=_numbered_calendar(scenario.calendar, scenario.patient.lesion),
        start=(start // every) * every,
        stop=scenario.stop_tick,
        every=every,
        oral=scenario.run.oral,
        rtol=scenario.run.rtol,
        max_steps=scenario.run.max_steps,
        wall_seconds=_days(scenario.run.wall_limit) * 86400.0,
        imaging=_imaging(scenario.imaging),
        seed=scenario.seed,
        patient=scenario.patient.number,
        chance=scenario.patient.chance,
        session=scenario.session_values(),
        piece=scenario.piece if scenario.tissue == "agents" else None,
    )


def with_values(plan: Plan, scenario) -> Plan:
    """`plan` with the values of a scenario whose dates are the same."""
    session = scenario.session_values()
    return replace(plan, values=_values(scenario, plan.drugs), lesions=scenario.lesion_values(),
                   patient=scenario.patient.number,
                   session=plan.session if session == plan.session else session)  # the same one: calendars are shared


def untreated(plan: Plan) -> Plan:
    """A plan without drugs and dates, for what is asked of a patient before treatment: set up in half the time."""
    return replace(plan, drugs={}, entries=(), calendar=Calendar())


def _values(scenario, drugs: Mapping[str, tuple[Drug, Any]]) -> dict[str, float]:
    """Values of the body, with the numbers of drugs that a scenario changes in the places of their slots."""
    return scenario.values() | dosing.changed_effects((drug for drug, _ in drugs.values()), scenario.drug_values())


def _imaging(chosen) -> Imaging:
    """How a scenario's scans are read."""
    from tme_sim import criteria
    from tme_sim.quantities import internal

    settings = criteria.default_settings()
    settings[criteria.DETECT_FLOOR] = float(internal(*chosen.detection))
    settings[criteria.GATE] = float(chosen.gate != "none")
    settings[criteria.TARGETS], settings[criteria.PER_ORGAN] = chosen.targets, chosen.per_organ
    return Imaging(chosen.criterion, chosen.error, settings)


def _days(quantity) -> float:
    from tme_sim.quantities import internal

    return float(internal(*quantity))


def _numbered_targets(entries, lesions):
    """Entries whose targets are lesion numbers (from 1) instead of names; the same object where none has any."""
    if not any(e.kind in PROCEDURES and e.data.get("targets") for e in entries):
        return entries
    number = {one.name: i for i, one in enumerate(lesions, 1)}
    out = []
    for e in entries:
        if e.kind in PROCEDURES and e.data.get("targets"):
            e = replace(e, data={**e.data, "targets": tuple(number[t] for t in e.data["targets"])})
        out.append(e)
    return out


def _numbered_calendar(calendar: Calendar, lesions) -> Calendar:
    """A calendar whose ruled sessions name lesions by number; the same object where none does."""
    if not any(e.kind in PROCEDURES and e.data.get("targets") for t in calendar.tracks for e in t.given):
        return calendar
    tracks = [replace(t, given=tuple(_numbered_targets(t.given, lesions))) for t in calendar.tracks]
    return replace(calendar, tracks=tuple(tracks))


def declared_parameters(plan: Plan, network: Network) -> dict[str, Parameter]:
    """Declarations of all parameters by name, with those of the plan's drugs in the places of their slots."""
    declared = {p.name: p for p in network.parameters()}
    return declared | drug_parameters(plan, declared)


def drug_parameters(
    plan: Plan, declared: Mapping[str, Parameter], typical: Callable[[Drug], Mapping[str, Parameter]] | None = None
) -> dict[str, Parameter]:
    """Declarations by the plan's drugs, which take the places of those `declared` without drugs.

    `typical` gives :func:`tme_sim.therapies.dosing.slot_parameters` of a drug alone, where they are at hand.
    """
    out: dict[str, Parameter] = {}
    for drug, covariates in plan.drugs.values():
        own = dosing.slot_parameters(drug, covariates, typical=typical(drug) if typical is not None else None)
        out |= {n: p for n, p in own.items() if n in declared}
        out |= dosing.block_parameters(drug, ChainMap(out, declared))
    return out


def slots_for(lesions: int) -> int:
    """Lesion slots of the compiled model that holds so many lesions; few sizes, so that few models are compiled.

    Raises:
        ValueError: more lesions than the largest model holds.
    """
    for size in SLOTS:
        if lesions <= size:
            return size
    raise ValueError(f"{lesions} lesions; a model holds at most {SLOTS[-1]}")
