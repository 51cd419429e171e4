"""Python side of the integrator: tables, state, checkpoint, wall clock and messages around `integrate`."""

import time
from dataclasses import dataclass, field

import numpy as np

from tme_sim.engine import codes as c
from tme_sim.engine import queue as q
from tme_sim.engine.integrate import integrate
from tme_sim.engine.linear import factor, solve
from tme_sim.engine.signatures import no_decision, no_guards

NEVER = np.iinfo(np.int64).max // 4  # a tick that no run reaches
CHUNK_STEPS = 2000  # steps between two looks at the wall clock


@dataclass(frozen=True)
class Functions:
    """Compiled functions of one model (see `signatures`) and the elimination program of its Jacobian pattern."""

    rhs: object
    jac: object
    program: np.ndarray
    guards: object = no_guards
    decide: object = no_decision
    factor: object = factor
    solve: object = solve
    lanes: object = None  # returns the Lanes of the model (`lanes`), for large batches


class Jumps:
    """Builder of affine jump groups on z = [y | u]: z_new[dest] += coef * z_old[src] + const (src -1: const only)."""

    def __init__(self):
        self.ends, self.places, self.values = [], [], []
        self._arrays = None

    def group(self, rows):
        """Add a group of rows (dest, src, coef, const), all reading the same state before the jump; return its
        number."""
        for dest, src, coef, const in rows:
            self.places.append((int(dest), int(src)))
            self.values.append((float(coef), float(const)))
        self.ends.append(len(self.places))
        self._arrays = None
        return len(self.ends) - 1

    def arrays(self):
        """Return jump_end (groups), jump_place (rows, 2) int64 and jump_value (rows, 2) float64."""
        if self._arrays is None:
            self._arrays = (
                np.array(self.ends, dtype=np.int64),
                np.array(self.places, dtype=np.int64).reshape(-1, 2),
                np.array(self.values, dtype=np.float64).reshape(-1, 2),
            )
        return self._arrays


@dataclass
class Options:
    """Tolerances, bounds and budgets of a run; atol, lower and upper are arrays (n) or numbers; steps in days."""

    rtol: float = 1e-4
    atol: object = 1e-7
    lower: object = 0.0
    upper: object = np.inf
    h_first: float = 0.0
    h_min: float = 1e-13
    h_max: float = 1e9
    max_steps: int = 1_000_000

    def limits(self, n):
        """Return the limits array (3, n): atol, lower, upper. Raises ValueError for a tolerance that is not
        positive."""
        limits = np.empty((3, n))
        limits[c.ATOL] = self.atol
        limits[c.LOWER] = self.lower
        limits[c.UPPER] = self.upper
        if not (self.rtol > 0.0 and np.all(limits[c.ATOL] > 0.0) and np.all(np.isfinite(limits[c.ATOL]))):
            raise ValueError("rtol and every atol must be positive and finite")
        return limits

    def control(self):
        """Return the control array."""
        return np.array([self.rtol, self.h_first, self.h_min, self.h_max])


@dataclass
class State:
    """Everything a run carries: a copy is a checkpoint, and going on from it gives the same bits."""

    y: np.ndarray
    u: np.ndarray
    memory: np.ndarray
    queue: np.ndarray
    carry_i: np.ndarray
    carry_f: np.ndarray
    ledger: np.ndarray
    event_log: np.ndarray

    def copy(self):
        """Return an independent copy (a checkpoint)."""
        return State(**{name: value.copy() for name, value in vars(self).items()})

    @property
    def time(self):
        """Time reached, in days since tick 0."""
        return self.carry_i[c.NOW] / q.TICKS_PER_DAY + self.carry_f[c.S]

    @property
    def code(self):
        """Result code of the last call."""
        return int(self.carry_i[c.CODE])

    @property
    def stats(self):
        """Costs so far, as a dictionary of counts."""
        i = self.carry_i
        rejected = int(i[c.REJECT_ERROR] + i[c.REJECT_NEGATIVE] + i[c.REJECT_OTHER])
        return {
            "steps": int(i[c.STEPS]) - rejected,
            "rejected": rejected,
            "rejected_negative": int(i[c.REJECT_NEGATIVE]),
            "rejected_nonfinite": int(i[c.REJECT_OTHER]),
            "rhs": int(i[c.N_RHS]),
            "jac": int(i[c.N_JAC]),
            "lu": int(i[c.N_LU]),
            "state_events": int(i[c.N_EVENTS]),
            "jumps": int(i[c.N_JUMPS]),
            "decisions": int(i[c.N_DECISIONS]),
            "corrections": int(i[c.CORRECTIONS]),
            "outputs_held": int(i[c.OUT_HELD]),
        }


def new_state(y0, u0, queue, start_tick=0, memory=None, max_events=1000):
    """Return the state of a run that starts at start_tick; copies y0 (n), u0 (m), memory and the queue.

    Raises ValueError when the queue holds a pending entry before the start, or a start value is not finite.
    """
    y = np.array(y0, dtype=np.float64)
    if not np.all(np.isfinite(y)):
        raise ValueError(f"start value of state {int(np.argmin(np.isfinite(y)))} is not finite")
    queue = queue.copy()
    entry = q.peek(queue)
    if entry and queue[entry, q.TICK] < start_tick:
        raise ValueError(f"calendar entry {entry} at tick {queue[entry, q.TICK]} lies before the start {start_tick}")
    if queue[0, q.H_OVERFLOW]:
        raise ValueError("the calendar queue is too small for its entries")
    carry_i = np.zeros(c.CARRY_I, dtype=np.int64)
    carry_i[c.NOW] = start_tick
    carry_i[c.RESTART] = 1
    return State(
        y=y,
        u=np.array(u0, dtype=np.float64),
        queue=queue,
        carry_i=carry_i,
        carry_f=np.zeros(c.CARRY_F),
        memory=np.zeros(1) if memory is None else np.array(memory, dtype=np.float64),
        ledger=np.zeros(y.size),
        event_log=np.zeros((max_events, c.EVENT_COLUMNS)),
    )


@dataclass
class Records:
    """Accepted steps in order; see `evaluate` for the state and inputs at any time."""

    t: list = field(default_factory=list)
    y: list = field(default_factory=list)
    u: list = field(default_factory=list)

    def arrays(self):
        """Return rec_t (r, 4), rec_y (r, 5, n), rec_u (r, m) of all steps."""
        return np.concatenate(self.t), np.concatenate(self.y), np.concatenate(self.u)


def evaluate(rec_t, rec_y, row, theta):
    """Return the state (n) at fraction theta of recorded step `row` by its dense output (theta up to rec_t[row, 3])."""
    y, y_new, d1, d2, d3 = rec_y[row]
    rest = 1.0 - theta
    return y + theta * ((y_new - y) + rest * (d1 + theta * (d2 + theta * d3)))


def record_time(rec_t):
    """Return start and end (days since tick 0) of recorded steps as two arrays."""
    start = rec_t[:, 0] / q.TICKS_PER_DAY + rec_t[:, 1]
    return start, start + rec_t[:, 2] * rec_t[:, 3]


def advance(
    functions,
    state,
    th,
    stop_tick,
    options,
    jumps=None,
    guard_table=None,
    out_ticks=None,
    out_y=None,
    out_u=None,
    records=None,
    wall_seconds=None,
    pause_tick=NEVER,
    call_steps=NEVER,
):
    """Advance `state` in place to stop_tick and return the result code.

    th: working parameters. out_ticks (k) rising ints; out_y (k, n), out_u (k, m) are filled (rows not reached stay
    as they are). records: a Records object that collects the accepted steps. wall_seconds: limit for this call
    (WALL_LIMIT). pause_tick, call_steps: return PAUSED at the first step end at or after pause_tick, or after so
    many steps.
    """
    n, m = state.y.size, state.u.size
    arrays = jumps.arrays() if isinstance(jumps, Jumps) else (jumps if jumps is not None else Jumps().arrays())
    ticks = np.empty(0, dtype=np.int64) if out_ticks is None else np.ascontiguousarray(out_ticks, dtype=np.int64)
    if ticks.size and np.any(np.diff(ticks) <= 0):
        raise ValueError("output ticks must rise")
    out_y = np.empty((ticks.size, n)) if out_y is None else out_y
    out_u = np.empty((ticks.size, m)) if out_u is None else out_u
    guard_table = np.empty((0, c.G_COLUMNS), dtype=np.int64) if guard_table is None else guard_table
    room = 0 if records is None else 256
    rec_t, rec_y, rec_u = np.empty((room, c.REC_COLUMNS)), np.empty((room, c.REC_ROWS, n)), np.empty((room, m))
    limits, control = options.limits(n), options.control()
    started = time.monotonic()
    budget = np.array([stop_tick, pause_tick, NEVER, options.max_steps], dtype=np.int64)
    last_step = state.carry_i[c.STEPS] + min(call_steps, NEVER)
    while True:
        left = last_step - state.carry_i[c.STEPS]
        budget[c.CALL_STEPS] = left if wall_seconds is None else min(left, CHUNK_STEPS)
        code = integrate(
            functions.rhs,
            functions.jac,
            functions.factor,
            functions.solve,
            functions.guards,
            functions.decide,
            functions.program,
            state.y,
            state.u,
            th,
            state.memory,
            limits,
            control,
            budget,
            state.queue,
            *arrays,
            guard_table,
            state.event_log,
            ticks,
            out_y,
            out_u,
            rec_t,
            rec_y,
            rec_u,
            state.carry_i,
            state.carry_f,
            state.ledger,
        )
        if records is not None and state.carry_i[c.N_RECORDS]:
            r = int(state.carry_i[c.N_RECORDS])
            records.t.append(rec_t[:r].copy())
            records.y.append(rec_y[:r].copy())
            records.u.append(rec_u[:r].copy())
            state.carry_i[c.N_RECORDS] = 0
        if code == c.RECORD_FULL:
            continue
        if (
            code == c.PAUSED
            and state.carry_i[c.STEPS] < last_step
            and (state.carry_i[c.NOW] + state.carry_f[c.S] * 1440.0 < pause_tick)
        ):
            if wall_seconds is not None and time.monotonic() - started > wall_seconds:
                state.carry_i[c.CODE] = c.WALL_LIMIT
                return c.WALL_LIMIT
            continue
        state.carry_i[c.CODE] = code
        return code


def message(state, names=None):
    """Return one line for the result of a run: what happened, to which state and when (names: list of state names)."""
    code, i = state.code, int(state.carry_i[c.BAD_STATE])
    name = "a state" if i < 0 or i >= state.y.size else (f"state {i}" if names is None else names[i])
    when = f"day {state.time:.6g}"
    texts = {
        c.OK: f"reached {when}",
        c.STOPPED: f"stopped at {when}",
        c.PAUSED: f"paused at {when}",
        c.RECORD_FULL: f"paused at {when}: step records full",
        c.STEP_LIMIT: f"step budget used up at {when}; the largest error is in {name}",
        c.STEP_TOO_SMALL: f"no step is small enough at {when}; the largest error is in {name}",
        c.NONFINITE: f"{name} or its rate is not a finite number at {when}",
        c.NEGATIVE: f"{name} would fall below its lower bound at {when}",
        c.OUT_OF_RANGE: f"{name} exceeds its upper bound at {when} (value {state.carry_f[c.BAD_VALUE]:.6g})",
        c.WALL_LIMIT: f"time budget used up at {when}",
        c.QUEUE_FULL: f"calendar queue or event log is full at {when}",
    }
    return texts[code]
