"""VEGF laws: binding, clearance, sources."""

import math

import pytest

from tme_sim.mechanisms import vegf


def test_hypoxia_multiplies_release_up_to_its_fold():
    assert vegf.hypoxia_induces_vegf(0.0, 3.0) == 1.0
    assert vegf.hypoxia_induces_vegf(1.0, 3.0) == pytest.approx(3.0)


def test_tissue_half_life_is_one_hour():
    assert math.log(2) / vegf.clear_tissue_vegf(16.6) * 24 == pytest.approx(1.0, abs=0.01)


def test_antibody_hides_at_most_its_share():
    assert vegf.free_tissue_vegf(1.0, 1.0, 0.6) == pytest.approx(0.4)
    assert vegf.trap_bound_share(267.0, 267.0) == 0.5


@pytest.mark.parametrize(("k_free", "K", "low", "high"), [(0.401, 267.0, 3.0, 3.6), (0.0206 * 1440, 2.2, 200.0, 300.0)])
def test_total_plasma_vegf_at_the_mean_bevacizumab_level(k_free, K, low, high):
    """The slow pair gives 3.3-fold, the fast pair 254-fold, at 1.55 uM; observed 1-4-fold (PMC3058319)."""
    free = vegf.free_share_plasma(1550.0, K)
    fold = k_free / vegf.clear_plasma_vegf(free, k_free, 0.075)
    assert low < fold < high


def test_antibody_fills_tissue_to_its_share_of_the_plasma_level():
    level = vegf.trap_enters(0.7, 1000.0, 0.8, 0.522) / vegf.trap_leaves(0.7, 0.8)
    assert level == pytest.approx(522.0)


def test_injury_raises_production():
    assert vegf.injury_raises_vegf(0.0, 3.0) == 1.0 and vegf.injury_raises_vegf(1.0, 3.0) == 4.0
