"""Lane arrays: the values of LANES patients side by side, and the functions of a model that work on them.

A lane array is a flat float64 array in which *slot* s holds the values of LANES patients, from place s * LANES on. Its
start should lie on a border of 64 bytes (`lane_array`): a slot is then one line of the processor's cache.
"""

from dataclasses import dataclass

import numpy as np
from numba import types

LANES = 8
STAGES = 8  # of the method (`rodas`)

LANE_SIGNATURE = types.void(types.float64[::1])
LANE = types.FunctionType(LANE_SIGNATURE)
# arrays of a lane array, in this order: evaluation point, held inputs, parameters, its rates, Jacobian and shift,
# factors, a linear system and its solution, solutions of the stages, 1 / h, 1.0 where all pivots are of use; of all
# states: absolute tolerance, lower bound, that less the tolerance, upper bound; where a step begins and ends, the rates
# at its beginning and their derivative
ARRAYS = ("y", "u", "th", "dy", "jv", "lu", "b", "x", "k", "rate", "holds", "limits", "step")
Y, U, TH, DY, JV, LU, B, X, K, RATE, HOLDS, LIMITS, STEP, END = range(len(ARRAYS) + 1)


@dataclass(frozen=True)
class Lanes:
    """Functions of one model on lane arrays (`machine`, `vector_kernels`); they read and write the arrays in ARRAYS.

    start: dy and jv from y, u, th. rate: dy. factor: lu and holds from jv and the shift after it. solve: x from
    b, which it may overwrite.
    """

    start: object
    rate: object
    factor: object
    solve: object
    places: np.ndarray  # first slot of each array, and the number of slots
    states: np.ndarray  # places in the state vector of the states that the lanes hold; the others stay at zero
    program: np.ndarray  # elimination of these (`linear.build_program`)


def slots(n, m, n_th, nnz, n_lu):
    """Return {array: first slot} of a lane array for n states, m held inputs and so on; "" is the number of slots."""
    sizes = (n, m, n_th, n, nnz + 1, n_lu, n, n, STAGES * n, 1, 1, 4 * n, 4 * n)
    ends = np.cumsum([0, *sizes])
    return {name: int(end) for name, end in zip((*ARRAYS, ""), ends, strict=True)}


def lane_array(number, behind=0):
    """Return a lane array of zeros with so many slots, and so many numbers behind them."""
    line = 8 * LANES
    room = np.zeros((number + 1) * LANES + behind)
    first = (-room.ctypes.data % line) // 8
    return room[first : first + number * LANES + behind]


def numbers_of_one(n, m, guards):
    """Return how many numbers `lanes.run_lanes` needs for one run: stages, dense output, four vectors, work."""
    return (STAGES + 3 + 4) * n + 4 * max(n + m, guards)
