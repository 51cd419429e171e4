"""Processes of a study: the same rows in one and in many, and what kills or hangs one costs only itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.promises.processes import hear_ctrl_c
from tests.study.study_toys import HEAD, LONG, ROOT, same, study
from tme_sim.study import open_store, run_study, run_table

FAULT = "TME_SIM_TEST_FAULT"


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
