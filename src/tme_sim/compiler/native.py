"""What the generated modules call: their functions as machine code, for one patient and for lanes of patients.

The text of a generated function stays plain Python, its `py_func`; code is made from its tape (`engine.machine`) and
kept by numba beside the module.
"""

from __future__ import annotations

import inspect
import json
from functools import partial
from pathlib import Path
from types import FunctionType

import numpy as np
from numba import njit

from tme_sim.compiler.flatten import flatten
from tme_sim.engine.lane_arrays import LANE_SIGNATURE, Lanes, slots
from tme_sim.engine.linear import FACTOR_SIGNATURE, SOLVE_SIGNATURE, bad_pivot, build_program, factor, solve
from tme_sim.engine.machine import lane_body, scalar_body
from tme_sim.engine.signatures import JIT_OPTIONS
from tme_sim.engine.tape import PartialTape, Tape
from tme_sim.engine.tape_linear import record_factor, record_solve
from tme_sim.engine.vector_kernels import factor_body, pivot_check, solve_body

LONGEST = 6000  # operations of an elimination that is written out


def _two(a, b):
    body(a, b)  # noqa: F821  (each copy has its own)


def _four(a, b, c, d):
    body(a, b, c, d)  # noqa: F821


def _one(w):
    body(w)  # noqa: F821


def _factor(program, jv, shift, lu):
    jv[jv.size - 1] = shift
    body(jv, lu)  # noqa: F821
    return bad_pivot(program, jv, shift, lu)


def _solve(program, lu, b):
    body(lu, b)  # noqa: F821


def _dispatcher(template, body, signature, name: str, path: str, line: int, module: str):
    """Compile a copy of `template` that calls `body`, as if it stood in line `line` of `path` (for numba's cache)."""
    code = template.__code__.replace(co_filename=path, co_name=name, co_qualname=name, co_firstlineno=line)
    function = FunctionType(code, {"body": body, "bad_pivot": bad_pivot, "__name__": module}, name)
    function.__module__ = module
    return njit(signature, cache=True, **JIT_OPTIONS)(function)


def compiled(signature):
    """Decorate a generated function of two or four arrays: machine code from its text, which stays as `py_func`."""

    def decorate(function):
        """Make code from the text of the function, in place of the function."""
        arrays = list(inspect.signature(function).parameters)
        path = function.__code__.co_filename

        def record():
            tape = Tape()
            return tape, flatten(Path(path).read_text(encoding="utf-8"), function.__name__, tape)

        template = _two if len(arrays) == 2 else _four
        place = (path, function.__code__.co_firstlineno, function.__module__)
        out = _dispatcher(template, scalar_body(record, arrays), signature, function.__name__, *place)
        out.py_func = function
        return out

    return decorate


def _program(folder: Path) -> tuple[np.ndarray, dict]:
    layout = json.loads((folder / "layout.json").read_text(encoding="utf-8"))
    rows, cols = (np.array(layout[key], dtype=np.int64) for key in ("rows", "cols"))
    return build_program(rows, cols, int(rows.max()) + 1), layout


def elimination(path: str, module: str):
    """(factor, solve) for the Jacobian pattern of the model in the folder of `path`: written out where that is short.

    Written out for twelve lesions it takes half a minute to compile and saves 20 microseconds a step of a single run;
    there the operations are looked up.
    """
    if int(_program(Path(path).parent)[0][4]) > LONGEST:
        return factor, solve

    def record(what):
        tape = Tape()
        return tape, what(_program(Path(path).parent)[0], tape)

    bodies = scalar_body(partial(record, record_factor), ("jv", "lu")), scalar_body(partial(record, record_solve),
                                                                                  ("lu", "b"))
    return (_dispatcher(_factor, bodies[0], FACTOR_SIGNATURE, "factor", path, 1, module),
            _dispatcher(_solve, bodies[1], SOLVE_SIGNATURE, "solve", path, 2, module))


def _kept(layout: dict, absent: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Places of the states that are left without `absent` ones, and of the nonzeros of the Jacobian among them."""
    rows, cols = (np.array(layout[key], dtype=np.int64) for key in ("rows", "cols"))
    left = np.ones(int(rows.max()) + 1, dtype=bool)
    left[list(absent)] = False
    return np.flatnonzero(left), np.flatnonzero(left[rows] & left[cols])


def _part_of(program: np.ndarray, states: np.ndarray, nonzeros: np.ndarray) -> np.ndarray:
    """The elimination of a part of the states, in the order in which the whole is eliminated, so that bits agree."""
    n, nnz = int(program[0]), int(program[1])
    order, rows, cols = (program[int(program[i]) :][:size] for i, size in ((9, n), (17, nnz), (18, nnz)))
    rank = np.full(n, -1)
    rank[states] = np.arange(states.size)
    kept = rank[order]
    return build_program(rank[rows[nonzeros]], rank[cols[nonzeros]], states.size, kept[kept >= 0])


def lanes(path: str, module: str, absent: tuple[int, ...] = ()) -> Lanes:
    """Functions on lane arrays of the model in the folder of `path`; `absent` states stay at zero and are left out."""
    folder = Path(path).parent
    whole, layout = _program(folder)
    states, nonzeros = _kept(layout, absent)
    program = _part_of(whole, states, nonzeros)
    count = {vector: len(layout[vector]["body"]) + layout["n_lesions"] * len(layout[vector]["lesion"])
             for vector in ("held", "parameters", "solved")}
    n_th = count["parameters"] + count["solved"]
    where = slots(states.size, count["held"], n_th, int(program[1]), int(program[2]))
    among = {"y": {int(i): at for at, i in enumerate(states)}, "jv": {int(i): at for at, i in enumerate(nonzeros)}}
    among["dy"] = among["y"]

    def evaluated(tape, name):
        """Record a function of the model; what it writes of absent states is dropped."""
        written = flatten((folder / f"{name}.py").read_text(encoding="utf-8"), name, tape)
        return {(array, among[array][i]): value for (array, i), value in written.items() if i in among[array]}

    def rates():
        tape = PartialTape({"y": among["y"]}) if absent else Tape()
        return tape, evaluated(tape, "rhs")

    def rates_and_slopes():
        tape, written = rates()
        return tape, written | evaluated(tape, "jac")

    def recorded(what):
        tape = Tape()
        return tape, what(tape)

    bodies = {"start": lane_body(rates_and_slopes, where), "rate": lane_body(rates, where)}
    if int(program[4]) > LONGEST:
        bodies |= {"factor": factor_body(program, where), "solve": solve_body(program, where)}
    else:
        eliminate, substitute = partial(record_factor, program), partial(record_solve, program, solution="x")
        bodies["factor"] = lane_body(lambda: recorded(eliminate), where, pivot_check(program, where))
        bodies["solve"] = lane_body(lambda: recorded(substitute), where)
    made = {name: _dispatcher(_one, body, LANE_SIGNATURE, name, path, line, module)
            for line, (name, body) in enumerate(bodies.items(), start=1)}
    return Lanes(**made, places=np.array(list(where.values()), dtype=np.int64), states=states, program=program)
