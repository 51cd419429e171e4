"""The integrator on stiff problems with trusted answers."""

import numpy as np
import pytest
from engine_toys import dense_pattern, functions, robertson
from scipy.integrate import solve_ivp

from tme_sim.engine import codes, queue, run
from tme_sim.engine.signatures import compile_rhs


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
def test_robertson_agrees_with_radau_and_keeps_mass(rtol):
    ticks = np.array([1, 400, 4000], dtype=np.int64) * 1440
    out = np.empty((3, 3))
    state = run.new_state([1.0, 0.0, 0.0], [], queue.new_queue(1))
    options = run.Options(rtol=rtol, atol=rtol * 1e-6)
    assert run.advance(robertson(), state, np.zeros(1), ticks[-1], options, out_ticks=ticks, out_y=out) == codes.OK

    def reference(t, y):
        return [-0.04 * y[0] + 1e4 * y[1] * y[2], 0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1] ** 2, 3e7 * y[1] ** 2]

    exact = solve_ivp(
        reference, (0, 4000), [1, 0, 0], method="Radau", rtol=1e-11, atol=1e-15, t_eval=[1, 400, 4000]
    ).y.T
    assert np.max(np.abs(out / exact - 1)) < 3 * rtol
    assert np.max(np.abs(out.sum(axis=1) - 1)) < 1e-14


@compile_rhs
def oscillator_rhs(y, u, th, dy):
    dy[0] = y[1]
    dy[1] = th[0] * (1.0 - y[0] * y[0]) * y[1] - y[0]


@compile_rhs
def oscillator_jac(y, u, th, jv):
    jv[0] = 0.0
    jv[1] = 1.0
    jv[2] = -2.0 * th[0] * y[0] * y[1] - 1.0
    jv[3] = th[0] * (1.0 - y[0] * y[0])


def test_van_der_pol_agrees_with_radau():
    ticks = np.array([300, 900, 1200, 2000, 3000], dtype=np.int64) * 1440
    out, mu = np.empty((5, 2)), 1000.0
    state = run.new_state([2.0, 0.0], [], queue.new_queue(1))
    model = functions(oscillator_rhs, oscillator_jac, *dense_pattern(2), 2)
    options = run.Options(rtol=1e-8, atol=1e-10, lower=-np.inf)
    assert run.advance(model, state, np.array([mu]), ticks[-1], options, out_ticks=ticks, out_y=out) == codes.OK
    exact = solve_ivp(
        lambda t, y: [y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]],
        (0, 3000),
        [2, 0],
        method="Radau",
        rtol=1e-10,
        atol=1e-13,
        t_eval=ticks / 1440,
    ).y.T
    assert np.max(np.abs(out[:, 0] - exact[:, 0])) < 1e-5
    assert state.stats["steps"] < 3000


HIRES = [
    [-1.71, 0.43, 8.32, 0, 0, 0, 0, 0],
    [1.71, -8.75, 0, 0, 0, 0, 0, 0],
    [0, 0, -10.03, 0.43, 0.035, 0, 0, 0],
    [0, 8.32, 1.71, -1.12, 0, 0, 0, 0],
    [0, 0, 0, 0, -1.745, 0.43, 0.43, 0],
    [0, 0, 0, 0.69, 1.71, -0.43, 0.69, 0],
    [0, 0, 0, 0, 0, 0, -1.81, 0],
    [0, 0, 0, 0, 0, 0, 1.81, 0],
]


@compile_rhs
def hires_rhs(y, u, th, dy):
    for i in range(8):
        dy[i] = 0.0
        for j in range(8):
            dy[i] += th[8 * i + j] * y[j]
    bound = 280.0 * y[5] * y[7]
    dy[0] += 0.0007
    dy[5] -= bound
    dy[6] += bound
    dy[7] -= bound


@compile_rhs
def hires_jac(y, u, th, jv):
    for k in range(64):
        jv[k] = th[k]
    for row, sign in ((5, -1.0), (6, 1.0), (7, -1.0)):
        jv[8 * row + 5] += sign * 280.0 * y[7]
        jv[8 * row + 7] += sign * 280.0 * y[5]


def test_hires_agrees_with_the_published_answer():
    m = np.array(HIRES)
    m[7, 6], m[6, 7] = 1.81, 0.0
    m[7, 7] = 0.0
    th = m.ravel()
    y0 = [1.0, 0, 0, 0, 0, 0, 0, 0.0057]
    stop = 321 * 1440 + 1171  # 321.8122 d, rounded to the minute; the reference runs to the same time
    state = run.new_state(y0, [], queue.new_queue(1))
    options = run.Options(rtol=1e-8, atol=1e-12)
    assert run.advance(functions(hires_rhs, hires_jac, *dense_pattern(8), 8), state, th, stop, options) == codes.OK

    def rhs(t, y):
        dy = np.empty(8)
        hires_rhs.py_func(y, None, th, dy)
        return dy

    exact = solve_ivp(rhs, (0, stop / 1440), y0, method="Radau", rtol=1e-10, atol=1e-14).y[:, -1]
    assert np.max(np.abs(state.y - exact) / (np.abs(exact) + 1e-9)) < 1e-6
    published = 0.7371312573325668e-3  # y1 at 321.8122 d (Hairer and Wanner, IVP test set)
    assert state.y[0] == pytest.approx(published, rel=1e-4)
