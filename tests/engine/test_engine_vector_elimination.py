"""Elimination and solution on lanes, written out and as loops: every lane as the scalar code gives it, bit for bit."""

from functools import partial

import numpy as np
import pytest
from numba import njit

from tme_sim.engine.lane_arrays import LANE_SIGNATURE, LANES, lane_array, slots
from tme_sim.engine.linear import bad_pivot, build_program, factor, solve
from tme_sim.engine.machine import lane_body
from tme_sim.engine.tape import Tape
from tme_sim.engine.tape_linear import record_factor, record_solve
from tme_sim.engine.vector_kernels import factor_body, pivot_check, solve_body

N, NONZEROS = 30, 110


def lane_functions(program, where, written_out):
    """(factor, solve) on lane arrays, compiled."""

    def recorded(what):
        tape = Tape()
        return tape, what(tape)

    if written_out:
        eliminate, substitute = partial(record_factor, program), partial(record_solve, program, solution="x")
        bodies = (lane_body(lambda: recorded(eliminate), where, pivot_check(program, where)),
                  lane_body(lambda: recorded(substitute), where))
    else:
        bodies = factor_body(program, where), solve_body(program, where)

    def compiled(body):
        @njit(LANE_SIGNATURE, error_model="numpy")
        def function(w):
            body(w)

        return function

    return tuple(compiled(body) for body in bodies)


@pytest.mark.parametrize("written_out", [True, False], ids=["written out", "loops"])
def test_lanes_have_the_bits_of_the_scalar_elimination(written_out):
    rng = np.random.default_rng(5)
    entries = {(i, i) for i in range(N)}
    while len(entries) < NONZEROS:
        entries.add(tuple(int(x) for x in rng.integers(0, N, 2)))
    rows, cols = np.array(sorted(entries)).T
    program = build_program(rows, cols, N)
    where = slots(N, 0, 0, NONZEROS, int(program[2]))
    w = lane_array(where[""])
    slot = w.reshape(-1, LANES)
    jv, shift, b = rng.normal(size=(NONZEROS, LANES)), rng.uniform(2, 9, LANES), rng.normal(size=(N, LANES))
    jv[rows != cols, 3] = 0.0  # a lane of zeros beside the diagonal
    shift[5] = jv[np.flatnonzero(rows == cols)[0], 5]  # and one whose matrix has a pivot of zero
    jv[(rows == rows[0]) & (rows != cols), 5] = 0.0
    slot[where["jv"] : where["jv"] + NONZEROS] = jv
    slot[where["jv"] + NONZEROS] = shift
    slot[where["b"] : where["b"] + N] = b
    eliminate, substitute = lane_functions(program, where, written_out)
    eliminate(w)
    substitute(w)
    for lane in range(LANES):
        lu, x = np.empty(int(program[2])), b[:, lane].copy()
        failed = factor(program, np.append(jv[:, lane], 0.0), shift[lane], lu)
        assert slot[where["holds"], lane] == (failed == 0) == (lane != 5)
        assert bool(bad_pivot(program, np.append(jv[:, lane], 0.0), shift[lane], lu)) == (lane == 5)
        if failed == 0:
            solve(program, lu, x)
            assert slot[where["lu"] : where["lu"] + lu.size, lane].tobytes() == lu.tobytes()
            assert slot[where["x"] : where["x"] + N, lane].tobytes() == x.tobytes()
