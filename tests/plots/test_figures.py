"""Panels of the figures of a run: mechanisms that are off, curves that are missing or empty."""

import numpy as np
import pytest

from plots.plotted import a_run, panels_of, words
from tme_sim.plots import run_figures


def test_a_mechanism_that_is_off_leaves_its_panels_out():
    off = ("ENTPD2", "ATP", "AMP", "adenosine")
    full, less = (run_figures(a_run(without=w), ["mdsc_and_suppression"])["mdsc_and_suppression"] for w in ((), off))
    assert len(panels_of(full)) - len(panels_of(less)) == 2
    assert any("ENTPD2" in w for w in words(full)) and not any("ENTPD2" in w for w in words(less))
    letters = [w for w in words(less) if len(w) == 1]
    assert letters == [chr(ord("a") + i) for i in range(len(letters))], "letters have no hole"


def test_a_curve_that_is_missing_leaves_its_panel_to_the_others():
    figure = run_figures(a_run(without=("HIF2",)), ["oxygen_hif_vegf_vessels"])["oxygen_hif_vegf_vessels"]
    labels = [t.get_text() for a in figure.axes for t in a.texts]
    assert "HIF-1α" in labels and "HIF-2α" not in labels


def test_a_run_with_few_columns_draws_what_it_can():
    run = a_run()
    run.columns = {"AFP": run.columns["AFP"]}
    figures = run_figures(run)
    assert set(figures) == {"calendar_and_lesion", "liver_and_markers"}
    assert len(panels_of(figures["liver_and_markers"])) == 2


def test_values_that_are_zero_constant_or_missing_are_drawn():
    run = a_run(days=60)
    run.columns["IL6"] = 0.0 * run.time
    run.columns["NLR"] = 0.0 * run.time + 2.0
    run.columns["AFP"] = np.full_like(run.time, np.nan)
    run.columns["doxorubicin.1"] = np.where(run.time < 28, 0.0, 1.0)
    for figure in run_figures(run).values():
        figure.draw_without_rendering()


def test_blood_is_drawn_as_its_assays_read_it():
    figures = run_figures(a_run(days=60), ["oxygen_hif_vegf_vessels", "mdsc_and_suppression", "liver_and_markers"])
    texts = {name: {t.get_text() for a in panels_of(f) for t in a.texts} for name, f in figures.items()}
    assert {"serum, free and bound", "plasma, free and bound", "plasma, free"} <= texts["oxygen_hif_vegf_vessels"]
    shares = next(a for a in panels_of(figures["mdsc_and_suppression"]) if a.get_ylabel() == "%")
    assert {t.get_text() for t in shares.texts} == {"MDSC", "Treg"}
    assert max(line.get_ydata().max() for line in shares.lines if len(line.get_xdata()) > 20) == pytest.approx(11.7, abs=0.5)
    assert {"NLR", "AFP"} <= texts["liver_and_markers"]


def test_levels_that_are_kept_once_a_day_say_that_peaks_lie_higher():
    run = a_run(days=60)
    daily = words(run_figures(run, ["drugs"])["drugs"])
    run.time = run.time / 24.0
    hourly = words(run_figures(run, ["drugs"])["drugs"])
    ending = " in plasma (kept every 1 d; peaks lie higher)"
    assert any(word.endswith(ending) for word in daily) and not any("peaks" in word for word in hourly)
