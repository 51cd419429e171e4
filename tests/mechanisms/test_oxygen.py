"""Oxygen of viable tissue: necrosis fills the lowest-oxygen part, shares stay shares."""

import numpy as np
import pytest

from tme_sim.mechanisms import oxygen
from tme_sim.mechanisms.closure import OXYGEN_CLASSES


@pytest.mark.parametrize("psi", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("below", [(0.01, 0.06, 0.17, 0.6, 0.99), (0.5, 0.6, 0.8, 0.95, 1.0), (1.0, 1.0, 1.0, 1.0, 1.0)])
def test_class_shares_of_viable_tissue_are_shares(below, psi):
    shares = oxygen.viable_classes(*oxygen.viable_below_edges(*below, psi, 0.01))
    assert sum(shares) == pytest.approx(1.0, abs=1e-12)
    assert min(shares) > -1e-12


def test_necrosis_occupies_the_lowest_oxygen():
    below = (0.05, 0.10, 0.20, 0.60, 0.99)
    free = oxygen.viable_below_edges(*below, 0.0, 1e-6)
    filled = oxygen.viable_below_edges(*below, 0.10, 1e-6)
    assert free[1] == pytest.approx(0.10, abs=1e-5)
    assert filled[1] == pytest.approx(0.0, abs=1e-5)
    assert filled[3] == pytest.approx(0.5 / 0.9, abs=1e-5)


def test_mean_oxygen_lies_among_the_classes():
    shares = oxygen.viable_classes(0.0, 0.1, 0.2, 0.6, 0.99)
    assert OXYGEN_CLASSES[0] < np.dot(shares, OXYGEN_CLASSES) < OXYGEN_CLASSES[-1]


def test_switched_off_tissue_is_normoxic():
    assert sum(oxygen.NORMOXIC) == 1.0 and oxygen.NORMOXIC[-1] == 1.0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_oxygen_feels_vessels_by_the_share_that_the_held_link_leaves(share):
    density, quality, untreated, good = 40.0, 0.9, 180.0 * 0.81, 0.7
    start = untreated * good
    tail = (3300.0, 2000.0, 40.0, 6.5)
    felt = start + share * (density * quality - start)
    assert oxygen.supply_held(density, quality, start, share, *tail) == pytest.approx(oxygen.supply_of(felt, 1.0, *tail))
    near = oxygen.vessels_near_held(density, 180.0, 0.81, share, 40.0, 6.5, 2.5, 2000.0)
    assert near == pytest.approx(oxygen.vessels_near(untreated + share * (density - untreated), 40.0, 6.5, 2.5, 2000.0))
    alone = oxygen.isolation_held(quality, start, 180.0, 0.81, share, 3300.0, 40.0, 2.5, 2000.0)
    assert alone == pytest.approx(oxygen.vessel_isolation(good + share * (quality - good), 3300.0, 40.0, 2.5, 2000.0))


def test_a_session_leaves_oxygen_alone_where_vessels_are_held():
    from pathlib import Path

    from tme_sim import Scenario, simulate

    config = Path(__file__).parents[2] / "configs" / "emerald1.toml"
    base = Scenario.load(config).changed({"run.duration": "40 day"})
    felt = simulate(base)
    held = base.changed({"biology.hypotheses.oxygen.vessels": "held"})
    cut, whole = simulate(held), simulate(held.changed({"parameters.vessels_on_oxygen": 1.0}))
    assert cut["anoxic_share"] == pytest.approx(np.full_like(cut["anoxic_share"], felt["anoxic_share"][0]))
    assert felt["anoxic_share"].max() > 0.5
    assert whole["anoxic_share"] == pytest.approx(felt["anoxic_share"], rel=1e-9)
