"""Pieces of the adaptive driver: jumps, error norm, bounds, first step after a jump, actions, crossings of guards.

First step: Hairer, Norsett and Wanner, "Solving Ordinary Differential Equations I", II.4.
"""

import numpy as np
from numba import njit, types

from tme_sim.engine import codes as c
from tme_sim.engine import queue as q
from tme_sim.engine.elementary import exp, log
from tme_sim.engine.linear import PROGRAM, multiply
from tme_sim.engine.rodas import OPTIONS, dense_value
from tme_sim.engine.signatures import DECIDE, GUARDS

VECTOR = types.float64[::1]
MATRIX = types.float64[:, ::1]
INTS = types.int64[::1]
TABLE = types.int64[:, ::1]
TABLES = types.int64[:, :, ::1]
INT = types.int64
REAL = types.float64

ROOT_STEPS = 80
SCAN_POINTS = 4  # parts of a step at the ends of which guards are looked at


@njit(types.void(VECTOR, VECTOR, INTS, TABLE, MATRIX, INT, VECTOR), **OPTIONS)
def apply_jump(y, u, jump_end, jump_place, jump_value, group, old):
    """Apply the affine map of one jump group to z = [y | u]: z[dest] += coef * z_old[src] + const.

    jump_end (groups): end row of each group; jump_place (rows, 2): dest, src (-1 for none); jump_value (rows, 2): coef,
    const. old: work array (n + m).
    """
    n = y.size
    for i in range(n):
        old[i] = y[i]
    for i in range(u.size):
        old[n + i] = u[i]
    first = 0 if group == 0 else jump_end[group - 1]
    for row in range(first, jump_end[group]):
        dest = jump_place[row, 0]
        src = jump_place[row, 1]
        change = jump_value[row, 1]
        if src >= 0:
            change = jump_value[row, 0] * old[src] + change
        if dest < n:
            y[dest] += change
        else:
            u[dest - n] += change


@njit(types.void(TABLES, INT, TABLES, INT, MATRIX), **OPTIONS)
def begin(templates, p, queues, own, out_y):
    """Give a patient its calendar, queues[own], from templates (one for all, or one each), and values not reached yet:
    NaN.
    """
    of = p if templates.shape[0] > 1 else 0
    for i in range(templates.shape[1]):
        for j in range(templates.shape[2]):
            queues[own, i, j] = templates[of, i, j]
    for i in range(out_y.shape[0]):
        for j in range(out_y.shape[1]):
            out_y[i, j] = np.nan


@njit(types.void(VECTOR, VECTOR), **OPTIONS)
def copy(values, out):
    """Copy values into out, of the same length."""
    for i in range(values.size):
        out[i] = values[i]


@njit(types.void(MATRIX, INT, VECTOR), **OPTIONS)
def put_row(table, row, values):
    """Copy values (n) into a row of table (rows, n)."""
    for i in range(values.size):
        table[row, i] = values[i]


@njit(REAL(REAL, REAL, REAL, REAL, REAL), forceinline=True, **OPTIONS)
def scaled_error(error, y, y_new, atol, rtol):
    """Return abs(error) / (atol + rtol max(abs(y), abs(y_new))) of one state."""
    a = abs(y)
    b = abs(y_new)
    return abs(error) / (atol + rtol * (a if a > b else b))


@njit(REAL(VECTOR, VECTOR, VECTOR, VECTOR, REAL), **OPTIONS)
def error_norm(error, y, y_new, atol, rtol):
    """Return the largest scaled error of all states; NaN when any of them is NaN.

    The largest, not the mean square: among many states a mean would let a single one pass its tolerance unseen.
    """
    worst = 0.0
    broken = False
    for i in range(y.size):
        e = scaled_error(error[i], y[i], y_new[i], atol[i], rtol)
        worst = e if e > worst else worst
        broken = broken or e != e
    return np.nan if broken else worst


@njit(INT(VECTOR, VECTOR, VECTOR), **OPTIONS)
def first_below(y, lower, atol):
    """Return the state that is furthest (in atol) below lower - atol, -1 when none is."""
    worst = -1
    depth = 1.0
    for i in range(y.size):
        if y[i] < lower[i] - atol[i]:
            d = (lower[i] - y[i]) / atol[i] if atol[i] > 0.0 else np.inf
            if worst < 0 or d > depth:
                worst = i
                depth = d
    return worst


@njit(types.boolean(VECTOR, VECTOR, VECTOR), **OPTIONS)
def any_outside(y, lower, atol):
    """Return whether a state lies below lower - atol."""
    count = 0
    for i in range(y.size):
        count += 1 if y[i] < lower[i] - atol[i] else 0
    return count > 0


@njit(INT(VECTOR, VECTOR), **OPTIONS)
def first_above(y, upper):
    """Return the first state above its upper bound, -1 when none is."""
    count = 0
    for i in range(y.size):
        count += 1 if y[i] > upper[i] else 0
    if count > 0:
        for i in range(y.size):
            if y[i] > upper[i]:
                return i
    return -1


@njit(INT(VECTOR), **OPTIONS)
def first_nonfinite(y):
    """Return the first entry that is infinite or NaN, -1 when none is."""
    for i in range(y.size):
        if not (abs(y[i]) < np.inf):
            return i
    return -1


@njit(INT(VECTOR, VECTOR, VECTOR, VECTOR, REAL), **OPTIONS)
def worst_state(error, y, y_new, atol, rtol):
    """Return the state with the largest scaled error of a step."""
    worst = 0
    size = -1.0
    for i in range(y.size):
        e = scaled_error(error[i], y[i], y_new[i], atol[i], rtol)
        if e > size:
            size = e
            worst = i
    return worst


@njit(REAL(VECTOR, VECTOR, VECTOR, VECTOR, REAL), **OPTIONS)
def first_size(y, f0, second, atol, rtol):
    """Return a first step (days) from the rates f0 and the second derivative at y."""
    n = y.size
    d0 = 0.0
    d1 = 0.0
    d2 = 0.0
    for i in range(n):
        scale = atol[i] + rtol * abs(y[i])
        a = y[i] / scale
        b = f0[i] / scale
        e = second[i] / scale
        d0 += a * a
        d1 += b * b
        d2 += e * e
    d0 = np.sqrt(d0 / n)
    d1 = np.sqrt(d1 / n)
    d2 = np.sqrt(d2 / n)
    h0 = 0.01 * d0 / d1 if (d0 > 1e-5 and d1 > 1e-5) else 1e-6
    h0 = h0 if h0 < 1.0 else 1.0
    top = d1 if d1 > d2 else d2
    h1 = exp(0.2 * log(0.01 / top)) if top > 1e-15 else (1e-3 if h0 * 1e-3 < 1e-6 else h0 * 1e-3)
    h = 100.0 * h0 if 100.0 * h0 < h1 else h1
    return h if h > 0.0 else h0


@njit(REAL(PROGRAM, VECTOR, VECTOR, VECTOR, VECTOR, REAL, VECTOR), **OPTIONS)
def first_step(program, jv, y, f0, atol, rtol, second):
    """Return a first step (days) from the size of the rates f0 and of the second derivative J f0.

    jv: nonzeros of J; second: work array (n).
    """
    multiply(program, jv, f0, second)
    return first_size(y, f0, second, atol, rtol)


@njit(INT(DECIDE, VECTOR, VECTOR, VECTOR, VECTOR, TABLE, INTS, TABLE, MATRIX, INT, INT, INT, INTS, VECTOR), **OPTIONS)
def act(decide, y, u, th, memory, queue, jump_end, jump_place, jump_value, action, ref, tick, carry_i, old):
    """Carry out one action at a tick; return 1 when the run shall stop. RESTART is set when state or inputs changed."""
    if action == q.JUMP:
        apply_jump(y, u, jump_end, jump_place, jump_value, ref, old)
        carry_i[c.RESTART] = 1
        carry_i[c.N_JUMPS] += 1
        return 0
    if action == q.DECISION:
        carry_i[c.N_DECISIONS] += 1
        return decide(ref, tick, y, u, th, memory, queue)
    return 1 if action == q.STOP else 0


@njit(REAL(GUARDS, VECTOR, VECTOR, MATRIX, VECTOR, VECTOR, TABLE, REAL, VECTOR, VECTOR, VECTOR, INTS), **OPTIONS)
def first_crossing(guards, y, y_new, d, u, th, guard_table, h, g0, g1, held, which):
    """Return the fraction of the step at which the first guard has crossed zero (2.0 for none) and write its row to
    which[0].

    The guards are looked at in SCAN_POINTS equal parts of the step; a crossing is enclosed by bisection to 1e-10 day
    and its later end is returned, so that the same crossing is not found again. g0: guards at the start; g1, held:
    work.
    """
    ng = guard_table.shape[0]
    left = 0.0
    for part in range(1, SCAN_POINTS + 1):
        right = part / SCAN_POINTS
        dense_value(right, y, y_new, d, held)
        guards(held, u, th, g1)
        best = 2.0
        for j in range(ng):
            rises = g0[j] < 0.0 and g1[j] >= 0.0
            falls = g0[j] > 0.0 and g1[j] <= 0.0
            way = guard_table[j, c.G_DIRECTION]
            if not ((rises and way >= 0) or (falls and way <= 0)):
                continue
            a = left
            b = right
            for _ in range(ROOT_STEPS):
                if (b - a) * h <= 1e-10:
                    break
                mid = 0.5 * (a + b)
                dense_value(mid, y, y_new, d, held)
                guards(held, u, th, g1)
                if (rises and g1[j] >= 0.0) or (falls and g1[j] <= 0.0):
                    b = mid
                else:
                    a = mid
            if b < best:
                best = b
                which[0] = j
                which[1] = 1 if rises else -1
            dense_value(right, y, y_new, d, held)
            guards(held, u, th, g1)
        if best < 2.0:
            return best
        for j in range(ng):
            g0[j] = g1[j]
        left = right
    return 2.0
