"""Figures of a cohort: axes can be read, and what bars and lines are is said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tme_sim.cohort import load_cohort, make_patients
from tme_sim.plots.cohort import _round_values, cohort_figure

LARGE = Path(__file__).parents[2] / "configs" / "cohorts" / "large_7cm.toml"


@pytest.mark.parametrize("ends", [(70, 143), (15, 150), (1500, 50_000), (0.01, 0.3), (101, 109), (1e-9, 3e-4)])
def test_a_logarithmic_axis_has_two_places_or_more(ends):
    places = _round_values(np.array(ends, dtype=float)).locs
    assert 2 <= len(places) <= 5 and places[0] >= ends[0] and places[-1] <= ends[1]


@pytest.mark.parametrize("title", ["", "Embolisation-eligible, liver reserve to Child-Pugh B7 (a trial), " * 4])
def test_what_numbers_and_lines_are_is_said(title):
    cohort = load_cohort(LARGE)
    cohort = replace(cohort, title=title)
    figure = cohort_figure(cohort, make_patients(cohort, 3, 1, check=False), [])
    said = next(text for text in figure.texts if "virtual" in text.get_text())
    assert said.get_text().endswith(": 3 virtual patients; % over bars, lines at medians")
    figure.canvas.draw()
    assert said.get_window_extent().x1 <= figure.bbox.x1
