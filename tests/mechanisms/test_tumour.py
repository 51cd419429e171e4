"""Tumour cell laws: limits, and the untreated shares in closed form."""

import math

import pytest

from tme_sim.mechanisms import tumour


def test_division_is_half_at_the_published_half_oxygen_and_none_without():
    assert tumour.divide(1.0, 3.0, 3.0) == 0.5
    assert tumour.divide(1.0, 0.0, 3.0) == 0.0
    assert tumour.divide(1.0, 40.0, 3.0) > 0.9


def test_cells_arrest_below_nine_mmhg():
    at = lambda p: tumour.fall_quiescent(1.0, p, 8.9, 4.0)  # noqa: E731
    assert at(8.9) == pytest.approx(0.5)
    assert at(2.0) > 0.99 and at(30.0) < 0.01


def test_anoxic_cells_live_six_hours_on_average():
    assert 24.0 / tumour.die_of_anoxia(4.0, 1.0) == 6.0


@pytest.mark.parametrize("anoxic", [0.0, 0.05, 0.3, 0.7])
@pytest.mark.parametrize("growth", [0.001, 0.02])
def test_necrosis_at_rest_balances_death_clearing_and_growth(anoxic, growth):
    k_anoxia, clearing, width = 4.0, 0.02, 0.01
    psi = tumour.necrosis_at_rest(anoxic, k_anoxia, clearing, growth, width)
    x = anoxic - psi
    death = k_anoxia * (x + math.sqrt(x * x + width * width)) / 2
    assert death == pytest.approx((growth + clearing) * psi, rel=1e-9)
    assert 0.0 < psi < 1.0


def test_loss_factor_is_loss_over_division():
    growth = 0.005
    loss = tumour.die_untreated(0.7, growth)
    assert loss / (loss + growth) == pytest.approx(0.7)


def test_volume_doubles_in_the_doubling_time():
    assert math.exp(160.0 * tumour.growth_from_doubling(160.0)) == pytest.approx(2.0)


def test_cells_at_the_start_fill_a_sphere():
    psi, apoptotic, rho = 0.1, 0.002, 2.06e5
    viable = tumour.viable_at_start(50.0, rho, psi, apoptotic)
    cells = viable + tumour.dying_at_start(viable, apoptotic) + tumour.necrotic_at_start(viable, psi)
    assert cells / rho == pytest.approx(math.pi / 6 * 50.0**3)


def test_dead_tissue_clears_only_as_far_as_blood_flows():
    assert tumour.perfusion_lets_scavengers_in(0.4) == 0.4


def test_clones_partition_the_viable_cells():
    shares = tumour.share_seen(0.02, 0.03), 0.02, 0.03
    total = sum(tumour.cycling_at_start(1e9, 0.3, s) + tumour.quiescent_at_start(1e9, 0.3, s) for s in shares)
    assert total == pytest.approx(1e9)


def test_resorption_from_the_margin_is_slower_the_larger_the_necrosis():
    assert tumour.clear_from_margin(0.02, 20.0, 20.0) == 0.02
    assert tumour.clear_from_margin(0.02, 20.0, 100.0) == pytest.approx(0.004)


def test_a_front_keeps_one_rate_in_small_lesions_and_slows_in_large_ones():
    rate = [tumour.clear_by_front(0.05, 40.0, d) for d in (5.0, 40.0, 160.0)]
    assert rate[0] == pytest.approx(0.05, rel=0.15) and rate[1] == 0.025 and rate[2] == pytest.approx(0.01)
    assert tumour.clear_by_front(0.05, 40.0, 5.0) < tumour.clear_from_margin(0.05, 40.0, 5.0)


@pytest.mark.slow  # compiles a model
def test_large_necrosis_stays_for_months_if_it_goes_from_its_margin_and_untreated_lesions_rest():
    from tests.evidence.world import One, follow, tace

    choice = {"tumour.resorption": "margin"}
    people = [One({}, {"diameter": d}, [tace(lost=0.95)]) for d in (20.0, 100.0)]
    plain, slow = (follow(people, ["lesion_volume"], [0.0, 90.0], hypotheses=h)["lesion_volume"] for h in (None, choice))
    left = slow[:, 1] / slow[:, 0]
    assert left[1] > 0.7 > left[0] and left[0] == pytest.approx(plain[0, 1] / plain[0, 0], rel=0.05)
    untreated = follow([One({}, {"diameter": 100.0})], ["necrotic_share"], [0.0, 30.0], hypotheses=choice)["necrotic_share"]
    assert untreated[0, 1] == pytest.approx(untreated[0, 0], rel=0.05)
