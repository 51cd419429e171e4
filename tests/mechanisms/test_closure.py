"""The oxygen closure: limits, order, and its gap to solved fields."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import diags, eye, kron
from scipy.sparse.linalg import spsolve

from tme_sim.mechanisms import closure

STUDY = Path(__file__).parents[2] / "experiments" / "oxygen_closure"
FIELDS = STUDY / "fields.csv"
TISSUE = {"p_v": 40.0, "Vmax": 8.0, "Km": 2.5, "D": 2000e-6}  # mmHg, mmHg/s, mmHg, mm^2/s
CONDUCTANCE = closure.vessel_conductance(3300e-6, TISSUE["D"])
LOST = (0.0, 0.37, 0.56, 0.90)

tissues = st.fixed_dictionaries(
    {"p_v": st.floats(30, 60), "Vmax": st.floats(2.9, 15), "Km": st.floats(0.5, 5), "D": st.floats(1.5e-3, 2.5e-3)}
)
densities = st.floats(0, 2000)
qualities = st.floats(0.1, 1)
walls = st.floats(2e-3, 1e-2)


def shares(n, quality=1.0, conductance=CONDUCTANCE, **tissue):
    """Class shares in mm and s."""
    return closure.class_shares(n, quality, conductance, **{**TISSUE, **tissue})


def below(theta, n, total, p_v, Vmax, Km, D):
    """Share below `theta` in mm and s; `total` is quality times conductance."""
    return closure.share_below(
        closure.headroom(theta, p_v, Km),
        closure.supply_ratio(n, 1.0, total, p_v, Vmax),
        closure.vessels_in_reach(n, p_v, Vmax, Km, D),
        closure.isolation(1.0, total, p_v, Km, D),
    )


def stored_fields():
    """Rows of the stored field results by vessel pattern."""
    rows = {}
    with FIELDS.open() as f:
        for row in csv.DictReader(f):
            rows.setdefault(row.pop("pattern"), []).append({k: float(v) for k, v in row.items()})
    return rows


def solve_field(n, box=1.2, h=0.015, seed=3):
    """Newton's method with a sparse direct solve on the default tissue: independent of the study's solver."""
    m = round(box / h)
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, m, (round(n * box**2), 2))
    line = diags([1.0, -2.0, 1.0], [-1, 0, 1], shape=(m, m)).tolil()
    line[0, -1] = line[-1, 0] = 1.0
    spread = (kron(line, eye(m)) + kron(eye(m), line)).tocsr() * (TISSUE["D"] / h**2)
    source = np.zeros(m * m)
    well = 1 / (1 / 3300e-6 + math.log(0.1982 * h * 1e3 / closure.VESSEL_RADIUS_UM) / (2 * math.pi * TISSUE["D"]))
    np.add.at(source, cells[:, 0] * m + cells[:, 1], well / h**2)
    p = np.full(m * m, 15.0)
    for _ in range(40):
        left = spread @ p + source * (TISSUE["p_v"] - p) - TISSUE["Vmax"] * p / (p + TISSUE["Km"])
        slope = spread - diags(source + TISSUE["Vmax"] * TISSUE["Km"] / (p + TISSUE["Km"]) ** 2)
        new = np.maximum(p - spsolve(slope.tocsc(), left), p / 10)
        if np.abs(new - p).max() < 1e-6:
            return new
        p = new
    raise AssertionError("the test's field did not converge")


def test_without_vessels_everything_is_anoxic_and_with_many_nothing_is():
    assert shares(0.0) == (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert shares(1e5)[-1] == 1.0
    assert all(math.isfinite(s) for s in shares(1e9))


def test_the_first_vessels_hold_tissue_in_proportion_to_their_number():
    one, ten = (1 - shares(n)[0] for n in (1e-4, 1e-3))
    assert ten / one == pytest.approx(10, rel=1e-3)


@given(densities, qualities, walls, tissues)
def test_shares_are_shares(n, quality, wall, tissue):
    found = shares(n, quality, closure.vessel_conductance(wall, tissue["D"]), **tissue)
    assert len(found) == len(closure.OXYGEN_CLASSES)
    assert min(found) >= 0
    assert math.fsum(found) == pytest.approx(1, abs=1e-14)


@given(densities, st.floats(0.01, 100), qualities, st.floats(1.001, 1.5), walls, tissues)
def test_more_vessels_better_vessels_and_fuller_blood_leave_less_hypoxia(n, more, quality, better, wall, tissue):
    conductance = closure.vessel_conductance(wall, tissue["D"])
    here = np.cumsum(shares(n, quality, conductance, **tissue))
    richer = {**tissue, "p_v": tissue["p_v"] * better}
    hungrier = {**tissue, "Vmax": tissue["Vmax"] * better}
    assert np.all(np.cumsum(shares(n + more, quality, conductance, **tissue)) <= here + 1e-12)
    assert np.all(np.cumsum(shares(n, quality * better, conductance, **tissue)) <= here + 1e-12)
    assert np.all(np.cumsum(shares(n, quality, conductance, **richer)) <= here + 1e-12)
    assert np.all(np.cumsum(shares(n, quality, conductance, **hungrier)) >= here - 1e-12)


def test_any_coherent_units_give_the_same_shares():
    day = 86400
    in_days = closure.class_shares(121.5, 0.7, CONDUCTANCE * day, 40.0, 8.0 * day, 2.5, 2000e-6 * day)
    in_um = closure.class_shares(121.5e-6, 0.7, CONDUCTANCE * 1e6, 40.0, 8.0, 2.5, 2000.0)
    assert in_days == pytest.approx(shares(121.5, 0.7), abs=1e-12)
    assert in_um == pytest.approx(shares(121.5, 0.7), abs=1e-12)


def test_symbolic_slope_agrees_with_differences():
    n = sympy.Symbol("n")
    functions = [{"Exp": math.exp, "Power": math.pow}, "math"]
    slopes = [sympy.lambdify(n, sympy.diff(s, n), functions)(80.0) for s in shares(n)]
    step = 1e-3
    for slope, up, down in zip(slopes, shares(80 + step), shares(80 - step), strict=True):
        assert slope == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-9)


def test_classes_lie_between_their_edges_and_below_every_vessel():
    edges = (0.0, *closure.OXYGEN_EDGES, 60.0)
    assert all(a < level < b for a, level, b in zip(edges, closure.OXYGEN_CLASSES, edges[1:], strict=False))
    assert len(edges) == len(closure.OXYGEN_CLASSES) + 1
    assert max(closure.OXYGEN_EDGES) < 30


def test_constants_are_those_of_the_study():
    study = json.loads((STUDY / "results.json").read_text())
    assert study["fitted"]["used"] == [closure.LOG_REACH, closure.CROWDING]
    assert study["fitted"]["random and lines, half of the settings"] == pytest.approx(study["fitted"]["used"], rel=0.01)
    assert tuple(study["classes"]["6"]["edges"]) == closure.OXYGEN_EDGES
    assert tuple(study["classes"]["6"]["levels"]) == closure.OXYGEN_CLASSES


@pytest.mark.parametrize(
    "pattern, allowed, worst", [("random", 0.035, 0.16), ("lines", 0.04, 0.16), ("segments", 0.04, 0.18)]
)
def test_gap_to_stored_fields(pattern, allowed, worst):
    gaps = []
    for row in stored_fields()[pattern]:
        known = (row["n_per_mm2"], row["total_um2_per_s"] * 1e-6, row["p_v_mmHg"], row["Vmax_mmHg_per_s"])
        for theta in (1, 2.5, 5, 10, 20):
            estimate = below(float(theta), *known, row["Km_mmHg"], row["D_um2_per_s"] * 1e-6)
            gaps.append(estimate - row[f"below_{theta}"])
    assert len(gaps) >= 40
    assert math.sqrt(np.mean(np.square(gaps))) < allowed
    assert np.abs(gaps).max() < worst


@pytest.mark.parametrize("lost", LOST)
def test_gap_to_a_field_solved_here(lost):
    n = 150 * 0.81 * (1 - lost)
    p = solve_field(n)
    n = round(n * 1.2**2) / 1.2**2
    for theta in (2.5, 5.0, 10.0):
        assert below(theta, n, CONDUCTANCE, **TISSUE) == pytest.approx((p < theta).mean(), abs=0.07)
    levels = np.array(closure.OXYGEN_CLASSES)
    for law in (lambda x: x / (x + 3), lambda x: 1 / (1 + (x / 12.5) ** 2.4), lambda x: x / (x + 5)):
        assert np.dot(shares(n), law(levels)) == pytest.approx(law(p).mean(), abs=0.04)
