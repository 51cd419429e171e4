"""The integrator once more in plain Python: slow, short and the definition of what `integrate` computes, bit for bit.

It covers steps, error control, landing on calendar ticks, jumps, stops, bounds and dense output; decisions and state
events are left to the kernel. Nothing here is compiled: models, elimination, exponential and logarithm run as Python
source.
"""

import math

import numpy as np

from tme_sim.engine import queue as q
from tme_sim.engine import steps as kernel
from tme_sim.engine.elementary import exp, log
from tme_sim.engine.linear import factor, multiply, solve
from tme_sim.engine.rodas import GAMMA, A, C, H


def plain(function):
    """Return the Python source function behind a compiled one (or the function itself)."""
    return getattr(function, "py_func", function)


def combine(start, weights, k):
    """Return start + sum of weights[j] k[j], added in order."""
    value = start.copy()
    for weight, stage in zip(weights, k, strict=False):
        value = value + weight * stage
    return value


def rodas_step(rhs, program, lu, y, u, th, lower, h, f0):
    """Return the eight stages and the new state of one step."""
    n = y.size
    k, s = [], []
    y_new = y
    for stage in range(8):
        if stage == 0:
            b = f0.copy()
        else:
            if stage <= 5:
                y_new = combine(y, A[stage - 1], k)
            else:
                y_new = y_new + k[stage - 1]
            b = np.empty(n)
            rhs(np.where(y_new > lower, y_new, lower), u, th, b)
            b = combine(b, C[stage - 1], s)
        plain(solve)(program, lu, b)
        k.append(b)
        s.append(b * (1.0 / h))
    return k, y_new + k[7]


def error_norm(error, y, y_new, atol, rtol):
    """Return the largest scaled error; NaN when one is NaN."""
    scaled = [
        abs(float(error[i])) / (atol[i] + rtol * max(abs(float(y[i])), abs(float(y_new[i])))) for i in range(y.size)
    ]
    return math.nan if any(e != e for e in scaled) else max(scaled, default=0.0)


def first_step(program, jv, y, f0, atol, rtol):
    """Return a first step after a jump."""

    def size(values):
        total = 0.0
        for i in range(y.size):
            a = values[i] / (atol[i] + rtol * abs(y[i]))
            total += a * a
        return math.sqrt(total / y.size)

    second = np.empty(y.size)
    plain(multiply)(program, jv, f0, second)
    d0, d1 = size(y), size(f0)
    h0 = min(0.01 * d0 / d1 if d0 > 1e-5 and d1 > 1e-5 else 1e-6, 1.0)
    top = max(d1, size(second))
    h1 = plain(exp)(0.2 * plain(log)(0.01 / top)) if top > 1e-15 else max(1e-6, h0 * 1e-3)
    return min(100.0 * h0, float(h1)) or h0


def dense(theta, y, y_new, k):
    """Return the state at fraction theta of a step."""
    d = [combine(H[r][0] * k[0], H[r][1:], k[1:]) for r in range(3)]
    rest = 1.0 - theta
    return y + theta * ((y_new - y) + rest * (d[0] + theta * (d[1] + theta * d[2])))


def integrate(functions, y0, u0, th, queue, start_tick, stop_tick, options, jumps, out_ticks):
    """Return (y, u, out_y, steps) for a run from start_tick to stop_tick; arguments as `run.new_state` and
    `run.advance`.

    steps: list of (tick of the last landing, days since, step) of the accepted steps. Raises ArithmeticError where the
    kernel would return a failure code.
    """
    rhs, jac, program = plain(functions.rhs), plain(functions.jac), functions.program
    atol, lower, _ = options.limits(len(y0))
    rtol = options.rtol
    y, u, queue = np.array(y0, dtype=float), np.array(u0, dtype=float), queue.copy()
    ends, places, values = jumps.arrays()
    n = y.size
    out_y = np.full((len(out_ticks), n), np.nan)
    wanted = {int(tick): row for row, tick in enumerate(out_ticks)}
    jv, lu = np.empty(int(program[1])), np.empty(int(program[2]))
    now, steps, restart, h_next, accepted_before = start_tick, [], True, 0.0, None
    while True:
        # everything that is due at this tick
        while plain(q.peek)(queue) and queue[plain(q.peek)(queue), q.TICK] <= now:
            entry = q.pop(queue)
            if queue[entry, q.ACTION] == q.STOP:
                return y, u, out_y, steps
            z = np.concatenate([y, u])
            old = z.copy()
            group = queue[entry, q.REF]
            for row in range(ends[group - 1] if group else 0, ends[group]):
                dest, src = places[row]
                z[dest] += values[row, 0] * old[src] + values[row, 1] if src >= 0 else values[row, 1]
            y, u, restart = z[:n].copy(), z[n:].copy(), True
        if now in wanted:
            out_y[wanted[now]] = y
        if now >= stop_tick:
            return y, u, out_y, steps
        entry = q.peek(queue)
        target = min(stop_tick, int(queue[entry, q.TICK])) if entry else stop_tick
        end, s = (target - now) / 1440.0, 0.0
        while s < end:
            held = np.where(y > lower, y, lower)
            f0 = np.empty(n)
            rhs(held, u, th, f0)
            jac(held, u, th, jv)
            if restart:
                h_next, accepted_before, restart = first_step(program, jv, y, f0, atol, rtol), None, False
            h_next = min(h_next, options.h_max)
            h = h_next
            last = h >= 0.9999999 * (end - s)
            if last:
                h = end - s
            elif h > 0.5 * (end - s):
                h = 0.5 * (end - s)
            shortened, rejected, negatives = h < h_next, False, 0
            while True:
                if h < options.h_min:
                    raise ArithmeticError("no step is small enough")
                if plain(factor)(program, jv, 1.0 / (GAMMA * h), lu):
                    h *= 0.25
                else:
                    k, y_new = rodas_step(rhs, program, lu, y, u, th, lower, h, f0)
                    norm = error_norm(k[7], y, y_new, atol, rtol)
                    log_error = float(plain(log)(norm)) if norm > 1e-10 else -23.025850929940457
                    if not norm < math.inf:
                        h *= 0.25
                    elif norm > 1.0:
                        h *= max(kernel.SAFETY * float(plain(exp)(-0.2 * log_error)), kernel.STRONGEST_CUT)
                    elif np.any(y_new < lower - atol) and negatives < kernel.NEGATIVE_TRIES:
                        negatives += 1
                        h *= 0.5
                    else:
                        break
                rejected, last, shortened = True, False, False
            y_new = np.where(y_new < lower - atol, lower, y_new)
            ratio = float(plain(exp)(0.2 * log_error)) / kernel.SAFETY
            if accepted_before is not None:
                h_before, log_before = accepted_before
                trend = h_before / h * float(plain(exp)(0.2 * (2.0 * log_error - log_before))) / kernel.SAFETY
                ratio = max(ratio, trend)
            ratio = min(max(ratio, 1.0 / kernel.FASTEST_GROWTH), 1.0 / kernel.STRONGEST_CUT)
            accepted_before = (h, max(log_error, -4.605170185988091))
            h_free, h_next = h_next, h / ratio
            if rejected:
                h_next = min(h_next, h)
            if shortened:
                h_next = max(h_next, h_free)
            s_new = end if last else s + h
            for tick, row in wanted.items():
                when = (tick - now) / 1440.0
                if now < tick < target and s < when <= s_new:
                    value = dense((when - s) / h, y, y_new, k)
                    out_y[row] = np.where(value < lower - atol, lower, value)
            steps.append((now, s, h))
            y, s = y_new, s_new
        now = target
