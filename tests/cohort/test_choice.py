"""Which arm for whom: what strata gain, and a rule that is judged on patients it has not seen."""

from types import SimpleNamespace

import numpy as np
import pytest

from tme_sim.cohort.choice import best_arms, choice_of, chosen, chosen_among


def patients(effect, n=200, seed=3):
    """Months under two arms; `effect(burden, invasion)` is the mean gain of the second."""
    draw = np.random.default_rng(seed)
    burden, invasion = draw.integers(0, 3, n), draw.random(n) < 0.4
    one = 8.0 + draw.normal(size=n)
    two = one + np.array([effect(b, i) for b, i in zip(burden, invasion, strict=True)]) + draw.normal(size=n)
    return one, two, burden, invasion, np.arange(n) % 10


def test_an_effect_that_depends_on_burden_and_invasion_is_found_and_is_worth_choosing_by():
    one, two, burden, invasion, folds = patients(lambda b, i: 4.0 if i or b == 2 else -4.0)
    found = chosen("tace", "haic", one, two, burden, invasion, folds)
    for s in found.strata:
        assert abs(s.gain - (4.0 if s.invasion or s.burden == 2 else -4.0)) < 4 * s.error
    assert found.right > 0.99 and found.worth > 1.0
    assert found.worth == pytest.approx(found.months[2] - max(found.months[:2]))
    assert found.months[3] >= found.months[2]
    assert sum(s.n for s in found.strata) == 200


def test_noise_is_worth_nothing_and_the_rule_is_no_better_than_chance():
    worth, right = [], []
    for seed in range(20):
        one, two, burden, invasion, folds = patients(lambda b, i: 0.0, 100, seed)
        two = two + 3.0 * np.random.default_rng(seed).normal(size=100)
        found = chosen("a", "b", one, two, burden, invasion, folds)
        worth.append(found.worth)
        right.append(found.right)
    assert np.mean(worth) < 0.1 and 0.4 < np.mean(right) < 0.6


def test_of_three_arms_each_group_is_given_its_own_and_two_arms_are_chosen_as_by_the_rule_for_two():
    one, two, burden, invasion, folds = patients(lambda b, i: 4.0 if i else -4.0)
    three = one + np.where(burden == 2, 9.0, -9.0)
    found = chosen_among(("a", "b", "c"), np.array([one, two, three]), burden, invasion, folds)
    assert all(g.best == (2 if g.burden == 2 else int(g.invasion)) for g in found.groups)
    assert found.right > 0.99 and found.worth == pytest.approx(found.ruled - max(found.months))
    assert found.known >= found.ruled > max(found.months) and sum(found.given) == pytest.approx(1.0)
    pair = chosen("a", "b", one, two, burden, invasion, folds)
    same = chosen_among(("a", "b"), np.array([one, two]), burden, invasion, folds)
    assert (same.worth, same.right, same.clear) == pytest.approx((pair.worth, pair.right, pair.clear))
    assert [g.gains[1] for g in same.groups] == pytest.approx([s.gain for s in pair.strata])


def result_of(n=60):
    one, two, _, invasion, _ = patients(lambda b, i: 3.0 if i else -3.0, n)
    burden = np.random.default_rng(1).uniform(3, 15, n)
    arms = [SimpleNamespace(name="tace", title="TACE"), SimpleNamespace(name="haic", title="HAIC (FOLFOX)")]
    months = {"tace": one, "haic": two}
    return SimpleNamespace(
        trial=SimpleNamespace(arms=arms, title="TACE or HAIC", name="toy", repeats=1), arms=["tace", "haic"],
        follow_up=np.full(n, np.inf), failures=[], rows={"tace": [{"patient": i} for i in range(n)]},
        values=[{"burden": b, "portal_invasion": i} for b, i in zip(burden, invasion, strict=True)],
        since_entry=lambda arm, name: months[arm] * 30.4375)  # fmt: skip


def test_the_figure_tells_strata_and_what_the_choice_is_worth(tmp_path):
    from tme_sim.plots.choice import choice_figure

    figure = choice_figure(result_of())
    left, right = figure.axes
    assert [t.get_text() for t in left.get_xticklabels()] == ["below 7", "7 to 11", "from 11"]
    assert right.get_title(loc="left").startswith("Choosing: +")
    figure.savefig(tmp_path / "choice.png")
    assert choice_figure(result_of(20)) is None  # too few to say anything
    assert choice_of(result_of(20), "tace", "haic") is None


def test_the_figure_of_three_arms_has_a_row_for_each_group_and_a_bar_for_each_arm():
    from tme_sim.plots.choice import choice_figure

    result = result_of()
    assert best_arms(result) is None  # two arms
    result.arms.append("third")
    result.trial.arms.append(SimpleNamespace(name="third", title="third arm"))
    two_arms = result.since_entry
    result.since_entry = lambda arm, name: two_arms("tace", name) + 30.0 if arm == "third" else two_arms(arm, name)
    left, right = choice_figure(result).axes
    groups = best_arms(result).groups
    assert [t.get_text() for t in left.get_yticklabels()][0] == f"below 7  n = {groups[0].n}"
    assert len(left.containers) == 2 * len(groups) and len(right.patches) == 5
    assert best_arms(result_of(20)) is None


def test_a_group_of_few_patients_is_hollow_and_has_no_error():
    from tme_sim.plots.choice import choice_figure

    result = result_of()
    for i, value in enumerate(result.values):
        value["portal_invasion"] = i == 0
    left = choice_figure(result).axes[0]
    points = [c for c in left.containers if c.lines[0].get_markerfacecolor() == "white"]
    assert len(points) == 1 and not points[0].has_yerr and all(c.has_yerr for c in left.containers if c not in points)


@pytest.mark.parametrize("name", ["tace_or_haic", "conversion_by_order"])
def test_the_shipped_experiments_load_and_look_at_their_arms_alike(name):
    from pathlib import Path

    from tme_sim.cohort import load_trial
    from tme_sim.observe import visit_ticks
    from tme_sim.plan import plan_of

    trial = load_trial(Path(__file__).parents[2] / "experiments" / name / "trial.toml", n=1)
    assert len(trial.arms) == (2 if name == "tace_or_haic" else 6)
    ticks = [visit_ticks(plan_of(arm.scenario)).tolist() for arm in trial.arms]
    assert all(t == ticks[0] for t in ticks)
