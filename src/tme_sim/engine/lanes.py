"""The adaptive driver for LANES runs side by side, each with its own time, step, calendar and verdict.

Evaluations of the model and the arithmetic of a step work on all lanes at once; what happens to a run between them is
the code of `steps`, run by run. A lane whose run has ended takes the next one. Every operation is the one of the scalar
driver, in its order, so a run has the same bits in any lane, beside any others, and alone.
"""

import numpy as np
from numba import njit, types

from tme_sim.engine import codes as c
from tme_sim.engine import queue as q
from tme_sim.engine.borrowed import borrowed
from tme_sim.engine.lane_arrays import (
    DY,
    END,
    HOLDS,
    JV,
    LANE,
    LANES,
    LIMITS,
    LU,
    RATE,
    STAGES,
    STEP,
    TH,
    B,
    K,
    U,
    X,
    Y,
)
from tme_sim.engine.linear import PROGRAM
from tme_sim.engine.pieces import begin, copy, first_size
from tme_sim.engine.rodas import GAMMA, OPTIONS, add_to, approach, approach_last, hold
from tme_sim.engine.signatures import DECIDE, GUARDS
from tme_sim.engine.steps import (
    at_tick,
    fail,
    finish_step,
    judge,
    lift,
    looked_into,
    move_on,
    open_step,
    size_next,
    size_step,
)
from tme_sim.engine.vector_kernels import combine_lanes, multiply_lanes, sizes, take_lanes

VECTOR = types.float64[::1]
MATRIX = types.float64[:, ::1]
BLOCKS = types.float64[:, :, ::1]
INTS = types.int64[::1]
TABLE = types.int64[:, ::1]
TABLES = types.int64[:, :, ::1]
INT = types.int64
REAL = types.float64


@njit(types.void(VECTOR, INT, INT, VECTOR), **OPTIONS)
def put_lane(lanes, first, lane, values):
    """Write values (n) into a lane of n slots of `lanes`, from slot `first` on."""
    for i in range(values.size):
        lanes[(first + i) * LANES + lane] = values[i]


@njit(types.void(VECTOR, INT, INTS, VECTOR), **OPTIONS)
def put_states(lanes, lane, states, values):
    """Write the `states` (places) among values (n) into a lane of `lanes`."""
    for i in range(states.size):
        lanes[i * LANES + lane] = values[states[i]]


@njit(types.void(VECTOR, INT, INTS, VECTOR), **OPTIONS)
def get_states(lanes, lane, states, values):
    """Read a lane of `lanes` into the `states` (places) among values (n)."""
    for i in range(states.size):
        values[states[i]] = lanes[i * LANES + lane]


@njit(types.void(VECTOR, INTS, VECTOR), **OPTIONS)
def spread(values, states, lanes):
    """Write the `states` (places) among values (n) into all lanes of `lanes`."""
    for i in range(states.size):
        for lane in range(LANES):
            lanes[i * LANES + lane] = values[states[i]]


@njit(MATRIX(VECTOR, INT, INT, INT), **OPTIONS)
def rows_of(w, first, rows, size):
    """Return rows of `size` numbers that lie in w, from the place `first` on, as a matrix."""
    return w[first : first + rows * size].reshape((rows, size))


@njit(types.void(LANE, LANE, VECTOR, INTS, VECTOR, VECTOR, MATRIX, VECTOR), **OPTIONS)
def lane_stages(rate, solve, w, places, y, lower, k, y_new):
    """Compute the stages k (8, n LANES) and y_new as `rodas.stages` does; dy in w holds the rates at y, k lies in w.

    What `rodas.stages` keeps of k over h is multiplied anew here: reading it from memory takes longer.
    """
    n = y.size
    point = w[places[Y] * LANES : places[Y] * LANES + n]
    rates = w[places[DY] * LANES : places[DY] * LANES + n]
    system = w[places[B] * LANES : places[B] * LANES + n]
    solution = w[places[X] * LANES : places[X] * LANES + n]
    per_step = w[places[RATE] * LANES : (places[RATE] + 1) * LANES]
    for stage in range(STAGES):
        if stage == 0:
            copy(rates, system)
        else:
            if stage < 5:
                approach(stage, y, k, lower, point)
            else:
                if stage == 5:
                    approach_last(y, k, y_new)
                else:
                    add_to(y_new, k[stage - 1])
                hold(y_new, lower, point)
            rate(w)
            combine_lanes(stage, k, per_step, rates, system)
        solve(w)
        copy(solution, k[stage])
    add_to(y_new, k[7])


RUN_LANES = types.void(
    LANE,
    LANE,
    LANE,
    LANE,
    GUARDS,
    DECIDE,
    PROGRAM,
    VECTOR,
    INTS,
    INTS,
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
)


@njit(RUN_LANES, **OPTIONS)
def run_lanes(
    start,
    rate,
    factor,
    solve,
    guards,
    decide,
    program,
    w,
    places,
    states,
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
    """Run patients first .. last - 1 on lanes; arrays have the patient in front (see `batch`).

    w: lane array with `places`, and `lane_arrays.numbers_of_one` behind it. states: places of the states that lanes
    hold; the others stay at zero. templates: calendars (one for all, or one each); queues, out_y, out_u: where the
    patients of this call put their own, by number - first.
    """
    w, y, u, th, memory = borrowed(w), borrowed(y), borrowed(u), borrowed(th), borrowed(memory)
    limits, control, budget, ledger = borrowed(limits), borrowed(control), borrowed(budget), borrowed(ledger)
    queues, out_y, out_u, events = borrowed(queues), borrowed(out_y), borrowed(out_u), borrowed(events)
    carry_i, carry_f, jump_values = borrowed(carry_i), borrowed(carry_f), borrowed(jump_values)
    n = y.shape[1]
    m = u.shape[1]
    size = states.size * LANES
    rtol = control[c.RTOL]
    limit_rows = rows_of(w, places[LIMITS] * LANES, 4, size)
    atol, lower, floor, upper = limit_rows[0], limit_rows[1], limit_rows[2], limit_rows[3]
    spread(limits[c.ATOL], states, atol)
    spread(limits[c.LOWER], states, lower)
    spread(limits[c.UPPER], states, upper)
    for i in range(size):
        floor[i] = lower[i] - atol[i]
    step_rows = rows_of(w, places[STEP] * LANES, 4, size)
    state, y_new, f0, second = step_rows[0], step_rows[1], step_rows[2], step_rows[3]
    k = rows_of(w, places[K] * LANES, STAGES, size)
    found, taken = np.empty(3 * LANES), np.empty(LANES)
    who = np.empty(LANES, dtype=np.int64)  # the patient of each lane
    for lane in range(LANES):
        who[lane] = -1
    fresh = np.zeros(LANES, dtype=np.bool_)  # whether a lane begins a step (or tries one again)
    behind = places[END] * LANES
    one_k, one_d = rows_of(w, behind, STAGES, n), rows_of(w, behind + STAGES * n, 3, n)
    one = rows_of(w, behind + (STAGES + 3) * n, 4, n)
    one_y, one_f, one_error, one_second = one[0], one[1], one[2], one[3]
    work = rows_of(w, behind + (STAGES + 7) * n, 4, max(n + m, guard_table.shape[0]))
    no_t, no_y, no_u = np.empty((0, c.REC_COLUMNS)), np.empty((0, c.REC_ROWS, n)), np.empty((0, m))
    point = w[places[Y] * LANES : places[Y] * LANES + size]
    rates = w[places[DY] * LANES : places[DY] * LANES + size]
    slopes = w[places[JV] * LANES : places[LU] * LANES]
    holds = w[places[HOLDS] * LANES : (places[HOLDS] + 1) * LANES]
    shift = (places[JV] + np.int64(program[1])) * LANES
    waiting = first
    while True:
        # lanes that stand on a tick, or have ended
        active = 0
        for lane in range(LANES):
            while True:
                p = who[lane]
                if p < 0:
                    if waiting >= last:
                        break
                    p = waiting
                    waiting += 1
                    who[lane] = p
                    begin(templates, p, queues, p - first, out_y[p - first])
                    queues[p - first, 0, q.H_RUNNING] = 1
                    put_lane(w, places[TH], lane, th[p])
                if carry_i[p, c.PHASE] == c.AT_TICK:
                    code = at_tick(decide, y[p], u[p], th[p], memory[p], limits, budget, queues[p - first], jump_end,
                                   jump_place, jump_values[p if jump_values.shape[0] > 1 else 0], out_ticks,
                                   out_y[p - first], out_u[p - first], carry_i[p], carry_f[p], work[3])
                    put_states(state, lane, states, y[p])
                    put_lane(w, places[U], lane, u[p])
                    fresh[lane] = True
                    if code != c.GO_ON:
                        who[lane] = -1
                        continue
                if fresh[lane]:
                    code = open_step(queues[p - first], budget, carry_i[p], carry_f[p], budget[c.CALL_STEPS], 0)
                    if code != c.GO_ON:
                        get_states(state, lane, states, y[p])
                        who[lane] = -1
                        continue
                active += 1
                break
        if active == 0:
            return
        hold(state, lower, point)
        start(w)
        copy(rates, f0)
        if control[c.H_FIRST] <= 0.0:
            for lane in range(LANES):
                if who[lane] >= 0 and fresh[lane] and carry_i[who[lane], c.RESTART] != 0:
                    multiply_lanes(program, slopes, f0, second)
                    break
        for lane in range(LANES):
            p = who[lane]
            if p < 0:
                w[shift + lane] = 1.0
                w[places[RATE] * LANES + lane] = 1.0
                continue
            own_i, own_f = carry_i[p], carry_f[p]
            if fresh[lane]:
                if own_i[c.RESTART] != 0:
                    own_f[c.H_NEXT] = control[c.H_FIRST]
                    if control[c.H_FIRST] <= 0.0:
                        get_states(state, lane, states, one_y)
                        get_states(f0, lane, states, one_f)
                        get_states(second, lane, states, one_second)
                        own_f[c.H_NEXT] = first_size(one_y, one_f, one_second, limits[c.ATOL], rtol)
                    own_i[c.RESTART] = 0
                    own_i[c.FIRST_STEP] = 1
                size_step(control, own_i, own_f)
            w[shift + lane] = 1.0 / (GAMMA * own_f[c.H])
            w[places[RATE] * LANES + lane] = 1.0 / own_f[c.H]
        factor(w)
        lane_stages(rate, solve, w, places, state, lower, k, y_new)
        sizes(k[7], state, y_new, atol, floor, upper, rtol, found)
        for lane in range(LANES):
            taken[lane] = 0.0
            p = who[lane]
            if p < 0:
                continue
            own_i, own_f = carry_i[p], carry_f[p]
            factored, below, above = holds[lane] > 0.0, found[LANES + lane] > 0.0, found[2 * LANES + lane] > 0.0
            verdict = judge(factored, found[lane], below, control, budget, own_i, own_f)
            fresh[lane] = verdict != c.RETRY
            if verdict == c.RETRY:
                continue
            if verdict == c.LIFT:
                get_states(y_new, lane, states, one_y)
                lift(one_y, limits, own_i, ledger[p])
                put_states(y_new, lane, states, one_y)
                verdict = c.ACCEPT
            if verdict == c.ACCEPT and above:
                verdict = c.OUT_OF_RANGE
            if verdict != c.ACCEPT:
                get_states(f0, lane, states, one_f)
                get_states(k[7], lane, states, one_error)
                get_states(state, lane, states, y[p])
                get_states(y_new, lane, states, one_y)
                fail(verdict, factored, one_error, one_f, y[p], one_y, limits, rtol, own_i, own_f)
                who[lane] = -1
                continue
            size_next(own_i, own_f)
            if looked_into(guard_table.shape[0], out_ticks, own_i, own_f):
                for j in range(STAGES):
                    get_states(k[j], lane, states, one_k[j])
                get_states(state, lane, states, y[p])
                get_states(y_new, lane, states, one_y)
                code = finish_step(guards, decide, y[p], one_y, u[p], th[p], memory[p], one_k, one_d, limits,
                                   queues[p - first], jump_end, jump_place,
                                   jump_values[p if jump_values.shape[0] > 1 else 0], guard_table, events[p],
                                   out_ticks, out_y[p - first], out_u[p - first], no_t, no_y, no_u, own_i, own_f,
                                   ledger[p], work)
                put_states(state, lane, states, y[p])
                put_lane(w, places[U], lane, u[p])
                if code != c.OK:
                    who[lane] = -1
            else:
                taken[lane] = 1.0
                landing = own_i[c.LAST] != 0
                s_new = own_f[c.END] if landing else own_f[c.S] + own_f[c.H]
                move_on(s_new, landing, own_i, own_f)
                if landing:
                    get_states(y_new, lane, states, y[p])
        take_lanes(taken, y_new, state)
