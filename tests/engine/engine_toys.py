"""Small models with known behaviour for the tests of the engine."""

import numpy as np

from tme_sim.engine import linear, run
from tme_sim.engine.signatures import compile_rhs


def functions(rhs, jac, rows, cols, n, **others):
    """Return run.Functions for the pattern."""
    return run.Functions(rhs, jac, linear.build_program(rows, cols, n), **others)


def dense_pattern(n):
    """Return rows and cols of a full pattern."""
    return np.nonzero(np.ones((n, n)))


@compile_rhs
def robertson_rhs(y, u, th, dy):
    dy[0] = -0.04 * y[0] + 1e4 * y[1] * y[2]
    dy[2] = 3e7 * y[1] * y[1]
    dy[1] = -dy[0] - dy[2]


@compile_rhs
def robertson_jac(y, u, th, jv):
    jv[0] = -0.04
    jv[1] = 1e4 * y[2]
    jv[2] = 1e4 * y[1]
    jv[3] = 0.04
    jv[4] = -1e4 * y[2] - 6e7 * y[1]
    jv[5] = -1e4 * y[1]
    jv[6] = 0.0
    jv[7] = 6e7 * y[1]
    jv[8] = 0.0


def robertson():
    """Return the functions of Robertson's stiff kinetics (n = 3)."""
    return functions(robertson_rhs, robertson_jac, *dense_pattern(3), 3)
