"""Traps in which other programs gave wrong numbers without a word; those that no other test of a promise springs."""

from __future__ import annotations

import ast
import random

import numpy as np
import pytest

from tests.promises.draws import scaled
from tests.promises.processes import ROOT
from tme_sim.ensemble import Row
from tme_sim.findings.optimise import optimise
from tme_sim.findings.sensitivity import morris, morris_design, prcc, sobol, sobol_design
from tme_sim.study import run_study
from tme_sim.study.designs import unit_points
from tme_sim.study.factors import Factor
from tme_sim.study.reading import study_from_text

SOURCE = ROOT / "src" / "tme_sim"
# Of numpy's random module: what makes generators of one's own; all else draws from the one that everybody shares.
OWN = {"default_rng", "Generator", "Philox", "PCG64", "SeedSequence", "BitGenerator"}
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


def loose_arithmetic(text: str) -> list[int]:
    """Lines on which a compiler is allowed to change the order or the rounding of operations."""
    out = []
    for node in ast.walk(ast.parse(text if "fastmath" in text or "parallel" in text else "")):
        pairs = list(zip(node.keys, node.values, strict=True)) if isinstance(node, ast.Dict) else []
        given = [(k.value, v) for k, v in pairs if isinstance(k, ast.Constant)]
        given += [(k.arg, k.value) for k in node.keywords] if isinstance(node, ast.Call) else []
        for name, value in given:
            if name in ("fastmath", "parallel") and not (isinstance(value, ast.Constant) and value.value is False):
                out.append(value.lineno)
    return out


def shared_generators(text: str) -> list[int]:
    """Lines that draw from, or seed, the random numbers which all of a process share."""
    out = []
    nodes = list(ast.walk(ast.parse(text if "random" in text or "cma" in text else "")))
    imported = any(isinstance(node, ast.Import) and any(a.name == "random" for a in node.names) for node in nodes)
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            numpys = ast.unparse(node.value) in ("np.random", "numpy.random")
            out += [node.lineno] if numpys and node.attr not in OWN else []
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random":
            out += [] if not imported else [node.lineno] if node.attr in ("seed", "random", "choice", "shuffle", "uniform", "sample") else []
        elif isinstance(node, ast.Import):
            out += [node.lineno] if any(a.name == "cma" for a in node.names) else []
    return out


@pytest.mark.parametrize("search", [loose_arithmetic, shared_generators])
def test_no_line_of_the_package_is_compiled_loosely_or_draws_from_shared_random_numbers(search):
    found = {str(p.relative_to(SOURCE)): search(p.read_text(encoding="utf-8")) for p in sorted(SOURCE.rglob("*.py"))}
    assert len(found) > 100
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_searches_find_what_they_are_for():
    assert loose_arithmetic("@njit(fastmath=True)\ndef f(): pass\nO = {'fastmath': {'nnan'}, 'nogil': True}\n") == [1, 3]
    assert loose_arithmetic("O = {'fastmath': False}\n@njit(nogil=True)\ndef f(): pass\n") == []
    assert shared_generators("import cma, random\nnp.random.seed(1)\nr = np.random.default_rng(1)\nrandom.shuffle(x)\n") == [1, 2, 4]


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
