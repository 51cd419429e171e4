"""The commands of studies: sweep, store, merge and export, their messages and exit codes."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.study.study_toys import HEAD, MDSC, call, study
from tme_sim.commands.common import stopped_by_term
from tme_sim.study import open_store


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


def test_a_study_of_words_alone_ends_in_a_table_without_a_picture(toy, tmp_path):
    toy.write_text(HEAD + MDSC + '[outputs]\nendpoints = ["first_pd"]\n')
    done = call("sweep", toy, "--out", tmp_path / "s", "--jobs", "0")
    assert done.exit_code == 0 and "no endpoint of this study is a number" in done.output
    assert (tmp_path / "s" / "table.csv").read_text().startswith("mdsc_death,arm,replicate,status,message,first_pd")


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
