"""A study ends in the same rows however it is run, interrupted, shared out or changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from study_toys import HEAD, MDSC, ROOT, START, same, study

from tests.promises.processes import hear_ctrl_c
from tme_sim.cli import cli
from tme_sim.commands.common import stopped_by_term
from tme_sim.diagnostics import InputError
from tme_sim.study import Interrupted, open_store, run_study, run_table
from tme_sim.study.execute import BATCH
from tme_sim.study.reading import study_from_text

SIX = MDSC.replace('"0.05 1/day"', '"0.05 1/day", "0.06 1/day"') + START
FAULT = "TME_SIM_TEST_FAULT"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished store of six points, and its table."""
    made = study(SIX)
    with run_study(made, tmp_path_factory.mktemp("whole") / "s", jobs=0) as store:
        yield made, store, store.table(made)


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


def test_a_process_of_its_own_gives_the_same_rows(whole, tmp_path):
    made, _, table = whole
    with run_study(made, tmp_path / "s", jobs=1) as store:
        assert same(store.table(made), table)


@pytest.mark.slow
def test_two_processes_give_the_same_rows(whole, tmp_path):
    made, _, table = whole
    with run_study(made, tmp_path / "s", jobs=2) as store:
        assert same(store.table(made), table)


@pytest.mark.slow
def test_a_run_that_kills_its_worker_costs_only_itself(whole, tmp_path, monkeypatch):
    made, _, table = whole
    monkeypatch.setenv(FAULT, "crash parameters.k_MDSC_death=0.05 1/day")
    told = []
    with run_study(made, tmp_path / "s", jobs=1, progress=told.append) as store:
        broken = store.table(made)
    assert broken["status"].tolist() == ["ok", "ok", "crashed", "crashed", "ok", "ok"]
    assert "SIGKILL" in broken["message"][2] and told[-1].failed == 2
    monkeypatch.delenv(FAULT)
    with run_study(made, tmp_path / "s", jobs=0) as store:  # an accident stays a row until it is asked for again
        assert store.status() == {"crashed": 2, "ok": 4}
    with run_study(made, tmp_path / "s", jobs=0, retry=True) as store:
        assert same(store.table(made), table)


@pytest.mark.slow
def test_a_run_that_hangs_becomes_a_row(whole, tmp_path, monkeypatch):
    made, _, table = whole
    from dataclasses import replace

    monkeypatch.setenv(FAULT, "hang parameters.k_MDSC_death=0.05 1/day")
    quick = replace(made, timeout=15.0)
    with run_study(quick, tmp_path / "s", jobs=2) as store:
        found = store.table(quick)
    assert found["status"].tolist() == ["ok", "ok", "timeout", "timeout", "ok", "ok"]
    assert "no end after 15 s" in found["message"][2]
    good = found["status"] == "ok"
    assert (found["burden_d28"][good] == table["burden_d28"][good]).all()


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


def test_shards_together_are_the_whole(whole, tmp_path):
    made, _, table = whole
    from tme_sim.study.mend import merge_stores

    for i in (1, 2):
        run_study(made, tmp_path / str(i), jobs=0, shard=(i, 2)).close()
    merge_stores(tmp_path / "both", [tmp_path / "2", tmp_path / "1"])
    with open_store(tmp_path / "both") as store:
        assert store.missing(made) == [] and same(store.table(), table)


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


# --- the command ----------------------------------------------------------------------------------------------------


def call(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


@pytest.fixture()
def toy(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(HEAD + MDSC)
    return path


def test_sweep_ends_in_a_table_and_a_picture(toy, tmp_path):
    out = tmp_path / "s"
    done = call("sweep", toy, "--out", out, "--jobs", 0)
    assert done.exit_code == 0, done.output
    assert (out / "table.csv").read_text().startswith("mdsc_death,arm,replicate,status,message,n_tace")
    assert (out / "figures" / "toy.png").stat().st_size > 5000
    assert "burden_d28,mL,viable tumour volume of all lesions on day 28\n" in (out / "columns.csv").read_text()
    told = call("store", "status", out)
    assert "complete" in told.output and "(this model)" in told.output
    assert "2 rows, all sound" in call("store", "verify", out).output
    from tme_sim.report import page_of

    sources = next(s for s in page_of(out).sections if s.name == "sources")
    assert len(sources.blocks[1].rows) > 200  # the store knows what its arms were given
    for kind in ("csv", "parquet", "xarray"):
        exported = call("export", kind, out, "--out", tmp_path / f"t.{kind}")
        assert exported.exit_code == 0, exported.output
    assert (tmp_path / "t.csv").read_text() == (out / "table.csv").read_text()
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "t.parquet")
    assert table.column("mdsc_death").to_pylist() == [0.02, 0.05]
    assert table.schema.field("mdsc_death").metadata[b"unit"] == b"1/day"
    import xarray

    with xarray.open_dataset(tmp_path / "t.xarray") as data:
        assert data["pfs"].attrs["units"] == "day" and data.sizes["run"] == 2


def test_a_picture_is_drawn_for_every_kind_of_design(tmp_path):
    from tme_sim.ensemble import Row
    from tme_sim.plots.study import study_figure
    from tme_sim.study.store import table_of_rows

    texts = {
        "map": MDSC + START,
        "line": MDSC,
        "ranked": '[[factor]]\nname = "way"\nkey = "biology.hypotheses.mdsc.loss"\nvalues = ["default"]\n'.replace(
            "mdsc.loss", next(iter(study().base.catalogue.hypotheses))),
        "strips": MDSC + START + '[design]\nkind = "latin_hypercube"\nn = 12\n',
    }
    for name, text in texts.items():
        made = study(text)
        rows = [Row("ok", "", {"pfs": float(i), "first_pd": "death"}) for i in range(len(made))]
        rows[-1] = Row("failed", "no") if len(rows) > 3 else rows[-1]
        figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
        figure.canvas.draw()
        assert figure.axes, name


def test_what_is_drawn_for_patients_is_no_axis_of_the_picture():
    from tme_sim.plots.study import how_to_read, study_figure
    from tme_sim.row import Row
    from tme_sim.study.store import table_of_rows

    patients = '[replicates]\ncount = 3\n[[replicates.draw]]\nname = "size"\nkey = "patient.lesion.main.diameter"\nlow = "30 mm"\nhigh = "60 mm"\n'
    arms = '[[arm]]\nname = "one"\n[[arm]]\nname = "two"\n'
    for text, said in ((MDSC + START, "Each cell"), (MDSC, "A line"), (arms, "Dots are"), ("", "A dot is a run")):
        made = study(text + patients)
        rows = [Row("ok", "", {"pfs": float(i)}) for i in range(len(made))]
        table = table_of_rows(made.plan_table, rows)
        assert how_to_read(made.plan_table, table).startswith(said), text
        names = [one.get_xlabel() for one in study_figure(made.plan_table, table).axes]
        assert ("size" in " ".join(names)) == (text == ""), names


def test_the_scale_of_a_map_lies_within_the_picture():
    from tme_sim.ensemble import Row
    from tme_sim.plots.study import study_figure
    from tme_sim.study.store import table_of_rows

    made = study(MDSC + START)
    rows = [Row("ok", "", {"viable_fraction_d180": 0.034 + 0.009 * i}) for i in range(len(made))]
    figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
    figure.canvas.draw()
    assert all(axes.get_tightbbox().x1 <= figure.bbox.x1 for axes in figure.axes)


def test_the_count_of_runs_keeps_clear_of_the_axes():
    from tme_sim.ensemble import Row
    from tme_sim.plots.study import study_figure
    from tme_sim.study.store import table_of_rows

    made = study(MDSC + START + '[design]\nkind = "latin_hypercube"\nn = 12\n')
    rows = [Row("ok", "", {"pfs": float(i)}) for i in range(11)] + [Row("failed", "no")]
    figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
    figure.canvas.draw()
    (foot,) = [t for t in figure.texts if "without a result" in t.get_text()]
    assert foot.get_window_extent().y0 >= 0
    assert not any(a.xaxis.label.get_window_extent().overlaps(foot.get_window_extent()) for a in figure.axes)


def test_a_second_interrupt_says_where_the_runs_are_as_well(toy, tmp_path, monkeypatch):
    def stopped(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr("tme_sim.study.run_study", stopped)
    done = call("sweep", toy, "--out", tmp_path / "s")
    assert done.exit_code == 130 and "run the same command again to go on" in done.output
    assert "nothing was written" not in done.output


def test_a_termination_stops_as_ctrl_c_does():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stopped_by_term():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_exported_plan_is_chosen_and_what_it_lacks_is_told(toy, tmp_path):
    store = tmp_path / "s"
    call("sweep", toy, "--out", store, "--jobs", "0")
    toy.write_text(HEAD.replace("toy", "other") + MDSC.replace("mdsc_death", "k").replace("0.05", "0.06"))
    call("sweep", toy, "--out", store, "--jobs", "0", "--shard", "1/2")  # which is there already
    last = call("export", "csv", store, "--out", tmp_path / "last.csv")
    assert "2 rows of other, of which without a result: 1 missing (1 more in this store: --plan)" in last.output
    first = call("export", "csv", store, "--out", tmp_path / "first.csv", "--plan", "1")
    assert "rows of toy (1 more" in first.output and (tmp_path / "first.csv").read_text().startswith("mdsc_death,")
    assert "there are 1, 2" in call("export", "csv", store, "--out", tmp_path / "no.csv", "--plan", "3").output
    assert "--plan belongs to" in call("export", "sbml", toy, "--out", tmp_path / "m.xml", "--plan", "1").output


def test_bad_input_is_refused_and_nothing_is_written(toy, tmp_path):
    cases = [
        (("sweep", toy, "--out", tmp_path / "s", "--shard", "3/2"), "I from 1 to N"),
        (("sweep", toy, "--out", tmp_path / "s", "--scheduler", "tcp://127.0.0.1:1"), "--engine dask"),
        (("sweep", tmp_path / "stud.toml", "--out", tmp_path / "s"), 'did you mean "study.toml"?'),
        (("store", "status", tmp_path / "s"), "holds no store"),
        (("store", "verify", tmp_path / "s"), "holds no store"),
        (("merge", tmp_path / "nothing", "--out", tmp_path / "s"), "holds no store"),
        (("export", "csv", tmp_path / "s", "--out", tmp_path / "t.csv"), "no such folder of a run or a store"),
    ]
    for arguments, expected in cases:
        done = call(*arguments)
        assert done.exit_code == 2 and expected in done.output, (arguments, done.output)
    assert os.listdir(tmp_path) == ["study.toml"]


def test_a_large_design_shows_its_estimate_and_asks(toy, tmp_path):
    toy.write_text(HEAD + '[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\n[design]\nkind = "sobol"\nn = 30000\n')
    done = call("sweep", toy, "--out", tmp_path / "s")
    assert done.exit_code == 2 and "30000 runs, about" in done.output and "--yes" in done.output
    assert not (tmp_path / "s").exists()
    with pytest.raises(InputError, match="is large: 30000 runs"):
        run_study(study(toy.read_text().removeprefix(HEAD)), tmp_path / "s")


def test_a_huge_design_is_estimated_before_its_runs_are_planned(toy, tmp_path, monkeypatch):
    from tme_sim.study import expected
    from tme_sim.study.definition import Study

    monkeypatch.setattr(expected, "UNPLANNED", 1000)
    monkeypatch.setattr(Study, "keys", property(lambda study: pytest.fail("was planned")))
    toy.write_text(HEAD + '[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\n[design]\nkind = "sobol"\nn = 30000\n')
    done = call("sweep", toy, "--out", tmp_path / "s")
    assert done.exit_code == 2 and "at most 30000 runs, about" in done.output and "--yes" in done.output
    assert not (tmp_path / "s").exists()
    assert call("sweep", toy, "--out", tmp_path / "s", "--dry-run").exit_code == 0


def test_an_estimate_loads_no_engine_which_would_be_compiled_before_a_word(toy):
    code = ("import sys; from tme_sim.study import load_study; from tme_sim.study.expected import estimate; "
            "print(estimate(load_study(sys.argv[1]), 'nowhere', 1, compiling=True)); "
            "import tme_sim.study.execute, tme_sim.findings.drive, tme_sim.findings.told; "
            "print([m for m in sys.modules if m.startswith('tme_sim.engine.integ')])")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, toy], capture_output=True, text=True, check=True)
    assert " runs, about " in done.stdout and done.stdout.endswith("[]\n")


def test_a_disk_that_is_too_small_is_told_with_the_repair(toy, tmp_path, monkeypatch):
    from tme_sim.study import expected

    monkeypatch.setattr(expected, "_free", lambda path: 1500)
    done = call("sweep", toy, "--out", tmp_path / "s", "--jobs", 2)
    assert done.exit_code == 2 and "2 runs, about 4 s on 2 processes and 2 kB, but only 2 kB are free" in done.output
    assert "this is more than the disk holds: free some space" in done.output and not (tmp_path / "s").exists()


def test_the_estimate_tells_what_is_compiled_first_where_it_is_not_there(whole, toy, tmp_path, monkeypatch):
    def said(text):
        toy.write_text(text)
        return call("sweep", toy, "--out", tmp_path / "s", "--dry-run").output

    assert "compile" not in said(HEAD + MDSC)  # what `whole` has run
    monkeypatch.setenv("TME_SIM_CACHE", str(tmp_path))
    assert "first, once, to compile 1 model, about 30 s" in said(HEAD + MDSC)
    cells = HEAD.replace("configs/emerald1.toml", "configs/agents_emerald1.toml") + MDSC
    assert "first, once, to compile 1 model and the laws of single cells, about" in said(cells)


def test_a_study_of_words_alone_ends_in_a_table_without_a_picture(toy, tmp_path):
    toy.write_text(HEAD + MDSC + '[outputs]\nendpoints = ["first_pd"]\n')
    done = call("sweep", toy, "--out", tmp_path / "s", "--jobs", "0")
    assert done.exit_code == 0 and "no endpoint of this study is a number" in done.output
    assert (tmp_path / "s" / "table.csv").read_text().startswith("mdsc_death,arm,replicate,status,message,first_pd")


def test_ranks_are_compared_within_each_arm():
    from tme_sim.plots.study import study_figure
    from tme_sim.row import Row
    from tme_sim.study.store import table_of_rows

    arms = '[[arm]]\nname = "one"\n[[arm]]\nname = "two"\n'
    made = study(MDSC.replace('values = ["0.02 1/day", "0.05 1/day"]', "") + START.replace("levels = 2", "") + arms
                 + '[design]\nkind = "latin_hypercube"\nn = 8\n[outputs]\nendpoints = ["depth"]\n')
    values = made.columns()["mdsc_death"]  # goes up with it in one arm, down far above that in the other
    rows = [Row("ok", "", {"depth": x if arm == "one" else 9 - x})
            for x, (_, arm, _) in zip(values, made.points(), strict=True)]
    figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
    assert figure.axes[0].get_xlabel().startswith("mdsc death")
    assert figure.axes[0].get_title("right") == "rank correlation +1.00, \N{MINUS SIGN}1.00"


def test_of_factors_moved_one_at_a_time_that_which_moves_most_comes_first():
    from tme_sim.plots.study import study_figure
    from tme_sim.row import Row
    from tme_sim.study.store import table_of_rows

    made = study(MDSC + START + '[design]\nkind = "one_at_a_time"\n[outputs]\nendpoints = ["depth"]\n')
    moved = made.columns()["bev"]
    rows = [Row("ok", "", {"depth": -0.5 + 1e-9 * i + (x > 0)}) for i, x in enumerate(moved)]
    figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
    assert [one.get_xlabel().split()[0] for one in figure.axes if one.get_visible()] == ["bev", "mdsc"]


def test_a_factor_that_most_points_leave_alone_is_drawn_where_it_is_moved():
    from tme_sim.ensemble import Row
    from tme_sim.plots.study import study_figure
    from tme_sim.study.store import table_of_rows

    choice = '[[factor]]\nname = "loss"\nkey = "biology.hypotheses.mdsc.loss"\n'
    made = study(MDSC + START + choice + '[design]\nkind = "one_at_a_time"\n[outputs]\nendpoints = ["depth"]\n')
    rows = [Row("ok", "", {"depth": -0.1 * i}) for i in range(len(made))]
    figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
    panels = {one.get_xlabel(): one for one in figure.axes if one.get_visible()}
    assert len(panels) == 3
    for panel in panels.values():
        (points,) = panel.lines
        assert np.isfinite(points.get_xdata()).sum() == (3 if panel is panels["loss"] else 2)
    assert [t.get_text() for t in panels["loss"].get_xticklabels()] == ["default", "fast_turnover", "slow_turnover"]


def test_a_store_of_another_model_is_refused_by_sweep(toy, tmp_path):
    open_store(tmp_path / "s", create=True, digest="b" * 32).close()
    done = call("sweep", toy, "--out", tmp_path / "s")
    assert done.exit_code == 2 and "choose another folder" in done.output


def test_a_second_driver_of_a_store_is_refused_with_the_repair(toy, tmp_path):
    with open_store(tmp_path / "s", create=True, digest=study().model_digest):
        for arguments in (("sweep", toy, "--out", tmp_path / "s"), ("sensitivity", toy, "--store", tmp_path / "s", "--outcome", "pfs")):
            done = call(*arguments)
            assert done.exit_code == 2, done.output
            assert f"is being written by process {os.getpid()} on " in done.output and "wait until it is" in done.output


def test_shards_are_joined_by_the_command(toy, tmp_path):
    for i in (1, 2):
        assert call("sweep", toy, "--out", tmp_path / f"part{i}", "--jobs", 0, "--shard", f"{i}/2").exit_code == 0
    done = call("merge", tmp_path / "part2", tmp_path / "part1", "--out", tmp_path / "whole")
    assert done.exit_code == 0 and f"2 rows in {tmp_path / 'whole'}" in done.output, done.output
    assert (tmp_path / "whole" / "table.csv").is_file()


def test_durations_of_a_calendar_are_written_in_whole_minutes():
    made = study('[[factor]]\nname = "every"\nkey = "protocol.treatment.bevacizumab.every"\nlow = "2 week"\n'
                 'high = "6 week"\n[design]\nkind = "latin_hypercube"\nn = 5\n')  # fmt: skip
    for point in made.points():
        assert made.scenario(point).calendar.entries
    assert made.factor("every").written(3.0) == "3 week"


def test_progress_of_findings_ends_with_all_runs_and_few_runs_say_nothing(tmp_path):
    from tme_sim.findings.runs import Runs
    from tme_sim.study import Progress

    told = []
    runs = Runs(study(), progress=told.append)
    for done in ((4, 4), (1, 9), (3, 9), (9, 9), (9, 9)):
        runs._told(Progress(*done, failed=1, rate=2.0, left=600.0))
    assert told == ["runs: 1 of 9, 1 without a result, 2 runs/s, 10 min left", "runs: 9 of 9, 1 without a result, 2 runs/s"]


def test_progress_of_findings_says_nothing_twice(tmp_path, monkeypatch):
    from tme_sim.findings import runs as module
    from tme_sim.study import Progress

    monkeypatch.setattr(module, "EVERY", 0.0)
    told = []
    runs = module.Runs(study(), progress=told.append)
    for done in (0, 5, 5, 9):
        runs._told(Progress(done, 9))
    assert told == ["runs: 0 of 9", "runs: 5 of 9", "runs: 9 of 9"]


LONG = '[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\nlow = "0.02 1/day"\nhigh = "0.06 1/day"\nlevels = 1500\n'


def _workers_of(session: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if session.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _swept(path: Path, out: Path, mark: str) -> subprocess.Popen:
    environment = os.environ | {"TME_SIM_TEST_MARK": mark, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "tme_sim", "sweep", str(path), "--out", str(out), "--jobs", "2"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True,
                            preexec_fn=hear_ctrl_c)  # fmt: skip


def _wait_for_rows(out: Path, process: subprocess.Popen, count: int) -> None:
    end = time.monotonic() + 200
    while time.monotonic() < end and process.poll() is None:
        if (out / "runs.sqlite").exists():
            try:
                with open_store(out, digest="") as store:
                    if len(store) >= count:
                        return
            except Exception:
                pass
        time.sleep(0.1)
    raise AssertionError(f"no rows came: {process.poll()}")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["interrupt", "terminate", "kill the driver", "kill a worker"])
def test_a_sweep_that_is_stopped_goes_on_to_the_same_table(way, tmp_path):
    path, out, mark = tmp_path / "study.toml", tmp_path / "s", f"mark-{os.getpid()}-{way.replace(' ', '-')}"
    path.write_text(HEAD.replace("60 day", "20 day") + LONG)
    process = _swept(path, out, mark)
    _wait_for_rows(out, process, 100)
    if way in ("interrupt", "terminate"):
        begin = time.monotonic()
        process.send_signal(signal.SIGINT if way == "interrupt" else signal.SIGTERM)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 130 and "run the same command again to go on" in told
        assert time.monotonic() - begin < 10  # two seconds on an idle machine
    elif way == "kill the driver":
        process.kill()
        process.communicate(timeout=60)
    else:
        workers = [p for p in _workers_of(mark) if p != process.pid]
        os.kill(workers[0], signal.SIGKILL)
        assert process.wait(timeout=250) == 0
    time.sleep(3)
    assert _workers_of(mark) == []
    made = study(LONG, HEAD.replace("60 day", "20 day"))
    told = []
    with run_study(made, out, jobs=0, progress=told.append) as store:
        table = store.table(made)
    assert told[-1].reused >= 100 and (table["status"] == "ok").all()
    assert len(store_rows := set(made.keys)) == len(store_rows) == 1500
    some = made.with_points(made.points()[::150])
    assert same(run_table(some, threads=1), {n: v[::150] for n, v in table.items()})


AGENTS = """schema = 1
name = "cells"
base = "{root}/configs/agents_emerald1.toml"
[set]
"run.duration" = "3 day"
"piece.size" = "0.2 mm"
"piece.snapshots" = []
[[factor]]
name = "mdsc_death"
key = "parameters.k_MDSC_death"
values = ["0.02 1/day", "0.2 1/day"]
"""


def test_a_study_of_runs_cell_by_cell_has_a_longer_timeout_and_keeps_no_trajectories(tmp_path):
    text = AGENTS.format(root=ROOT)
    assert study_from_text(text, "study.toml").timeout == 6 * 3600
    assert study_from_text(text.replace("[set]", 'timeout = "1 h"\n[set]'), "study.toml").timeout == 3600
    with pytest.raises(InputError, match="runs = true"):
        study_from_text(text + '[outputs]\ntrajectories = ["MDSC"]\ndays = [1]\n', "study.toml")


def test_what_runs_compile_is_told_apart_and_does_not_count_as_their_time(tmp_path, monkeypatch):
    from tme_sim.study import execute
    from tme_sim.study.runner import Runner

    seen, started, prepare = [], execute._Sink.started, Runner.prepare
    monkeypatch.setattr(execute._Sink, "started", lambda self: (seen.append("runs"), started(self))[1])
    monkeypatch.setattr(Runner, "prepare", lambda self, *a: (seen.append("compiles"), prepare(self, *a))[1])
    run_study(study(MDSC), tmp_path / "s", jobs=0, progress=lambda p: seen.append(p.note)).close()
    assert [one for one in seen if one] == [execute.COMPILING, "compiles", "runs"]


@pytest.mark.slow
def test_laws_of_single_cells_are_compiled_before_the_first_run(monkeypatch):
    from tme_sim.study.runner import Runner
    from tme_sim.tissue import fused

    made = study_from_text(AGENTS.format(root=ROOT), "study.toml")
    points = [(point[1], made.changes(point)) for point in made.points()]
    runner = Runner({"base": made.base}, made.outputs)
    loaded, load = [], fused.load
    monkeypatch.setattr(fused, "load", lambda model, text: (loaded.append(text), load(model, text))[1])
    runner.prepare(points)
    before, count = set(loaded), len(loaded)
    assert before
    runner.prepare(points)
    assert len(loaded) == count  # once for all points of a structure
    prepared = runner.rows(points)
    assert set(loaded) == before
    assert repr(prepared) == repr(Runner({"base": made.base}, made.outputs).rows(points))


def test_patients_of_runs_cell_by_cell_differ_by_their_cells_alone():
    text = AGENTS.format(root=ROOT) + "[replicates]\ncount = 3\n"
    assert len(set(study_from_text(text, "study.toml").keys)) == 6


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
