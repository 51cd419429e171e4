"""Own exponential, logarithm and power against mpmath, at the edges, and compiled against plain Python."""

import math

import mpmath
import numpy as np
import pytest

from tme_sim.engine.elementary import exp, exp_sum, log, power


def ulps(value, exact):
    """Distance of value from the exact result in units in the last place of the exact result."""
    return float(abs(mpmath.mpf(float(value)) - exact) / mpmath.mpf(float(np.spacing(abs(float(exact))))))


@pytest.fixture(autouse=True)
def precision():
    with mpmath.workprec(160):
        yield


def test_exp_is_within_one_ulp():
    rng = np.random.default_rng(1)
    xs = np.concatenate([rng.uniform(-745, 709.7, 2000), rng.normal(0, 1, 2000), rng.normal(0, 1e-3, 500)])
    assert max(ulps(exp(x), mpmath.exp(mpmath.mpf(float(x)))) for x in xs) < 1.0


def test_log_is_within_one_ulp():
    rng = np.random.default_rng(2)
    xs = np.concatenate([10 ** rng.uniform(-320, 308, 2000), rng.uniform(0.5, 2, 2000), 1 + rng.normal(0, 1e-6, 500)])
    assert max(ulps(log(x), mpmath.log(mpmath.mpf(float(x)))) for x in xs) < 1.0


def test_power_is_within_two_ulps_over_the_whole_range():
    rng = np.random.default_rng(3)
    worst = 0.0
    for low, high in ((0.5, 2.0), (0.0, 100.0), (0.99, 1.01), (1 - 1e-9, 1 + 1e-9)):
        for _ in range(1200):
            x = rng.uniform(low, high)
            y = rng.uniform(-6, 6) if rng.random() < 0.5 else rng.uniform(-700, 700) / (abs(math.log(x)) + 1e-300)
            worst = max(worst, ulps(power(x, y), mpmath.mpf(float(x)) ** mpmath.mpf(float(y))))
    assert worst < 2.0


def test_edges():
    inf, nan = math.inf, math.nan
    assert exp(0.0) == 1.0 and exp(710.0) == inf and exp(1e300) == inf and exp(inf) == inf
    assert exp(-746.0) == 0.0 and exp(-inf) == 0.0 and math.isnan(exp(nan)) and exp(-745.1) == 5e-324
    assert exp(709.782712893384) == pytest.approx(1.797693134862273e308, rel=1e-13)
    assert log(1.0) == 0.0 and log(0.0) == -inf and log(inf) == inf
    assert math.isnan(log(-1.0)) and math.isnan(log(nan)) and log(5e-324) == math.log(5e-324)
    assert power(2.0, 0.0) == 1.0 and power(nan, 0.0) == 1.0 and power(1.0, nan) == 1.0 and math.isnan(power(2.0, nan))
    assert power(0.0, 2.5) == 0.0 and power(0.0, -1.0) == inf and power(inf, 2.0) == inf and power(inf, -2.0) == 0.0
    assert (
        power(2.0, inf) == inf and power(0.5, inf) == 0.0 and power(2.0, 1024.0) == inf and power(2.0, -1080.0) == 0.0
    )
    assert power(2.0, -1074.0) == 5e-324 and power(10.0, 3.0) == 1000.0


def test_negative_base_counts_as_zero_unless_the_exponent_is_whole():
    assert power(-1e-18, 2.5) == 0.0 and power(-3.0, 1.7) == 0.0 and power(-3.0, -0.5) == math.inf
    assert power(-2.0, 3.0) == -8.0 and power(-2.0, 2.0) == 4.0


def test_neighbours_keep_their_order():
    for function, start in ((exp, 0.34657359), (exp, -3.1), (log, 0.70710678), (log, 1.0), (log, 7.3)):
        x = start
        before = function(x)
        for _ in range(2000):
            x = np.nextafter(x, np.inf)
            after = function(x)
            assert after >= before - np.spacing(abs(before))
            before = after
        assert function(start + 1e-9 * abs(start)) > function(start)


def test_plain_python_gives_the_same_bits():
    rng = np.random.default_rng(4)
    for x, y in zip(rng.lognormal(0, 20, 300), rng.normal(0, 5, 300), strict=True):
        with np.errstate(all="ignore"):
            assert exp.py_func(np.float64(y)) == exp(y)
            assert exp_sum.py_func(np.float64(y), 1e-18) == exp_sum(y, 1e-18)
            assert log.py_func(x) == log(x)
            assert power.py_func(x, y) == power(x, y)
