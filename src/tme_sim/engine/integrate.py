"""The adaptive driver of one run: Rodas5P between integer ticks, with calendar, jumps, state events and budgets.

`integrate` is compiled once against the function types of `signatures`; a model never causes a recompile. It is a
coroutine in plain arrays: everything that a run carries lies in y, u, memory, queue, carry_i, carry_f, ledger, so a
copy of these is a checkpoint, and calling again after PAUSED or after a reload gives the same bits as an
uninterrupted run.

Time is kept as the tick of the last landing (NOW) plus days since then (S), so landing is exact.
"""

import numpy as np
from numba import njit, types

from tme_sim.engine import codes as c
from tme_sim.engine import queue as q
from tme_sim.engine.linear import FACTOR, PROGRAM, SOLVE
from tme_sim.engine.pieces import any_outside, error_norm, first_above, first_step
from tme_sim.engine.rodas import GAMMA, OPTIONS, hold, stages
from tme_sim.engine.signatures import DECIDE, GUARDS, JAC, RHS
from tme_sim.engine.steps import at_tick, fail, finish_step, judge, lift, open_step, size_next, size_step

VECTOR = types.float64[::1]
MATRIX = types.float64[:, ::1]
BLOCKS = types.float64[:, :, ::1]
INTS = types.int64[::1]
TABLE = types.int64[:, ::1]
INT = types.int64

INTEGRATE = INT(
    RHS,
    JAC,
    FACTOR,
    SOLVE,
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
    rtol = control[c.RTOL]
    k = np.empty((8, n))
    s = np.empty((8, n))
    d = np.empty((3, n))
    held, f0, y_new = np.empty(n), np.empty(n), np.empty(n)
    work = np.empty((4, max(n + u.size, guard_table.shape[0])))
    jv = np.empty(np.int64(program[1]) + 1)
    lu = np.empty(np.int64(program[2]))
    call_end = carry_i[c.STEPS] + budget[c.CALL_STEPS]
    room = rec_t.shape[0]
    queue[0, q.H_RUNNING] = 1

    while True:
        if carry_i[c.PHASE] == c.ENDED:
            return carry_i[c.CODE]
        if carry_i[c.PHASE] == c.AT_TICK:
            code = at_tick(decide, y, u, th, memory, limits, budget, queue, jump_end, jump_place, jump_value, out_ticks,
                           out_y, out_u, carry_i, carry_f, work[3])
            if code != c.GO_ON:
                return code
        code = open_step(queue, budget, carry_i, carry_f, call_end, room)
        if code != c.GO_ON:
            return code
        hold(y, lower, held)
        rhs(held, u, th, f0)
        jac(held, u, th, jv)
        if carry_i[c.RESTART] != 0:
            carry_f[c.H_NEXT] = control[c.H_FIRST]
            if control[c.H_FIRST] <= 0.0:
                carry_f[c.H_NEXT] = first_step(program, jv, y, f0, atol, rtol, held)
            carry_i[c.RESTART] = 0
            carry_i[c.FIRST_STEP] = 1
        size_step(control, carry_i, carry_f)
        factored = False
        verdict = c.RETRY
        while verdict == c.RETRY:
            h = carry_f[c.H]
            factored = factor(program, jv, 1.0 / (GAMMA * h), lu) == 0
            norm = np.inf
            below = False
            if factored:
                stages(rhs, solve, program, lu, y, u, th, lower, h, f0, k, s, held, y_new)
                norm = error_norm(k[7], y, y_new, atol, rtol)
                below = any_outside(y_new, lower, atol)
            verdict = judge(factored, norm, below, control, budget, carry_i, carry_f)
        if verdict == c.LIFT:
            lift(y_new, limits, carry_i, ledger)
            verdict = c.ACCEPT
        if verdict == c.ACCEPT and first_above(y_new, limits[c.UPPER]) >= 0:
            verdict = c.OUT_OF_RANGE
        if verdict != c.ACCEPT:
            return fail(verdict, factored, k[7], f0, y, y_new, limits, rtol, carry_i, carry_f)
        size_next(carry_i, carry_f)
        code = finish_step(guards, decide, y, y_new, u, th, memory, k, d, limits, queue, jump_end, jump_place,
                           jump_value, guard_table, event_log, out_ticks, out_y, out_u, rec_t, rec_y, rec_u, carry_i,
                           carry_f, ledger, work)
        if code != c.OK:
            return code
