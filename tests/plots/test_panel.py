"""Ends and scales of the axes of a panel."""

import numpy as np

from plots.plotted import a_run, panels_of
from tme_sim.plots import run_figures


def test_wide_ranges_are_logarithmic_and_narrow_ones_start_at_zero():
    run = a_run()
    wide = run.columns["AFP"].copy()
    wide[300:] *= 1000
    run.columns["AFP"] = wide
    axes = panels_of(run_figures(run, ["liver_and_markers"])["liver_and_markers"])
    assert [a.get_yscale() for a in axes[-4:-2]] == ["log", "log"] and axes[2].get_ylim()[0] == 0.0


def test_small_first_weeks_get_an_axis_of_their_own_that_is_labelled():
    run = a_run()
    run.columns["NLR"] = np.where(run.time < 200, 2.0, 12.0)
    axes = panels_of(run_figures(run, ["liver_and_markers"])["liver_and_markers"])
    early, whole = axes[4], axes[5]
    assert early.get_ylim()[1] < 3 < 12 < whole.get_ylim()[1]
    assert whole.yaxis.get_major_ticks()[0].label1.get_visible()
    assert axes[2].get_ylim() == axes[3].get_ylim() and not axes[3].yaxis.get_major_ticks()[0].label1.get_visible()
