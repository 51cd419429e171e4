"""What a session reaches, drawn: shares of the three kinds, size, technique, repeatability, and that the default has none."""

import numpy as np
import pytest

from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import compose
from tme_sim.therapies import reach
from tme_sim.therapies.session import LOST_STASIS, Session

VALUES = {p.name: p.internal for p in reach.PARAMETERS} | {"core_share": 0.6}
PATIENTS = 1500


def closed(session=None, diameter=20.0, patients=PATIENTS, tick=0):
    """Shares closed of core and rim and reached by drug, one row a patient."""
    one = session or Session()
    return np.array([closed_in(one, diameter, reach.draws(1, p, 1, tick)) for p in range(patients)])


def closed_in(session, diameter, drawn, arterial=1.0, depth=None):
    """Shares closed in one lesion, which a session enters as deep as its selectivity says."""
    depth = session.depth if depth is None else depth
    return reach.closed_by(session, diameter, VALUES.__getitem__, *drawn, arterial, depth)


def vessels(shares):
    return 0.6 * shares[:, 0] + 0.4 * shares[:, 1]


def whole(shares):
    return (shares[:, 1] == 1.0).mean()


def test_small_nodules_die_whole_as_often_as_a_margin_was_stained_and_lose_the_usual_share_on_average():
    shares = closed(diameter=10.0)
    assert whole(shares) == pytest.approx(62 / 109, abs=0.04)
    assert (shares[:, 2] < 1.0).mean() == pytest.approx(17 / 109, abs=0.03)
    lost = vessels(shares)
    assert lost.mean() == pytest.approx(LOST_STASIS.value, abs=0.02)  # the mean of the default, with
    assert lost.std() > 0.15  # a spread that it does not have
    assert np.all((shares >= 0.0) & (shares <= 1.0))


def test_the_larger_the_lesion_the_fewer_die_whole_and_the_more_is_fed_from_outside():
    small, middle, large = (closed(diameter=d, patients=600) for d in (20.0, 40.0, 90.0))
    assert whole(small) > whole(middle) > whole(large) and whole(large) < 0.2
    assert vessels(large).mean() < vessels(small).mean() - 0.05
    assert vessels(large).std() < vessels(small).std()  # many branches: neither all nor nothing


def test_lobar_sessions_beads_and_those_short_of_stasis_close_fewer_margins():
    usual = whole(closed(patients=600))
    assert whole(closed(Session(selectivity="lobar"), patients=600)) == pytest.approx(0.55 * usual, abs=0.05)
    assert whole(closed(Session("beads"), patients=600)) < 0.6 * usual
    assert whole(closed(Session(end_point="short of stasis"), patients=600)) == 0.0


def test_portal_blood_is_closed_with_the_margin_alone():
    lesion = [closed_in(Session(), 10.0, reach.draws(1, p, 1, 0), 0.7) for p in range(300)]
    usual = closed(diameter=10.0, patients=300)
    lesion = np.array(lesion)
    assert np.all(lesion[usual[:, 1] == 1.0] == 1.0)
    others = usual[:, 1] < 1.0
    assert np.all(lesion <= usual) and np.all(lesion >= 0.7 * usual - 1e-12)
    assert lesion[others].mean() == pytest.approx(0.7 * usual[others].mean(), rel=0.05)  # few have a branch of each kind


def test_by_size_small_lesions_are_entered_further_and_what_a_protocol_says_plainly_is_followed():
    values = VALUES | {p.name: p.internal for p in reach.BY_SIZE}
    segmental = Session(selectivity="segmental")
    depths = [reach.depth_at(segmental, d, values.__getitem__) for d in (20.0, 50.0, 100.0)]
    assert depths[0] > 0.95 and depths[1] == 0.5 and depths[2] < 0.01
    assert [reach.depth_at(Session(selectivity=s), 100.0, values.__getitem__) for s in ("lobar", "superselective")] == [0, 1]

    def share_whole(depth):
        drawn = (reach.draws(1, p, 1, 0) for p in range(PATIENTS))
        return whole(np.array([closed_in(segmental, 10.0, d, depth=depth) for d in drawn]))

    assert share_whole(1.0) == pytest.approx(62 / 109, abs=0.04)
    assert share_whole(0.0) == pytest.approx(0.55 * 62 / 109, abs=0.04)
    assert share_whole(None) == share_whole(0.5)


def test_draws_come_from_seed_patient_lesion_and_date_alone():
    anatomy, chance = reach.draws(1, 4, 2, -30)
    again, same = reach.draws(1, 4, 2, -30)
    assert [anatomy(1), chance(1)] == [again(1), same(1)]
    others = [reach.draws(*k)[1](1) for k in ((2, 4, 2, -30), (1, 5, 2, -30), (1, 4, 1, -30), (1, 4, 2, 0))]
    assert len({chance(1), *others}) == 5
    assert reach.draws(1, 4, 2, 999)[0](1) == anatomy(1)  # anatomy is the lesion's, whatever the date


def test_the_default_knows_nothing_of_it():
    plain = compose(all_mechanisms())
    chosen = compose(all_mechanisms(), hypotheses={reach.SLOT: "drawn"})
    names = {p.name for p in chosen.parameters()} - {p.name for p in plain.parameters()}
    assert names == {p.name for p in reach.PARAMETERS}
    assert [p.law for p in plain.processes] == [p.law for p in chosen.processes]


@pytest.mark.slow  # compiles a model
def test_a_run_takes_the_draw_of_its_patient_unless_the_session_says_what_is_lost():
    from tests.evidence.world import One, _set_up, plan, tace

    def closing(number, **changes):
        made = _set_up()(plan(One({}, {"diameter": 20.0}, [tace(**changes)], number), 1.0, {reach.SLOT: "drawn"}))
        at = made.model.index("states", "occluded_rim")
        _, places, values = made.jumps.arrays()
        return {float(v[1]) for place, v in zip(places, values, strict=True) if place[0] == at}

    expected = [closed_in(Session(), 20.0, reach.draws(1, n, 1, 0))[1] for n in range(4)]
    assert [closing(n) for n in range(4)] == [{e} for e in expected]
    assert closing(0, lost=0.5) == closing(1, lost=0.5)
