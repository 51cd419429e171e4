"""One embolisation session: what it occludes, loads, injures, and when flow returns."""

import pytest

from tme_sim.quantities import internal
from tme_sim.therapies.session import RABBIT, TECHNIQUES, Session, body_changes, lesion_changes, occlusion

VALUES = {"core_share": 0.6, "k_depot_fast": 5.5, "k_depot_slow": 0.068, "albi_session": 0.3, "albi_persist": 0.3}


def changes(session, when=0.0):
    return {row.target: row for delay, rows in lesion_changes(session, VALUES.__getitem__) if delay == when for row in rows}


def closed(session, core_share):
    return occlusion(session, core_share, session.depth)


@pytest.mark.parametrize(("end_point", "lost"), [("stasis", 0.88), ("short of stasis", 0.61)])
def test_vessels_lost_are_those_observed(end_point, lost):
    """88 and 61 % of perfusion of HCC (PMC9028792, PMC2885358)."""
    core, rim = closed(Session(end_point=end_point), 0.6)
    assert 0.6 * core + 0.4 * rim == pytest.approx(lost)
    assert core > rim


def test_rabbits_lose_fewer_vessels_and_can_be_chosen():
    """The rival: 56 and 37 % of perfused microvessels (rabbit VX2, PMC4698187)."""
    assert [p.value for p in RABBIT.values()] == [0.56, 0.37]
    core, rim = closed(Session(lost=RABBIT["stasis"].value), 0.6)
    assert 0.6 * core + 0.4 * rim == pytest.approx(0.56) and core < 1.0


def test_a_full_core_passes_the_rest_to_the_rim():
    core, rim = closed(Session(lost=0.95), 0.6)
    assert core == 1.0 and 0.6 + 0.4 * rim == pytest.approx(0.95)


def test_a_lesion_whose_vessels_are_all_core_can_be_treated():
    core, rim = closed(Session(), 1.0)
    assert core == pytest.approx(0.88) and 0.0 < rim < core


def test_lobar_occludes_less_and_harms_the_liver_more():
    assert closed(Session(selectivity="lobar"), 0.6)[0] < closed(Session(), 0.6)[0]
    albi = lambda s: sum(r.constant for r in body_changes(s, VALUES.__getitem__) if r.target.startswith("albi"))  # noqa: E731
    assert albi(Session(selectivity="lobar")) == pytest.approx(0.3)
    assert albi(Session(selectivity="superselective")) == 0.0


def test_second_session_occludes_what_was_open():
    row = changes(Session(end_point="short of stasis"))["occluded_core"]
    once = row.constant
    twice = once + row.coefficient * once + row.constant
    assert once < twice < 1.0


def test_gelatin_holds_for_its_lag_and_beads_stay():
    assert changes(Session("conventional"))["recanalisation_rate"].constant == 0.0
    assert changes(Session("conventional"), when=3.0)["recanalisation_rate"].constant == pytest.approx(0.12)
    assert changes(Session("beads"))["recanalisation_rate"].constant == pytest.approx(0.005)


def test_beads_keep_up_five_micromolar_per_mean_dose():
    row = changes(Session("beads", dose=112.0))["depot_slow"]
    assert row.constant == pytest.approx(internal("5 umol/L"))


def test_bland_embolisation_carries_no_drug():
    assert "depot_slow" not in changes(Session("bland"))
    assert not TECHNIQUES["bland"].carries_drug
