"""Regrowing liver: alpha-fetoprotein of the liver rises by it, nothing else of the network changes, and it rests untreated."""

import math

import pytest

from tests.evidence.world import single, tace
from tme_sim.compiler.unitcheck import report
from tme_sim.mechanisms import markers
from tme_sim.mechanisms import regeneration as r
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import compose

CHOICE = {"afp.liver": "regenerating"}


def test_without_regrowth_the_liver_secretes_as_by_default_and_with_it_in_proportion():
    assert r.secrete_background_and_regrow(0.1386, 4.0, 2.5, 0.0) == markers.secrete_background(0.1386, 4.0)
    assert r.secrete_background_and_regrow(0.1386, 4.0, 2.5, 2.0) == pytest.approx(6.0 * 0.1386 * 4.0)


def test_all_of_a_liver_that_regrows_brings_the_rise_of_acute_liver_failure():
    """2.2-fold from the first to the third day in those who recover (Schiodt 2006)."""
    rise = r.REGENERATING.adds.parameters[0].value * 2.0
    assert 1.0 + rise * (1.0 - math.exp(-2.0 * 0.1386)) == pytest.approx(2.2, abs=0.05)


def test_only_the_chosen_network_has_regrowth_and_its_units_fit():
    plain, chosen = compose(all_mechanisms()), compose(all_mechanisms(), hypotheses=CHOICE)
    assert {s.name for s in chosen.species} - {s.name for s in plain.species} == {"regrowth"}
    assert {p.name for p in chosen.processes} - {p.name for p in plain.processes} == {"regrowth_begins", "regrowth_ends"}
    assert [v for v in report(chosen) if v.problem] == []


@pytest.mark.slow  # compiles a model
def test_afp_of_the_liver_rises_for_weeks_after_a_session_and_that_of_the_tumour_does_not():
    days, given = [0.0, 7.0, 28.0], [tace(selectivity="lobar")]
    liver, tumour = ({"afp_secretion": 0.0}, {"afp_background": 0.0})
    own, plain = (single(given, ["AFP_relative"], days, hypotheses=h, draws=0, values=liver)["AFP_relative"][0]
                  for h in (CHOICE, None))  # fmt: skip
    assert list(plain) == pytest.approx([1.0, 1.0, 1.0]) and own[0] == pytest.approx(1.0) and own[2] > 1.2
    same = [single(given, ["AFP_relative"], days, hypotheses=h, draws=0, values=tumour)["AFP_relative"][0]
            for h in (CHOICE, None)]  # fmt: skip
    assert same[0] == pytest.approx(same[1], rel=1e-3)


@pytest.mark.slow  # compiles a model
def test_it_rests_untreated():
    found = single([], ["regrowth", "AFP_relative"], [0.0, 30.0], hypotheses=CHOICE, draws=0, values={"afp_secretion": 0.0})
    assert found["regrowth"][0] == pytest.approx(0.0, abs=1e-12) and found["AFP_relative"][0] == pytest.approx(1.0)
