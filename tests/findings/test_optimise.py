"""The optimiser on a bowl of known best point: constraints, robust aims, runner-up, failed runs, patients that judge."""

from dataclasses import dataclass

import numpy as np
import pytest

from tme_sim.diagnostics import InputError
from tme_sim.findings.optimise import Constraint, aimed, apart, optimise, worth


@dataclass(frozen=True)
class Days:
    name: str
    low: float = -28.0
    high: float = 84.0

    def at(self, u):
        return float(round(self.low + u * (self.high - self.low)))


@dataclass(frozen=True)
class Choice:
    name: str
    of: tuple = ("none", "hold")

    def at(self, u):
        return self.of[min(int(u * 2), 1)]


SEARCH, FRESH = np.linspace(-4, 4, 8), np.linspace(-3, 5, 6)


def bowl(tried=None, fail=lambda c: False):
    """Patients whose best first day is 14 plus what they are; "hold" costs 1; liver falls with an early start."""

    def evaluate(candidates, which):
        out = []
        for day, hold in candidates:
            if tried is not None:
                tried.append((day, hold, which))
            who = SEARCH if which == "search" else FRESH
            value = 100.0 - 0.1 * (day - 14.0 - who) ** 2 - (hold == "hold")
            out.append({"survival": np.where(fail((day, hold)), np.nan, value), "albi": np.full(who.size, -0.02 * day)})
        return out

    return evaluate


def found(**more):
    return optimise((Days("start"), Choice("hold")), more.pop("evaluate", bowl()), "survival", 1, **more)


def test_the_best_of_a_bowl_is_found_and_the_runner_up_is_another_protocol():
    one = found(budget=150)
    assert one.best.values == (14.0, "none")
    assert one.runner_up.values[1] == "hold" or abs(one.runner_up.values[0] - 14.0) >= 11.2
    assert one.tried <= 150
    assert len(one.fresh_best) == FRESH.size


def test_the_gap_is_the_paired_difference_in_patients_that_did_not_choose():
    one = found(budget=150)
    assert one.gap.members == FRESH.size
    assert one.gap.mean == pytest.approx(np.mean(one.fresh_best - one.fresh_runner_up))
    if one.runner_up.values == (14.0, "hold"):
        assert (one.gap.low, one.gap.high) == pytest.approx((1.0, 1.0))


def test_no_protocol_is_run_twice_and_the_budget_is_kept():
    tried = []
    found(evaluate=bowl(tried), budget=40)
    search = [t[:2] for t in tried if t[2] == "search"]
    assert len(search) == len(set(search)) <= 40


def test_the_same_seed_gives_the_same_search():
    first, second = [], []
    found(evaluate=bowl(first), budget=60, seed=3)
    found(evaluate=bowl(second), budget=60, seed=3)
    assert first == second


def test_a_constraint_moves_the_best_to_its_edge():
    one = found(constraints=(Constraint("albi", -0.8),), budget=150)  # albi at most -0.8: day 40 or later
    assert one.best.values == (40.0, "none")


def test_a_constraint_that_only_the_patients_that_chose_keep_is_told():
    def evaluate(candidates, which):
        """The others have twice the toxicity."""
        day = np.array([c[0] for c in candidates])
        return [{"outcome": np.array([abs(d - 50.0)] * 2), "toxicity": np.array([d] * 2) * (2 if which == "fresh" else 1)}
                for d in day]  # fmt: skip

    limit = Constraint("toxicity", 60.0)
    best = optimise([Days("d")], evaluate, "outcome", -1, constraints=[limit], budget=40)
    assert best.best.allowed and best.best.values[0] == pytest.approx(50.0, abs=3.0)
    assert best.broken[0] == (limit,)
    assert optimise([Days("d")], evaluate, "outcome", -1, constraints=[Constraint("toxicity", 500.0)], budget=40).broken[0] == ()


def test_constraints_that_nothing_keeps_are_told_with_the_nearest():
    with pytest.raises(InputError, match="keeps every constraint"):
        found(constraints=(Constraint("albi", -5.0),), budget=40)


def test_a_share_of_patients_may_break_a_constraint():
    values = np.array([1.0, 2.0, 3.0, 9.0])
    assert Constraint("x", 3.0, allowed=0.0).excess(values) == 6.0
    assert Constraint("x", 3.0, allowed=0.25).excess(values) == 0.0
    assert Constraint("x", 3.0, at_least=True, allowed=0.0).excess(values) == 2.0


def test_a_protocol_with_a_failed_run_is_not_chosen_and_counted():
    one = found(evaluate=bowl(fail=lambda c: c == (14.0, "none")), budget=150)
    assert one.best.values in ((13.0, "none"), (15.0, "none"))
    assert one.failed == SEARCH.size


def test_aims_differ_as_they_should():
    outcomes, reference = np.array([10.0, 8.0, 0.0]), np.array([10.0, 12.0, 3.0])
    assert worth(outcomes, 1, "mean") == pytest.approx(6.0)
    assert worth(outcomes, 1, "worst decile") == pytest.approx(0.0)
    assert worth(outcomes, 1, "regret", reference) == pytest.approx(-(0 + 4 + 3) / 3)
    assert worth(outcomes, -1, "worst decile") == pytest.approx(-10.0)
    assert aimed(-10.0, -1, "worst decile") == 10.0 and aimed(-3.0, 1, "regret") == aimed(-3.0, -1, "regret") == 3.0
    with pytest.raises(InputError, match="is not one of"):
        found(aim="best", budget=20)


def test_protocols_are_apart_by_a_tenth_of_a_range_or_another_choice():
    assert not apart(Days("d"), 14.0, 24.0)
    assert apart(Days("d"), 14.0, 26.0)
    assert apart(Choice("c"), "none", "hold")
