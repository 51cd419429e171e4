"""Counter-based random numbers: known answers, independence of order, distributions."""

import math

import numpy as np
from scipy import stats

from tme_sim.engine import rng

U = np.uint64


def test_philox_equals_numpy_word_for_word():
    draw = np.random.default_rng(5)
    for _ in range(50):
        key = draw.integers(0, 2**64, 2, dtype=np.uint64)
        counter = draw.integers(0, 2**64 - 2, 4, dtype=np.uint64)
        expected = np.random.Philox(counter=counter, key=key).random_raw(4)
        c0 = counter[0] + U(1)  # numpy steps the counter before its first block
        assert rng.philox(*key, c0, *counter[1:]) == tuple(int(w) for w in expected)


def test_plain_python_gives_the_same_bits():
    with np.errstate(over="ignore"):
        assert rng.philox.py_func(*(U(i) for i in range(1, 7))) == rng.philox(*(U(i) for i in range(1, 7)))
    assert rng.normal_quantile.py_func(0.01) == rng.normal_quantile(0.01)


def test_purposes_are_distinct_and_named_draws_differ():
    codes = list(rng.PURPOSES.values())
    assert len(set(codes)) == len(codes)
    seen = {rng.uniform(1, 2, 3, 4, p, d) for p in codes for d in range(9)}
    assert len(seen) == 9 * len(codes)


def test_a_draw_depends_on_every_part_of_its_address():
    base = (1, 2, 3, 4, 5, 6)
    value = rng.uniform(*base)
    for place in range(6):
        other = list(base)
        other[place] += 1
        assert rng.uniform(*other) != value
    assert rng.uniform(*base) == value


def test_normal_quantile_against_scipy():
    p = np.array([1e-300, 1e-20, 1e-9, 1e-3, 0.05, 0.074, 0.3, 0.7, 0.93, 0.999, 1 - 1e-12])
    got = np.array([rng.normal_quantile(x) for x in p])
    assert np.max(np.abs(got / stats.norm.ppf(p) - 1)) < 2e-15
    assert (
        rng.normal_quantile(0.5) == 0.0
        and rng.normal_quantile(0.0) == -math.inf
        and math.isnan(rng.normal_quantile(2.0))
    )


def test_distributions():
    n = 20_000
    u = np.array([rng.uniform(7, 0, 0, 0, 99, i) for i in range(n)])
    z = np.array([rng.normal(7, 1, 0, 0, 99, i) for i in range(n)])
    e = np.array([rng.exponential(7, 2, 0, 0, 99, i) for i in range(n)])
    assert u.min() > 0.0 and u.max() < 1.0
    for sample, law in ((u, stats.uniform), (z, stats.norm), (e, stats.expon)):
        assert stats.kstest(sample, law.cdf).pvalue > 1e-3


def test_poisson_small_and_large_means():
    n = 10_000
    for mean in (0.3, 3.0, 9.9, 10.1, 40.0, 5e4):
        k = np.array([rng.poisson(8, 3, 0, 0, 99, i, mean) for i in range(n)])
        assert abs(k.mean() - mean) < 4 * math.sqrt(mean / n)
        assert abs(k.var() / mean - 1) < 0.08
        edges = np.unique(stats.poisson.ppf(np.linspace(0, 1, 12)[1:-1], mean))
        expected = np.diff(np.concatenate([[0], stats.poisson.cdf(edges, mean), [1]])) * n
        observed = np.histogram(k, np.concatenate([[-1], edges + 0.5, [np.inf]]))[0]
        assert stats.chisquare(observed, expected).pvalue > 1e-3
    assert rng.poisson(1, 1, 1, 1, 1, 1, 0.0) == 0 and rng.poisson(1, 1, 1, 1, 1, 1, -2.0) == 0


def test_log_factorial():
    for k in (0, 1, 5, 9, 10, 11, 100, 12345):
        assert abs(rng.log_factorial(float(k)) - math.lgamma(k + 1)) <= 2e-15 * max(1.0, math.lgamma(k + 1))
