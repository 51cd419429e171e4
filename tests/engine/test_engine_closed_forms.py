"""Closed forms at tolerance 1e-10: growth laws and kinetics with bolus, infusion, depot and repeated dosing (error
<= 1e-9)."""

import numpy as np
from engine_toys import functions

from tme_sim.engine import codes, queue, run
from tme_sim.engine.elementary import log
from tme_sim.engine.signatures import compile_rhs

TIGHT = run.Options(rtol=1e-10, atol=1e-13)
BOUND = 1e-9


def solve(model, y0, u0, th, calendar, jumps, ticks, options=TIGHT):
    state = run.new_state(y0, u0, calendar)
    out = np.full((len(ticks), len(y0)), np.nan)
    ticks = np.asarray(ticks, dtype=np.int64)
    code = run.advance(
        model, state, np.asarray(th, dtype=float), int(ticks[-1]), options, jumps, out_ticks=ticks, out_y=out
    )
    assert code == codes.OK, run.message(state)
    return out, ticks / 1440.0


@compile_rhs
def gompertz_rhs(y, u, th, dy):
    dy[0] = -th[0] * y[0] * log(y[0] / th[1]) if y[0] > 0.0 else 0.0


@compile_rhs
def gompertz_jac(y, u, th, jv):
    jv[0] = -th[0] * (log(y[0] / th[1]) + 1.0)


@compile_rhs
def logistic_rhs(y, u, th, dy):
    dy[0] = th[0] * y[0] * (1.0 - y[0] / th[1])


@compile_rhs
def logistic_jac(y, u, th, jv):
    jv[0] = th[0] * (1.0 - 2.0 * y[0] / th[1])


@compile_rhs
def kinetics_rhs(y, u, th, dy):  # depot, centre, periphery; infusion u[0]
    dy[0] = -th[0] * y[0]
    dy[1] = th[0] * y[0] + u[0] - (th[1] + th[2]) * y[1] + th[3] * y[2]
    dy[2] = th[2] * y[1] - th[3] * y[2]


@compile_rhs
def kinetics_jac(y, u, th, jv):
    jv[0] = -th[0]
    jv[1] = th[0]
    jv[2] = -(th[1] + th[2])
    jv[3] = th[3]
    jv[4] = th[2]
    jv[5] = -th[3]


def kinetics():
    return functions(kinetics_rhs, kinetics_jac, [0, 1, 1, 1, 2, 2], [0, 0, 1, 2, 1, 2], 3)


def scaled(a, b):
    return np.max(np.abs(a - b) / (np.abs(b) + 1e-6 * np.max(np.abs(b), axis=0)))


def matrix_exponential(th, t):
    """Return exp(M t) of the kinetics by eigenvectors (an independent closed form)."""
    ka, ke, k12, k21 = th
    m = np.array([[-ka, 0, 0], [ka, -(ke + k12), k21], [0, k12, -k21]])
    w, v = np.linalg.eig(m)  # real, but of a complex type in newer versions of numpy
    assert np.all(np.isreal(w)) and np.all(np.isreal(v))
    return (v.real * np.exp(w.real * t)) @ np.linalg.inv(v.real)


TICKS = np.array([0, 7, 600, 1440, 10_000, 43_211, 100_000])


def test_gompertz_and_logistic():
    out, t = solve(
        functions(gompertz_rhs, gompertz_jac, [0], [0], 1), [1.0], [], [0.05, 1000.0], queue.new_queue(1), None, TICKS
    )
    assert scaled(out[:, 0], 1000.0 * np.exp(np.log(1e-3) * np.exp(-0.05 * t))) < BOUND
    out, t = solve(
        functions(logistic_rhs, logistic_jac, [0], [0], 1), [1.0], [], [0.2, 500.0], queue.new_queue(1), None, TICKS
    )
    assert scaled(out[:, 0], 500.0 / (1.0 + 499.0 * np.exp(-0.2 * t))) < BOUND


def test_one_compartment_bolus_and_infusion():
    calendar, jumps = queue.new_queue(10), run.Jumps()
    queue.append(calendar, 0, 0, queue.JUMP, jumps.group([(1, -1, 0.0, 100.0)]))
    queue.append(calendar, 1440, 0, queue.JUMP, jumps.group([(3, -1, 0.0, 240.0)]))
    queue.append(calendar, 1440 + 90, 0, queue.JUMP, jumps.group([(3, 3, -1.0, 0.0)]))
    ticks = np.array([0, 30, 1440, 1470, 1530, 3000, 9000])
    out, t = solve(kinetics(), [0, 0, 0], [0.0], [1.0, 0.7, 0.0, 1.0], calendar, jumps, ticks)
    since = np.clip(t - 1.0, 0.0, 0.0625)
    after = np.maximum(t - 1.0625, 0.0)
    exact = 100.0 * np.exp(-0.7 * t) + 240.0 / 0.7 * (1.0 - np.exp(-0.7 * since)) * np.exp(-0.7 * after)
    assert scaled(out[:, 1], exact) < BOUND


def test_two_compartments_with_depot_and_repeated_doses():
    th = (3.1, 0.4, 0.9, 0.35)
    calendar, jumps = queue.new_queue(40), run.Jumps()
    into_depot = jumps.group([(0, -1, 0.0, 10.0)])
    into_blood = jumps.group([(1, -1, 0.0, 4.0)])
    doses = [(k * 7 * 1440, 0) for k in range(10)] + [(k * 21 * 1440, 1) for k in range(4)]
    for tick, place in doses:
        queue.append(calendar, tick, place, queue.JUMP, (into_depot, into_blood)[place])
    ticks = np.array([0, 15, 1000, 7 * 1440 - 1, 7 * 1440, 30_000, 63 * 1440, 100_000])
    out, t = solve(kinetics(), [0, 0, 0], [0.0], th, calendar, jumps, ticks)
    exact = np.zeros((t.size, 3))
    for row, now in enumerate(ticks):
        for tick, place in doses:
            if tick <= now:
                exact[row] += matrix_exponential(th, (now - tick) / 1440.0) @ np.array(
                    [(10.0, 0, 0), (0, 4.0, 0)][place]
                )
    assert scaled(out, exact) < BOUND


def test_jumps_read_the_state_before_the_jump():
    calendar, jumps = queue.new_queue(4), run.Jumps()
    swap_share = jumps.group([(0, 0, -0.25, 0.0), (1, 0, 0.25, 0.0), (2, 1, 2.0, 1.0)])
    queue.append(calendar, 0, 0, queue.JUMP, swap_share)
    out, _ = solve(kinetics(), [8.0, 3.0, 1.0], [0.0], [1.0, 1.0, 1.0, 1.0], calendar, jumps, [0, 1])
    assert out[0].tolist() == [6.0, 5.0, 8.0]
