"""Vessel laws: signalling, block, normalisation, rest."""

import numpy as np
import pytest

from tme_sim.mechanisms import angiogenesis as a


def test_signalling_is_one_untreated_and_saturates():
    assert a.vegf_signalling(1.0, 1.0, 0.0, 0.95) == pytest.approx(1.0)
    assert 1.0 < a.vegf_signalling(100.0, 1.0, 0.0, 0.95) < 2.0


def test_kinase_block_leaves_what_it_cannot_reach():
    assert a.vegf_signalling(1.0, 1.0, 1.0, 0.95) == pytest.approx(0.05)


def test_block_is_what_signalling_lacks_and_never_negative():
    assert a.share_blocked(0.4, 0.002) == pytest.approx(0.6, abs=1e-5)
    assert 0.0 < a.share_blocked(2.0, 0.002) < 1e-5


def test_escape_hides_the_block_in_the_end():
    assert a.signalling_with_escape(0.2, 0.8, 1.0) == pytest.approx(1.0)
    assert a.block_with_escape(0.8, 1.0) == 0.0


def test_an_escape_that_is_kept_relaxes_only_without_block():
    assert a.lose_escape_without_block(0.01, 0.0) == a.lose_escape(0.01)
    assert a.lose_escape_without_block(0.01, 1.0) == 0.0
    block, kept = 0.75, a.lose_escape_without_block(0.01, 0.75)
    assert a.escape_at_rest(0.004, block, kept) > 2 * a.escape_at_rest(0.004, block, 0.01)  # where a lasting block leads


def test_full_block_takes_half_the_immature_vessels_in_a_week():
    """50-60 % in 7 days (DOI 10.1172/JCI24612)."""
    rate = a.regress(0.09, 0.13, 1.0)
    assert 0.5 <= 1 - np.exp(-7 * rate) <= 0.65


def test_normalisation_peaks_at_half_block_and_stops_with_adaptation():
    rates = [a.normalise(0.9, b, 0.0, 0.0) for b in (0.1, 0.5, 0.9, 1.0)]
    assert max(rates) == rates[1] and rates[3] == 0.0
    assert a.normalise(0.9, 0.5, 1.0, 0.0) == 0.0


def test_window_closes_under_a_steady_half_block():
    """Perfusion gain peaks within days and is gone after one to two weeks (own check of the form)."""
    n = ad = 0.0
    dt, course = 0.01, []
    for _ in range(3000):
        n += dt * (a.normalise(0.9, 0.5, ad, n) - a.denormalise(0.3) * n)
        ad += dt * (a.adapt(0.5, 0.05, 4.0) - a.unadapt(4.0) * ad)
        course.append(n)
    peak = int(np.argmax(course))
    assert 1.0 < peak * dt < 4.0
    assert course[1400] < 0.5 * course[peak]


@pytest.mark.parametrize("block", [0.0005, 0.01])
def test_rest_levels_rest(block):
    ad = a.adaptation_at_rest(block, 0.05)
    n = a.normalisation_at_rest(0.9, block, ad, 0.3)
    assert a.normalise(0.9, block, ad, n) == pytest.approx(a.denormalise(0.3) * n)
    assert a.adapt(block, 0.05, 4.0) == pytest.approx(a.unadapt(4.0) * ad)
    e = a.escape_at_rest(0.004, block, 0.01)
    assert a.escape_block(0.004, block, e) == pytest.approx(a.lose_escape(0.01) * e)


def test_quality_runs_from_its_floor_to_one():
    assert a.quality_of(0.0, 0.7) == 0.7
    assert a.quality_of(1.0, 0.7) == pytest.approx(1.0)
