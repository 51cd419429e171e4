"""Observers on hand-made lesion histories, by the published criteria."""

import math

import numpy as np
import pytest

from tme_sim.observe import Scan, diameter, landmark_endpoints, read_scans, response_endpoints, take_scans


def history(*sums, criterion="recist11"):
    return [Scan(56.0 * i, (s,), (s,)) for i, s in enumerate(sums)]


def test_sphere_of_one_millilitre_is_12_4_mm_wide():
    assert diameter(1000.0) == pytest.approx(12.407, abs=1e-3)


def test_thirty_percent_smaller_is_a_partial_response_and_less_is_not():
    assert read_scans(history(100.0, 70.0), "recist11").responses == ("PR",)
    assert read_scans(history(100.0, 70.1), "recist11").responses == ("SD",)


def test_progression_counts_from_the_smallest_sum_not_from_baseline():
    reading = read_scans(history(100.0, 60.0, 66.0, 72.0), "recist11")
    assert reading.responses == ("PR", "PR", "PD")
    assert reading.progression == 168.0


def test_recist_also_asks_for_five_millimetres():
    assert read_scans(history(20.0, 24.5), "recist11").responses == ("SD",)
    assert read_scans(history(20.0, 24.5), "mrecist").responses == ("PD",)


def test_lesion_below_the_floor_is_a_complete_response_and_its_return_a_progression():
    reading = read_scans(history(40.0, 4.9, 6.0), "mrecist")
    assert reading.responses == ("CR", "PD")
    assert reading.best == "CR" and reading.duration == 56.0


def test_criteria_differ_when_a_lesion_is_dead_but_not_shrunk():
    scans = [Scan(0.0, (50.0,), (50.0,)), Scan(28.0, (49.0,), (0.0,))]
    assert read_scans(scans, "recist11").best == "SD"
    assert read_scans(scans, "mrecist").best == "CR"


def test_sums_run_over_lesions():
    scans = [Scan(0.0, (50.0, 30.0), (50.0, 30.0)), Scan(56.0, (30.0, 25.0), (30.0, 25.0))]
    assert read_scans(scans, "recist11").sums == (80.0, 55.0)
    assert read_scans(scans, "recist11").best == "PR"


def test_without_a_second_scan_nothing_is_evaluable():
    out = response_endpoints(history(30.0), "mrecist")
    assert out["best_response_mrecist"] == "NE" and out["orr_mrecist"] == 0 and math.isnan(out["depth_mrecist"])
    assert out["ttp_mrecist_event"] == 0


def test_censored_time_to_progression_is_the_last_scan():
    out = response_endpoints(history(100.0, 80.0, 75.0), "recist11")
    assert (out["ttp_recist11"], out["ttp_recist11_event"]) == (112.0, 0)
    assert out["depth_recist11"] == pytest.approx(-0.25)


def test_unknown_criterion_is_refused():
    with pytest.raises(ValueError, match="choose one of recist11, mrecist"):
        read_scans(history(1.0), "recist2")


def test_scans_interpolate_volumes():
    time = np.array([0.0, 10.0])
    volume = np.array([[1000.0], [2000.0]])
    (scan,) = take_scans([5.0], volume, volume / 2, time)
    assert scan.whole[0] == pytest.approx(diameter(1500.0))
    assert scan.viable[0] == pytest.approx(diameter(750.0))


def test_landmarks_stop_where_the_run_stops_and_ratios_start_at_day_zero():
    time = np.arange(-10.0, 31.0)
    out = landmark_endpoints(time, {"albi": time}, {"burden": np.exp(0.1 * time)})
    assert set(out) == {"albi_d7", "albi_d28", "burden_d7", "burden_d28"}
    assert out["burden_d7"] == pytest.approx(math.exp(0.7))
