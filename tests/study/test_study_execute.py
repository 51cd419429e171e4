"""A study ends in the same rows however it is run, interrupted or changed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.study.study_toys import AGENTS, HEAD, LONG, MDSC, ROOT, SIX, same, study
from tme_sim.study import Interrupted, run_study, run_table
from tme_sim.study.execute import BATCH
from tme_sim.study.reading import study_from_text


def test_every_run_is_a_row_with_its_endpoints(whole):
    made, store, table = whole
    assert table["status"].tolist() == ["ok"] * 6
    assert table["mdsc_death"].tolist() == [0.02, 0.02, 0.05, 0.05, 0.06, 0.06] and table["bev"].tolist() == [-14.0, 28.0] * 3
    assert np.unique(table["burden_d28"]).size > 1
    from tme_sim.simulation import run_plan

    alone = run_plan(made.plan(made.points()[3])).endpoints
    for name, value in alone.items():
        assert table[name][3] == value or (value != value and np.isnan(table[name][3])), name


def test_a_table_without_a_store_is_that_of_the_store(whole):
    made, _, table = whole
    assert same(run_table(made, threads=1), table)


def test_a_finished_study_runs_nothing_and_a_changed_one_only_what_is_new(whole):
    made, store, table = whole
    told = []
    run_study(made, store.folder, jobs=0, progress=told.append).close()
    assert told[-1].reused == 6 and told[-1].done == 6 and told[-1].rate == 0
    changed = study(SIX.replace('"0.02 1/day"', '"0.02 1/day", "0.03 1/day"'))
    told.clear()
    with run_study(changed, store.folder, jobs=0, progress=told.append) as again:
        assert told[-1].reused == 6 and told[-1].total == 8
        assert [p["size"] for p in again.plans()] == [6, 8]
        assert same(again.table(made), table)


def test_trajectories_are_those_of_a_single_run(tmp_path):
    made = study(MDSC.replace('"0.02 1/day", ', "") + '[outputs]\nendpoints = ["burden_d28"]\ntrajectories = '
                 '["MDSC", "vegf_free_plasma"]\ndays = [0, 21, 60]')
    table = run_table(made, threads=1)
    assert list(table)[-7:-3] == ["burden_d28", "MDSC_d0", "MDSC_d21", "MDSC_d60"]
    from tme_sim.simulation import run_plan

    alone = run_plan(made.plan(made.points()[0]))
    for name in ("MDSC", "vegf_free_plasma"):
        for day in (0, 21, 60):
            assert table[f"{name}_d{day}"][0] == alone.series(name)[alone.time == day][0]


def test_points_that_cannot_be_run_cost_only_their_own_row(tmp_path):
    made = study().with_points([
        ({"mdsc_death": 0.05}, "base", 0), ({"mdsc_death": -1.0}, "base", 0), ({"mdsc_death": 0.02}, "base", 0)])
    with run_study(made, tmp_path / "s", jobs=0) as store:
        table = store.table(made)
    assert table["status"].tolist() == ["ok", "bad input", "ok"]
    assert "physically impossible" in table["message"][1] and np.isnan(table["burden_d28"][1])


def test_a_run_folder_that_the_disk_does_not_hold_is_no_fault_of_the_run(tmp_path, monkeypatch):
    from tme_sim import results

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "write_file", full)
    made = study(MDSC + '[outputs]\nendpoints = ["burden_d28"]\nruns = true\n')
    with run_study(made, tmp_path / "s", jobs=0) as store:
        table = store.table(made)
    assert table["status"].tolist() == ["crashed"] * 2 and "No space left" in table["message"][0]


def test_whole_runs_are_kept_as_folders(tmp_path):
    from tme_sim.results import Run

    made = study(MDSC.replace('"0.02 1/day", ', "") + "[outputs]\nruns = true\n")
    with run_study(made, tmp_path / "s", jobs=0) as store:
        table = store.table(made)
    run = Run.load(tmp_path / "s" / "runs" / made.keys[0].hex())
    assert run.summary["burden_d28"] == table["burden_d28"][0]


def test_an_interrupt_keeps_what_is_done(tmp_path, monkeypatch):
    made = study('[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\nlow = "0.02 1/day"\nhigh = "0.06 1/day"\n'
                 f"levels = {BATCH + 2}\n", HEAD.replace("60 day", "2 day"))

    def stop(progress):
        if progress.done == BATCH:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=f"{BATCH} of {BATCH + 2} runs are in .* same command again"):
        run_study(made, tmp_path / "s", jobs=0, progress=stop)
    told = []
    run_study(made, tmp_path / "s", jobs=0, progress=told.append).close()
    assert told[-1].reused == BATCH and told[-1].done == BATCH + 2


def test_a_task_that_hangs_is_noticed_little_later_than_a_single_run():
    from types import SimpleNamespace

    from tme_sim.study.execute import _limit
    from tme_sim.study.expected import usual_seconds
    from tme_sim.study.task import Task

    made = study(LONG, HEAD.replace("60 day", "730 day"))
    for done, took in ((0, 0.0), (1000, 40.0)):  # the first task, and one on a machine that others use
        sink = SimpleNamespace(done=done, seconds=took, expected=usual_seconds(made))
        whole, single = (_limit(made, Task(made, tuple(range(n))), sink) for n in (BATCH, 1))
        assert single == made.timeout < whole < 2 * made.timeout


def test_what_runs_compile_is_told_apart_and_does_not_count_as_their_time(tmp_path, monkeypatch):
    from tme_sim.study import execute
    from tme_sim.study.runner import Runner

    seen, started, prepare = [], execute._Sink.started, Runner.prepare
    monkeypatch.setattr(execute._Sink, "started", lambda self: (seen.append("runs"), started(self))[1])
    monkeypatch.setattr(Runner, "prepare", lambda self, *a: (seen.append("compiles"), prepare(self, *a))[1])
    run_study(study(MDSC), tmp_path / "s", jobs=0, progress=lambda p: seen.append(p.note)).close()
    assert [one for one in seen if one] == [execute.COMPILING, "compiles", "runs"]


@pytest.mark.slow
def test_runs_cell_by_cell_go_to_processes_one_by_one(tmp_path):
    from tme_sim.ensemble import run_rows

    made = study_from_text(AGENTS.format(root=ROOT), "study.toml")
    with run_study(made, tmp_path / "s") as store:
        table = store.table(made)
    assert list(table["status"]) == ["ok", "ok"]
    alone = run_rows([made.plan(made.points()[1])])[0].summary
    for name, value in alone.items():
        if isinstance(value, (int, float)):
            assert table[name][1] == value or value != value
