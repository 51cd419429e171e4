"""What overrides of a study mean, and that the short way to a plan ends where the long way does."""

from dataclasses import fields

import pytest

from tme_sim.plan import plan_of
from tme_sim.scenario import Scenario
from tme_sim.study.definition import Outputs
from tme_sim.study.meaning import meaning_of
from tme_sim.study.runner import Runner

SAID = [("parameters.reach", 0.7), ("parameters.lenvatinib.signalling_ic50", "3 nM"), ("parameters.k_T_exh", "0.2 1/day")]


@pytest.fixture(scope="module")
def base():
    return Scenario.load("configs/tace_only.toml", {
        "protocol.treatment": [
            {"kind": "tace", "name": "tace", "start": "day 0", "drug_load": "50 mg"},
            {"kind": "drug", "drug": "lenvatinib", "dose": "12 mg", "start": "day 3", "every": "1 day", "times": 9}]})


@pytest.mark.parametrize(("key", "value"), SAID)
def test_a_value_that_no_date_depends_on_is_put_in_without_dating_again(base, key, value):
    assert meaning_of(base, key) is not None
    short, long = Runner({"a": base}, Outputs()).plan("a", {key: value}), plan_of(base.changed({key: value}))
    for one in fields(short):
        if one.name not in ("entries", "calendar", "drugs", "imaging"):
            assert getattr(short, one.name) == getattr(long, one.name), one.name


def test_plans_whose_session_is_the_same_share_it_so_that_their_calendars_are_shared(base):
    runner = Runner({"a": base}, Outputs())
    one, other = (runner.plan("a", {"parameters.k_T_exh": f"0.{n} 1/day"}) for n in (1, 2))
    assert one.session is other.session
    assert runner.plan("a", {"parameters.reach": 0.7}).session == {"reach": 0.7}
