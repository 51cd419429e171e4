"""Sensitivity against closed forms (Ishigami, linear) and SALib; failed runs are declared, never zeros (M19)."""

import numpy as np
import pytest

from tme_sim.diagnostics import InputError
from tme_sim.findings import sensitivity as s

NAMES = ("x1", "x2", "x3")
WEIGHTS = np.array([4.0, 2.0, 1.0])
# closed form of Ishigami and Homma 1990 with a = 7, b = 0.1
A, B = 7.0, 0.1
VARIANCE = A**2 / 8 + B * np.pi**4 / 5 + B**2 * np.pi**8 / 18 + 0.5
FIRST = np.array([0.5 * (1 + B * np.pi**4 / 5) ** 2, A**2 / 8, 0.0]) / VARIANCE
TOTAL = FIRST + np.array([1, 0, 1]) * (8 * B**2 * np.pi**8 / 225) / VARIANCE


def ishigami(points):
    x = np.pi * (2 * points - 1)
    return np.sin(x[:, 0]) + A * np.sin(x[:, 1]) ** 2 + B * x[:, 2] ** 4 * np.sin(x[:, 0])


def linear(points):
    return points @ WEIGHTS


def of(indices):
    return np.array([i.value for i in indices])


def test_sobol_indices_of_ishigami_are_those_of_its_closed_form():
    design = s.sobol_design(3, 4096, seed=1)
    found = s.sobol(ishigami(design), NAMES)
    assert np.abs(of(found.first) - FIRST).max() < 3e-3
    assert np.abs(of(found.total) - TOTAL).max() < 3e-3
    assert found.variance == pytest.approx(VARIANCE, rel=0.01)
    for index, true in zip((*found.first, *found.total), (*FIRST, *TOTAL), strict=True):
        assert index.low - 1e-3 <= true <= index.high + 1e-3


def test_sobol_indices_of_a_linear_function_are_shares_of_squares_and_do_not_depend_on_an_offset():
    design = s.sobol_design(3, 1024, seed=2)
    share = WEIGHTS**2 / np.sum(WEIGHTS**2)
    found = s.sobol(linear(design) + 1e6, NAMES)
    assert of(found.first) == pytest.approx(share, abs=0.01)
    assert of(found.total) == pytest.approx(share, abs=0.01)


def test_sobol_indices_equal_those_of_salib():
    from SALib.analyze import sobol as salib

    values = ishigami(s.sobol_design(3, 256, seed=3))
    problem = {"num_vars": 3, "names": list(NAMES), "bounds": [[0, 1]] * 3}
    oracle = salib.analyze(problem, values, calc_second_order=False, num_resamples=2)
    found = s.sobol(values, NAMES)
    assert of(found.first) == pytest.approx(oracle["S1"], abs=1e-12)
    assert of(found.total) == pytest.approx(oracle["ST"], abs=1e-12)


def test_effects_of_a_linear_function_are_its_weights():
    design = s.morris_design(3, 10, seed=4)
    found = s.morris(design, linear(design), NAMES)
    assert of(found.mu_star) == pytest.approx(WEIGHTS, abs=1e-12)
    assert found.mu == pytest.approx(WEIGHTS, abs=1e-12)
    assert np.abs(found.sigma).max() < 1e-12


def test_trajectories_move_one_factor_at_a_time_over_the_whole_cube():
    design = s.morris_design(5, 40, seed=5).reshape(40, 6, 5)
    moves = np.diff(design, axis=1)
    assert np.all((np.abs(moves) > 1e-12).sum(axis=2) == 1)
    assert np.allclose(np.sort(np.abs(moves).max(axis=2), axis=1), 2 / 3)
    assert set(np.unique(design.round(9))) == {0.0, 0.333333333, 0.666666667, 1.0}


def test_effects_equal_those_of_salib():
    from SALib.analyze import morris as salib

    design = s.morris_design(3, 12, seed=6)
    values = ishigami(design)
    problem = {"num_vars": 3, "names": list(NAMES), "bounds": [[0, 1]] * 3}
    oracle = salib.analyze(problem, design, values, num_resamples=2, num_levels=4)
    found = s.morris(design, values, NAMES)
    assert of(found.mu_star) == pytest.approx(np.asarray(oracle["mu_star"], dtype=float), rel=1e-9)
    assert found.sigma == pytest.approx(np.asarray(oracle["sigma"], dtype=float), rel=1e-9)


def test_partial_rank_correlation_equals_its_formula_by_the_inverse_correlation_matrix():
    from scipy.stats import rankdata

    random = np.random.default_rng(7)
    points = random.random((200, 3))
    values = linear(points) + 0.5 * random.standard_normal(200)
    ranks = np.column_stack([*(rankdata(c) for c in points.T), rankdata(values)])
    inverse = np.linalg.inv(np.corrcoef(ranks, rowvar=False))
    formula = -inverse[:3, 3] / np.sqrt(np.diag(inverse)[:3] * inverse[3, 3])
    found = s.prcc(points, values, NAMES)
    assert of(found.values) == pytest.approx(formula, abs=1e-12)
    assert all(i.low < i.value < i.high for i in found.values)
    assert found.p[0] < 1e-6


def test_a_factor_that_does_nothing_has_no_partial_correlation():
    random = np.random.default_rng(8)
    points = random.random((100, 2))
    found = s.prcc(points, points[:, 0] ** 3, ("does", "does not"))
    assert found.values[0].value == pytest.approx(1.0, abs=1e-6)
    assert abs(found.values[1].value) < 0.2


def test_local_derivatives_also_at_an_edge():
    slopes, error = s.local_derivatives(lambda x: x[:, 0] ** 2 + (1.5 + x[:, 1]) ** 2 + x[:, 2] ** 2, np.array([0.5, 0.0, 1.0]))
    assert slopes == pytest.approx([1.0, 3.0, 2.0], abs=1e-9)
    assert np.abs(error).max() < 1e-9


@pytest.mark.parametrize("method", ["morris", "sobol", "prcc"])
def test_failed_runs_are_left_out_and_counted_not_read_as_zeros(method):
    design = {"morris": lambda: s.morris_design(3, 40, 9), "sobol": lambda: s.sobol_design(3, 256, 9),
              "prcc": lambda: s.sobol_design(3, 64, 9)}[method]()  # fmt: skip
    values = 100.0 + linear(design)
    values[::97] = np.nan
    analyse = {"morris": lambda v: s.morris(design, v, NAMES).mu_star, "sobol": lambda v: s.sobol(v, NAMES).total,
               "prcc": lambda v: s.prcc(design, v, NAMES).values}[method]  # fmt: skip
    whole = {"morris": lambda: s.morris(design, values, NAMES), "sobol": lambda: s.sobol(values, NAMES),
             "prcc": lambda: s.prcc(design, values, NAMES)}[method]()  # fmt: skip
    assert whole.left_out > 0
    assert of(analyse(values)) == pytest.approx(of(analyse(100.0 + linear(design))), abs=0.05)
    values[::3] = np.nan
    with pytest.raises(InputError, match="without a value"):
        analyse(values)


def test_an_output_that_does_not_vary_is_sensitive_to_nothing():
    found = s.sobol(np.full(5 * 8, 3.0), NAMES)
    assert of(found.first).tolist() == [0, 0, 0]
    assert of(found.total).tolist() == [0, 0, 0]


def test_indices_that_are_no_shares_are_told_with_the_number_of_samples_that_mends_them():
    from tme_sim.findings.told import _rough

    few = s.sobol(ishigami(s.sobol_design(3, 8, seed=0)), NAMES)
    shares = np.array([of(few.first), of(few.total)])
    assert shares.min() < 0 or shares.max() > 1
    (told,) = _rough("late", few)
    assert told.startswith("warning: late: ") and "outside 0 to 1" in told
    assert "8 base samples are too few" in told and "-n 32" in told
    enough = s.sobol(ishigami(s.sobol_design(3, 4096, seed=0)), NAMES)
    assert _rough("late", enough) == [] and _rough("late", s.prcc(s.sobol_design(3, 8, 0), np.arange(40.0), NAMES)) == []


def test_more_base_samples_hold_those_that_were_run_before():
    few, more = s.sobol_design(3, 8, seed=5), s.sobol_design(3, 32, seed=5)
    assert np.array_equal(more[: len(few)], few)


def test_messages_that_differ_in_numbers_alone_are_told_once():
    from tme_sim.findings.table import missing_of

    told = ["needs 2.5e-05 1/day, below 0. Raise it", "", "needs -3 1/day, below 0. Raise it", "no end after 15 s"]
    missing = missing_of({"message": np.array(told, dtype=object)}, np.array([np.nan, 1.0, np.nan, np.nan]))
    assert missing.text == (
        "3 of 4 runs gave no value (2 times, like: needs 2.5e-05 1/day, below 0; once: no end after 15 s)")
