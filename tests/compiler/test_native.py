"""Machine code from generated text: the bits of the text run as plain Python, and refusal of what it cannot hold."""

import numpy as np
import pytest

from tests.compiler.toy_network import toy
from tme_sim.compiler.flatten import NotFlat, flatten
from tme_sim.compiler.model import compile_model
from tme_sim.engine import linear
from tme_sim.engine import tape as t


@pytest.fixture(scope="module")
def model():
    return compile_model(toy(), 3)


def test_generated_functions_give_the_bits_of_their_own_text(model):
    rng = np.random.default_rng(1)
    y, u, th = model.start(model.defaults())
    y = y * rng.lognormal(0.0, 0.5, y.size)
    for function, size in ((model.rhs, y.size), (model.jac, len(model.layout.rows)), (model.observe, len(model.node_names))):
        fast, plain = np.zeros(size), np.zeros(size)
        function(y, u, th, fast)
        function.py_func(y, u, th, plain)
        assert np.array_equal(fast, plain) and np.any(fast != 0.0)
    fast, plain = np.zeros(th.size), np.zeros(th.size)
    model.prepare(model.defaults(), fast)
    model.prepare.py_func(model.defaults(), plain)
    assert np.array_equal(fast, plain)


def test_elimination_written_out_gives_the_bits_of_the_general_one(model):
    rng = np.random.default_rng(2)
    program, functions = model.elimination, model.functions
    nnz, n_lu, n = int(program[1]), int(program[2]), int(program[0])
    jv, b = rng.normal(size=nnz + 1), rng.normal(size=n)
    one, two, x, z = np.zeros(n_lu), np.zeros(n_lu), b.copy(), b.copy()
    assert functions.factor(program, jv, 30.0, one) == linear.factor(program, jv[:-1].copy(), 30.0, two) == 0
    functions.solve(program, one, x)
    linear.solve(program, two, z)
    assert np.array_equal(one, two) and np.array_equal(x, z) and not np.array_equal(x, b)
    jv[:-1][int(program[int(program[16])])] = 30.0 if n == 1 else np.nan
    assert functions.factor(program, jv, 30.0, one) == linear.factor(program, jv[:-1].copy(), 30.0, two) != 0


def test_negations_and_repetitions_are_recorded_once():
    tape = t.Tape()
    x, y = tape.input("y", 0), tape.input("y", 1)
    product = tape.record(t.MULTIPLY, tape.record(t.NEGATE, x), y)
    assert tape.kinds[product] == (t.NEGATE, tape.record(t.MULTIPLY, y, x))
    assert tape.record(t.ADD, x, product) == tape.record(t.SUBTRACT, x, tape.record(t.MULTIPLY, x, y))
    assert tape.record(t.NEGATE, tape.constant(0.0)) != tape.constant(0.0)  # the zeros differ in sign


def test_what_is_not_plain_arithmetic_is_refused_with_its_line():
    text = "def rhs(y, u, th, dy):\n    {}\n"
    for line in ("dy[0] = cosh(y[0])", "while True: pass", "dy[0] = y[0] if u[0] else 1.0", "dy[i] = 1.0", "dy[0] = x"):
        with pytest.raises(NotFlat, match="line 2"):
            flatten(text.format(line), "rhs", t.Tape())


def test_a_division_by_a_power_of_two_is_a_product():
    tape = t.Tape()
    x = tape.input("y", 0)
    assert tape.kinds[tape.record(t.DIVIDE, x, tape.constant(-4.0))] == (t.MULTIPLY, x, tape.constant(-0.25))
    for number in (3.0, 0.0, 2.0**-1070, float("inf"), float("nan")):
        assert tape.kinds[tape.record(t.DIVIDE, x, tape.constant(number))][0] == t.DIVIDE
