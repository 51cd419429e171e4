"""What happens to one run between its evaluations of the model: calendar, size of the step, verdict, landing.

The scalar driver and the lanes call these functions for each run, so a run goes the same way in both. All that they
know about a run lies in carry_i and carry_f (see `codes`). Step size control: Gustafsson, doi 10.1145/198429.198437.
"""

import numpy as np
from numba import njit, types

from tme_sim.engine import codes as c
from tme_sim.engine import queue as q
from tme_sim.engine.borrowed import borrowed
from tme_sim.engine.elementary import exp, log
from tme_sim.engine.pieces import (
    act,
    first_above,
    first_below,
    first_crossing,
    first_nonfinite,
    put_row,
    worst_state,
)
from tme_sim.engine.rodas import OPTIONS, dense_coefficients, dense_value
from tme_sim.engine.signatures import DECIDE, GUARDS

VECTOR = types.float64[::1]
MATRIX = types.float64[:, ::1]
BLOCKS = types.float64[:, :, ::1]
INTS = types.int64[::1]
TABLE = types.int64[:, ::1]
INT = types.int64
REAL = types.float64

SAFETY = 0.9
FASTEST_GROWTH = 6.0
STRONGEST_CUT = 0.2
NEGATIVE_TRIES = 12  # step halvings before a state that stays below its bound is lifted and the lift booked
SMALLEST_LOG = -23.025850929940457  # log 1e-10: what the control makes of an error of zero
FLOOR_LOG = -4.605170185988091  # log 0.01: what it remembers at least


@njit(types.boolean(VECTOR, INTS, VECTOR), forceinline=True, **OPTIONS)
def reached_end(y, carry_i, carry_f):
    """Return whether an output y shows that the run is over: the ending state has reached its level (death, say)."""
    place = carry_i[c.ENDING_STATE] - 1
    return place >= 0 and y[place] >= carry_f[c.ENDING_LEVEL]


@njit(
    INT(DECIDE, VECTOR, VECTOR, VECTOR, VECTOR, MATRIX, INTS, TABLE, INTS, TABLE, MATRIX, INTS, MATRIX, MATRIX, INTS,
        VECTOR, VECTOR),
    **OPTIONS,
)
def at_tick(decide, y, u, th, memory, limits, budget, queue, jump_end, jump_place, jump_value, out_ticks, out_y, out_u,
            carry_i, carry_f, old):
    """Carry out what is due at the tick the run stands on; return GO_ON, or the code with which this call ends."""
    limits = borrowed(limits)
    now = carry_i[c.NOW]
    queue[0, q.H_NOW] = now
    stopped = 0
    while stopped == 0:
        entry = q.peek(queue)
        if entry == 0 or queue[entry, q.TICK] > now:
            break
        q.pop(queue)
        stopped = act(decide, y, u, th, memory, queue, jump_end, jump_place, jump_value, queue[entry, q.ACTION],
                      queue[entry, q.REF], now, carry_i, old)
    code = c.OK
    bad = first_nonfinite(y)
    if bad >= 0:
        code = c.NONFINITE
    else:
        bad = first_below(y, limits[c.LOWER], limits[c.ATOL])
        if bad >= 0:
            code = c.NEGATIVE
        else:
            bad = first_above(y, limits[c.UPPER])
            if bad >= 0:
                code = c.OUT_OF_RANGE
    if queue[0, q.H_OVERFLOW] > 0:
        code = c.QUEUE_FULL
    if code == c.OK:
        while carry_i[c.OUT_NEXT] < out_ticks.size and out_ticks[carry_i[c.OUT_NEXT]] <= now:
            if out_ticks[carry_i[c.OUT_NEXT]] == now:
                put_row(out_y, carry_i[c.OUT_NEXT], y)
                put_row(out_u, carry_i[c.OUT_NEXT], u)
                if reached_end(y, carry_i, carry_f):
                    stopped = 1
            carry_i[c.OUT_NEXT] += 1
        if stopped == 0 and now < budget[c.STOP_TICK]:
            carry_i[c.PHASE] = c.RUNNING
            carry_f[c.S] = 0.0
            return c.GO_ON
        code = c.STOPPED if stopped != 0 else c.OK
    carry_i[c.PHASE] = c.ENDED if code != c.OK else c.AT_TICK
    carry_i[c.CODE] = code
    carry_i[c.BAD_STATE] = bad
    return code


@njit(INT(TABLE, INTS, INTS, VECTOR, INT, INT), **OPTIONS)
def open_step(queue, budget, carry_i, carry_f, call_end, room):
    """Find where the next step heads for; return GO_ON, or the code of a budget that is used up.

    call_end: count of steps at which this call pauses; room: records that fit, 0 where none are kept.
    """
    now = carry_i[c.NOW]
    entry = q.peek(queue)
    target = budget[c.STOP_TICK]
    if entry != 0 and queue[entry, q.TICK] < target:
        target = queue[entry, q.TICK]
    carry_i[c.TARGET] = target
    carry_f[c.END] = (target - now) / 1440.0
    if carry_i[c.STEPS] >= budget[c.MAX_STEPS]:
        carry_i[c.PHASE] = c.ENDED
        carry_i[c.CODE] = c.STEP_LIMIT
        return c.STEP_LIMIT
    if carry_i[c.STEPS] >= call_end or now + carry_f[c.S] * 1440.0 >= budget[c.PAUSE_TICK]:
        return c.PAUSED
    if room > 0 and carry_i[c.N_RECORDS] >= room:
        return c.RECORD_FULL
    carry_i[c.N_RHS] += 1
    carry_i[c.N_JAC] += 1
    return c.GO_ON


@njit(types.void(VECTOR, INTS, VECTOR), **OPTIONS)
def size_step(control, carry_i, carry_f):
    """Choose the length of the next step: what the error allows, cut so that it lands on the target."""
    h = carry_f[c.H_NEXT]
    h = h if h < control[c.H_MAX] else control[c.H_MAX]
    carry_f[c.H_NEXT] = h
    rest = carry_f[c.END] - carry_f[c.S]
    last = h >= 0.9999999 * rest
    if last:
        h = rest
    elif h > 0.5 * rest:
        h = 0.5 * rest
    carry_f[c.H] = h
    carry_i[c.LAST] = 1 if last else 0
    carry_i[c.SHORTENED] = 1 if h < carry_f[c.H_NEXT] else 0
    carry_i[c.REJECTED] = 0
    carry_i[c.NEGATIVES] = 0


@njit(INT(types.boolean, REAL, types.boolean, VECTOR, INTS, INTS, VECTOR), **OPTIONS)
def judge(factored, norm, below, control, budget, carry_i, carry_f):
    """Return ACCEPT, RETRY with a shorter step, LIFT (accept once states below their bounds are lifted), or a code.

    factored: whether the matrix could be factored (else norm and below mean nothing); norm: scaled error of the step;
    below: whether a new state lies below its bound.
    """
    carry_i[c.STEPS] += 1
    carry_i[c.N_LU] += 1
    h = carry_f[c.H]
    if factored:
        carry_i[c.N_RHS] += 7
    if not (factored and norm < np.inf):
        code = c.NONFINITE
        carry_i[c.REJECT_OTHER] += 1
        h *= 0.25
    else:
        log_error = log(norm) if norm > 1e-10 else SMALLEST_LOG
        carry_f[c.LOG_NOW] = log_error
        if norm > 1.0:
            code = c.STEP_TOO_SMALL
            carry_i[c.REJECT_ERROR] += 1
            cut = SAFETY * exp(-0.2 * log_error)
            h *= cut if cut > STRONGEST_CUT else STRONGEST_CUT
        elif below:
            carry_i[c.NEGATIVES] += 1
            if carry_i[c.NEGATIVES] > NEGATIVE_TRIES:
                return c.LIFT
            code = c.NEGATIVE
            carry_i[c.REJECT_NEGATIVE] += 1
            h *= 0.5
        else:
            return c.ACCEPT
    carry_f[c.H] = h
    carry_i[c.REJECTED] = 1
    carry_i[c.LAST] = 0
    carry_i[c.SHORTENED] = 0
    if h < control[c.H_MIN] or carry_f[c.S] + h <= carry_f[c.S]:
        return code
    if carry_i[c.STEPS] >= budget[c.MAX_STEPS]:
        return c.STEP_LIMIT
    return c.RETRY


@njit(types.void(VECTOR, MATRIX, INTS, VECTOR), **OPTIONS)
def lift(y, limits, carry_i, ledger):
    """Raise states that lie below their bound to it and book the difference."""
    for i in range(y.size):
        low = limits[c.LOWER, i]
        if y[i] < low - limits[c.ATOL, i]:
            ledger[i] += low - y[i]
            y[i] = low
            carry_i[c.CORRECTIONS] += 1


@njit(INT(INT, types.boolean, VECTOR, VECTOR, VECTOR, VECTOR, MATRIX, REAL, INTS, VECTOR), **OPTIONS)
def fail(code, factored, error, f0, y, y_new, limits, rtol, carry_i, carry_f):
    """End the run with a code, name the state that is to blame, and return the code.

    Where the matrix could not be factored, there are no error (n) and y_new (n): they are set to 0 and y.
    """
    if not factored:
        for i in range(y.size):
            error[i] = 0.0
            y_new[i] = y[i]
    bad = -1
    if code == c.NONFINITE:
        bad = first_nonfinite(f0)
        if bad < 0:
            bad = first_nonfinite(y_new)
    elif code == c.NEGATIVE:
        bad = first_below(y_new, limits[c.LOWER], limits[c.ATOL])
    elif code == c.OUT_OF_RANGE:
        bad = first_above(y_new, limits[c.UPPER])
    elif code == c.STEP_TOO_SMALL or code == c.STEP_LIMIT:
        bad = worst_state(error, y, y_new, limits[c.ATOL], rtol)
    carry_i[c.PHASE] = c.ENDED
    carry_i[c.CODE] = code
    carry_i[c.BAD_STATE] = bad
    carry_f[c.BAD_VALUE] = y_new[bad] if bad >= 0 else 0.0
    return code


@njit(types.void(INTS, VECTOR), **OPTIONS)
def size_next(carry_i, carry_f):
    """Choose the length of the step after an accepted one."""
    h = carry_f[c.H]
    log_error = carry_f[c.LOG_NOW]
    ratio = exp(0.2 * log_error) / SAFETY
    if carry_i[c.FIRST_STEP] == 0:
        trend = carry_f[c.H_ACCEPTED] / h * exp(0.2 * (2.0 * log_error - carry_f[c.LOG_ERROR])) / SAFETY
        ratio = ratio if ratio > trend else trend
    ratio = ratio if ratio > 1.0 / FASTEST_GROWTH else 1.0 / FASTEST_GROWTH
    ratio = ratio if ratio < 1.0 / STRONGEST_CUT else 1.0 / STRONGEST_CUT
    h_next = h / ratio
    if carry_i[c.REJECTED] != 0 and h_next > h:
        h_next = h
    if carry_i[c.SHORTENED] != 0 and h_next < carry_f[c.H_NEXT]:
        h_next = carry_f[c.H_NEXT]
    carry_i[c.FIRST_STEP] = 0
    carry_f[c.H_ACCEPTED] = h
    carry_f[c.LOG_ERROR] = log_error if log_error > FLOOR_LOG else FLOOR_LOG
    carry_f[c.H_NEXT] = h_next


@njit(types.boolean(INT, INTS, INTS, VECTOR), **OPTIONS)
def looked_into(guards, out_ticks, carry_i, carry_f):
    """Return whether something is to be read from the inside of the accepted step: guards or outputs."""
    if guards > 0:
        return True
    if carry_i[c.OUT_NEXT] >= out_ticks.size:
        return False
    tick = out_ticks[carry_i[c.OUT_NEXT]]
    end = carry_f[c.END] if carry_i[c.LAST] != 0 else carry_f[c.S] + carry_f[c.H]
    return tick < carry_i[c.TARGET] and (tick - carry_i[c.NOW]) / 1440.0 <= end


@njit(types.void(REAL, types.boolean, INTS, VECTOR), forceinline=True, **OPTIONS)
def move_on(s_new, last, carry_i, carry_f):
    """Put the clock to the end of a step: days since NOW, or the target tick."""
    carry_f[c.S] = s_new
    if last:
        carry_i[c.NOW] = carry_i[c.TARGET]
        carry_f[c.S] = 0.0
        carry_i[c.PHASE] = c.AT_TICK


@njit(
    INT(GUARDS, DECIDE, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, MATRIX, MATRIX, MATRIX, TABLE, INTS, TABLE, MATRIX,
        TABLE, MATRIX, INTS, MATRIX, MATRIX, MATRIX, BLOCKS, MATRIX, INTS, VECTOR, VECTOR, MATRIX),
    **OPTIONS,
)
def finish_step(guards, decide, y, y_new, u, th, memory, k, d, limits, queue, jump_end, jump_place, jump_value,
                guard_table, event_log, out_ticks, out_y, out_u, rec_t, rec_y, rec_u, carry_i, carry_f, ledger, work):
    """Take an accepted step over: outputs and records from its inside, state events, landing; return OK or a code.

    y becomes the state at its end, which is where the first guard crosses zero if one does. d (3, n): dense output,
    filled here from the stages k where it is needed. work (4, at least n + m and the number of guards): work.
    """
    d, work = borrowed(d), borrowed(work)
    n = y.size
    now = carry_i[c.NOW]
    target = carry_i[c.TARGET]
    s = carry_f[c.S]
    h = carry_f[c.H]
    last = carry_i[c.LAST] != 0
    n_guards = guard_table.shape[0]
    g0, g1, keep, old = work[0, :n_guards], work[1, :n_guards], work[2, :n], work[3]
    which = np.zeros(2, dtype=np.int64)
    recording = rec_t.shape[0] > 0
    theta = 1.0
    s_new = carry_f[c.END] if last else s + h
    crossing = False
    if recording or looked_into(n_guards, out_ticks, carry_i, carry_f):
        dense_coefficients(k, d)
    if n_guards > 0:
        guards(y, u, th, g0)
        at = first_crossing(guards, y, y_new, d, u, th, guard_table, h, g0, g1, keep, which)
        if at <= 1.0:
            crossing = True
            if at < 1.0:
                theta = at
                s_new = s + theta * h
                last = False
    while carry_i[c.OUT_NEXT] < out_ticks.size:
        row = carry_i[c.OUT_NEXT]
        if out_ticks[row] >= target:
            break
        when = (out_ticks[row] - now) / 1440.0
        if when > s_new or (crossing and when >= s_new):
            break
        dense_value((when - s) / h, y, y_new, d, keep)
        for i in range(n):
            if keep[i] < limits[c.LOWER, i] - limits[c.ATOL, i]:
                keep[i] = limits[c.LOWER, i]
                carry_i[c.OUT_HELD] += 1
        put_row(out_y, row, keep)
        put_row(out_u, row, u)
        carry_i[c.OUT_NEXT] += 1
        if reached_end(keep, carry_i, carry_f):
            carry_i[c.PHASE] = c.ENDED
            carry_i[c.CODE] = c.STOPPED
            return c.STOPPED
    if recording:
        r = carry_i[c.N_RECORDS]
        rec_t[r, 0] = now
        rec_t[r, 1] = s
        rec_t[r, 2] = h
        rec_t[r, 3] = theta
        for i in range(n):
            rec_y[r, 0, i] = y[i]
            rec_y[r, 1, i] = y_new[i]
            rec_y[r, 2, i] = d[0, i]
            rec_y[r, 3, i] = d[1, i]
            rec_y[r, 4, i] = d[2, i]
        put_row(rec_u, r, u)
        carry_i[c.N_RECORDS] = r + 1
    if theta < 1.0:
        dense_value(theta, y, y_new, d, keep)
        lift(keep, limits, carry_i, ledger)
        for i in range(n):
            y[i] = keep[i]
    else:
        for i in range(n):
            y[i] = y_new[i]
    move_on(s_new, last, carry_i, carry_f)
    if not crossing:
        return c.OK
    row = carry_i[c.N_EVENTS]
    code = c.QUEUE_FULL
    if row < event_log.shape[0]:
        event_log[row, 0] = which[0]
        event_log[row, 1] = now
        event_log[row, 2] = s_new
        event_log[row, 3] = which[1]
        carry_i[c.N_EVENTS] = row + 1
        tick = now + np.int64(np.ceil(s_new * 1440.0 - 1e-9))
        tick = tick if tick < target else target
        queue[0, q.H_NOW] = tick
        stopped = act(decide, y, u, th, memory, queue, jump_end, jump_place, jump_value,
                      guard_table[which[0], c.G_ACTION], guard_table[which[0], c.G_REF], tick, carry_i, old)
        if stopped == 0 and queue[0, q.H_OVERFLOW] == 0:
            return c.OK
        code = c.STOPPED if stopped != 0 else c.QUEUE_FULL
    carry_i[c.PHASE] = c.ENDED
    carry_i[c.CODE] = code
    return code
