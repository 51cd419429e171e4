"""HIF laws against the published shape and times."""

import math

import pytest

from tme_sim.mechanisms import hypoxia


def test_half_maximal_between_one_and_a_half_and_two_percent_oxygen():
    """1.5-2 % oxygen is 10.7-14.3 mmHg (PMID 8897823)."""
    assert 10.7 <= 12.5 <= 14.3
    assert hypoxia.hypoxic_response(12.5, 12.5, 2.4) == pytest.approx(0.5)


def test_maximal_at_half_a_percent_and_low_at_five_percent():
    assert hypoxia.hypoxic_response(3.6, 12.5, 2.4) > 0.94
    assert hypoxia.hypoxic_response(36.0, 12.5, 2.4) < 0.08


def test_normoxic_half_life_is_minutes_and_anoxic_half_an_hour():
    minutes = lambda target: math.log(2) / hypoxia.destroy_hif1(33.3, target) * 1440  # noqa: E731
    assert minutes(0.17) == pytest.approx(5.1, abs=0.2)
    assert minutes(1.0) == pytest.approx(30.0, abs=0.1)


def test_level_rests_at_its_target():
    target = 0.6
    assert hypoxia.make_hif1(33.3) == pytest.approx(hypoxia.destroy_hif1(33.3, target) * target)


def test_anoxia_for_ten_minutes_takes_the_level_from_023_to_about_040():
    """The on-rate is tuned to this rise in VX2 nuclei (PMC2613192)."""
    level, dt = 0.23, 10 / 1440 / 1000
    for _ in range(1000):
        level += dt * (hypoxia.make_hif1(33.3) - hypoxia.destroy_hif1(33.3, 1.0) * level)
    assert level == pytest.approx(0.40, abs=0.02)


def test_activity_is_zero_in_normoxia_and_one_at_the_anoxic_maximum():
    assert hypoxia.hif_above_normoxia(0.17, 0.0, 0.0, 0.4, 0.17) == 0.0
    assert hypoxia.hif_above_normoxia(1.0, 1.0, 0.0, 0.4, 0.17) == pytest.approx(1.0)


def test_brake_lowers_the_fast_part_only():
    free = hypoxia.hif_above_normoxia(1.0, 1.0, 0.0, 0.4, 0.17)
    braked = hypoxia.hif_above_normoxia(1.0, 1.0, 0.5, 0.4, 0.17)
    assert 0.4 < braked < free
