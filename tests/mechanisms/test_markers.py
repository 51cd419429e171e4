"""Alpha-fetoprotein: rest, half-life, growth with the tumour, non-secretors."""

import math

import pytest
from body_model import Body, si

from tme_sim.mechanisms import markers


def test_background_alone_in_a_body_without_tumour():
    body = Body(present=(0.0, 0.0))
    assert body.shown("AFP") == pytest.approx(4.0)
    assert body.run(50.0).shown("AFP") == pytest.approx(4.0)


def test_steady_level_is_secretion_over_loss():
    body = Body(stub_start=(1e10, 0.0))
    assert body.shown("AFP") == pytest.approx(4.0 + 1e-5 * 1e10 / 4000.0 / 0.1386, rel=1e-9)
    assert body.run(30.0)["AFP_relative"] == pytest.approx(1.0, rel=1e-8)


def test_half_life_after_all_tumour_is_gone():
    body = Body(afp_background=0.0)
    start = body["AFP"]
    for lesion in (0, 1):
        body.set("stub_cells", 0.0, lesion)
    assert body.run(5.0)["AFP"] / start == pytest.approx(0.5, rel=1e-3)
    assert body.run(15.0)["AFP_relative"] == pytest.approx(1 / 16, rel=2e-3)


def test_a_rest_of_tumour_slows_the_fall():
    body = Body(afp_background=0.0)
    body.set("stub_cells", 0.0, 0)
    seen = body.run(5.0)["AFP_relative"]
    assert seen == pytest.approx(0.75, rel=1e-3)
    assert -5.0 * math.log(2.0) / math.log(seen) > 7.0


def test_untreated_level_grows_with_each_lesion_at_its_own_rate():
    body = Body(stub_rate=(0.0043, 0.02), afp_background=0.0)
    parts = [1e-5 * 1e10 / 4000.0 / (0.1386 + g) for g in (0.0043, 0.02)]
    assert body.shown("AFP") == pytest.approx(sum(parts), rel=1e-9)
    body.run(60.0)
    grown = sum(p * math.exp(60.0 * g) for p, g in zip(parts, (0.0043, 0.02), strict=True))
    assert body.shown("AFP") == pytest.approx(grown, rel=1e-6)


def test_non_secretors_show_nothing():
    body = Body(afp_secretion=0.0, stub_rate=(0.02, 0.02))
    assert body.run(100.0).shown("AFP") == pytest.approx(4.0, rel=1e-9)


def test_secretion_is_found_from_a_level():
    body = Body(stub_rate=(0.0043, 0.0043))
    found = markers.secretion_behind(body["AFP"], si("4 ng/mL"), body["afp_load"], si("4 L"))
    assert found == pytest.approx(si("1e-5 ng/cell/day"), rel=1e-9)
    assert markers.secretion_behind(si("3 ng/mL"), si("4 ng/mL"), 0.0, si("4 L")) == 0.0
    with pytest.raises(ValueError, match="viable tumour cells"):
        markers.secretion_behind(si("300 ng/mL"), si("4 ng/mL"), 0.0, si("4 L"))


def test_serum_reads_what_platelets_hold_besides_plasma():
    """285 pg/mL in serum before TACE (median, PMID 23359473) against 154 in plasma."""
    body = Body()
    assert body.shown("VEGF_serum") == pytest.approx(285.0, rel=0.02)
    assert Body(platelets=0.0).shown("VEGF_serum") == pytest.approx(154.0)


def test_shares_of_blood_cells_follow_their_counts():
    body = Body()
    assert body["MDSC_share"] == pytest.approx(180.0 / (180.0 + 1290.0)) and body["Treg_share"] == pytest.approx(0.11)
    body.set("Treg_blood", 0.5)
    assert body["Treg_share"] == pytest.approx(0.055)


def test_a_lesion_outside_replaces_no_liver():
    assert Body(extrahepatic=(0.0, 1.0))["tumour_volume"] == pytest.approx(Body()["tumour_volume"] / 2.0)
