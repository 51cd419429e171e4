"""Joins a compiled model, a patient and a calendar, and runs them.

:data:`tme_sim.plan.PHASES` is the order of a run; `tme-sim describe` prints it and `tme-sim profile` times it.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tme_sim import observe
from tme_sim.compiler.model import CompiledModel, compile_model
from tme_sim.engine import run as engine
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.engine.signatures import no_decision
from tme_sim.jumps import CalendarBuilder
from tme_sim.network import Network, compose
from tme_sim.outcome import Outcome, SimulationError, observe_all, why_it_ended
from tme_sim.plan import Plan, drug_parameters, plan_of, slots_for
from tme_sim.protocol import deciding
from tme_sim.protocol.calendar import PROCEDURES, told_order
from tme_sim.protocol.rules import Visits, happened
from tme_sim.protocol.view import label
from tme_sim.quantities import Parameter
from tme_sim.therapies import dosing, reach
from tme_sim.therapies.drug import Drug

if TYPE_CHECKING:
    from pathlib import Path

CALENDARS = 512  # sets of dated entries whose doses are remembered
VARIANTS = 4  # calendars of one such set that are remembered, for patients who differ in what a session reads


@dataclass
class SetUp:
    """A plan made ready to integrate: compiled model, patient vectors, calendar arrays, and what each step took (s)."""

    model: CompiledModel
    parameters: dict[str, Parameter]
    par: np.ndarray
    y0: np.ndarray
    u0: np.ndarray
    th: np.ndarray
    jumps: engine.Jumps
    queue: np.ndarray
    events: list[dict]
    memory: np.ndarray
    decide: object
    timings: dict[str, float]


def set_up(plan: Plan, *, announce: Callable[[str], None] | None = None) -> SetUp:
    """Compose, compile, solve the untreated baseline and build the calendar of a plan.

    Raises:
        NetworkError: mechanisms that do not fit together.
        BaselineError: a patient that cannot exist.
    """
    return structures(announce)(plan)


def structures(announce: Callable[[str], None] | None = None) -> Callable[[Plan], SetUp]:
    """A :func:`set_up` for many plans: what is composed and compiled for one serves all of the same structure."""
    known: dict[tuple, _Structure] = {}
    shared: dict[tuple, tuple[dict, dict[str, Parameter], np.ndarray]] = {}

    def make(plan: Plan) -> SetUp:
        """The set-up of a plan, from what is known of its structure where another plan has met it."""
        timings = {"compose": 0.0, "compile": 0.0}
        slots = slots_for(len(plan.lesions))
        key = (tuple(map(id, plan.mechanisms)), tuple(plan.off), tuple(sorted(plan.hypotheses.items())), slots)
        if key not in known:
            network = _timed(timings, "compose", compose, plan.mechanisms, off=plan.off, hypotheses=plan.hypotheses)
            model = _timed(timings, "compile", compile_model, network, slots, announce)
            known[key] = _Structure(network, model)
        of = known[key]
        if key not in shared or shared[key][0] != plan.drugs:  # variants of one scenario share its drugs
            shared[key] = plan.drugs, *of.declared(plan)
        _, parameters, usual = shared[key]
        par, (y0, u0, th) = _timed(timings, "patient", of.patient, plan, usual)
        jumps, queue, events, memory = _timed(timings, "calendar", of.calendars.of, plan, th)
        decide = _timed(timings, "decisions", of.decide) if plan.calendar.ruled else no_decision
        return SetUp(of.model, parameters, par, y0, u0, th, jumps, queue, events, memory, decide, timings)

    return make


def run_plan(
    plan: Plan, *, announce: Callable[[str], None] | None = None, record: bool = False, ready: SetUp | None = None,
    checkpoints: str | Path | None = None, watch: Callable[[str, bytes], None] | None = None,
) -> Outcome:  # fmt: skip
    """Run a plan; `record` keeps every accepted step for flux attribution, `ready` is the plan already set up, and
    `watch` is given name and content of every snapshot of agent tissue as it is taken.

    `checkpoints` is a folder for those of agent tissue: the run goes on from the newest of its own that lies there.

    Raises:
        NetworkError, BaselineError: as :func:`set_up`.
        SimulationError: an integration that did not reach the end.
    """
    ready = ready or set_up(plan, announce=announce)
    model, timings = ready.model, ready.timings
    saved = np.arange(plan.start, plan.stop + 1, plan.every, dtype=np.int64)
    seen = observe.observation_ticks(plan)
    ticks = np.union1d(saved, seen)
    records = engine.Records() if record else None
    tissue = None
    if plan.piece is None:
        states, held, stats = _timed(timings, "integrate", _integrate, plan, ready, ticks, records)
        nodes = None
    else:
        from tme_sim.tissue.course import integrate

        states, held, nodes, stats, tissue = _timed(
            timings, "integrate", integrate, plan, ready, ticks, announce, checkpoints, watch, records)
        if plan.calendar.ruled:
            ready.events = _with_decisions(plan, ready.events, ready.memory)
    begin = clock.perf_counter()
    at = np.searchsorted(ticks, seen)
    summary = _endpoints(plan, ready, seen, states[at], held[at])
    at = np.searchsorted(ticks, saved)
    states, held = states[at], held[at]
    nodes = observe_all(model, states, held, ready.th) if nodes is None else nodes[at]
    timings["observe"] = clock.perf_counter() - begin
    return Outcome(
        model, plan, ready.par, ready.th, saved / TICKS_PER_DAY, states, held, nodes, ready.events, stats, timings,
        ready.parameters, summary, records, tissue,
    )


def _endpoints(plan: Plan, ready: SetUp, ticks: np.ndarray, states: np.ndarray, held: np.ndarray) -> dict:
    """Endpoints of one run, and what each scan saw written into its events."""
    nodes = np.empty((len(ticks), len(ready.model.node_names)))
    for row in range(len(ticks)):
        ready.model.observe(np.ascontiguousarray(states[row]), np.ascontiguousarray(held[row]), ready.th, nodes[row])
    columns, history = observe.endpoints_of_batch(
        ready.model, [with_sessions(plan, ready.memory)], ready.th[None], ticks, states[None], nodes[None])
    visits = observe.visit_ticks(plan)
    ready.events = observe.told_scans(ready.events, visits, history[0])
    return observe.rows_of(columns)[0]


def _timed(timings: dict[str, float], phase: str, work, *args, **kwargs):
    begin = clock.perf_counter()
    result = work(*args, **kwargs)
    timings[phase] = clock.perf_counter() - begin
    return result


class _Structure:
    """A compiled model, and what all plans on it share."""

    def __init__(self, network: Network, model: CompiledModel):
        self.network, self.model = network, model
        self.calendars = Calendars(model)
        self.bare = {p.name: p for p in network.parameters()}
        self.usual = np.array([self.bare[name.split(".")[0]].internal for name in model.parameter_names])
        self.places: dict[str, list[int]] = {}  # of a name on its own: for the body, or for all lesions alike
        self.of_lesion: dict[tuple[str, int], int] = {}
        self.present: list[int] = []  # where `present` of each lesion stands
        self.drugs: dict[tuple[str, str], tuple[Drug, dict[str, Parameter]]] = {}
        self._decide = None
        for i, name in enumerate(model.parameter_names):
            base, _, lesion = name.partition(".")
            self.places.setdefault(base, []).append(i)
            if lesion:
                self.of_lesion[base, int(lesion)] = i
                if base == "present":
                    self.present.append(i)

    def declared(self, plan: Plan) -> tuple[dict[str, Parameter], np.ndarray]:
        """Declarations of all parameters with the plan's drugs, and their values in the order of the model."""
        more = drug_parameters(plan, self.bare, self.typical)
        usual = self.usual.copy()
        for name, parameter in more.items():
            usual[self.places.get(name, [])] = parameter.internal
        return self.bare | more, usual

    def typical(self, drug: Drug) -> dict[str, Parameter]:
        """Parameters of the slot of a drug for the typical patient."""
        known = self.drugs.get((drug.name, drug.slot))
        if known is None or known[0] != drug:
            known = self.drugs[drug.name, drug.slot] = drug, dosing.slot_parameters(drug)
        return known[1]

    def patient(self, plan: Plan, usual: np.ndarray):
        """Parameter vector of a plan, from the `usual` one, and its untreated baseline."""
        par = usual.copy()
        for name, value in plan.values.items():
            par[self.places.get(name, [])] = value
        for lesion, given in enumerate(plan.lesions, 1):
            for name, value in given.items():
                at = self.of_lesion.get((name, lesion))
                if at is not None:
                    par[at] = value
        par[self.present[len(plan.lesions) :]] = 0.0
        return par, self.model.start(par)

    def decide(self):
        """The compiled decision function of the model."""
        if self._decide is None:
            self._decide = deciding.decide_for(self.model)
        return self._decide


class Calendars:
    """Calendars of plans on one model; plans of the same entries and drugs share what no patient changes."""

    def __init__(self, model: CompiledModel):
        self.model = model
        self.drawn = reach.is_drawn(model)  # what a session closes is drawn for each patient
        self.known: dict[tuple, tuple[tuple, _Doses, list]] = {}

    def of(self, plan: Plan, th: np.ndarray):
        """Jump groups, queue, events that a reader of the run is told, and the memory of decisions.

        The jump groups may be those of another patient as well.
        """
        shared = (plan.entries, plan.drugs, plan.session)
        key = (*map(id, shared), plan.oral, plan.stop)
        if self.drawn:
            key += (plan.seed, plan.patient)
        if key not in self.known:
            while len(self.known) >= CALENDARS:
                self.known.pop(next(iter(self.known)))
            self.known[key] = shared, _doses(plan, self.model), []  # `shared` keeps the ids from being used again
        _, doses, made = self.known[key]
        builder, found = next((one for one in made if one[0].fits(th)), (None, None))
        if builder is None or plan.calendar.ruled:
            builder = CalendarBuilder(self.model, th, plan.session, (plan.seed, plan.patient))
            found = _calendar(plan, builder, doses)
            if plan.calendar.ruled:
                return found
            made[VARIANTS - 1 :] = []
            made.insert(0, (builder, found))
        jumps, queue, events, memory = found
        return jumps, queue.copy(), list(events), memory.copy()


@dataclass(frozen=True)
class _Doses:
    """Of a plan's drugs: kinetics by slot, (slot, drug) by name, and the jump groups (tick, order, rows) of each entry
    (none of those that dose no drug).
    """

    kinetics: dict
    by_name: dict
    groups: list[list[tuple[int, int, list]]]


def _doses(plan: Plan, model: CompiledModel) -> _Doses:
    builder = CalendarBuilder(model, np.empty(0))
    kinetics = {slot: drug.kinetics(covariates) for slot, (drug, covariates) in plan.drugs.items()}
    by_name = {drug.name: (slot, drug) for slot, (drug, _) in plan.drugs.items()}
    averaged = _daily_oral(plan) if plan.oral == "averaged" else {}
    out: list[list[tuple[int, int, list]]] = []
    for entry in plan.entries:
        jumps = []
        if entry.kind == "drug" and entry.tick <= plan.stop:
            slot, drug = by_name[entry.data["drug"]]
            data = entry.data
            if id(entry) in averaged:
                if averaged[id(entry)]:
                    jumps = dosing.averaged(drug, kinetics[slot], data["dose"], *averaged[id(entry)])
            else:
                route = {"arterial": "hepatic_artery"}.get(data["route"], data["route"])
                length = data["duration"] / TICKS_PER_DAY
                jumps = dosing.dose(drug, kinetics[slot], data["dose"], entry.tick, route=route,
                                    infusion=0.0 if route == "oral" else length)
        out.append([(jump.tick, jump.order, builder.rows(jump.rows)) for jump in jumps])
    return _Doses(kinetics, by_name, out)


def _calendar(plan: Plan, builder: CalendarBuilder, doses: _Doses):
    """What :meth:`Calendars.of` returns, from the doses of the plan's entries and the patient of the builder."""
    model, th, kinetics, by_name = builder.model, builder.th, doses.kinetics, doses.by_name
    for entry, groups in zip(plan.entries, doses.groups, strict=True):
        if entry.tick > plan.stop:
            continue
        told = {"tick": entry.tick, "day": entry.tick / TICKS_PER_DAY, "kind": entry.kind, "treatment": entry.treatment,
                "number": entry.number}
        data = entry.data
        if entry.kind in PROCEDURES:
            builder.procedure(entry)
            told |= {"what": _words(entry)}
        elif entry.kind == "drug":
            slot, drug = by_name[data["drug"]]
            builder.add_all(groups)
            told |= {"what": f"{drug.name} {data['dose']:g} mg", "drug": drug.name, "slot": slot}
        else:
            told |= {"what": data.get("method", entry.kind)}
        builder.events.append(told)
    if not plan.calendar.ruled:
        return (*builder.finish(plan), np.zeros(1))

    def parts_of(track, entry):
        """The parts that the doses of a track are made of, so that a rule can give another dose of them."""
        given = entry or track.given[0]
        if given.kind != "drug":
            return builder.session_parts(given)
        slot, drug = by_name[given.data["drug"]]
        return deciding.drug_parts(drug, kinetics[slot], track, entry, plan.oral, builder.group)

    memory, more = deciding.prepare(
        plan.calendar, model, th, parts_of, start=plan.start, stop=plan.stop, oral=plan.oral,
        visits=_visits(plan, model, th),
    )  # fmt: skip
    jumps, queue, events = builder.finish(plan, more)
    deciding.open_queue(plan.calendar, memory, queue, observe.visit_ticks(plan), plan.start, plan.stop)
    return jumps, queue, events, memory


def _visits(plan: Plan, model: CompiledModel, th: np.ndarray) -> Visits:
    """How the decisions of a run look at its patient: as its endpoints do."""
    theta = model.layout.theta["body"]
    invaded = "portal_invasion" in theta and th[theta.index("portal_invasion")] >= 1.0
    at = float(observe.thresholds([plan], "invasion")[0])
    return Visits(plan.imaging.settings, plan.imaging.error, plan.seed, plan.patient, invaded, at)


def _daily_oral(plan: Plan) -> dict[int, tuple[float, int, int] | None]:
    """Oral doses that follow each other daily: the first of a train gives (interval in days, first, last tick), others
    None.

    A train ends where dose, drug or interval changes; doses further apart than two days are not averaged.
    """
    trains: dict[str, list] = {}
    for entry in plan.entries:
        if entry.kind == "drug" and entry.data["route"] == "oral" and entry.tick <= plan.stop:
            trains.setdefault(entry.data["drug"], []).append(entry)
    out: dict[int, tuple[float, int, int] | None] = {}
    for doses in trains.values():
        i = 0
        while i < len(doses):
            j = i + 1
            while j < len(doses) and doses[j].data["dose"] == doses[i].data["dose"] and (
                doses[j].tick - doses[j - 1].tick == doses[i + 1].tick - doses[i].tick <= 2 * TICKS_PER_DAY
            ):
                j += 1
            if j - i > 1:
                interval = doses[i + 1].tick - doses[i].tick
                out |= {id(d): None for d in doses[i:j]}
                out[id(doses[i])] = (interval / TICKS_PER_DAY, doses[i].tick, doses[j - 1].tick + interval)
            i = j
    return out


def _integrate(plan: Plan, ready: SetUp, ticks: np.ndarray, records):
    model, y0, u0 = ready.model, ready.y0, ready.u0
    functions = replace(model.functions, decide=ready.decide)
    state = engine.new_state(y0, u0, ready.queue, start_tick=plan.start, memory=ready.memory)
    options = engine.Options(rtol=plan.rtol, atol=model.tolerances(plan.rtol), max_steps=plan.max_steps)
    out_y, out_u = np.full((ticks.size, y0.size), np.nan), np.full((ticks.size, u0.size), np.nan)
    code = engine.advance(
        functions, state, ready.th, plan.stop, options, ready.jumps, out_ticks=ticks, out_y=out_y, out_u=out_u,
        records=records,
        wall_seconds=plan.wall_seconds,
    )
    if code != 0:
        raise SimulationError(why_it_ended(model, state, ready.th))
    if plan.calendar.ruled:
        ready.memory = state.memory
        ready.events = _with_decisions(plan, ready.events, state.memory)
    return out_y, out_u, state.stats


def with_sessions(plan: Plan, memory: np.ndarray) -> Plan:
    """A plan whose entries hold the procedures that its decisions have given, for what reads sessions of a run."""
    if not plan.calendar.ruled:
        return plan
    given = [h.entry for h in happened(plan.calendar, memory, plan.stop, plan.oral) if h.entry is not None]
    return replace(plan, entries=(*plan.entries, *(e for e in given if e.kind != "drug")))


def _with_decisions(plan: Plan, events: list[dict], memory: np.ndarray) -> list[dict]:
    """Events of a run whose calendar decides: the dated ones, and what was decided, in the order they happened."""
    slots = {drug.name: slot for slot, (drug, _) in plan.drugs.items()}
    decided = deciding.told(plan.calendar, memory, plan.stop, plan.oral, slots, _words)
    return sorted([*events, *decided], key=told_order)


def _words(entry) -> str:
    """A session in words."""
    data = entry.data
    if entry.kind != "tace":
        return label(entry)
    return f"{data['technique']} TACE, {data['selectivity']}, to {data['endpoint']}"


def simulate(
    scenario, *, announce: Callable[[str], None] | None = None, make: Callable[[Plan], SetUp] | None = None,
    checkpoints: str | Path | None = None,
):  # fmt: skip
    """Run a scenario and return its :class:`tme_sim.results.Run`, not yet written; `make` sets the plan up.

    `checkpoints`: as for :func:`run_plan`.

    Raises:
        InputError, NetworkError, BaselineError: before anything is integrated.
        SimulationError: an integration that did not reach the end.
    """
    from tme_sim import record
    from tme_sim.results import Run

    plan = plan_of(scenario)
    outcome = run_plan(plan, announce=announce, ready=make(plan) if make else None, checkpoints=checkpoints)
    time, columns, units, labels = record.columns_of(outcome, scenario.outputs.states)
    return Run(
        time, columns, units, labels=labels, events=outcome.events,
        summary=outcome.endpoints | (outcome.tissue.summary if outcome.tissue is not None else {}),
        manifest=record.manifest_of(outcome, scenario), scenario_text=scenario.to_toml(in_folder=True),
        files=outcome.tissue.files if outcome.tissue is not None else None,
    )
