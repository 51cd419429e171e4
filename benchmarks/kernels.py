"""Cost of one call of each piece of a step, and our right-hand side against the same statements compiled by gcc."""

from __future__ import annotations

import ast
import ctypes
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks import native
from benchmarks.measure import Goal, cpu
from benchmarks.peers import Ours
from benchmarks.problem import Problem
from tme_sim.engine.linear import FACTOR, PROGRAM, SOLVE
from tme_sim.engine.rodas import GAMMA, stages
from tme_sim.engine.signatures import RHS

COSTLY = ("exp_", "log_", "pow_", "sqrt")


def loops():
    """Compiled loops around one call of each kind."""
    from numba import njit, types

    v, m, i = types.float64[::1], types.float64[:, ::1], types.int64
    options = {"error_model": "numpy"}

    @njit(types.void(RHS, v, v, v, v, i), **options)
    def model(f, y, u, th, out, n):
        for _ in range(n):
            f(y, u, th, out)

    @njit(types.void(FACTOR, PROGRAM, v, types.float64, v, i), **options)
    def factors(factor, program, jv, shift, lu, n):
        for _ in range(n):
            factor(program, jv, shift, lu)

    @njit(types.void(SOLVE, PROGRAM, v, v, v, i), **options)
    def solves(solve, program, lu, b, start, n):
        for _ in range(n):
            b[:] = start
            solve(program, lu, b)

    @njit(types.void(RHS, SOLVE, PROGRAM, v, v, v, v, v, types.float64, v, m, m, v, v, i), **options)
    def steps(f, solve, program, lu, y, u, th, lower, h, f0, k, s, held, y_new, n):
        for _ in range(n):
            stages(f, solve, program, lu, y, u, th, lower, h, f0, k, s, held, y_new)

    @njit(types.void(v, v, v, v), **options)
    def nothing(y, u, th, out):
        out[0] = 0.0

    return model, factors, solves, steps, nothing


def per_call(work, number: int, repeats: int) -> float:
    """Least CPU nanoseconds per call of `work(number)`."""
    work(max(1, number // 100))
    return min(cpu(lambda: work(number))[0] for _ in range(repeats)) / number * 1e9


def states(problem: Problem, count: int = 8):
    """(y, u) along the run, where the kernels are compared and timed."""
    ours = Ours(problem)
    ticks = np.linspace(problem.start + 1440, problem.stop - 1440, count).astype(np.int64)
    return ours.solve(1e-6, ticks).y, ours


def run(problem: Problem, *, quick: bool, say) -> dict:
    """Nanoseconds per call, and the share of each piece in a step."""
    number, repeats = (2000, 2) if quick else (20000, 9)
    y, ours = states(problem)
    middle, u, th = y[len(y) // 2].copy(), problem.source.u0.copy(), ours.th
    program, factor, solve = problem.functions.program, problem.functions.factor, problem.functions.solve
    model, factors, solves, steps, nothing = loops()
    dy, jv, lu = np.zeros(problem.n), np.zeros(int(program[1]) + 1), np.zeros(int(program[2]))
    problem.model.rhs(middle, u, th, dy)
    problem.model.jac(middle, u, th, jv)
    shift = 1.0 / (GAMMA * 0.1)
    if factor(program, jv, shift, lu) != 0:
        raise RuntimeError("the matrix of the timing point is singular")
    b, k, lower = np.zeros(problem.n), np.zeros((8, problem.n)), np.zeros(problem.n)
    s = np.zeros((8, problem.n))
    held, y_new = middle.copy(), middle.copy()
    out, scratch, scratch_lu = np.zeros(problem.n), np.zeros(jv.size), lu.copy()
    ns = {
        "rhs": per_call(lambda n: model(problem.model.rhs, middle, u, th, out, n), number, repeats),
        "jac": per_call(lambda n: model(problem.model.jac, middle, u, th, scratch, n), number, repeats),
        "factor": per_call(lambda n: factors(factor, program, jv, shift, scratch_lu, n), number, repeats),
        "solve": per_call(lambda n: solves(solve, program, lu, b, dy, n), number, repeats),
        "stages_without_rhs": per_call(
            lambda n: steps(nothing, solve, program, lu, middle, u, th, lower, 0.1, dy, k, s, held, y_new, n),
            number,
            repeats,
        ),
    }
    seconds = min(cpu(lambda: ours.solve(1e-6))[0] for _ in range(repeats))
    count = ours.solve(1e-6).counts
    accounted = {
        "rhs": ns["rhs"] * count["rhs"],
        "jac": ns["jac"] * count["jac"],
        "factor": ns["factor"] * count["lu"],
        "solve": ns["solve"] * 8 * count["lu"],
        "stage vectors": max(0.0, ns["stages_without_rhs"] - 8 * ns["solve"]) * count["lu"],
    }
    accounted["everything else"] = max(0.0, seconds * 1e9 - sum(accounted.values()))
    shares = {name: value / sum(accounted.values()) for name, value in accounted.items()}
    for name, value in ns.items():
        say(f"{name}: {value:.0f} ns per call")
    compared, made = against_gcc(problem, y, u, th, model, number, repeats, ns, say)
    return {
        "what": "one call of each compiled piece on the real model; the same generated statements compiled by gcc",
        "nanoseconds": ns,
        "microseconds_per_step": seconds * 1e6 / count["steps"],
        "counts_at_1e-6": count,
        "shares_of_a_run_at_1e-6": shares,
        "gcc": compared,
        "repeated_expressions": {name: repeated(problem.model.folder / f"{name}.py") for name in ("rhs", "jac")},
        "goals": [g.record() for g in made],
        "lines": [g.line() for g in made],
    }


def against_gcc(problem, y, u, th, model, number, repeats, ns, say):
    """Equal values first, then nanoseconds per call of gcc's code."""
    if native.compiler() is None:
        say("gcc is not here: the comparison with it is left out")
        return {"left_out": "gcc is not installed here"}, []
    with tempfile.TemporaryDirectory() as folder:
        strict = native.build(problem.model.folder, Path(folder))
        fused = native.build(problem.model.folder, Path(folder), extra=())
        pointer = lambda a: a.ctypes.data_as(ctypes.c_void_p)  # noqa: E731
        worst = {}
        for name, size in (("rhs", problem.n), ("jac", len(problem.model.layout.rows))):
            mine, theirs = np.zeros(size), np.zeros(size)
            different = 0
            for row in y:
                row = np.ascontiguousarray(row)
                getattr(problem.model, name)(row, u, th, mine)
                getattr(strict, name)(pointer(row), pointer(u), pointer(th), pointer(theirs))
                different += int(np.sum(mine.view(np.int64) != theirs.view(np.int64)))
            worst[name] = different
        if any(worst.values()):
            raise RuntimeError(f"gcc's code gives other bits than ours: {worst}")
        middle, out = np.ascontiguousarray(y[len(y) // 2]), np.zeros(max(problem.n, len(problem.model.layout.rows)))
        found: dict = {"values_that_differ": worst}
        for name in ("rhs", "jac"):
            for tag, library in (("", strict), ("_fused", fused)):
                entry = ctypes.cast(getattr(library, name), ctypes.c_void_p)

                def work(n, library=library, entry=entry):
                    library.repeat(entry, pointer(middle), pointer(u), pointer(th), pointer(out), ctypes.c_long(n))

                found[f"{name}{tag}_ns"] = per_call(work, number, repeats)
            # ours again next to it, so that a change of the machine's speed meets both
            mine = getattr(problem.model, name)
            again = per_call(lambda n, f=mine: model(f, middle, u, th, out, n), number, repeats)
            found[f"{name}_ours_ns"] = min(again, ns[name])
            found[f"{name}_ratio"] = found[f"{name}_ours_ns"] / found[f"{name}_ns"]
    ours, peer = found["rhs_ours_ns"], found["rhs_ns"]
    say(f"gcc -O3: rhs {peer:.0f} ns (with fused multiply-add, other bits: {found['rhs_fused_ns']:.0f} ns)")
    name = "right-hand side in numba against gcc -O3, same bits"
    return found, [Goal(name, f"{ours:.0f} ns", f"{peer:.0f} ns", ours / peer, 1.15, 1.0, upward=False)]


def repeated(path: Path) -> dict:
    """Calls of exp, log, power and square root in a generated file, and those written more than once."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls, divisions = Counter(), 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in COSTLY:
            calls[ast.unparse(node)] += 1
        divisions += isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    kinds = Counter()
    for text, count in calls.items():
        kinds[text.partition("(")[0]] += count
    return {"calls": dict(kinds), "divisions": divisions, "repeated": {t: c for t, c in calls.items() if c > 1}}
