"""Survival statistics equal their oracle (lifelines) and refuse what is no survival data."""

import math

import numpy as np
import pytest

from tme_sim.cohort.survival import curve_of, hazard_ratio, proportional
from tme_sim.diagnostics import InputError

lifelines = pytest.importorskip("lifelines", reason="the oracle of survival statistics is not installed")


def arms(seed=5, n=120, ratio=0.6):
    draw = np.random.default_rng(seed)
    out = []
    for scale in (300.0, 300.0 / ratio):
        time, end = draw.exponential(scale, n), draw.uniform(100, 900, n)
        out.append((np.round(np.minimum(time, end), 0) + 1.0, (time <= end).astype(int)))  # whole days: ties
    return out


def test_curve_equals_lifelines():
    time, event = arms()[0]
    ours = curve_of(time, event)
    theirs = lifelines.KaplanMeierFitter().fit(time, event)
    for day in np.linspace(1, time.max() - 1, 60):
        assert ours.at(day)[0] == pytest.approx(float(theirs.survival_function_at_times(day).iloc[0]), abs=1e-12)
    band = theirs.confidence_interval_survival_function_
    at = band.index.searchsorted(200.0, side="right") - 1
    assert ours.at(200.0)[1:] == pytest.approx(tuple(band.iloc[at]), abs=1e-10)
    assert ours.median()[0] == theirs.median_survival_time_
    from lifelines.utils import median_survival_times

    assert ours.median()[1:] == pytest.approx(tuple(median_survival_times(band).iloc[0]))
    assert list(ours.at_risk(np.array([0.0, 100.0]))) == [len(time), int((time >= 100).sum())]


def test_hazard_ratio_and_logrank_equal_lifelines():
    import pandas as pd
    from lifelines.statistics import logrank_test

    first, second = arms()
    ours = hazard_ratio(first, second)
    data = pd.DataFrame(
        {
            "t": np.concatenate([first[0], second[0]]),
            "e": np.concatenate([first[1], second[1]]),
            "arm": [0] * len(first[0]) + [1] * len(second[0]),
        }
    )
    theirs = lifelines.CoxPHFitter().fit(data, "t", "e")
    assert math.log(ours.value) == pytest.approx(float(theirs.params_["arm"]), abs=1e-6)
    assert ours.p == pytest.approx(float(theirs.summary["p"]["arm"]), rel=1e-4)
    low, high = np.exp(theirs.confidence_intervals_.loc["arm"])
    assert (ours.low, ours.high) == (pytest.approx(low, rel=1e-5), pytest.approx(high, rel=1e-5))
    assert ours.logrank == pytest.approx(logrank_test(first[0], second[0], first[1], second[1]).p_value, rel=1e-9)


def test_crossing_hazards_are_found_and_proportional_ones_are_not():
    draw = np.random.default_rng(1)
    n = 200
    early = draw.exponential(200.0, n)
    late = np.where(draw.uniform(size=n) < 0.5, draw.exponential(60.0, n), draw.exponential(2000.0, n) + 60.0)
    seen = np.ones(n, dtype=int)
    crossing = proportional((early, seen), (late, seen))
    assert crossing["p"] < 0.001
    assert crossing["early"] > 1.0 > crossing["late"]
    p = [proportional(*arms(seed, ratio=0.6))["p"] for seed in range(30)]
    assert sum(v < 0.05 for v in p) <= 5
    assert np.mean(p) > 0.3


def test_test_of_proportionality_is_near_that_of_lifelines():
    import pandas as pd
    from lifelines.statistics import proportional_hazard_test

    for seed in range(4):
        first, second = arms(seed)
        data = pd.DataFrame(
            {
                "t": np.concatenate([first[0], second[0]]),
                "e": np.concatenate([first[1], second[1]]),
                "arm": [0] * len(first[0]) + [1] * len(second[0]),
            }
        )
        theirs = proportional_hazard_test(lifelines.CoxPHFitter().fit(data, "t", "e"), data, time_transform="rank")
        assert proportional(first, second)["p"] == pytest.approx(float(theirs.p_value[0]), abs=0.1)


def test_arms_that_never_overlap_have_no_ratio_and_warn_of_nothing(recwarn):
    first, second = ((np.array(t), np.ones(4)) for t in ([10.0, 11.0, 12.0, 13.0], [50.0, 60.0, 70.0, 80.0]))
    found = hazard_ratio(first, second)
    assert math.isnan(found.value), "the likelihood has no finite best"
    assert found.logrank == pytest.approx(0.00673, rel=1e-3)
    assert math.isnan(proportional(first, second)["late"])
    assert not recwarn.list


def test_two_patients_on_one_day_have_no_logrank_and_warn_of_nothing(recwarn):
    one = (np.array([56.0]), np.array([1]))
    assert math.isnan(hazard_ratio(one, one).logrank)
    assert not recwarn.list


def test_without_events_there_is_no_ratio_and_a_flat_curve():
    none = (np.array([5.0, 9.0]), np.array([0, 0]))
    some = (np.array([5.0, 9.0]), np.array([1, 0]))
    assert math.isnan(hazard_ratio(none, some).value)
    assert curve_of(*none).at(3.0)[0] == 1.0
    assert curve_of(*none).median()[0] == math.inf


@pytest.mark.parametrize(("times", "events"), [
    ([], []), ([1.0, -2.0], [1, 1]), ([1.0, math.nan], [1, 0]), ([1.0], [1, 0]),
])  # fmt: skip
def test_what_is_no_survival_data_is_refused(times, events):
    with pytest.raises(InputError):
        curve_of(np.array(times), np.array(events))
