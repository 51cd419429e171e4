"""Shares of few patients: the error against closed forms."""

import numpy as np
import pytest

from tme_sim.shares import mean_and_error


@pytest.mark.parametrize("x", [0, 1, 7, 20])
def test_a_share_of_few_patients_is_never_certain(x):
    """The error of a share is that of Jeffreys' posterior of the effective number of patients; many need no correction."""
    from scipy import stats

    values = (np.arange(20) < x).astype(float)
    mean, error = mean_and_error(values, np.full(20, 0.3), "share")
    assert mean == x / 20 and error == pytest.approx(stats.beta(x + 0.5, 20 - x + 0.5).std()) and error > 0.02
    half = np.repeat([1.0, 0.0], 10)  # weights 1 and 0: ten of the twenty patients count
    kept = mean_and_error(values, half, "share")
    assert kept[1] == pytest.approx(stats.beta(min(x, 10) + 0.5, 10 - min(x, 10) + 0.5).std())
    many = mean_and_error((np.arange(20_000) < 1000 * x).astype(float), np.ones(20_000), "after")
    assert many[1] == pytest.approx(np.sqrt(mean * (1 - mean) / 20_000), rel=1e-3, abs=5e-5)


def test_means_that_are_no_shares_keep_their_own_error():
    values, weights = np.array([0.2, 0.4, 0.9]), np.array([1.0, 1.0, 2.0])
    plain = np.sqrt((weights**2 * (values - 0.6) ** 2).sum()) / 4.0
    assert mean_and_error(values, weights, "share") == pytest.approx((0.6, plain))  # a mean share alive, say
    assert mean_and_error(values, weights, "mean_log") == pytest.approx((0.6, plain))
    assert mean_and_error(np.ones(9), np.ones(9), "mean_log")[1] == 0.0
    assert np.isnan(mean_and_error(np.empty(0), np.empty(0), "share")).all()
    assert np.isnan(mean_and_error(values, np.zeros(3), "share")).all()
