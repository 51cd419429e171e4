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


def test_curves_of_arms_are_drawn_about_their_mean_so_that_crossings_can_be_seen():
    from tme_sim.findings.draw import apart, scan_figure

    outcomes = np.array([[100.0, 10.0, 3.0, 0.0], [102.0, 10.0, 1.0, 0.0]])
    scan = Scan("k", "1/day", ("first", "second"), np.array([1.0, 2.0, 3.0, 4.0]), outcomes, -1, tie=0.1)
    assert apart(scan, True)[0] == pytest.approx([-100 / 101, 0.0, 50.0, np.nan], nan_ok=True)
    assert apart(scan, False)[1] == pytest.approx([1.0, 0.0, -1.0, 0.0])
    axes = scan_figure([scan], {"k": 2.0}, title="t", subtitle="s", label="tumour (mL)").axes[0]
    lowest, highest = axes.get_ylim()
    assert -60 < lowest < -50 < 50 < highest < 60
