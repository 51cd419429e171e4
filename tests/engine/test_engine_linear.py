"""Static sparse LU against dense solves; bad pivots and bad patterns."""

import numpy as np
import pytest

from tme_sim.engine import linear


def random_system(rng, n, density):
    mask = (rng.random((n, n)) < density) | np.eye(n, dtype=bool)
    rows, cols = np.nonzero(mask)
    j = np.zeros((n, n))
    j[rows, cols] = rng.normal(size=rows.size) * 10.0 ** rng.uniform(-3, 3, rows.size)
    j -= np.diag(np.abs(j).sum(axis=0))
    return j, rows, cols


@pytest.mark.parametrize(("n", "density"), [(1, 0.5), (2, 0.5), (7, 0.3), (30, 0.1), (60, 0.05), (40, 0.6)])
def test_solves_random_stiff_systems(n, density):
    rng = np.random.default_rng(n)
    for shift in (1e-3, 1.0, 1e4):
        j, rows, cols = random_system(rng, n, density)
        program = linear.build_program(rows, cols, n)
        lu = np.empty(program[2])
        b = rng.normal(size=n)
        x = b.copy()
        assert linear.factor(program, j[rows, cols].copy(), shift, lu) == 0
        linear.solve(program, lu, x)
        w = shift * np.eye(n) - j
        assert np.max(np.abs(w @ x - b)) < 1e-10 * (np.abs(w) @ np.abs(x)).max()
        assert np.max(np.abs(x - np.linalg.solve(w, b))) < 1e-9 * np.max(np.abs(x))


def test_plain_python_gives_the_same_bits():
    rng = np.random.default_rng(0)
    j, rows, cols = random_system(rng, 9, 0.3)
    program = linear.build_program(rows, cols, 9)
    jv, b = j[rows, cols].copy(), rng.normal(size=9)
    lu, lu2, x, x2 = np.empty(program[2]), np.empty(program[2]), b.copy(), b.copy()
    linear.factor(program, jv, 2.0, lu)
    linear.solve(program, lu, x)
    assert linear.factor.py_func(program, jv, 2.0, lu2) == 0
    linear.solve.py_func(program, lu2, x2)
    assert np.array_equal(lu, lu2) and np.array_equal(x, x2)


def test_arrow_pattern_has_no_fill():
    n = 20
    rows = np.concatenate([np.arange(n), np.arange(1, n), np.zeros(n - 1, dtype=int)])
    cols = np.concatenate([np.arange(n), np.zeros(n - 1, dtype=int), np.arange(1, n)])
    assert linear.build_program(rows, cols, n)[2] == rows.size


def test_bad_pivots_are_reported():
    program = linear.build_program([0, 0, 1, 1], [0, 1, 0, 1], 2)
    lu = np.empty(program[2])
    assert linear.factor(program, np.array([1.0, 2.0, 3.0, 5.0]), 1.0, lu) in (1, 2)  # first pivot is exactly 0
    assert linear.factor(program, np.array([np.nan, 0.0, 0.0, 1.0]), 3.0, lu) == 1 + int(
        linear.markowitz([0], [0], 2)[0]
    )
    singular = np.array([-1.0, -1.0, -1.0, -1.0])
    assert linear.factor(program, singular, 0.0, lu) in (1, 2)


def test_bad_patterns_are_refused():
    with pytest.raises(ValueError, match="lacks the diagonal"):
        linear.build_program([0, 0], [0, 1], 2)
    with pytest.raises(ValueError, match="twice"):
        linear.build_program([0, 0], [0, 0], 1)
    with pytest.raises(ValueError, match="outside"):
        linear.build_program([0, 1], [0, 1], 1)
    with pytest.raises(ValueError, match="equal length"):
        linear.build_program([0, 1], [0], 2)
