"""Doxorubicin around a depot: the profile that a piece holds is what diffusion makes of a depot that empties."""

import numpy as np
import pytest
from tissue.test_piece import piece

from tme_sim.engine.fields import Multigrid, steady_field
from tme_sim.tissue.coupling import load
from tme_sim.tissue.settings import SECONDS_PER_DAY, VALUE, VOXEL_UM

DIFFUSIVITY = 10.0 * SECONDS_PER_DAY / VOXEL_UM**2  # voxel^2/day: 10 um2/s, slower than a small molecule is


def test_the_slow_part_of_a_depot_has_its_profile_from_eight_hours_on():
    one = piece("1.2 mm")
    shape, n = one.frame.shape, one.frame.voxels
    middle = n // 2 + shape[2] // 2
    one.state.occluded[middle], one.state.vessel_id[middle] = True, 1
    load(one.frame, one.state, np.array([middle]), {"depot_slow": 1.0, "depot_fast": 0.0})
    profile = one.state.local["dox_slow"]
    assert profile[middle] == pytest.approx(1.0) and one.state.local["dox_fast"].max() == 0.0
    lost, emptied = DIFFUSIVITY / (VALUE["drug_reach"] / VOXEL_UM) ** 2, one.scalars["k_depot_slow"]
    source, rest, field = np.zeros(n), np.zeros(n), np.zeros(n)
    source[middle] = 1.0
    grid = Multigrid(shape, DIFFUSIVITY, periodic=True)
    steady_field(rest.reshape(shape), lost, source.reshape(shape), DIFFUSIVITY, 1e-12, periodic=True, grid=grid)
    source /= rest[middle]  # a depot that does not empty would hold 1
    day, step, seen = 0.0, 0.002, []
    for after in (1.0 / 3.0, 1.0, 4.0):
        while day < after - 1e-9:
            now = min(step, after - day)
            day += now
            steady_field(field.reshape(shape), lost, (source * np.exp(-emptied * day)).reshape(shape), DIFFUSIVITY,
                         1e-9, step=now, periodic=True, grid=grid)  # fmt: skip
        row = slice(middle, middle + 20)  # to 400 um
        seen.append(field[row] / (profile[row] * np.exp(-emptied * day)))
        step = 0.02
    assert np.abs(np.array(seen) - 1.0).max() < 0.01
