"""Interferon and chemokines in space: how far they reach, how long they last, and that nothing is lost."""

from types import SimpleNamespace

import numpy as np
import pytest

from tme_sim.tissue.settings import VALUE, VOXEL_UM
from tme_sim.tissue.step import _cytokine, lay_grids

HOUR = 1 / 24


@pytest.fixture(scope="module", params=[(1, 64, 64), (32, 32, 32)], ids=["section", "cube"])
def frame(request):
    found = SimpleNamespace(shape=request.param, voxels=int(np.prod(request.param)), sharers=1, grid={})
    lay_grids(found)
    return found


def settled(frame, name, made, hours=24):
    now = np.zeros(frame.voxels)
    for _ in range(hours):
        now = _cytokine(frame, name, now, made.ravel(), 1.0, HOUR)
    return now.reshape(frame.shape)


@pytest.mark.parametrize(("name", "reach"), [("killing_flux", "interferon_reach"), ("chemokine", "chemokine_reach")])
def test_a_sheet_of_killers_is_felt_as_far_as_the_reach_says(frame, name, reach):
    """Between diffusion and uptake a sheet makes c / (2 L) exp(-x / L), here on a lattice that goes around."""
    made = np.zeros(frame.shape)
    made[..., 0] = 100.0
    found, long = settled(frame, name, made)[0, 0], VALUE[reach] / VOXEL_UM
    n = found.size
    step = 1 + (1 - np.sqrt(1 + 4 * long**2)) / (2 * long**2)  # of the lattice: e^(-1 / L) where L is many voxels
    shape = step ** np.arange(n) + step ** (n - np.arange(n))
    assert found == pytest.approx(100.0 * shape / shape.sum(), rel=0.02, abs=0.01)


def test_what_is_made_is_what_is_there_and_it_is_gone_within_hours(frame):
    made = np.zeros(frame.shape)
    made[0, 5, 5], made[0, 20, 9] = 4000.0, 900.0
    here = settled(frame, "killing_flux", made)
    assert here.sum() == pytest.approx(made.sum(), rel=1e-3)
    assert here.min() >= 0.0 and np.unravel_index(here.argmax(), frame.shape) == (0, 5, 5)
    later = _cytokine(frame, "killing_flux", here.ravel(), np.zeros(frame.voxels), 1.0, HOUR)
    assert later.sum() == pytest.approx(here.sum() / (1 + 60 / VALUE["cytokine_time"]), rel=1e-3)
