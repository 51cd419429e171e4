"""Small models with known behaviour for the tests of the engine."""

from functools import lru_cache

import numpy as np

from tme_sim.engine import linear, run
from tme_sim.engine.elementary import power
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


@lru_cache(maxsize=4)
def network(n=60, n_drugs=3, seed=1):
    """Return (functions, source of rhs and jac, th, y0) of a stiff network of n states with drug compartments.

    State i is made at a rate that depends on states j and l and lost at k_i (0.01 to 400 per day); the last 2
    n_drugs states are two-compartment drugs, the central ones of which are dosed and raise the loss of some states.
    """
    rng = np.random.default_rng(seed)
    core = n - 2 * n_drugs
    rate = 10.0 ** rng.uniform(-2, 2.6, core)
    f, g, entries = [], [], {}

    def add(i, j, text):
        entries.setdefault((i, j), []).append(text)

    for i in range(n):
        add(i, i, "0.0")
    for i in range(core):
        j = (i + int(rng.integers(1, 4))) % core
        k = int(rng.integers(3))
        near = max(0, i - 1)
        d = core + 2 * int(rng.integers(n_drugs))
        hill = f"power(y[{j}], 1.7)" if i % 12 == 0 else f"y[{j}] * y[{j}]"
        f.append(f"    h{i} = {hill}\n    q{i} = h{i} / (1.0 + h{i})\n    r{i} = y[{k}] / (2.0 + y[{k}])")
        f.append(f"    dy[{i}] = th[{i}] * (0.5 + q{i} + 0.5 * y[{near}] - y[{i}] * (1.0 + r{i} + 0.3 * y[{d}]))")
        slope = f"1.7 * power(y[{j}], 0.7)" if i % 12 == 0 else f"2.0 * y[{j}]"
        g.append(f"    h{i} = {hill}\n    r{i} = y[{k}] / (2.0 + y[{k}])")
        add(i, j, f"th[{i}] * {slope} / ((1.0 + h{i}) * (1.0 + h{i}))")
        add(i, near, f"th[{i}] * 0.5")
        add(i, i, f"-th[{i}] * (1.0 + r{i} + 0.3 * y[{d}])")
        add(i, k, f"-th[{i}] * y[{i}] * 2.0 / ((2.0 + y[{k}]) * (2.0 + y[{k}]))")
        add(i, d, f"-th[{i}] * 0.3 * y[{i}]")
    for d in range(core, n, 2):
        f.append(f"    dy[{d}] = u[0] - 0.6 * y[{d}] + 0.4 * y[{d + 1}]")
        f.append(f"    dy[{d + 1}] = 0.4 * y[{d}] - 0.4 * y[{d + 1}]")
        add(d, d, "-0.6")
        add(d, d + 1, "0.4")
        add(d + 1, d, "0.4")
        add(d + 1, d + 1, "-0.4")
    places = sorted(entries)
    g += [f"    jv[{p}] = " + " + ".join(entries[place]) for p, place in enumerate(places)]
    names = {"power": power}
    source = "def rhs(y, u, th, dy):\n" + "\n".join(f) + "\n\n\ndef jac(y, u, th, jv):\n" + "\n".join(g) + "\n"
    exec(source, names)
    rows, cols = np.array(places).T
    model = functions(compile_rhs(names["rhs"]), compile_rhs(names["jac"]), rows, cols, n)
    y0 = np.ones(n)
    y0[core:] = 0.0
    return model, source, rate, y0
