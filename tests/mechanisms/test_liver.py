"""Liver: the ALBI formula and its cuts, one session and its recovery, inflammation, rest without treatment."""

import math

import numpy as np
import pytest
from body_model import Body, si

from tme_sim.mechanisms import liver


def after_session(exposed=1.0, **values):
    """A patient right after one session."""
    body = Body(**values)
    burden = liver.session_burden(exposed, *(body.par[body.model.index("parameters", n)]
                                             for n in ("albi_session", "albi_persist")))
    for name, amount in burden.items():
        body.set(name, body[name] + amount)
    return body


@pytest.mark.parametrize(("albumin", "bilirubin", "score"), [(40.0, 10.0, -2.74), (30.0, 100.0, -1.23), (45.0, 1.0,
                                                                                                         -3.825)])
def test_albi_is_the_published_formula(albumin, bilirubin, score):
    body = Body(albumin_base=si(f"{albumin} g/L"), bilirubin_base=si(f"{bilirubin} umol/L"))
    assert body["albi"] == pytest.approx(score, abs=1e-12)
    assert body["albi"] == pytest.approx(0.66 * math.log10(bilirubin) - 0.085 * albumin, abs=1e-12)


@pytest.mark.parametrize(("score", "grade"), [(-3.0, 1), (-2.60, 1), (-2.59, 2), (-1.39, 2), (-1.38, 3), (0.0, 3)])
def test_albi_grades(score, grade):
    assert liver.albi_grade(score) == grade


@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.3, 1.0, 4.0])
def test_albumin_and_bilirubin_carry_exactly_the_shift(shift):
    body = Body()
    start = body["albi_reserve"]
    body.set("albi_permanent", shift)
    assert body["albi_reserve"] - start == pytest.approx(shift, abs=1e-12)
    assert body["albumin"] > 0.0
    if shift > 0.0:
        assert body["albumin"] < si("39.6 g/L") and body["bilirubin"] > si("15 umol/L")


def test_albumin_takes_its_share_of_a_small_shift():
    body = Body()
    body.set("albi_permanent", 1e-3)
    assert 0.085 * (39.6 - body.shown("albumin")) == pytest.approx(0.8e-3, rel=1e-3)


POINTS = [(42, 10, 5), (32, 10, 6), (25, 10, 7), (42, 42, 6), (42, 70, 7), (25, 70, 9)]


@pytest.mark.parametrize(("albumin", "bilirubin", "points"), POINTS)
def test_child_pugh_points_away_from_the_cuts(albumin, bilirubin, points):
    body = Body(albumin_base=si(f"{albumin} g/L"), bilirubin_base=si(f"{bilirubin} umol/L"))
    assert body["child_pugh"] == pytest.approx(points, abs=0.02)


def test_child_pugh_cuts_lie_where_published():
    body = Body(albumin_base=si("35 g/L"), bilirubin_base=si("34 umol/L"))
    assert body["child_pugh"] == pytest.approx(6.0, abs=1e-3)


def test_one_session_comes_back_but_for_its_permanent_part():
    body = after_session()
    start = body["albi_reserve"] - 0.3
    assert body["albi_transient"] == pytest.approx(0.21) and body["albi_permanent"] == pytest.approx(0.09)
    body.run(14.0)
    assert body["albi_reserve"] - start == pytest.approx(0.09 + 0.105, abs=1e-3)  # half of the transient part
    body.run(14.0)
    assert body["albi_reserve"] - start < 0.09 + 0.055
    body.run(28.0)
    assert body["albi_reserve"] - start == pytest.approx(0.09, abs=0.015)
    body.run(300.0)
    assert body["albi_reserve"] - start == pytest.approx(0.09, abs=1e-6)


def test_a_superselective_session_spares_the_liver_and_sessions_add_up():
    assert set(liver.session_burden(0.0, 0.3, 0.3).values()) == {0.0}
    full, half = liver.session_burden(1.0, 0.3, 0.3), liver.session_burden(0.5, 0.3, 0.3)
    for name in full:
        assert half[name] == pytest.approx(full[name] / 2)
    assert full["albi_transient"] + full["albi_permanent"] == pytest.approx(0.3)
    for wrong in ((1.2, 0.3, 0.3), (-0.1, 0.3, 0.3), (1.0, -0.3, 0.3), (1.0, 0.3, 1.3)):
        with pytest.raises(ValueError, match="session_burden"):
            liver.session_burden(*wrong)


def test_grade_migration_of_a_population_is_of_the_published_order():
    """ALBI ~ N(-2.59, 0.62): an unselective session moves about a quarter of patients to a worse grade at once."""
    scores = np.random.default_rng(7).normal(-2.59, 0.62, 20_000)
    grades = np.array([liver.albi_grade(s) for s in scores])
    acute = np.mean([liver.albi_grade(s + 0.3) for s in scores] > grades)
    assert 0.15 < acute < 0.35


def test_interleukin_6_peaks_eightfold_on_day_four():
    body = after_session()
    course = [body.run(0.25)["IL6"] for _ in range(4 * 28)]
    peak = int(np.argmax(course))
    assert (peak + 1) / 4 == pytest.approx(4.0, abs=0.5)
    assert course[peak] == pytest.approx(8.0, abs=0.3)
    assert course[3] > 3.0  # day 1: already up
    assert course[27] > 4.0  # day 7: still up
    assert course[-1] < 1.2  # day 28


def test_neutrophil_to_lymphocyte_ratio_follows_the_cohort():
    body = after_session()
    assert body["NLR"] == pytest.approx(2.4, abs=0.01)
    assert body.run(3.0)["NLR"] == pytest.approx(6.3, abs=0.5)
    assert body.run(27.0)["NLR"] == pytest.approx(2.4, abs=0.3)


def test_inflammation_lowers_albumin_beyond_the_reserve_and_leaves_with_it():
    body = after_session()
    assert body["albumin"] == pytest.approx(body["albumin_reserve"], rel=1e-12)
    body.run(4.0)
    assert body["albumin"] < 0.96 * body["albumin_reserve"]
    assert body["albi"] > body["albi_reserve"] + 0.1
    body.run(60.0)
    assert body["albumin"] == pytest.approx(body["albumin_reserve"], rel=1e-4)


ARROWS = [("injury_on_IL6", "IL6", 1.0), ("IL6_on_neutrophils", "neutrophils", 3100.0),
          ("IL6_on_lymphocytes", "lymphocytes", 1290.0)]


@pytest.mark.parametrize(("arrow", "signal", "cut"), ARROWS)
def test_arrows_can_be_cut(arrow, signal, cut):
    assert abs(after_session().run(4.0)[signal] / cut - 1) > 0.2
    assert after_session(**{f"gain_{arrow}": 0.0}).run(4.0)[signal] == pytest.approx(cut, rel=1e-9)


def test_decompensation_hazard_gives_the_cohort_s_three_year_incidence():
    body = Body()
    seen = []
    for score in (-2.9, -2.1, -1.1):
        body.set("albi_permanent", score + 2.5897797690232505)
        seen.append(1.0 - math.exp(-3 * 365.25 * body["decompensation_hazard"]))
    for share, published in zip(seen, (0.031, 0.226, 0.50), strict=True):
        assert published / 2.2 < share < published * 2.2


def test_rest_without_tumour_is_exact():
    body = Body(present=(0.0, 0.0))
    assert not body.rates().any()
    assert body["tumour_share"] == 0.0


def test_rest_with_a_tumour_that_does_not_grow():
    body = Body()
    change = body.rates()
    scale = body.model.tolerances(1.0) * 1e3
    assert np.abs(change / scale).max() < 1e-9


def test_only_what_follows_the_tumour_drifts():
    body = Body(stub_rate=(0.0043, 0.0043))
    names = body.model.state_names
    moving = {n.split(".")[0] for n, rate in zip(names, body.rates(), strict=True) if abs(rate) > 0.0}
    assert moving <= {"stub_cells", "AFP", "liver_replaced"}
    start = body["albi"]
    body.run(90.0)
    assert 0.0 < body["albi"] - start < 0.02
    assert body["liver_shift"] == pytest.approx(0.5 * (body["liver_replaced"] - 2e10 / 2e5 / 1.5e6), rel=1e-6)
    assert body["NLR"] > 2.4031007751937983
