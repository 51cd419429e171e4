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
from tme_sim.engine.linear import PROGRAM
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


@njit(types.void(PREPARE, MATRIX, MATRIX), **OPTIONS)
def prepare_many(prepare, par, th):
    """Fill th (N, n_th) from par (N, n_par) row by row."""
    for p in range(par.shape[0]):
        prepare(par[p], th[p])


@njit(types.void(OBSERVE, MATRIX, MATRIX, VECTOR, MATRIX), **OPTIONS)
def observe_many(observe, out_y, out_u, th, out):
    """Fill out (k, n_obs) with the observables of out_y (k, n), out_u (k, m)."""
    for row in range(out_y.shape[0]):
        observe(out_y[row], out_u[row], th, out[row])


@njit(
    types.void(
        types.FunctionType(INTEGRATE),
        RHS,
        JAC,
        GUARDS,
        DECIDE,
        OBSERVE,
        PROGRAM,
        MATRIX,
        MATRIX,
        MATRIX,
        MATRIX,
        MATRIX,
        VECTOR,
        INTS,
        TABLES,
        INTS,
        TABLE,
        BLOCKS,
        TABLE,
        INTS,
        BLOCKS,
        BLOCKS,
        TABLES,
        TABLE,
        MATRIX,
        MATRIX,
        BLOCKS,
        INT,
        INT,
    ),
    **OPTIONS,
)
def integrate_range(
    run_one,
    rhs,
    jac,
    guards,
    decide,
    observe,
    program,
    y,
    u,
    th,
    memory,
    limits,
    control,
    budget,
    queues,
    jump_end,
    jump_place,
    jump_values,
    guard_table,
    out_ticks,
    out_y,
    out_obs,
    queue_out,
    carry_i,
    carry_f,
    ledger,
    events,
    first,
    last,
):
    """Run patients first .. last - 1; arrays have the patient in front (one row for all where the first length is 1).

    run_one is `integrate`, handed over as a pointer so that it is not compiled a second time into this loop.
    """
    n, m, k = y.shape[1], u.shape[1], out_ticks.size
    scratch_y = np.empty((k, n))
    scratch_u = np.empty((k, m))
    queue = np.empty((queues.shape[1], queues.shape[2]), dtype=np.int64)
    no_t = np.empty((0, c.REC_COLUMNS))
    no_y = np.empty((0, c.REC_ROWS, n))
    no_u = np.empty((0, m))
    held = np.empty(n)
    for p in range(first, last):
        template = queues[p if queues.shape[0] > 1 else 0]
        for i in range(queue.shape[0]):
            for j in range(queue.shape[1]):
                queue[i, j] = template[i, j]
        rows = out_y[p] if out_y.shape[0] > 0 else scratch_y
        for i in range(k):
            for j in range(n):
                rows[i, j] = np.nan
        run_one(
            rhs,
            jac,
            guards,
            decide,
            program,
            y[p],
            u[p],
            th[p],
            memory[p],
            limits,
            control,
            budget,
            queue,
            jump_end,
            jump_place,
            jump_values[p if jump_values.shape[0] > 1 else 0],
            guard_table,
            events[p],
            out_ticks,
            rows,
            scratch_u,
            no_t,
            no_y,
            no_u,
            carry_i[p],
            carry_f[p],
            ledger[p],
        )
        if out_obs.shape[0] > 0:
            reached = carry_i[p, c.OUT_NEXT]
            for i in range(k):
                if i < reached:
                    hold(rows[i], limits[c.LOWER], held)  # as the right-hand side and a lone run see the states
                    observe(held, scratch_u[i], th[p], out_obs[p, i])
                else:
                    for j in range(out_obs.shape[2]):
                        out_obs[p, i, j] = np.nan
        if queue_out.shape[0] > 0:
            for i in range(queue.shape[0]):
                for j in range(queue.shape[1]):
                    queue_out[p, i, j] = queue[i, j]


@dataclass
class BatchResult:
    """Results of a batch: patient in front of every array; `code` and the counts as in `codes`."""

    y: np.ndarray  # (N, n) at the end
    u: np.ndarray  # (N, m) at the end
    memory: np.ndarray  # (N, n_memory)
    out_y: np.ndarray  # (N, k, n), or (0, k, n) when not asked for; NaN where not reached
    out_obs: np.ndarray  # (N, k, n_obs), or (0, k, 0)
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
    memory=None,
    start_tick=0,
    keep_y=False,
    keep_queue=False,
    max_events=0,
    threads=None,
    wall_seconds=None,
    chunk=16,
):
    """Run N patients and return a BatchResult; bits do not depend on threads, chunk, order or the other patients.

    y0 (N, n), u0 (N, m) or (m,), th (N, n_th). queues: one queue for all or (N, capacity + 1, columns). jumps: Jumps
    or its arrays; jump_values (N, rows, 2) replaces their values per patient. memory (N, n_memory). observe with
    n_obs: out_obs is filled at out_ticks. wall_seconds: patients not begun by then get WALL_LIMIT.
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
    guard_table = np.empty((0, c.G_COLUMNS), dtype=np.int64) if guard_table is None else guard_table
    carry_i = np.zeros((number, c.CARRY_I), dtype=np.int64)
    carry_i[:, c.NOW] = start_tick
    carry_i[:, c.RESTART] = 1
    carry_i[:, c.CODE] = c.WALL_LIMIT
    result = BatchResult(
        y=y,
        u=u,
        memory=np.zeros((number, 1)) if memory is None else np.array(memory, dtype=np.float64),
        out_y=np.empty((number if keep_y else 0, ticks.size, n)),
        out_obs=np.empty((number if observe is not None else 0, ticks.size, n_obs)),
        queue=np.empty((number if keep_queue else 0, *queues.shape[1:]), dtype=np.int64),
        carry_i=carry_i,
        carry_f=np.zeros((number, c.CARRY_F)),
        ledger=np.zeros((number, n)),
        events=np.zeros((number, max_events, c.EVENT_COLUMNS)),
    )
    budget = np.array([stop_tick, NEVER, NEVER, options.max_steps], dtype=np.int64)
    limits, control = options.limits(n), options.control()
    limit = None if wall_seconds is None else time.monotonic() + wall_seconds

    def work(first):
        if limit is not None and time.monotonic() > limit:
            return
        integrate_range(
            integrate,
            functions.rhs,
            functions.jac,
            functions.guards,
            functions.decide,
            observe or functions.rhs,
            functions.program,
            result.y,
            result.u,
            th,
            result.memory,
            limits,
            control,
            budget,
            queues,
            ends,
            places,
            values,
            guard_table,
            ticks,
            result.out_y,
            result.out_obs,
            result.queue,
            result.carry_i,
            result.carry_f,
            result.ledger,
            result.events,
            first,
            min(first + chunk, number),
        )

    threads = threads or len(os.sched_getaffinity(0))
    starts = range(0, number, chunk)
    if threads == 1 or len(starts) == 1:
        for first in starts:
            work(first)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, starts))
    return result
