"""Liver in repair: what heals becomes repair, VEGF and platelets follow it for weeks; rests untreated."""

import numpy as np
import pytest

from tests.evidence.world import single, tace
from tme_sim.mechanisms import repair as r
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import compose

CHOICE = {"liver.repair": "weeks"}
DAYS = [0.0, 1.0, 3.0, 7.0, 28.0, 36.0]


def test_laws_are_those_of_the_default_without_repair():
    assert r.repair_raises_vegf(0.7, 0.0, 3.0) == 1 + 3.0 * 0.7
    assert r.repair_raises_vegf(0.0, 0.7, 3.0) == r.repair_raises_vegf(0.7, 0.0, 3.0)
    assert r.clot_with_platelets(154.0, 1.5e5, 8.7e-7, 0.0) == pytest.approx(154.0 + 0.1305)
    assert r.repair_drives_marrow(1.0, 7.0, 1.5, 0.0, 1.0) == 1.0
    assert r.repair_drives_marrow(1.0, 7.0, 1.5, 0.5, 1.0) == 1.5


def test_only_the_chosen_network_has_repair():
    plain, chosen = compose(all_mechanisms()), compose(all_mechanisms(), hypotheses=CHOICE)
    more = {s.name for s in chosen.species} - {s.name for s in plain.species}
    assert more == {"repair", "platelet_load"}
    assert {p.name for p in chosen.processes} - {p.name for p in plain.processes} == {
        "repair_begins", "repair_ends", "platelets_filled", "platelets_lost"}


@pytest.fixture(scope="module")
def courses():
    names = ["VEGF_serum", "VEGF_plasma", "MDSC_share", "injury"]
    given = [tace(selectivity="segmental")]
    return [{n: v[0] for n, v in single(given, names, DAYS, hypotheses=h, draws=0).items()} for h in (None, CHOICE)]


@pytest.mark.slow  # compiles a model
def test_vegf_stays_up_for_weeks_and_serum_peaks_after_the_first_days(courses):
    plain, chosen = courses
    at = DAYS.index
    ratio = chosen["VEGF_serum"] / chosen["VEGF_serum"][0]
    assert ratio[at(28.0)] > 1.1 > 1.0 > plain["VEGF_serum"][at(28.0)] / plain["VEGF_serum"][0]
    assert DAYS[int(np.argmax(ratio))] == 7.0
    assert chosen["MDSC_share"][at(28.0)] > 1.2 * plain["MDSC_share"][at(28.0)]
    assert chosen["injury"] == pytest.approx(plain["injury"], rel=1e-3)  # nothing upstream of it is changed


@pytest.mark.slow  # compiles a model
def test_it_rests_untreated():
    found = single([], ["VEGF_plasma", "repair", "platelet_load"], [0.0, 30.0], hypotheses=CHOICE, draws=0)
    for name in ("repair", "platelet_load"):
        assert found[name][0] == pytest.approx(0.0, abs=1e-12)
