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
