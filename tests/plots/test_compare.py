"""Runs in one figure, each in its colour with its treatments."""

from pathlib import Path

import numpy as np
import pytest

from plots.plotted import a_run, gids, panels_of, words
from tme_sim.plots import comparison_figure, draw_comparison
from tme_sim.plots.compare import run_names
from tme_sim.plots.style import RUN_COLOURS


def test_runs_are_compared_each_in_its_colour_with_its_treatments(tmp_path):
    runs = [
        a_run(tace=(), drugs=False, name="bare"),
        a_run(tace=(0.0, 60.0), drugs=False, name="tace"),
        a_run(name="all"),
    ]
    figure = comparison_figure(runs)
    axes = panels_of(figure)
    assert len(axes) == 20
    for one in axes[2:]:
        curves = [line for line in one.lines if len(line.get_xdata()) > 50]
        assert [c.get_color() for c in curves] == list(RUN_COLOURS[:3])
        assert {"mark:tace", "mark:all", "strip:all"} <= set(gids(one)) and "strip:tace" not in gids(one)
    assert {"bare", "tace", "all"} <= set(words(figure))
    path = draw_comparison(runs, tmp_path / "c.png")
    assert path.stat().st_size > 50_000


def test_lesions_are_averaged_by_volume_in_a_comparison():
    run = a_run(lesions=2)
    run.columns["CD8.1"], run.columns["CD8.2"] = 100.0 + 0 * run.time, 400.0 + 0 * run.time
    figure = comparison_figure([run, a_run(name="other")])
    cd8 = next(a for a in panels_of(figure) if any(np.allclose(line.get_ydata(), 200.0) for line in a.lines
                                                   if len(line.get_xdata()) > 50))  # fmt: skip
    assert cd8.get_ylabel() == "cells/mm³"


def test_names_tell_runs_apart():
    assert run_names([a_run(name="a"), a_run(name="b")]) == ["a", "b"]
    same = [a_run(name="a", folder=Path("x/a-1")), a_run(name="a", folder=Path("x/a-2"))]
    assert run_names(same) == ["a-1", "a-2"]
    assert run_names([a_run(name="a"), a_run(name="a")]) == ["a 1", "a 2"]


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="at least one run"):
        comparison_figure([])
    run = a_run(tace=(), drugs=False)
    run.columns = {}
    with pytest.raises(ValueError, match="nothing to draw"):
        comparison_figure([run])


def test_a_run_that_ends_early_says_so_in_the_key():
    short = a_run(name="short")
    half = len(short.time) // 2
    short.columns = {name: values[:half] for name, values in short.columns.items()}
    short.time = short.time[:half]
    told = words(comparison_figure([a_run(name="long"), short]))
    assert f"short (to day {short.time[-1]:g})" in told and "long" in told
