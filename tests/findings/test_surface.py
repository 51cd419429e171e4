"""Timing surfaces: the window and its width on a bowl of known shape, pairing, regret, failures."""

import numpy as np
import pytest

from tme_sim.diagnostics import InputError
from tme_sim.findings import surface as f

X, Y = np.arange(-28.0, 85.0, 7.0), np.arange(-14.0, 43.0, 7.0)


def table(members=20, spread=0.0, fail=()):
    """A bowl around (7, 14) of floor 1; members are shifted up by what they are."""
    rows = [(x, y, m) for m in range(members) for x in X for y in Y]
    x, y, m = (np.array(c, dtype=float) for c in zip(*rows, strict=True))
    value = 1.0 + ((x - 7.0) / 100.0) ** 2 + ((y - 14.0) / 50.0) ** 2 + spread * (m / members - 0.5)
    status = np.array(["failed" if r in fail else "ok" for r in range(len(rows))])
    message = np.array(["step too small" if r in fail else "" for r in range(len(rows))])
    return {"vegf": x, "pd1": y, "replicate": m, "burden_d365": value, "status": status, "message": message}


def test_window_of_a_bowl_has_the_width_of_its_closed_form():
    surface = f.surface_of(table(), "burden_d365", "vegf", "pd1")
    window = f.near_best(surface)
    assert window.best == (7.0, 14.0)
    assert window.limit == pytest.approx(1.05)
    assert window.along_x == pytest.approx((7 - 100 * np.sqrt(0.05), 7 + 100 * np.sqrt(0.05)), abs=1.0)
    assert window.width_y == pytest.approx(2 * 50 * np.sqrt(0.05), abs=1.5)
    assert window.open_x == (False, False)


def test_a_window_that_runs_off_the_map_is_said_to():
    narrow = {k: v[np.asarray(table()["vegf"]) <= 14] for k, v in table().items()}
    window = f.near_best(f.surface_of(narrow, "burden_d365", "vegf", "pd1"))
    assert window.open_x == (False, True)
    assert window.along_x[1] == 14.0


def test_patients_who_differ_widen_the_band_window_but_not_the_paired_one():
    surface = f.surface_of(table(spread=1.0), "burden_d365", "vegf", "pd1")
    assert f.near_best(surface).share > 0.6
    alike = f.near_best(f.surface_of(table(), "burden_d365", "vegf", "pd1"))
    assert f.paired_window(surface).width_x == pytest.approx(alike.width_x, rel=0.15)
    bands = f.member_windows(surface)
    assert bands["best_x"] == f.Band(7.0, 7.0, 7.0)
    assert bands["width_x"].low < bands["width_x"].median < bands["width_x"].high


def test_members_who_fare_the_same_everywhere_have_no_best_dates():
    data = table(members=3)
    data["burden_d365"][data["replicate"] > 0] = 2.0  # two of three
    surface = f.surface_of(data, "burden_d365", "vegf", "pd1")
    assert f.indifferent(surface).tolist() == [False, True, True]
    assert f.member_windows(surface)["best_x"] == f.Band(7.0, 7.0, 7.0)
    data["burden_d365"][:] = 2.0
    bands = f.member_windows(f.surface_of(data, "burden_d365", "vegf", "pd1"))
    assert "best_x" not in bands and bands["share"].low == 1.0


def test_of_equal_best_points_the_middle_one_is_told_not_the_earliest():
    data = table(members=1)
    data["burden_d365"] = np.where((data["vegf"] >= 0) & (data["pd1"] >= 0), 1.0, 2.0)
    window = f.near_best(f.surface_of(data, "burden_d365", "vegf", "pd1"))
    assert window.best == (42.0, 21.0)
    assert window.along_x[1] == X[-1] and window.along_y[1] == Y[-1]


def test_the_margin_of_a_window_is_0_where_its_width_ends():
    window = f.near_best(f.surface_of(table(), "burden_d365", "vegf", "pd1"))
    row = window.margin[:, list(Y).index(14.0)]
    assert np.interp(window.along_x[1], X, row) == pytest.approx(0.0, abs=1e-12)
    assert ((window.margin >= 0) == window.near).all()


def test_more_can_be_better():
    data = table()
    data["survival_d730"] = 2.0 - data["burden_d365"]
    window = f.near_best(f.surface_of(data, "survival_d730", "vegf", "pd1"))
    assert window.best == (7.0, 14.0)
    assert window.limit == pytest.approx(0.95)


def test_regret_of_an_order_is_what_it_loses_against_the_best():
    surface = f.surface_of(table(spread=1.0), "burden_d365", "vegf", "pd1")
    best, other, between = f.regret(surface, {"best": (7, 14), "other": (77, 14), "between": (73.5, 14)})
    assert best.of_mean == pytest.approx(0.0, abs=1e-12)
    assert other.of_mean == pytest.approx(0.49)
    assert (other.members.low, other.members.high) == pytest.approx((0.49, 0.49))
    assert other.worst_tenth == pytest.approx(0.49)
    assert 0.42 < between.of_mean < 0.49
    with pytest.raises(InputError, match="outside the map"):
        f.regret(surface, {"late": (200, 14)})


def test_a_member_with_a_failed_run_is_left_out_and_counted():
    surface = f.surface_of(table(fail={5}), "burden_d365", "vegf", "pd1")
    assert (surface.missing.failed, surface.missing.left_out, len(surface.values)) == (1, 1, 19)
    assert "step too small" in surface.missing.text
    with pytest.raises(InputError, match="too few are whole"):
        f.surface_of(table(fail=set(range(0, 3000, 100))), "burden_d365", "vegf", "pd1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {"vegf": t["pd1"]}, "two runs"),
        (lambda t: {k: v[:-9] for k, v in t.items()}, None),
        (lambda t: {k: v for k, v in t.items() if k != "vegf"}, "is no column"),
        (lambda t: t | {"vegf": t["status"]}, "is no number"),
    ],
)
def test_what_makes_no_surface_is_refused(change, message):
    data = change(table())
    if message is None:  # one member lacks a row: left out
        assert len(f.surface_of(data, "burden_d365", "vegf", "pd1").values) == 19
        return
    with pytest.raises(InputError, match=message):
        f.surface_of(data, "burden_d365", "vegf", "pd1")


def test_an_outcome_of_unknown_direction_must_be_said():
    data = table()
    data["vegf_ratio_d90"] = data["burden_d365"]
    with pytest.raises(InputError, match="higher"):
        f.surface_of(data, "vegf_ratio_d90", "vegf", "pd1")
    assert f.surface_of(data, "vegf_ratio_d90", "vegf", "pd1", better="lower").sense == -1
