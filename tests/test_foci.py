"""Occult foci: drawn from the seed alone, with the distribution asked for, and pooled without losing volume."""

import numpy as np
import pytest

from tme_sim.foci import BORN, HORIZON, LARGEST, LEAST, draw_foci, pool
from tme_sim.patient import Occult
from tme_sim.quantities import Quantity


def test_foci_depend_on_seed_and_patient_only():
    settings = Occult()
    assert draw_foci(settings, 1, 5, 160.0, 0.7) == draw_foci(settings, 1, 5, 160.0, 0.7)
    drawn = {str(draw_foci(Occult(liver=9.0), s, p, 160.0, 0.7)) for s in (1, 2) for p in range(5)}
    assert len(drawn) == 10
    one, more = draw_foci(settings, 1, 5, 160.0, 0.7), draw_foci(Occult(extrahepatic=3.0), 1, 5, 160.0, 0.7)
    inside = sum(f["extrahepatic"] == 0.0 for f in one)
    assert one[:inside] == more[:inside], "foci in the liver do not change with the number outside"


def test_numbers_and_sizes_follow_the_settings():
    settings = Occult(
        liver=2.0, extrahepatic=0.5, diameter=Quantity(4.0, "mm"), spread=0.3, births=Quantity(0.0, "1/day")
    )
    foci = [draw_foci(settings, 7, p, 160.0, 0.7) for p in range(1500)]
    inside = [sum(f["extrahepatic"] == 0.0 for f in one) for one in foci]
    outside = [sum(f["extrahepatic"] == 1.0 for f in one) for one in foci]
    assert np.mean(inside) == pytest.approx(2.0, abs=4 * (2.0 / 1500) ** 0.5)
    assert np.mean(outside) == pytest.approx(0.5, abs=4 * (0.5 / 1500) ** 0.5)
    flat = [f for one in foci for f in one]
    assert np.exp(np.mean(np.log([f["diameter"] for f in flat]))) == pytest.approx(4.0, rel=0.03)
    assert np.std(np.log([f["doubling_time"] for f in flat])) == pytest.approx(0.3, rel=0.06)
    assert np.mean([f["arterial_share"] for f in flat]) == pytest.approx(0.5, abs=0.03)
    assert max(f["diameter"] for f in flat) <= LARGEST
    losses = [f["cell_loss_factor"] / (1 - f["cell_loss_factor"]) / f["doubling_time"] for f in flat]
    assert losses == pytest.approx([0.7 / 0.3 / 160.0] * len(flat)), "all lose cells at one rate"


def test_births_later_are_rare_and_foci_of_day_0_do_not_change_with_them():
    patients = range(1500)
    without, often = Occult(births=Quantity(0.0, "1/day")), Occult(births=Quantity(1.0, "1/year"))
    before, after = ([draw_foci(s, 7, p, 160.0, 0.7) for p in patients] for s in (without, often))
    born = [now[len(then) :] for then, now in zip(before, after, strict=True)]
    assert all(now[: len(then)] == then for then, now in zip(before, after, strict=True))
    years = HORIZON / 365.25
    assert np.mean([len(b) for b in born]) == pytest.approx(years, abs=4 * (years / 1500) ** 0.5)
    days = np.array([3 * f["doubling_time"] * np.log2(BORN / f["diameter"]) for b in born for f in b
                     if f["diameter"] > LEAST])  # fmt: skip
    assert days.min() >= 0 and days.max() <= HORIZON and np.mean(days) == pytest.approx(HORIZON / 2, rel=0.05)
    usual = [draw_foci(Occult(), 7, p, 160.0, 0.7) for p in patients]
    assert 0.05 < np.mean([len(u) - len(b) for u, b in zip(usual, before, strict=True)]) < 0.15


def focus(diameter, outside=0.0):
    return {"diameter": diameter, "doubling_time": 100.0, "arterial_share": 0.5, "extrahepatic": outside}


def volume(foci, outside=0.0):
    return sum(f["diameter"] ** 3 for f in foci if f["extrahepatic"] == outside)


def test_the_smallest_are_pooled_by_volume_and_kind_and_the_run_says_so():
    foci = [focus(2), focus(6), focus(3), focus(4, 1.0), focus(2.5, 1.0)]
    assert pool(foci, 5) == (foci, "")
    kept, told = pool(foci, 3)
    assert len(kept) == 3 and "pooled" in told
    assert volume(kept) == pytest.approx(volume(foci)) and volume(kept, 1.0) == pytest.approx(volume(foci, 1.0))
    kept, _ = pool(foci, 2)
    assert sorted(f["extrahepatic"] for f in kept) == [0.0, 1.0]
    kept, told = pool(foci, 1)
    assert kept == [focus(6)] and "left out" in told
    assert pool([], 0) == ([], "")
