"""From the course of simulated patients to their endpoints: one path for a single run and for thousands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numba import vectorize

from tme_sim import criteria as k
from tme_sim.engine.elementary import exp
from tme_sim.engine.rng import PURPOSES, exponential
from tme_sim.observe.endpoints import LANDMARKS, Columns, crossing_ticks, endpoint_columns, landmark_columns
from tme_sim.observe.reading import Visits
from tme_sim.protocol.calendar import LOOKS

if TYPE_CHECKING:
    from tme_sim.compiler.model import CompiledModel
    from tme_sim.plan import Plan

TICKS_PER_DAY = 1440
WEEK = 7 * TICKS_PER_DAY
MEDIAN = 0.6931471805599453  # a hazard that adds up to this has struck half of such patients
HYPERVASCULAR = 0.5  # arterial share of the inflow from which a nodule enhances like a hepatoma
FAR = 1e300  # later than any tick


@vectorize(["float64(float64)"], cache=True)
def alive(hazard):
    """Probability to live through a cumulative hazard; by the engine's exponential, since numpy's last bit differs
    between processors.
    """
    return exp(-hazard)


def visit_ticks(plan: Plan) -> np.ndarray:
    """Ticks at which a plan is imaged: its scans, the first of them the baseline.

    The baseline is the last scan up to the first treatment; without one, a visit at day 0 or at the first treatment,
    whichever comes first.  Earlier scans are left out.
    """
    start, stop = plan.start, plan.stop
    scans = sorted({e.tick for e in plan.entries if e.kind == "scan" and start <= e.tick <= stop})
    later = plan.calendar.later
    given = (*plan.entries, *plan.calendar.planned)
    treated = min((e.tick for e in given if e.kind not in LOOKS and e.treatment not in later), default=0)
    first = max(start, min(0, treated))
    baseline = max((t for t in scans if t <= max(first, treated)), default=first)
    return np.array(sorted({baseline, *(t for t in scans if t > baseline)}), dtype=np.int64)


def observation_ticks(plan: Plan) -> np.ndarray:
    """Ticks whose states the endpoints of a plan need: visits, landmarks, day 0, and each week for the hazards."""
    weeks = range(plan.start, plan.stop + 1, WEEK)
    return np.array(sorted({plan.stop, *weeks, *read_ticks(plan).tolist()}), dtype=np.int64)


def read_ticks(plan: Plan) -> np.ndarray:
    """Those of the :func:`observation_ticks` at which observables are read: at the others hazards are, which are
    states.
    """
    chosen = {0, *(day * TICKS_PER_DAY for day in LANDMARKS), *visit_ticks(plan).tolist()}
    return np.array(sorted(t for t in chosen if plan.start <= t <= plan.stop), dtype=np.int64)


def endpoints_of_batch(
    model: CompiledModel,
    plans: Sequence[Plan],
    th: np.ndarray,
    ticks: np.ndarray,
    states: np.ndarray,
    nodes: np.ndarray,
    read: np.ndarray | None = None,
) -> tuple[Columns, np.ndarray]:
    """Endpoints of P patients who share model, visits, length and imaging; (columns of P values, history of the
    visits).

    Args:
        plans: one per patient; what differs between them are values, lesions, sessions and drugs.
        th: working parameters (P, n_th).
        ticks: :func:`observation_ticks` (T) of each of the plans.
        states: states (P, T, n) at these ticks, internal units, as the engine gives them.
        nodes: observables (P, R, m) at the ticks `read` (R) among these, by default all; they are needed at the
        :func:`read_ticks`.
    """
    first = plans[0]
    lesions = len(first.lesions)
    course = _Course(model, states, nodes, None if read is None else np.searchsorted(ticks, read))
    visits = visit_ticks(first)
    seen = np.searchsorted(ticks, visits)
    floor, rho = (th[:, model.index("theta", name)][:, None, None] for name in ("volume_floor", "rho_cell"))
    viable = course.lesions("viable_cells", lesions) / rho
    whole = np.maximum(course.lesions("lesion_volume", lesions) - floor, 0.0)
    death = crossing_ticks(ticks, course.body("death_hazard"), thresholds(plans, "death"))
    there = Visits(
        visits,
        whole[:, seen],
        viable[:, seen],
        *(_flags(model, th, name, lesions) for name in ("present", "extrahepatic")),
        (_flags(model, th, "arterial_share", lesions) >= HYPERVASCULAR).astype(np.float64),
        _flags(model, th, "infiltrative", lesions),
        _clinic(plans, visits, seen, course, th, model, crossing_ticks(
            ticks, course.body("invasion_hazard"), thresholds(plans, "invasion"))),
        _parameter(model, th, "liver_volume"),
        np.where(np.isfinite(death), death, FAR),
    )  # fmt: skip
    patients = np.array([plan.patient for plan in plans])
    columns, history = endpoint_columns(there, first.imaging, first.stop, first.seed, patients)
    given = [sum(e.kind == "tace" and e.tick < there.death[i] and e.tick <= p.stop
                 and e.treatment not in p.calendar.later for e in p.entries) for i, p in enumerate(plans)]  # fmt: skip
    out: Columns = {"n_tace": np.array(given, dtype=np.int64)}
    present = there.present[:, None, :]
    burden = (viable * present).sum(axis=2)
    levels = {"burden": burden / 1000.0}
    levels |= {name: course.body(name) for name in ("albi", "child_pugh") if course.has(name)}
    if course.has("death_hazard"):
        with np.errstate(invalid="ignore"):  # NaN after the end of a run
            levels["survival"] = alive(course.body("death_hazard"))
    ratios = {"viable_fraction": burden}
    for name, state in (("afp_ratio", "AFP"), ("vegf_ratio", "VEGF_plasma")):
        if course.has(state):
            ratios[name] = course.body(state)
    return out | columns | landmark_columns(ticks, levels, ratios), history


class _Course:
    """States of P patients at T ticks and observables at the places `at` among these (None for all), by name."""

    def __init__(self, model: CompiledModel, states: np.ndarray, nodes: np.ndarray, at: np.ndarray | None):
        self.model, self.states, self.nodes, self.at = model, states, nodes, at

    def has(self, name: str) -> bool:
        """Whether the model has a state or observable of this name."""
        return name in self.model.state_names or name in self.model.node_names

    def body(self, name: str) -> np.ndarray:
        """A value of the body (P, T): NaN where it was not observed, zeros if the model does not have it."""
        if name in self.model.state_names:
            return self.states[:, :, self.model.state_names.index(name)]
        if name not in self.model.node_names:
            return np.zeros(self.states.shape[:2])
        values = self.nodes[:, :, self.model.node_names.index(name)]
        if self.at is None:
            return values
        out = np.full(self.states.shape[:2], np.nan)
        out[:, self.at] = values
        return out

    def lesions(self, name: str, count: int) -> np.ndarray:
        """A value of each lesion (P, T, L)."""
        return np.stack([self.body(f"{name}.{b + 1}") for b in range(count)], axis=2)


def _parameter(model, th, name: str) -> np.ndarray:
    known = model.layout.theta["body"]
    return th[:, known.index(name)] if name in known else np.full(len(th), np.inf)


def _flags(model, th, name: str, count: int) -> np.ndarray:
    return np.stack([th[:, model.index("theta", name, b)] for b in range(count)], axis=1)


def thresholds(plans: Sequence[Plan], purpose: str) -> np.ndarray:
    """What a cumulative hazard must reach to strike each patient: its median, or a draw of the patient's own."""
    number = np.uint64(PURPOSES[purpose])
    zero = np.uint64(0)
    return np.array([
        MEDIAN if plan.chance == "median"
        else exponential(np.uint64(plan.seed), np.uint64(plan.patient), zero, zero, number, zero)
        for plan in plans
    ])  # fmt: skip


def _clinic(plans, visits, seen, course: _Course, th, model, invaded) -> np.ndarray:
    """What each visit saw besides lesions (P, V, CLINIC)."""
    out = np.zeros((len(plans), visits.size, k.CLINIC))
    for i, plan in enumerate(plans):
        sessions = np.sort([e.tick for e in plan.entries if e.kind == "tace"])
        count = np.searchsorted(sessions, visits, side="left")  # a scan comes before a session of the same minute
        out[i, :, k.SESSIONS] = count
        if sessions.size:
            out[i, :, k.SESSION_TICK] = np.where(count > 0, sessions[np.maximum(count - 1, 0)], 0)
    out[:, :, k.CHILD_PUGH] = course.body("child_pugh")[:, seen] if course.has("child_pugh") else 5.0
    out[:, :, k.AFP] = course.body("AFP")[:, seen]
    known = model.layout.theta["body"]
    at_entry = th[:, known.index("portal_invasion")] if "portal_invasion" in known else np.zeros(len(th))
    out[:, :, k.INVASION] = (at_entry[:, None] >= 1.0) | (visits[None, :] >= invaded[:, None])
    return out
