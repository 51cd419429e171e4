"""Figures can be read: no text is small, cut or covered, and no legend is needed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plots.plotted import a_run, every_text
from tme_sim.plots import comparison_figure, run_figures
from tme_sim.plots.sheet import spread
from tme_sim.plots.style import between_powers

CASES = {
    "treated": lambda: run_figures(a_run()), "untreated": lambda: run_figures(a_run(tace=(), drugs=False)),
    "short": lambda: run_figures(a_run(days=60)), "lesions": lambda: run_figures(a_run(days=300, lesions=2)),
    "compared": lambda: {"comparison": comparison_figure([a_run(), a_run(tace=(), drugs=False, name="bare")])},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_no_text_is_small_cut_or_covered_by_another(case):
    for name, figure in CASES[case]().items():
        texts = every_text(figure)
        width, height = figure.get_size_inches() * figure.dpi
        for text, box in texts:
            assert text.get_fontsize() >= 7.0, (name, text.get_text())
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
            assert inside, (name, text.get_text(), box)
        x0, y0, x1, y1 = (np.array([getattr(box, side) for _, box in texts]) for side in ("x0", "y0", "x1", "y1"))
        across = np.minimum.outer(x1, x1) - np.maximum.outer(x0, x0)
        along = np.minimum.outer(y1, y1) - np.maximum.outer(y0, y0)
        # boxes hold the room for tall letters and descenders, so that lines may touch by a fifth of their height
        touch = (across > 1) & (along > 0.2 * np.minimum.outer(y1 - y0, y1 - y0))
        pairs = [
            (texts[i][0].get_text(), texts[j][0].get_text()) for i, j in zip(*np.nonzero(touch), strict=True) if i < j
        ]
        assert not pairs, (name, pairs)


def test_no_legend_lies_on_data_and_all_units_are_pretty(figures):
    for figure in figures.values():
        assert not figure.legends and all(a.get_legend() is None for a in figure.axes)
        labels = {a.get_ylabel() for a in figure.axes}
        assert not any("^" in label or "*" in label for label in labels)
    assert "cells/mm³" in {a.get_ylabel() for a in figures["mdsc_and_suppression"].axes}


@given(st.lists(st.floats(0, 17), min_size=1, max_size=8))
def test_labels_are_spread_in_order_apart_and_inside(places):
    places = sorted(places)
    out = spread(places, 2.0, 17.0)
    assert len(out) == len(places) and all(b - a >= 2.0 - 1e-9 for a, b in zip(out, out[1:], strict=False))
    assert out[0] >= -1e-9 and out[-1] <= 17.0 + 1e-9
    if all(b - a >= 2.0 for a, b in zip(places, places[1:], strict=False)):
        assert out == pytest.approx(places)


def test_labels_that_do_not_fit_stick_out_on_both_sides():
    assert spread([0.0, 0.0, 0.0], 2.0, 2.0) == pytest.approx([-1.0, 1.0, 3.0])


@pytest.mark.parametrize(("low", "high", "many"), [(12.0, 900.0, True), (8.0, 150.0, True), (1e-3, 1e3, False)])
def test_a_logarithmic_axis_never_has_a_single_number(low, high, many):
    assert (len(between_powers(low, high)) > 1) is many
