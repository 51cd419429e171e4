"""Measures of tissue on patterns whose answer is known."""

import numpy as np
import pytest

from tme_sim.tissue.measures import WORDS, distances, measures, pairs_over_random
from tme_sim.tissue.snapshots import Snapshot

KINDS = ("CD8", "CD8_exhausted", "CD8_stem", "Treg", "MDSC", "TAM", "DC")
CELLS = ("", "cycling", "quiescent", "cycling_resistant", "quiescent_resistant", "cycling_unseen", "quiescent_unseen",
         "dying", "necrotic")  # fmt: skip
SHAPE = (1, 50, 50)


def shot(immune, cell=None, vessels=(), **arrays):
    """A snapshot of a section of a square millimetre."""
    grids = {n: np.zeros(SHAPE) for n in ("vessel", "flowing", "occluded")} | {"oxygen": np.full(SHAPE, 20.0)}
    for y, x in vessels:
        grids["vessel"][0, y, x] = grids["flowing"][0, y, x] = 1
    grids["cell"] = np.ones(SHAPE, dtype=int) if cell is None else cell
    return Snapshot(0.0, "", 20.0, 1.0, CELLS, KINDS, grids | arrays, np.array(immune, dtype=int).reshape(-1, 4))


def test_cells_at_random_are_neither_clustered_nor_spread():
    rng = np.random.default_rng(3)
    cells = np.column_stack([np.zeros(2000, int), *rng.integers(0, 50, (2, 2000))])
    for radius in (50.0, 100.0, 200.0):
        assert pairs_over_random(cells, None, SHAPE, 20.0, radius) == pytest.approx(1.0, abs=0.03)
    assert pairs_over_random(cells[:900], cells[900:], SHAPE, 20.0, 100.0) == pytest.approx(1.0, abs=0.03)


def test_a_clump_is_clustered_and_a_grid_is_spread():
    clump = np.array([[0, 20 + i // 5, 20 + i % 5] for i in range(25)])
    grid = np.array([[0, 5 * i, 5 * j] for i in range(10) for j in range(10)])
    assert pairs_over_random(clump, None, SHAPE, 20.0, 100.0) > 20.0
    assert pairs_over_random(grid, None, SHAPE, 20.0, 50.0) == 0.0


def test_cells_at_random_in_a_nodule_are_neither_clustered_nor_spread_and_those_in_liver_are_not_counted():
    rng = np.random.default_rng(4)
    y, x = np.meshgrid(np.arange(50), np.arange(50), indexing="ij")
    lesion = ((y - 24.5) ** 2 + (x - 24.5) ** 2 < 14.0**2)[None]
    inside = np.argwhere(lesion)
    at = inside[rng.integers(0, len(inside), 3000)]
    kinds = np.repeat([0, KINDS.index("MDSC")], [2000, 1000])
    vessels = inside[rng.permutation(len(inside))[:300], 1:]
    away = [[0, 2, i, 0] for i in range(40)]  # out in the liver
    made = shot([*np.column_stack([at, kinds]), *away], np.where(lesion, 1, 0), vessels, liver=(~lesion).astype(int))
    got = measures(made)
    for name in ("cd8_clustering_50", "cd8_clustering_100", "cd8_clustering_200", "cd8_near_mdsc"):
        assert got[name] == pytest.approx(1.0, abs=0.04), name
    assert got["vessel_clustering_50"] == pytest.approx(1.0, abs=0.15)
    assert got["cd8"] == pytest.approx(2000 / (len(inside) * 0.02**3)) and got["cd8_to_tumour"] == 0.0
    alone = measures(shot(away, np.where(lesion, 1, 0), vessels, liver=(~lesion).astype(int)))
    assert alone["cd8_to_tumour"] is None and alone["cd8"] == 0.0


def test_distances_go_around_the_edges():
    assert distances(np.array([[0, 0, 1]]), np.array([[0, 0, 48]]), SHAPE, 20.0)[0] == pytest.approx(60.0)


def test_densities_and_distances_of_a_made_up_section():
    cell = np.ones(SHAPE, dtype=int)
    cell[0, :, 25:] = CELLS.index("necrotic")
    immune = [[0, 10, 10, 0], [0, 10, 30, 1], [0, 10, 14, KINDS.index("MDSC")], [0, 11, 40, KINDS.index("Treg")],
              [0, 12, 40, KINDS.index("DC")], [0, 12, 12, KINDS.index("TAM")]]  # fmt: skip
    got = measures(shot(immune, cell, vessels=[(10, 13)], quality=np.full(SHAPE, 0.8)))
    assert set(got) == set(WORDS)
    half = 1250 * 0.02**3
    assert got["cd8_in_tumour"] == pytest.approx(1 / half) and got["cd8_in_necrosis"] == pytest.approx(1 / half)
    assert got["mdsc_in_tumour"] == pytest.approx(1 / half) and got["mdsc_in_necrosis"] == 0.0
    assert got["treg_in_necrosis"] == pytest.approx(1 / half) and got["treg_in_tumour"] == 0.0
    assert got["dc_in_necrosis"] == got["tam_in_tumour"] == pytest.approx(1 / half) and got["dc_in_tumour"] == 0.0
    assert got["treg"] == got["treg_core"] == pytest.approx(0.5 / half) and got["treg_rim"] is None
    assert got["cd8_in_stroma"] is None
    assert got["necrotic"] == 0.5 and got["hypoxic"] == 0.0 and got["quality"] == pytest.approx(0.8)
    assert got["cd8_to_vessel"] == pytest.approx(np.median([60.0, 340.0]))
    assert got["cd8_to_tumour"] == pytest.approx(np.median([0.0, 120.0]))
    inside = sum(dx * dx + dy * dy <= 25 for dx in range(-5, 6) for dy in range(-5, 6))
    assert got["perfused"] == pytest.approx(inside / 1250)


def test_nothing_to_measure_is_none():
    got = measures(shot([]))
    assert got["cd8"] == 0.0 and got["cd8_to_tumour"] is None and got["open_vessels"] is None
