"""Flips of the order on curves that cross at a known place."""

import numpy as np
import pytest

from tme_sim.findings.flips import Scan, flips_of, scan_points


def scan(first, second, values=None, sense=-1):
    values = np.linspace(0.0, 1.0, 9) if values is None else values
    return Scan("k_MDSC_diff", "1/day", ("a", "b"), values, np.array([first(values), second(values)]), sense, 0.005)


def test_a_crossing_is_found_where_it_is():
    (flip,) = flips_of(scan(lambda k: 1 + k, lambda k: 1.6 + 0 * k))
    assert (flip.below, flip.above) == ("a", "b")
    assert flip.threshold == pytest.approx(0.6)
    assert flip.bracket == (0.5, 0.625)


def test_more_is_better_turns_the_order_around():
    (flip,) = flips_of(scan(lambda k: 1 + k, lambda k: 1.6 + 0 * k, sense=1))
    assert (flip.below, flip.above) == ("b", "a")


def test_equal_arms_have_no_best_and_no_flip():
    found = scan(lambda k: 1 + k, lambda k: 1.001 + k)
    assert found.best == [""] * 9
    assert flips_of(found) == []


def test_a_failed_run_belongs_to_no_side():
    def holed(k):
        return np.where(k == 0.625, np.nan, 1 + k)

    found = scan(holed, lambda k: 1.6 + 0 * k)
    assert found.failed == 1
    (flip,) = flips_of(found)
    assert flip.bracket == (0.5, 0.75)


def test_two_crossings_are_two_flips():
    found = flips_of(scan(lambda k: 2 + (k - 0.5) ** 2, lambda k: 2.1 + 0 * k))
    assert [(f.below, f.above) for f in found] == [("b", "a"), ("a", "b")]
    assert found[0].threshold == pytest.approx(0.5 - np.sqrt(0.1), abs=0.02)


@pytest.mark.parametrize(("low", "high", "nominal"), [(0.01, 1.0, 0.08), (0.0, 1.0, 0.3), (-0.5, 4.0, 0.5), (2, 4, 2)])
def test_points_cover_the_range_and_hold_the_nominal(low, high, nominal):
    points = scan_points(low, high, nominal, 7)
    assert (points[0], points[-1]) == (low, high)
    assert nominal in points
    assert np.all(np.diff(points) > 0)
