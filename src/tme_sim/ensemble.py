"""Many plans at once: set up one by one, integrated and read in batches, one row of endpoints each.

``run_rows(plans, threads=..., announce=...) -> list[Row]`` keeps the order of the plans.  Plans may differ in
anything: in values, lesions, drugs, calendar.  Those that share structure, length, visits and imaging go through the
engine together, so variants of one protocol on one structure are the fast case; a row has the same bits in any batch,
order or number of threads, and the same as :func:`tme_sim.simulation.run_plan` gives for the plan alone.

A plan that cannot be set up, or whose integration fails, costs only its own row: `status` says which, `message` why.
Where the integration fails after the patient's death (a lesion left to grow for years beyond it, say), the row is read
all the same: it is "ok", its message tells, and landmarks after the failure are NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tme_sim import observe
from tme_sim.compiler.model import BaselineError, CompiledModel
from tme_sim.diagnostics import InputError
from tme_sim.engine import codes
from tme_sim.engine import queue as q
from tme_sim.engine.batch import run_batch
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.engine.run import Options
from tme_sim.engine.signatures import no_decision
from tme_sim.network import NetworkError
from tme_sim.outcome import SimulationError
from tme_sim.plan import Plan
from tme_sim.protocol.rules import shift_groups
from tme_sim.quantities import to_display
from tme_sim.row import BAD_INPUT, FAILED, OK, Row
from tme_sim.simulation import SetUp, run_plan, structures, with_sessions

REFUSED = (InputError, NetworkError, BaselineError, ValueError, KeyError)  # of a plan that cannot be set up
BATCH = 256  # patients integrated before they are read; bounds memory


@dataclass(frozen=True)
class Series:
    """Values kept of each run besides its endpoints: `names` of states and signals at `days`, as ``NAME_dDAY``.

    In display units, of the first lesion where it is a value of lesions; NaN on days outside the run.
    """

    names: tuple[str, ...] = ()
    days: tuple[int, ...] = ()


def run_rows(
    plans: Sequence[Plan],
    *,
    threads: int | None = None,
    announce: Callable[[str], None] | None = None,
    set_up: Callable[[Plan], SetUp] | None = None,
    series: Series | None = None,
    until_death: bool = False,
) -> list[Row]:
    """Endpoints of every plan, in order.

    Args:
        threads: of the integrator; all cores by default.
        announce: told when a model has to be compiled, and after each batch how many rows are done.
        set_up: :func:`tme_sim.simulation.structures`, where a caller asks many times and keeps what is compiled.
        series: values kept besides the endpoints.
        until_death: end each run with the week of the patient's death, which spares the years of a tumour that nobody
            carries; landmarks after it are NaN.
    """
    rows: list[Row | None] = [None] * len(plans)
    ready: dict[tuple, list[tuple[int, SetUp]]] = {}
    visits: dict[tuple, bytes] = {}  # variants of one scenario share its calendar
    set_up = set_up or structures(announce)
    for i, plan in enumerate(plans):
        if plan.piece is not None:
            rows[i] = _alone(plan)
            continue
        try:
            one = set_up(plan)
        except REFUSED as error:
            rows[i] = Row(BAD_INPUT, str(error))
            continue
        calendar = (id(plan.entries), id(plan.calendar), plan.start, plan.stop)
        if calendar not in visits:
            visits[calendar] = observe.visit_ticks(plan).tobytes()
        ready.setdefault(_alike(plan, one.model, visits[calendar]), []).append((i, one))
    done = sum(row is not None for row in rows)
    for group in ready.values():
        for begin in range(0, len(group), BATCH):
            part = group[begin : begin + BATCH]
            for (i, _), row in zip(part, _run(plans, part, threads, series, until_death), strict=True):
                rows[i] = row
            done += len(part)
            if announce is not None:
                announce(f"{done} of {len(plans)} rows done")
    return rows


def _alone(plan: Plan) -> Row:
    """A plan with agent tissue, which no batch holds."""
    try:
        return Row(OK, "", run_plan(plan).endpoints)
    except REFUSED as error:
        return Row(BAD_INPUT, str(error))
    except SimulationError as error:
        return Row(FAILED, str(error))


def _alike(plan: Plan, model: CompiledModel, visits: bytes) -> tuple:
    """What plans must share to be integrated together."""
    imaging = (plan.imaging.criterion, plan.imaging.error, plan.imaging.settings.tobytes())
    return (model.digest, plan.start, plan.stop, visits, imaging, plan.seed, plan.rtol,
            plan.max_steps, plan.wall_seconds)  # fmt: skip


def _run(
    plans: Sequence[Plan], part: Sequence[tuple[int, SetUp]], threads: int | None, series: Series | None,
    until_death: bool,
) -> list[Row]:
    chosen = [plans[i] for i, _ in part]
    plan, model = chosen[0], part[0][1].model
    jumps, queues, memory = _joined([one for _, one in part])
    decide = next((one.decide for _, one in part if one.memory.size > 1), no_decision)
    seen = observe.observation_ticks(plan)
    read = observe.read_ticks(plan)
    ticks = seen
    if series is not None:
        own = _ticks_of(series, plan)
        ticks, read = np.union1d(seen, own), np.union1d(read, own)
    at = np.searchsorted(ticks, seen)
    th = np.stack([one.th for _, one in part])
    mortal = until_death and "death_hazard" in model.state_names
    result = run_batch(
        replace(model.functions, decide=decide),
        np.stack([one.y0 for _, one in part]),
        np.stack([one.u0 for _, one in part]),
        th,
        queues,
        plan.stop,
        Options(rtol=plan.rtol, atol=model.tolerances(plan.rtol), max_steps=plan.max_steps),
        jumps=jumps,
        memory=memory,
        out_ticks=ticks,
        observe=model.observe,
        n_obs=len(model.node_names),
        observed=np.searchsorted(ticks, read),
        start_tick=plan.start,
        keep_y=True,
        threads=threads,
        wall_seconds=plan.wall_seconds,
        ends_at=(model.index("states", "death_hazard"), observe.thresholds(chosen, "death")) if mortal else None,
    )
    y = result.out_y if len(seen) == len(ticks) else result.out_y[:, at]
    known = np.isin(read, seen)
    nodes = result.out_obs if known.all() else result.out_obs[:, known]
    reached = np.flatnonzero((result.code == codes.OK) | _dead(model, chosen, seen, y))
    summaries: dict[int, dict] = {}
    lesions = np.array([len(one.lesions) for one in chosen])
    for count in np.unique(lesions[reached]):
        these = reached[lesions[reached] == count]
        told = [with_sessions(chosen[r], result.memory[r]) for r in these]
        pick = slice(None) if len(these) == len(part) else these
        columns, _ = observe.endpoints_of_batch(model, told, th[pick], seen, y[pick], nodes[pick], read[known])
        if series is not None:
            tables = (ticks, result.out_y[pick]), (read, result.out_obs[pick])
            columns = columns | _series_columns(model, series, *tables)
        summaries |= zip(these.tolist(), observe.rows_of(columns), strict=True)
    rows = []
    for r in range(len(part)):
        ended = result.code[r] == codes.OK or (mortal and result.code[r] == codes.STOPPED)
        told = "" if ended else _ended(model, result, r)
        status = OK if r in summaries else FAILED
        rows.append(Row(status, f"after death, {told}" if told and status == OK else told, summaries.get(r, {})))
    return rows


def _ticks_of(series: Series, plan: Plan) -> np.ndarray:
    """Ticks of the days of `series` that lie in the run."""
    ticks = np.array([day * TICKS_PER_DAY for day in series.days], dtype=np.int64)
    return ticks[(ticks >= plan.start) & (ticks <= plan.stop)]


def _series_columns(
    model: CompiledModel, series: Series, states: tuple[np.ndarray, np.ndarray], nodes: tuple[np.ndarray, np.ndarray]
) -> dict[str, np.ndarray]:
    """Columns (P) of `series` from states and observables, each as ticks (T) and values (P, T, .)."""
    out: dict[str, np.ndarray] = {}
    for name in series.names:
        for names, (when, table) in ((model.state_names, states), (model.node_names, nodes)):
            full = next((n for n in (name, f"{name}.1") if n in names), None)
            if full is not None:
                ticks, values = when, to_display(table[:, :, names.index(full)], model.units.get(name, "1"))
                break
        else:
            ticks, values = states[0], np.full(states[1].shape[:2], np.nan)  # a mechanism that is switched off
        for day in series.days:
            at = np.flatnonzero(ticks == day * TICKS_PER_DAY)
            out[f"{name}_d{day}"] = values[:, at[0]] if at.size else np.full(len(values), np.nan)
    return out


def _dead(model: CompiledModel, plans: Sequence[Plan], ticks: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Whether each patient (N) has died by the last state (N, T, n) that the integration reached."""
    if "death_hazard" not in model.state_names:
        return np.zeros(len(plans), dtype=bool)
    hazard = states[:, :, model.index("states", "death_hazard")]
    return np.isfinite(observe.crossing_ticks(ticks, hazard, observe.thresholds(plans, "death")))


def _joined(ready: Sequence[SetUp]) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray]:
    """One table of jumps for all calendars, and each patient's queue (N, capacity + 1, columns) and memory (N, places)
    pointing into it.
    """
    room = max(len(one.queue) for one in ready)
    queues = np.zeros((len(ready), room, q.COLUMNS), dtype=np.int64)
    memory = np.zeros((len(ready), max(one.memory.size for one in ready)))
    tables, first = [], {}  # patients with the same calendar share its groups
    rows, groups = 0, 0
    for i, one in enumerate(ready):
        if id(one.jumps) not in first:
            first[id(one.jumps)] = groups
            end, places, values = one.jumps.arrays()
            tables.append((end + rows, places, values))
            rows += len(places)
            groups += len(end)
        at = first[id(one.jumps)]
        queues[i, : len(one.queue)] = one.queue
        used = queues[i, 1 : one.queue[0, q.H_COUNT] + 1]
        used[used[:, q.ACTION] == q.JUMP, q.REF] += at
        memory[i, : one.memory.size] = one.memory
        if one.memory.size > 1:
            shift_groups(memory[i], at)
    ends, places, values = (np.concatenate([t[k] for t in tables]) for k in range(3))
    return (ends, places, values), queues, memory


def _ended(model: CompiledModel, result, row: int) -> str:
    carry = result.carry_i[row]
    day = carry[codes.NOW] / TICKS_PER_DAY + result.carry_f[row, codes.S]
    bad = int(carry[codes.BAD_STATE])
    where = f"; the state in question is {model.state_names[bad]}" if 0 <= bad < len(model.state_names) else ""
    name = codes.NAMES[int(carry[codes.CODE])].lower().replace("_", " ")
    return f"the integration ended at day {day:.6g}: {name}{where}"


__all__ = ["BAD_INPUT", "BATCH", "FAILED", "OK", "Row", "Series", "run_rows"]
