"""Many runs of one model over all cores; every run is the same call as a lone one, so its bits depend on nothing
else."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit, types

from tme_sim.engine import codes as c
from tme_sim.engine.integrate import INTEGRATE, integrate
from tme_sim.engine.lane_arrays import LANES, lane_array, numbers_of_one
from tme_sim.engine.lanes import run_lanes
from tme_sim.engine.linear import FACTOR, PROGRAM, SOLVE
from tme_sim.engine.pieces import begin
from tme_sim.engine.rodas import OPTIONS, hold
from tme_sim.engine.run import NEVER, Jumps
from tme_sim.engine.signatures import DECIDE, GUARDS, JAC, OBSERVE, PREPARE, RHS

VECTOR = types.float64[::1]
MATRIX = types.float64[:, ::1]
BLOCKS = types.float64[:, :, ::1]
INTS = types.int64[::1]
TABLE = types.int64[:, ::1]
TABLES = types.int64[:, :, ::1]
INT = types.int64

FEW = 16  # patients that a thread takes at a time; in lanes several for each, so that no lane stands idle for long
MANY = 512  # patients that a lone thread takes at a time in lanes
CHUNKS_PER_THREAD = 4


def zeros_throughout(y, u, places, values):
    """Return the places of states that are zero in all y (N, n) and that no jump changes, and of held inputs, u (N, m).

    places (rows, 2), values (P, rows, 2): jumps (`Jumps.arrays`) with P = 1 for all patients or one table each.
    """
    changed = places[np.any(values != 0.0, axis=(0, 2)), 0]
    zero = np.concatenate([~y.any(axis=0), ~u.any(axis=0)])
    zero[changed] = False
    n = y.shape[1]
    return tuple(np.flatnonzero(zero[:n]).tolist()), tuple(np.flatnonzero(zero[n:]).tolist())


@njit(types.void(PREPARE, MATRIX, MATRIX), **OPTIONS)
def prepare_many(prepare, par, th):
    """Fill th (N, n_th) from par (N, n_par) row by row."""
    for p in range(par.shape[0]):
        prepare(par[p], th[p])


@njit(types.void(OBSERVE, MATRIX, VECTOR, BLOCKS, BLOCKS, INTS, TABLE, BLOCKS, INT), **OPTIONS)
def observe_range(observe, th, lower, out_y, out_u, wanted, carry_i, out_obs, first):
    """Fill out_obs of patients first, first + 1, ... from out_y, out_u of these at the outputs `wanted` (places); NaN
    where a run did not get to.
    """
    held = np.empty(out_y.shape[2])
    for row in range(out_y.shape[0]):
        p = first + row
        for at in range(wanted.size):
            i = wanted[at]
            if i < carry_i[p, c.OUT_NEXT]:
                hold(out_y[row, i], lower, held)  # as the right-hand side and a lone run see the states
                observe(held, out_u[row, i], th[p], out_obs[p, at])
            else:
                for j in range(out_obs.shape[2]):
                    out_obs[p, at, j] = np.nan


@njit(
    types.void(
        types.FunctionType(INTEGRATE),
        RHS,
        JAC,
        FACTOR,
        SOLVE,
        GUARDS,
        DECIDE,
        PROGRAM,
        MATRIX,
        MATRIX,
        MATRIX,
        MATRIX,
        MATRIX,
        VECTOR,
        INTS,
        TABLES,
        TABLES,
        INTS,
        TABLE,
        BLOCKS,
        TABLE,
        INTS,
        BLOCKS,
        BLOCKS,
        TABLE,
        MATRIX,
        MATRIX,
        BLOCKS,
        INT,
        INT,
    ),
    **OPTIONS,
)
def run_one_by_one(
    run_one,
    rhs,
    jac,
    factor,
    solve,
    guards,
    decide,
    program,
    y,
    u,
    th,
    memory,
    limits,
    control,
    budget,
    templates,
    queues,
    jump_end,
    jump_place,
    jump_values,
    guard_table,
    out_ticks,
    out_y,
    out_u,
    carry_i,
    carry_f,
    ledger,
    events,
    first,
    last,
):
    """Run patients first .. last - 1; arguments after `program` as those of `lanes.run_lanes` after `places`.

    run_one is `integrate`, handed over as a pointer so that it is not compiled a second time into this loop.
    """
    n, m = y.shape[1], u.shape[1]
    no_t, no_y, no_u = np.empty((0, c.REC_COLUMNS)), np.empty((0, c.REC_ROWS, n)), np.empty((0, m))
    for p in range(first, last):
        own = p - first
        begin(templates, p, queues, own, out_y[own])
        values = jump_values[p if jump_values.shape[0] > 1 else 0]
        run_one(rhs, jac, factor, solve, guards, decide, program, y[p], u[p], th[p], memory[p], limits, control, budget,
                queues[own], jump_end, jump_place, values, guard_table, events[p], out_ticks, out_y[own], out_u[own],
                no_t, no_y, no_u, carry_i[p], carry_f[p], ledger[p])


@dataclass
class BatchResult:
    """Results of a batch: patient in front of every array; `code` and the counts as in `codes`."""

    y: np.ndarray  # (N, n) at the end
    u: np.ndarray  # (N, m) at the end
    memory: np.ndarray  # (N, n_memory)
    out_y: np.ndarray  # (N, k, n), or (0, k, n) when not asked for; NaN where not reached
    out_obs: np.ndarray  # (N, outputs that are observed, n_obs), or (0, k, 0)
    queue: np.ndarray  # (N, capacity + 1, columns), or (0, ...)
    carry_i: np.ndarray  # (N, CARRY_I)
    carry_f: np.ndarray  # (N, CARRY_F)
    ledger: np.ndarray  # (N, n) amounts added by corrections
    events: np.ndarray  # (N, max_events, 4)

    @property
    def code(self):
        """Result codes (N); WALL_LIMIT for patients not begun in time."""
        return self.carry_i[:, c.CODE]


def run_batch(
    functions,
    y0,
    u0,
    th,
    queues,
    stop_tick,
    options,
    jumps=None,
    jump_values=None,
    guard_table=None,
    out_ticks=None,
    observe=None,
    n_obs=0,
    observed=None,
    memory=None,
    start_tick=0,
    keep_y=False,
    keep_queue=False,
    max_events=0,
    threads=None,
    wall_seconds=None,
    chunk=None,
    lanes=None,
    ends_at=None,
):
    """Run N patients and return a BatchResult; bits do not depend on threads, chunk, lanes, order or other patients.

    y0 (N, n), u0 (N, m) or (m,), th (N, n_th). queues: one queue for all or (N, capacity + 1, columns). jumps: Jumps or
    its arrays; jump_values (N, rows, 2) replaces their values per patient. memory (N, n_memory). observe with n_obs:
    out_obs is filled at out_ticks, or at those of them whose places `observed` holds. wall_seconds: patients not begun
    by then get WALL_LIMIT. lanes: whether to run patients side by side, if the model can (default: when it finds that
    they are enough). chunk: patients that a thread takes at a time. ends_at: (state, levels (N)): a run ends (STOPPED)
    with the first output at which this state has reached its level.
    """
    y = np.array(y0, dtype=np.float64, ndmin=2)
    number, n = y.shape
    u = np.array(np.broadcast_to(u0, (number, np.shape(u0)[-1])), dtype=np.float64, order="C")
    th = np.ascontiguousarray(th, dtype=np.float64)
    if th.shape[0] != number:
        raise ValueError(f"{number} start states but {th.shape[0]} parameter sets")
    queues = np.ascontiguousarray(queues if np.ndim(queues) == 3 else np.asarray(queues)[None])
    ends, places, values = jumps.arrays() if isinstance(jumps, Jumps) else (jumps or Jumps().arrays())
    values = values[None] if jump_values is None else np.ascontiguousarray(jump_values, dtype=np.float64)
    for name, array in (("queues", queues), ("jump_values", values)):
        if array.shape[0] not in (1, number):
            raise ValueError(f"{name} must have 1 or {number} rows in front, not {array.shape[0]}")
    ticks = np.empty(0, dtype=np.int64) if out_ticks is None else np.ascontiguousarray(out_ticks, dtype=np.int64)
    wanted = np.arange(ticks.size) if observed is None else np.ascontiguousarray(observed, dtype=np.int64)
    guard_table = np.empty((0, c.G_COLUMNS), dtype=np.int64) if guard_table is None else guard_table
    carry_i = np.zeros((number, c.CARRY_I), dtype=np.int64)
    carry_i[:, c.NOW] = start_tick
    carry_i[:, c.RESTART] = 1
    carry_i[:, c.CODE] = c.WALL_LIMIT
    carry_f = np.zeros((number, c.CARRY_F))
    if ends_at is not None:
        carry_i[:, c.ENDING_STATE] = 1 + ends_at[0]
        carry_f[:, c.ENDING_LEVEL] = ends_at[1]
    result = BatchResult(
        y=y,
        u=u,
        memory=np.zeros((number, 1)) if memory is None else np.array(memory, dtype=np.float64),
        out_y=np.empty((number if keep_y else 0, ticks.size, n)),
        out_obs=np.empty((number if observe is not None else 0, wanted.size, n_obs)),
        queue=np.empty((number if keep_queue else 0, *queues.shape[1:]), dtype=np.int64),
        carry_i=carry_i,
        carry_f=carry_f,
        ledger=np.zeros((number, n)),
        events=np.zeros((number, max_events, c.EVENT_COLUMNS)),
    )
    budget = np.array([stop_tick, NEVER, NEVER, options.max_steps], dtype=np.int64)
    limits, control = options.limits(n), options.control()
    limit = None if wall_seconds is None else time.monotonic() + wall_seconds
    threads = threads or len(os.sched_getaffinity(0))
    side_by_side = None
    if functions.lanes is not None and lanes is not False:
        zeros = zeros_throughout(y, u, places, values)
        side_by_side = functions.lanes(*zeros, number=number if lanes is None else np.inf)
    if chunk is None:
        share = -(-number // (CHUNKS_PER_THREAD * threads))
        chunk = FEW if side_by_side is None else max(LANES * FEW // 2, share if threads > 1 else MANY)
    f, r = functions, result

    def work(first):
        """Run the chunk that begins with patient `first`, and write its results."""
        if limit is not None and time.monotonic() > limit:
            return
        last = min(first + chunk, number)
        out_y = r.out_y[first:last] if keep_y else np.empty((last - first, ticks.size, n))
        out_u = np.empty((last - first, ticks.size, u.shape[1]))
        queue = r.queue[first:last] if keep_queue else np.empty((last - first, *queues.shape[1:]), dtype=np.int64)
        arrays = (y, u, th, r.memory, limits, control, budget, queues, queue, ends, places, values, guard_table, ticks,
                  out_y, out_u, r.carry_i, r.carry_f, r.ledger, r.events, first, last)
        if side_by_side is None:
            run_one_by_one(integrate, f.rhs, f.jac, f.factor, f.solve, f.guards, f.decide, f.program, *arrays)
        else:
            v = side_by_side
            w = lane_array(v.places[-1], numbers_of_one(n, u.shape[1], len(guard_table)))
            run_lanes(v.start, v.rate, v.factor, v.solve, f.guards, f.decide, v.program, w, v.places, v.states, *arrays)
        if observe is not None:
            observe_range(observe, th, limits[c.LOWER], out_y, out_u, wanted, r.carry_i, r.out_obs, first)

    starts = range(0, number, chunk)
    if threads == 1 or len(starts) == 1:
        for first in starts:
            work(first)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, starts))
    return result
