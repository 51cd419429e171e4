"""Child-Pugh points, and the rival in which ascites and prothrombin time make some."""

import pytest

from tme_sim import Scenario, simulate
from tme_sim.mechanisms.child_pugh import SIGNS, inr_of_reserve, points_of_inr

TEXT = """
[[patient.lesion]]
diameter = "40 mm"
[[protocol.treatment]]
kind = "tace"
start = "day 1"
selectivity = "lobar"
[biology.hypotheses]
"liver.points" = "{}"
[run]
duration = "30 day"
"""


def course(choice, *changes):
    """Child-Pugh points on days 0 to 30 around a lobar session on day 1."""
    return simulate(Scenario.from_text(TEXT.format(choice), changes=changes))["child_pugh"]


def test_with_reserve_to_spare_both_accounts_give_the_same_points():
    assert course("signs") == pytest.approx(course("default"), abs=1e-6)


def test_a_session_brings_ascites_to_those_near_it_and_recovery_takes_it_away():
    plain, near = course("default"), course("signs", "parameters.ascites_albi=-2.45")
    assert near[0] - plain[0] < 0.05  # ALBI -2.59 at entry
    assert (near - plain)[2] > 0.9  # a shift of 0.26 the day after the session
    assert 0.05 < (near - plain)[-1] < 0.95 * (near - plain)[2]


def test_inr_makes_points_at_its_cuts():
    cuts = {p.name: p.value for p in SIGNS.adds.parameters if p.name.startswith("cp_inr")}
    assert points_of_inr(1.1, **cuts) == pytest.approx(0.0, abs=1e-6)
    assert points_of_inr(2.0, **cuts) == pytest.approx(1.0, abs=1e-3) and points_of_inr(3.0, **cuts) == pytest.approx(2.0, abs=1e-6)
    assert inr_of_reserve(1.1, 0.3, 0.0) == 1.1 and inr_of_reserve(1.1, 0.3, 1.0) == pytest.approx(1.485, abs=1e-3)
