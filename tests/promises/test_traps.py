"""Traps in which other programs gave wrong numbers without a word; those that no other test of a promise springs."""

from __future__ import annotations

import random

import numpy as np

from tests.promises.draws import scaled
from tests.promises.processes import ROOT
from tme_sim.ensemble import Row
from tme_sim.findings.optimise import optimise
from tme_sim.findings.sensitivity import morris, morris_design, prcc, sobol, sobol_design
from tme_sim.study import run_study
from tme_sim.study.designs import unit_points
from tme_sim.study.factors import Factor
from tme_sim.study.reading import study_from_text

STUDY = f"""schema = 1
name = "trap"
base = "{ROOT / "configs" / "emerald1.toml"}"
[set]
"run.duration" = "60 day"
[[factor]]
name = "k"
key = "parameters.k_MDSC_death"
low = "0.02 1/day"
high = "0.06 1/day"
levels = 300
"""


def test_designs_sensitivity_and_searches_leave_the_global_random_numbers_alone():
    def state():
        return random.getstate(), np.random.get_state()[1].tobytes(), np.random.get_state()[2]

    before = state()
    for kind in ("sobol", "latin_hypercube"):
        unit_points(kind, 3, 16, 1)
    design = morris_design(2, 4, 1)
    morris(design, design[..., 0] + 2.0 * design[..., 1], ("a", "b"), seed=1)
    cube = sobol_design(2, 16, 1)
    sobol(cube[..., 0] + cube[..., 1], ("a", "b"), seed=1)
    points = unit_points("sobol", 2, 32, 3)
    prcc(points, points[:, 0] + 0.1 * points[:, 1], ("a", "b"))

    def evaluate(candidates, which):
        return [{"cost": np.full(4, (c[0] - 3.0) ** 2)} for c in candidates]

    optimise((Factor("x", ("k",), low=0.0, high=9.0),), evaluate, "cost", -1, budget=30, seed=1)
    assert state() == before


def test_rows_that_an_engine_loses_are_missing_and_made_by_the_next(tmp_path):
    made = study_from_text(STUDY, "study.toml")
    given: list[int] = []

    def losing(study, tasks, sink, jobs, lost=1):
        sink.started()
        for number, task in enumerate(tasks):
            given.extend(task.ordinals)
            if number != lost:
                sink.add(task, [Row("ok", "", {"burden_d28": 1.0 + i}) for i in task.ordinals])

    folder = tmp_path / "s"
    with run_study(made, folder, 1, engine=losing) as store:
        table, left = store.table(made), store.missing(made)
    gone = table["status"] == "missing"
    assert 0 < gone.sum() == len(left) < 300 and np.flatnonzero(gone).tolist() == list(left)
    assert np.isnan(table["burden_d28"][gone]).all() and not np.isnan(table["burden_d28"][~gone]).any()
    given.clear()
    with run_study(made, folder, 1, engine=lambda *a: losing(*a, lost=-1)) as store:
        assert given == list(left) and (store.table(made)["burden_d28"] == np.arange(1.0, 301.0)).all()


def test_the_measure_of_error_is_not_decided_by_tails_and_sees_the_rest():
    course = np.exp(-np.linspace(0.0, 30.0, 200))[:, None]  # a drug that falls to 1e-13 of its peak
    tail, peak = course.copy(), course.copy()
    tail[-1] *= 1.5
    peak[0] *= 1.5
    assert scaled(tail, course).max() < 1e-6 < 0.4 < np.max(np.abs(tail - course) / course)
    assert scaled(peak, course).max() > 0.4
