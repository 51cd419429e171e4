"""The adaptive driver: Rodas5P between integer ticks, with calendar, jumps, state events, dense output and budgets.

`integrate` is compiled once against the function types of `signatures`; a model never causes a recompile. It is a
coroutine in plain arrays: everything that a run carries lies in y, u, memory, queue, carry_i, carry_f, ledger, so a
copy of these is a checkpoint, and calling again after PAUSED or after a reload gives the same bits as an
uninterrupted run.

Time is kept as the tick of the last landing (NOW) plus days since then (S), so landing is exact.
Step size control: Gustafsson, doi 10.1145/198429.198437.
"""

import numpy as np
from numba import njit, types

from tme_sim.engine import codes as c
from tme_sim.engine import queue as q
from tme_sim.engine.elementary import exp, log
from tme_sim.engine.linear import PROGRAM, factor
from tme_sim.engine.pieces import (
    act,
    any_outside,
    error_norm,
    first_above,
    first_below,
    first_crossing,
    first_nonfinite,
    first_step,
    put_row,
    worst_state,
)
from tme_sim.engine.rodas import GAMMA, OPTIONS, dense_coefficients, dense_value, hold, stages
from tme_sim.engine.signatures import DECIDE, GUARDS, JAC, RHS

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


INTEGRATE = INT(
    RHS,
    JAC,
    GUARDS,
    DECIDE,
    PROGRAM,
    VECTOR,
    VECTOR,
    VECTOR,
    VECTOR,
    MATRIX,
    VECTOR,
    INTS,
    TABLE,
    INTS,
    TABLE,
    MATRIX,
    TABLE,
    MATRIX,
    INTS,
    MATRIX,
    MATRIX,
    MATRIX,
    BLOCKS,
    MATRIX,
    INTS,
    VECTOR,
    VECTOR,
)


@njit(INTEGRATE, **OPTIONS)
def integrate(
    rhs,
    jac,
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
    queue,
    jump_end,
    jump_place,
    jump_value,
    guard_table,
    event_log,
    out_ticks,
    out_y,
    out_u,
    rec_t,
    rec_y,
    rec_u,
    carry_i,
    carry_f,
    ledger,
):
    """Advance a run to its stop tick and return a result code (see `codes`).

    program: from `linear.build_program`. y (n), u (m), th, memory: changed in place (th is only read by the engine).
    limits (3, n): absolute tolerance, lower bound (0 or -inf), upper bound. control, budget: see `codes`.
    queue: calendar. jump_*: see `apply_jump`. guard_table (guards, 3), event_log (capacity, 4): state events.
    out_ticks (k) rising; out_y (k, n), out_u (k, m): values at these ticks, after the events of that tick.
    rec_t (r, 4), rec_y (r, 5, n), rec_u (r, m): accepted steps, r = 0 for none.
    carry_i, carry_f: zero but for carry_i[NOW] = start tick and carry_i[RESTART] = 1 at the start. ledger (n):
    amounts added by corrections.
    """
    n = y.size
    atol = limits[c.ATOL]
    lower = limits[c.LOWER]
    upper = limits[c.UPPER]
    rtol = control[c.RTOL]
    k = np.empty((8, n))
    d = np.empty((3, n))
    work = np.empty((6, n))
    held, f0, f1, y_new, keep = work[0], work[1], work[2], work[3], work[4]
    jv = np.empty(np.int64(program[1]))
    lu = np.empty(np.int64(program[2]))
    old = np.empty(n + u.size)
    n_guards = guard_table.shape[0]
    g0 = np.empty(n_guards)
    g1 = np.empty(n_guards)
    which = np.zeros(2, dtype=np.int64)
    n_out = out_ticks.size
    call_end = carry_i[c.STEPS] + budget[c.CALL_STEPS]
    queue[0, q.H_RUNNING] = 1
    d_ready = False

    while True:
        if carry_i[c.PHASE] == c.ENDED:
            return carry_i[c.CODE]
        if carry_i[c.PHASE] == c.AT_TICK:
            now = carry_i[c.NOW]
            queue[0, q.H_NOW] = now
            stopped = 0
            while stopped == 0:
                entry = q.peek(queue)
                if entry == 0 or queue[entry, q.TICK] > now:
                    break
                q.pop(queue)
                stopped = act(
                    decide,
                    y,
                    u,
                    th,
                    memory,
                    queue,
                    jump_end,
                    jump_place,
                    jump_value,
                    queue[entry, q.ACTION],
                    queue[entry, q.REF],
                    now,
                    carry_i,
                    old,
                )
            code = c.OK
            bad = first_nonfinite(y)
            if bad >= 0:
                code = c.NONFINITE
            else:
                bad = first_below(y, lower, atol)
                if bad >= 0:
                    code = c.NEGATIVE
                else:
                    bad = first_above(y, upper)
                    if bad >= 0:
                        code = c.OUT_OF_RANGE
            if queue[0, q.H_OVERFLOW] > 0:
                code = c.QUEUE_FULL
            if code == c.OK:
                while carry_i[c.OUT_NEXT] < n_out and out_ticks[carry_i[c.OUT_NEXT]] <= now:
                    if out_ticks[carry_i[c.OUT_NEXT]] == now:
                        put_row(out_y, carry_i[c.OUT_NEXT], y)
                        put_row(out_u, carry_i[c.OUT_NEXT], u)
                    carry_i[c.OUT_NEXT] += 1
                if stopped == 0 and now < budget[c.STOP_TICK]:
                    carry_i[c.PHASE] = c.RUNNING
                    carry_f[c.S] = 0.0
                    continue
                code = c.STOPPED if stopped != 0 else c.OK
            carry_i[c.PHASE] = c.ENDED if code != c.OK else c.AT_TICK
            carry_i[c.CODE] = code
            carry_i[c.BAD_STATE] = bad
            return code

        # one step
        now = carry_i[c.NOW]
        s = carry_f[c.S]
        entry = q.peek(queue)
        target = budget[c.STOP_TICK]
        if entry != 0 and queue[entry, q.TICK] < target:
            target = queue[entry, q.TICK]
        end = (target - now) / 1440.0
        if carry_i[c.STEPS] >= budget[c.MAX_STEPS]:
            carry_i[c.PHASE] = c.ENDED
            carry_i[c.CODE] = c.STEP_LIMIT
            return c.STEP_LIMIT
        if carry_i[c.STEPS] >= call_end or now + s * 1440.0 >= budget[c.PAUSE_TICK]:
            return c.PAUSED
        if rec_t.shape[0] > 0 and carry_i[c.N_RECORDS] >= rec_t.shape[0]:
            return c.RECORD_FULL

        hold(y, lower, held)
        rhs(held, u, th, f0)
        jac(held, u, th, jv)
        carry_i[c.N_RHS] += 1
        carry_i[c.N_JAC] += 1
        if carry_i[c.RESTART] != 0:
            h = control[c.H_FIRST]
            if h <= 0.0:
                h = first_step(rhs, y, u, th, f0, lower, atol, rtol, held, f1)
                carry_i[c.N_RHS] += 1
            carry_i[c.RESTART] = 0
            carry_i[c.FIRST_STEP] = 1
            carry_f[c.H_NEXT] = h
        h_free = carry_f[c.H_NEXT]
        h_free = h_free if h_free < control[c.H_MAX] else control[c.H_MAX]
        h = h_free
        rest = end - s
        last = h >= 0.9999999 * rest
        if last:
            h = rest
        elif h > 0.5 * rest:
            h = 0.5 * rest
        shortened = h < h_free
        rejected = False
        negatives = 0
        code = c.OK
        bad = -1
        log_error = 0.0
        while True:
            carry_i[c.STEPS] += 1
            carry_i[c.N_LU] += 1
            if factor(program, jv, 1.0 / (GAMMA * h), lu) != 0:
                code = c.NONFINITE
                carry_i[c.REJECT_OTHER] += 1
                h *= 0.25
            else:
                stages(rhs, program, lu, y, u, th, lower, h, f0, k, held, y_new)
                carry_i[c.N_RHS] += 7
                norm = error_norm(k[7], y, y_new, atol, rtol)
                if not (norm < np.inf):
                    code = c.NONFINITE
                    carry_i[c.REJECT_OTHER] += 1
                    h *= 0.25
                else:
                    log_error = log(norm) if norm > 1e-10 else -23.025850929940457
                    if norm > 1.0:
                        code = c.STEP_TOO_SMALL
                        carry_i[c.REJECT_ERROR] += 1
                        cut = SAFETY * exp(-0.2 * log_error)
                        h *= cut if cut > STRONGEST_CUT else STRONGEST_CUT
                    elif any_outside(y_new, lower, atol):
                        negatives += 1
                        if negatives > NEGATIVE_TRIES:
                            for i in range(n):
                                if y_new[i] < lower[i] - atol[i]:
                                    ledger[i] += lower[i] - y_new[i]
                                    y_new[i] = lower[i]
                                    carry_i[c.CORRECTIONS] += 1
                            code = c.OK
                            break
                        code = c.NEGATIVE
                        carry_i[c.REJECT_NEGATIVE] += 1
                        h *= 0.5
                    else:
                        code = c.OK
                        break
            rejected = True
            last = False
            shortened = False
            if h < control[c.H_MIN] or s + h <= s:
                break
            if carry_i[c.STEPS] >= budget[c.MAX_STEPS]:
                code = c.STEP_LIMIT
                break
        if code == c.OK:
            bad = first_above(y_new, upper)
            if bad >= 0:
                code = c.OUT_OF_RANGE
        if code != c.OK:
            if code == c.NONFINITE:
                bad = first_nonfinite(f0)
                if bad < 0:
                    bad = first_nonfinite(y_new)
            elif code == c.NEGATIVE:
                bad = first_below(y_new, lower, atol)
            elif code == c.STEP_TOO_SMALL or code == c.STEP_LIMIT:
                bad = worst_state(k[7], y, y_new, atol, rtol)
            carry_i[c.PHASE] = c.ENDED
            carry_i[c.CODE] = code
            carry_i[c.BAD_STATE] = bad
            carry_f[c.BAD_VALUE] = y_new[bad] if bad >= 0 else 0.0
            return code

        # accepted: size of the next step
        factor_i = exp(0.2 * log_error) / SAFETY
        if carry_i[c.FIRST_STEP] == 0:
            factor_g = carry_f[c.H_ACCEPTED] / h * exp(0.2 * (2.0 * log_error - carry_f[c.LOG_ERROR])) / SAFETY
            factor_i = factor_i if factor_i > factor_g else factor_g
        factor_i = factor_i if factor_i > 1.0 / FASTEST_GROWTH else 1.0 / FASTEST_GROWTH
        factor_i = factor_i if factor_i < 1.0 / STRONGEST_CUT else 1.0 / STRONGEST_CUT
        h_next = h / factor_i
        if rejected and h_next > h:
            h_next = h
        if shortened and h_next < h_free:
            h_next = h_free
        carry_i[c.FIRST_STEP] = 0
        carry_f[c.H_ACCEPTED] = h
        carry_f[c.LOG_ERROR] = log_error if log_error > -4.605170185988091 else -4.605170185988091
        carry_f[c.H_NEXT] = h_next

        # state events and everything that is read from the inside of the step
        d_ready = False
        theta = 1.0
        s_new = end if last else s + h
        crossing = False
        if n_guards > 0:
            guards(y, u, th, g0)
            dense_coefficients(k, d)
            d_ready = True
            at = first_crossing(guards, y, y_new, d, u, th, guard_table, h, g0, g1, held, which)
            if at <= 1.0:
                crossing = True
                if at < 1.0:
                    theta = at
                    s_new = s + theta * h
                    last = False
        while carry_i[c.OUT_NEXT] < n_out:
            tick = out_ticks[carry_i[c.OUT_NEXT]]
            if tick >= target:
                break
            when = (tick - now) / 1440.0
            if when > s_new or (crossing and when >= s_new):
                break
            if not d_ready:
                dense_coefficients(k, d)
                d_ready = True
            dense_value((when - s) / h, y, y_new, d, keep)
            for i in range(n):
                if keep[i] < lower[i] - atol[i]:
                    keep[i] = lower[i]
                    carry_i[c.OUT_HELD] += 1
            put_row(out_y, carry_i[c.OUT_NEXT], keep)
            put_row(out_u, carry_i[c.OUT_NEXT], u)
            carry_i[c.OUT_NEXT] += 1
        if rec_t.shape[0] > 0:
            r = carry_i[c.N_RECORDS]
            if not d_ready:
                dense_coefficients(k, d)
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
            for i in range(n):
                if keep[i] < lower[i] - atol[i]:
                    ledger[i] += lower[i] - keep[i]
                    keep[i] = lower[i]
                    carry_i[c.CORRECTIONS] += 1
                y[i] = keep[i]
        else:
            for i in range(n):
                y[i] = y_new[i]
        carry_f[c.S] = s_new
        if last:
            carry_i[c.NOW] = target
            carry_f[c.S] = 0.0
            carry_i[c.PHASE] = c.AT_TICK
        if crossing:
            row = carry_i[c.N_EVENTS]
            if row >= event_log.shape[0]:
                carry_i[c.PHASE] = c.ENDED
                carry_i[c.CODE] = c.QUEUE_FULL
                return c.QUEUE_FULL
            event_log[row, 0] = which[0]
            event_log[row, 1] = now
            event_log[row, 2] = s_new
            event_log[row, 3] = which[1]
            carry_i[c.N_EVENTS] = row + 1
            tick = now + np.int64(np.ceil(s_new * 1440.0 - 1e-9))
            tick = tick if tick < target else target
            queue[0, q.H_NOW] = tick
            stopped = act(
                decide,
                y,
                u,
                th,
                memory,
                queue,
                jump_end,
                jump_place,
                jump_value,
                guard_table[which[0], c.G_ACTION],
                guard_table[which[0], c.G_REF],
                tick,
                carry_i,
                old,
            )
            if stopped != 0 or queue[0, q.H_OVERFLOW] > 0:
                code = c.STOPPED if stopped != 0 else c.QUEUE_FULL
                carry_i[c.PHASE] = c.ENDED
                carry_i[c.CODE] = code
                return code
