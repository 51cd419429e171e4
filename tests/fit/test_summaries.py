"""Endpoints of predicted trials against oracles, and what their intervals contain."""

import numpy as np
import pytest

from tme_sim.fit.summaries import (
    Table,
    between_share,
    hazard_ratio,
    kept_probability,
    median_time,
    replicates,
    share_free,
    spans,
)
from tme_sim.priors import generator


def survival(n=300, seed=1, rate=0.1):
    rng = generator(seed)
    time, censor = rng.exponential(1 / rate, n).round(1), rng.exponential(15.0, n).round(1)
    return np.minimum(time, censor), time <= censor


def test_curve_and_median_equal_lifelines():
    import lifelines

    time, event = survival()
    oracle = lifelines.KaplanMeierFitter().fit(time, event)
    assert median_time(time, event) == pytest.approx(oracle.median_survival_time_)
    for at in (0.0, 3.0, 7.25, 20.0):
        assert share_free(time, event, at) == pytest.approx(float(oracle.predict(at)), abs=1e-12)
    assert median_time(time, np.zeros_like(event)) == np.inf


def test_hazard_ratio_equals_an_oracle():
    import lifelines
    import pandas as pd

    a, b = survival(200, 2, 0.1), survival(200, 3, 0.06)
    time, event = (np.concatenate(v) + c for v, c in zip(zip(a, b, strict=True), (np.arange(400) * 1e-6, 0), strict=True))
    group = np.repeat([0, 1], 200)
    data = pd.DataFrame({"t": time, "e": event.astype(int), "g": group})
    oracle = lifelines.CoxPHFitter().fit(data, "t", "e").hazard_ratios_["g"]
    assert hazard_ratio(time, event.astype(bool), group) == pytest.approx(oracle, rel=1e-4)
    assert np.isnan(hazard_ratio(time, np.zeros(400, bool), group))


def table(between, members=12, per=8, seed=0, n_tace=1.0):
    rng, rows, names = generator(seed), [], []
    for m in range(members):
        shift = between * rng.standard_normal()
        for _ in range(per):
            days = float(np.exp(5.5 + shift + 0.6 * rng.standard_normal()))
            rows.append({"summary": {"pfs": days, "pfs_event": 1, "ttp": days, "ttp_event": 1, "os": 2 * days,
                                     "os_event": 1, "orr_recist11": float(rng.random() < 0.3), "cr_recist11": 0.0,
                                     "first_pd": "death", "n_tace": n_tace}})  # fmt: skip
            names.append(m)
    return Table(rows, names, "recist11")


def test_variance_between_members_is_found():
    rng = generator(9)
    member = np.repeat(np.arange(400), 5)
    values = rng.standard_normal(400)[member] * 0.7 + rng.standard_normal(2000)
    assert between_share(values, member) == pytest.approx(0.49 / 1.49, abs=0.06)
    assert between_share(rng.standard_normal(2000), member) < 0.04
    keep, share = kept_probability([table(0.0)])
    assert share == pytest.approx(0.05, abs=0.1) and 0 < keep < 1


def test_intervals_hold_parameters_and_sampling():
    """Parameters that matter widen the interval of a median; more patients narrow it only down to that."""

    def width(between, n):
        one = table(between, members=16)
        found, _ = replicates({"a": one}, {"a": n}, n=120, seed=1)
        low, high = spans([one.endpoints(r["a"])["pfs_median"] for r in found])["ci80"]
        return np.log(high / low)

    assert width(0.0, 30) > 1.3 * width(0.0, 2000)
    assert width(0.8, 2000) > 2.0 * width(0.0, 2000)


def test_members_differ_as_much_as_they_do_and_no_more():
    """With many members of few patients, the spread of member means in replicates is that of the true means."""
    one = table(0.5, members=150, per=4, seed=3)
    found, _ = replicates({"a": one}, {"a": 2000}, n=200, seed=2)
    spread = np.std([np.log(one.time["pfs"][r["a"]]).mean() for r in found])
    assert 0.36 < spread < 0.62


def test_what_is_not_reached_is_null_and_failures_are_left_out():
    assert spans([1.0, 2.0, np.inf, np.inf, np.inf])["median"] is None
    assert spans([np.nan])["ci90"] == [None, None]
    assert spans(np.arange(101.0))["ci80"] == [10.0, 90.0]
    rows = [{"summary": {}}, {"summary": {"pfs": 1.0, "pfs_event": 1, "ttp": 1.0, "ttp_event": 1, "os": 2.0,
             "os_event": 0, "orr_mrecist": 1.0, "cr_mrecist": 0.0, "first_pd": "death", "n_tace": 2.0}}]  # fmt: skip
    one = Table(rows, [0, 1], "mrecist")
    assert (len(one), one.failed) == (1, 1)
    assert one.endpoints(np.array([0]))["first_pd_death"] == 1.0


def test_paired_arms_see_the_same_patients():
    one = table(0.3)
    found, _ = replicates({"a": one, "b": one}, {"a": 50, "b": 50}, n=5, seed=1, paired=True)
    assert all((r["a"] == r["b"]).all() for r in found)
