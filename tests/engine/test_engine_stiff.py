"""The integrator on stiff problems with trusted answers."""

import numpy as np
import pytest
from engine_toys import robertson
from scipy.integrate import solve_ivp

from tme_sim.engine import codes, queue, run


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
def test_robertson_agrees_with_radau_and_keeps_mass(rtol):
    ticks = np.array([1, 400, 4000], dtype=np.int64) * 1440
    out = np.empty((3, 3))
    state = run.new_state([1.0, 0.0, 0.0], [], queue.new_queue(1))
    options = run.Options(rtol=rtol, atol=rtol * 1e-6)
    assert run.advance(robertson(), state, np.zeros(1), ticks[-1], options, out_ticks=ticks, out_y=out) == codes.OK

    def reference(t, y):
        return [-0.04 * y[0] + 1e4 * y[1] * y[2], 0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1] ** 2, 3e7 * y[1] ** 2]

    exact = solve_ivp(reference, (0, 4000), [1, 0, 0], method="Radau", rtol=1e-11, atol=1e-15, t_eval=[1, 400, 4000]).y.T
    assert np.max(np.abs(out / exact - 1)) < 3 * rtol
    assert np.max(np.abs(out.sum(axis=1) - 1)) < 1e-14
