"""Verdicts of hypothesis cards, knock-outs and paired differences on tables with known answers."""

import numpy as np
import pytest

from tme_sim.diagnostics import InputError
from tme_sim.findings.cards import Card, Prediction, judge, overall, verdict_of
from tme_sim.findings.knockouts import knockouts_of
from tme_sim.findings.paired import difference

PATIENTS = 12


def table(arms, **more):
    """Burden per arm as factors on a patient's own size."""
    size = np.linspace(10.0, 300.0, PATIENTS)
    wobble = 0.01 * np.cos(np.arange(PATIENTS))
    return {
        "arm": np.repeat(list(arms), PATIENTS).astype(object),
        "replicate": np.tile(np.arange(PATIENTS), len(arms)),
        "status": np.full(PATIENTS * len(arms), "ok"),
        "burden_d180": np.concatenate([size * (factor + wobble * (factor != 1.0)) for factor in arms.values()]),
        **more,
    }


def card(**prediction):
    one = Prediction(text="t", outcome="burden_d180", **prediction)
    return Card("c", "claim", None, (), "", (one,), (), None, "")


FOUR = {"neither": 1.0, "A": 0.9, "B": 0.8, "both": 0.5}


def test_effects_are_relative_so_that_large_tumours_do_not_decide():
    (one,), _ = judge(card(arm="B", than="neither", by=0.1), table(FOUR))
    assert one.relative
    assert one.told(one.effect.mean) == pytest.approx(0.2, abs=0.01)
    assert one.verdict == "holds"


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_half_as_much_weighs_what_twice_as_much_does(better):
    """Six patients with half as much and six with twice as much: neither arm is better, whichever is named first."""
    data = table({"neither": 1.0, "A": 1.0})
    data["burden_d180"][PATIENTS:] *= np.where(np.arange(PATIENTS) % 2, 2.0, 0.5)
    (one,), _ = judge(card(arm="A", than="neither", better=better), data)
    (other,), _ = judge(card(arm="neither", than="A", better=better), data)
    assert one.effect.mean == pytest.approx(0.0, abs=1e-12)
    assert one.effect.high == pytest.approx(-one.effect.low) == pytest.approx(other.effect.high)
    share = {"lower": -1.0, "higher": 1.0}[better]
    assert one.told(np.log(2.0)) == pytest.approx(0.5 if better == "lower" else 1.0)
    assert sorted(map(one.told, one.effects)) == pytest.approx(sorted([share] * 6 + [-share / 2] * 6))


@pytest.mark.parametrize(("better", "factor"), [("lower", 0.8), ("higher", 1.2)])
def test_at_least_a_fifth_is_a_fifth_of_the_other_arm(better, factor):
    for near, verdict in ((0.999, "fails"), (1.001, "holds")):
        data = table({"neither": 1.0, "A": 1.0})
        data["burden_d180"][PATIENTS:] *= 1.0 + near * (factor - 1.0)
        (one,), _ = judge(card(arm="A", than="neither", by=0.2, better=better), data)
        assert one.verdict == verdict
        assert one.told(one.threshold) == pytest.approx(0.2)


@pytest.mark.parametrize(("by", "verdict"), [(0.1, "holds"), (0.2, "undecided"), (0.3, "fails")])
def test_a_prediction_holds_fails_or_is_undecided_by_its_whole_interval(by, verdict):
    (one,), _ = judge(card(arm="B", than="neither", by=by), table(FOUR))
    assert one.verdict == verdict


def test_what_is_worse_fails_though_it_differs():
    (one,), _ = judge(card(arm="neither", than="B"), table(FOUR))
    assert one.verdict == "fails"
    assert one.effect.high < 0


def test_more_than_both_effects_multiplied():
    (one,), _ = judge(card(arm="both", beyond=("A", "B", "neither")), table(FOUR))
    assert one.told(one.effect.mean) == pytest.approx(1 - 0.5 / 0.72, abs=0.02)
    assert one.verdict == "holds"
    (one,), _ = judge(card(arm="both", beyond=("A", "B", "neither")), table(FOUR | {"both": 0.72}))
    assert one.verdict == "undecided"


def test_endpoints_that_reach_zero_are_compared_by_difference():
    data = table(FOUR)
    data["burden_d180"] = data["burden_d180"] - 10.0
    (one,), _ = judge(card(arm="B", than="neither", by=0.1), data)
    assert not one.relative
    assert one.effect.mean == pytest.approx(0.2 * 155.0, rel=0.02)
    assert one.told(one.effect.mean) == one.effect.mean


def test_each_of_several_arms_is_compared_and_the_card_is_supported_in_part():
    judged, _ = judge(card(arm="B", than=("neither", "both")), table(FOUR))
    assert [one.verdict for one in judged] == ["holds", "fails"]
    assert overall(judged) == "supported in part"
    assert overall(judged[:1]) == "supported"
    assert overall(judged[1:]) == "refuted"


def test_patients_with_a_failed_run_are_left_out_and_counted():
    data = table(FOUR)
    data["status"] = np.where(np.arange(48) == 12, "failed", "ok")
    (one,), missing = judge(card(arm="B", than="neither"), data)
    assert one.effect.members == PATIENTS - 1
    assert missing.failed == 1


def test_an_interval_of_student():
    found = difference(np.array([1.0, 2.0, 3.0]), np.zeros(3))
    assert found.mean == 2.0
    assert found.high - found.low == pytest.approx(2 * 4.30265273 / np.sqrt(3))
    assert verdict_of(difference(np.array([np.nan]), np.zeros(1)), 0.0) == "undecided"


def arrows():
    """Cutting "a" takes away three quarters of the gap between two arms, cutting "b" nothing, cutting "c" turns it."""
    rows = []
    for arrow, gap in (("none", 4.0), ("a", 1.0), ("b", 4.0), ("c", -2.0)):
        for arm, part in (("early", 0.0), ("late", 1.0)):
            rows += [(arrow, arm, m, 10.0 + m + part * gap * (1 + 0.1 * m)) for m in range(5)]
    names = ("arrow", "arm", "replicate", "burden_d365")
    return {n: np.array(c, dtype=object if k < 2 else None) for k, (n, c) in enumerate(zip(names, zip(*rows, strict=True),
                                                                                           strict=True))}  # fmt: skip


def test_an_arrow_carries_what_is_gone_with_it():
    found = knockouts_of(arrows(), "burden_d365")
    assert (found.whole.best, found.whole.worst) == ("early", "late")
    carried = {one.arrow: one.carried.median for one in found.cut}
    assert carried == pytest.approx({"a": 0.75, "b": 0.0, "c": 1.5})
    assert [one.arrow for one in found.cut] == ["c", "a", "b"]
    assert {one.arrow: one.best for one in found.cut} == {"a": "early", "b": "early", "c": "late"}


def test_an_arrow_that_carries_many_times_the_gap_leaves_the_others_to_be_seen():
    from tme_sim.findings.draw import knockouts_figure

    data = arrows()
    wide = (data["arrow"] == "b") & (data["arm"] == "late")
    axes = knockouts_figure(knockouts_of(data | {"burden_d365": data["burden_d365"] + 200.0 * wide}, "burden_d365"), {},
                            title="t", subtitle="s", label="l").axes[0]  # fmt: skip
    assert axes.get_xlim()[0] == -150.0
    assert len(axes.texts) == 1 and axes.texts[0].get_text().endswith(" %")
    whole = knockouts_figure(knockouts_of(arrows(), "burden_d365"), {}, title="t", subtitle="s", label="l").axes[0]
    assert whole.get_xlim()[0] == 0.0 and not whole.texts


def test_an_arrow_that_few_patients_can_be_without_is_told_and_the_others_stay():
    data = arrows()
    lost = (data["arrow"] == "a") & (data["replicate"].astype(int) < 2)
    found = knockouts_of(data | {"burden_d365": np.where(lost, np.nan, data["burden_d365"])}, "burden_d365")
    assert found.impossible == ("a",)
    assert [one.arrow for one in found.cut] == ["c", "b"]
    assert found.missing.failed == 4
    lost = (data["arrow"] == "none") & (data["replicate"].astype(int) < 2)
    with pytest.raises(InputError, match="too few"):
        knockouts_of(data | {"burden_d365": np.where(lost, np.nan, data["burden_d365"])}, "burden_d365")


def test_knock_outs_need_the_whole_network_and_arms_that_differ():
    data = arrows()
    cut = {k: v[data["arrow"] != "none"] for k, v in data.items()}
    with pytest.raises(InputError, match="whole network"):
        knockouts_of(cut, "burden_d365")
    with pytest.raises(InputError, match="do not differ"):
        knockouts_of(data | {"burden_d365": np.ones(40)}, "burden_d365")
