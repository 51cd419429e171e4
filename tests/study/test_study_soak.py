"""Long studies, for ``make soak``: 100 000 runs in one process, their plan and store alone, a table of a million rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = """
import os, sys
sys.path[:0] = {path!r}
from tests.study.study_toys import study
from tme_sim.study.execute import _tasks
from tme_sim.study.runner import Runner

made = study('''[[factor]]
name = "mdsc_death"
key = "parameters.k_MDSC_death"
[[factor]]
name = "diameter"
key = "patient.lesion.main.diameter"
low = "30 mm"
high = "80 mm"
[design]
kind = "latin_hypercube"
n = {n}
''').with_design("latin_hypercube", {n})
runner = Runner({{a.name: made.scenario_of_arm(a.name) for a in made.arms}}, made.outputs)
page = os.sysconf("SC_PAGE_SIZE")
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * page / 1e6
tasks = list(_tasks(made, range(len(made)), 1))
warm, grown, failed = None, 0.0, 0
for k, task in enumerate(tasks):
    failed += sum(row.status != "ok" for row in runner.rows(task.points))
    if k == len(tasks) // 10:
        warm = resident()
    elif warm is not None:
        grown = max(grown, resident() - warm)
print(grown, failed)
"""

ROWS = """
import resource, sys
import numpy as np
from tme_sim.ensemble import Row
from tme_sim.study import open_store
from tme_sim.study.plan_table import PlanTable
from tme_sim.study.tables import csv_text

n = {n}
keys = tuple(i.to_bytes(16, "big") for i in range(n))
about = {{"name": "soak", "title": "", "question": "", "design": "list"}}
plan = PlanTable(about, (("x", "1", "x", False),), [[float(i) for i in range(n)]], ["base"] * n, [0] * n, (), keys)
with open_store({folder!r}, create=True, digest="soak") as store:
    store.add_plan(plan, "")
    for begin in range(0, n, 1000):
        store.put([(keys[i], Row("ok", "", {{f"e{{j}}": i + j / 64 for j in range(40)}})) for i in range(begin, begin + 1000)])
del plan, keys
with open_store({folder!r}) as store:
    table = store.table()
assert table["e39"][n - 1] == n - 1 + 39 / 64 and (table["status"] == "ok").all()
assert np.corrcoef(table["e0"], table["e39"])[0, 1] > 0.999
print(int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024)  # not what it was forked from
"""


STORED = """
import sys
sys.path[:0] = {path!r}
import resource
from tests.study.study_toys import study
from tme_sim.ensemble import Row
from tme_sim.study import run_study
from tme_sim.study.mend import verify_store

made = study('''[[factor]]
name = "mdsc_death"
key = "parameters.k_MDSC_death"
[[factor]]
name = "bev"
key = "protocol.treatment.bevacizumab.start"
relative_to = "first tace"
low = "-28 day"
high = "20 day"
[[factor]]
name = "bev_end"
key = "protocol.treatment.bevacizumab.until"
expression = "bev + 84 day"
''').with_design("sobol", {n})
half = made.with_points(made.points()[: {n} // 2])
runs = []

def engine(study, tasks, sink, jobs):  # a row for each point at once, as if it had been run
    for task in tasks:
        sink.started()
        runs.extend(task.points)
        sink.add(task, [Row("ok", "", {{f"e{{j}}": i + j / 64 for j in range(80)}}) for i in task.ordinals])

run_study(half, {folder!r}, 1, True, engine=engine).close()
with run_study(made, {folder!r}, 1, True, engine=engine) as store:
    assert len(store) == len(set(made.keys)) == len(runs) == {n}, (len(store), len(runs))
    table = store.table(made)
    assert not store.missing(made) and (table["status"] == "ok").all()
    assert (abs(table["bev_end"] - table["bev"] - 84) < 1e-9).all() and (table["e64"][{n} // 2 :] == range({n} // 2 + 1, {n} + 1)).all()
found = verify_store({folder!r})
assert found.rows == {n} and not found.damage
print(int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024)  # not what it was forked from
"""


def _printed(code: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,
                          env={**os.environ, "NUMBA_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [float(part) for part in done.stdout.split()]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_runs():
    grown, failed = _printed(RUNS.format(n=1280, path=[str(Path(__file__).parents[2])]))
    assert grown < 20.0 and failed == 0


@pytest.mark.soak
def test_a_hundred_thousand_runs_in_one_process_grow_by_at_most_20_mb():
    grown, failed = _printed(RUNS.format(n=100_000, path=[str(Path(__file__).parents[2])]))
    assert grown < 20.0 and failed == 0


@pytest.mark.soak
def test_a_table_of_a_million_rows_fits_into_2_gb(tmp_path):
    (peak,) = _printed(ROWS.format(n=1_000_000, folder=str(tmp_path / "s")))
    assert peak < 2000.0


@pytest.mark.slow
def test_plan_and_store_of_a_study_hold_every_point_once(tmp_path):
    (peak,) = _printed(STORED.format(n=2048, folder=str(tmp_path / "s"), path=[str(Path(__file__).parents[2])]))
    assert peak < 1000.0


@pytest.mark.soak
def test_plan_and_store_of_a_hundred_thousand_points(tmp_path):
    (peak,) = _printed(STORED.format(n=100_000, folder=str(tmp_path / "s"), path=[str(Path(__file__).parents[2])]))
    assert peak < 1000.0


@pytest.mark.slow
def test_a_table_of_many_rows_is_read_right(tmp_path):
    (peak,) = _printed(ROWS.format(n=20_000, folder=str(tmp_path / "s")))
    assert peak < 1000.0
