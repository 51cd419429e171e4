"""Endpoints of hand-made visits: times, events, causes, landmarks, and death that ends them."""

from types import SimpleNamespace

import numpy as np
import pytest

from tme_sim import criteria as k
from tme_sim.observe import (
    Imaging,
    Visits,
    diameter,
    endpoint_columns,
    landmark_columns,
    rows_of,
    told_scans,
    visit_ticks,
)
from tme_sim.observe.endpoints import crossing_ticks
from tme_sim.plan import Plan

DAY = 1440
STOP = 300 * DAY


def columns(*histories, death=(), imaging=None, outside=(0.0,), child_pugh=5.0):
    """Endpoints of patients whose lesion diameters (mm) at visits every 56 days are given (visits, lesions)."""
    sizes = np.array(histories, dtype=float)
    if sizes.ndim == 2:
        sizes = sizes[:, :, None]
    count, visits, lesions = sizes.shape
    volume = np.pi / 6.0 * sizes**3
    clinic = np.zeros((count, visits, k.CLINIC))
    clinic[:, :, k.CHILD_PUGH] = child_pugh
    flat = np.ones((count, lesions))
    dead = np.array([*death, *[1e300] * (count - len(death))]) * 1.0
    seen = Visits(np.arange(visits) * 56 * DAY, volume, volume, flat, flat * np.resize(outside, lesions), flat, 0.0 * flat, clinic,
                  np.full(count, 1.5e6), dead)
    return endpoint_columns(seen, imaging or Imaging(), STOP, 1, np.arange(count))[0]


def test_progression_response_and_duration():
    out = rows_of(columns([50, 30, 30, 40, 60]))[0]
    assert (out["ttp"], out["ttp_event"], out["pfs"], out["first_pd"]) == (168.0, 1, 168.0, "existing_intrahepatic")
    assert out["dor"] == 112.0 and out["depth"] == pytest.approx(-0.4)
    assert out["best_response_recist11"] == "PR" and out["orr_recist11"] == 1 and out["sd_recist11"] == 0


def test_who_does_not_progress_is_censored_at_the_last_visit_and_the_end():
    out = rows_of(columns([50, 49, 48]))[0]
    assert (out["ttp"], out["ttp_event"], out["pfs_event"], out["first_pd"]) == (112.0, 0, 0, "")
    assert (out["os"], out["os_event"]) == (300.0, 0) and (out["untaceable"], out["untaceable_event"]) == (112.0, 0)
    assert out["dor"] == 0.0


def test_death_is_progression_free_survival_and_stops_the_visits():
    out = rows_of(columns([50, 49, 80, 90], death=[100.5 * DAY]))[0]
    assert (out["pfs"], out["pfs_event"], out["first_pd"]) == (100.5, 1, "death")
    assert (out["ttp"], out["ttp_event"]) == (56.0, 0) and (out["os"], out["os_event"]) == (100.5, 1)
    assert (out["tace_pfs"], out["tace_pfs_event"]) == (100.5, 1) and out["untaceable_event"] == 0


def test_criterion_of_the_main_endpoints_is_chosen():
    small = [20, 24.5]
    assert rows_of(columns(small))[0]["ttp_event"] == 0
    assert rows_of(columns(small, imaging=Imaging(criterion="mrecist")))[0]["ttp_event"] == 1


def test_patients_do_not_depend_on_their_neighbours():
    histories = [[50, 30, 30, 40, 60], [50, 49, 48, 47, 46], [30, 0, 0, 0, 12]]
    together = rows_of(columns(*histories, imaging=Imaging(error=0.06)))
    again = rows_of(columns(*histories, imaging=Imaging(error=0.06)))
    assert together == again
    alone = rows_of(columns(histories[0], imaging=Imaging(error=0.06)))[0]
    assert alone == together[0] and alone["depth"] != pytest.approx(-0.4, abs=1e-6)


def test_resectable_by_size_number_place_and_liver():
    assert rows_of(columns([50, 50]))[0]["resectable_day"] == 0.0
    assert rows_of(columns([160, 160]))[0]["resectable"] == 0
    assert rows_of(columns([160, 60]))[0]["resectable_day"] == 56.0
    passing = rows_of(columns([160, 60, 60, 160]))[0]  # visits eight weeks apart
    assert (passing["resectable_day"], passing["resectable_until"]) == (56.0, 112.0)
    assert np.isnan(rows_of(columns([160, 160]))[0]["resectable_until"])
    assert rows_of(columns([50, 50], child_pugh=7.0))[0]["resectable"] == 0
    assert np.isnan(rows_of(columns([50, 50], child_pugh=7.0))[0]["resectable_day"])
    assert rows_of(columns([[20, 20, 20, 20]] * 2, outside=(0, 0, 0, 0)))[0]["resectable"] == 0
    assert rows_of(columns([[20, 12]] * 2, outside=(0, 1)))[0]["resectable"] == 0


def test_landmarks_and_ratios():
    ticks = np.array([-10, 0, 7, 28]) * DAY
    out = landmark_columns(ticks, {"albi": np.array([[1.0, 2, 3, 4]])}, {"burden": np.array([[8.0, 2, 4, 1]])})
    assert {n: v[0] for n, v in out.items()} == {"albi_d7": 3, "albi_d28": 4, "burden_d7": 2.0, "burden_d28": 0.5}


def test_a_hazard_strikes_where_it_reaches_its_threshold():
    ticks = np.array([0, 100, 200])
    hazard = np.array([[0.0, 0.2, 0.6], [0.0, 0.1, 0.2], [0.5, 0.6, 0.7]])
    assert crossing_ticks(ticks, hazard, np.array([0.4, 0.4, 0.4])).tolist() == [150.0, np.inf, 0.0]


def entry(day, kind):
    return SimpleNamespace(tick=day * DAY, kind=kind, treatment=kind)


def test_the_baseline_is_the_last_scan_before_treatment():
    days = lambda *e: (visit_ticks(Plan([], [], entries=e, start=-30 * DAY, stop=200 * DAY)) / DAY).tolist()  # noqa: E731
    assert days(entry(56, "scan"), entry(0, "tace")) == [0.0, 56.0]
    assert days(entry(0, "scan"), entry(0, "tace"), entry(56, "scan")) == [0.0, 56.0]
    assert days(entry(-28, "scan"), entry(-7, "scan"), entry(0, "tace"), entry(40, "scan")) == [-7.0, 40.0]
    assert days(entry(-14, "drug"), entry(0, "tace"), entry(40, "scan")) == [-14.0, 40.0]
    assert days(entry(300, "scan")) == [0.0]


def test_events_tell_what_scans_read():
    visits = np.array([0, 56]) * DAY
    history = np.array([[0, 0, 0, 50.0, 48.0, 2300.0, 1], [k.PR, k.CR, k.SD, 30.0, 0.0, 900.0, 1]])
    given = [{"tick": 0, "day": 0.0, "kind": "tace"}, {"tick": 56 * DAY, "day": 56.0, "kind": "scan"}]
    told = told_scans(given, visits, history)
    assert told[0]["treatment"] == "baseline" and told[0]["sum_recist11"] == 50.0 and "recist11" not in told[0]
    assert (told[2]["recist11"], told[2]["mrecist"], told[2]["sum_mrecist"]) == ("PR", "CR", 0.0)
    assert "recist11" not in told_scans(given, visits, np.full((2, 7), np.nan))[2]


def test_diameters_of_numbers_and_tables():
    assert diameter(1000.0) == pytest.approx(12.407, abs=1e-3) and diameter(-1.0) == 0.0
    assert diameter(np.array([[1000.0, 8000.0]])).shape == (1, 2)
