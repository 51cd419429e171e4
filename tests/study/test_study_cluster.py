"""A cluster gives the rows of a local run, loses nothing when its workers die, and is closed to others."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from tests.study.study_toys import HEAD, ROOT, same, study
from tme_sim.diagnostics import InputError
from tme_sim.study import StoreError, run_study, run_table
from tme_sim.study.cluster import check_address, dask_engine, run_points


@pytest.mark.parametrize("address", ["tcp://10.0.0.5:8786", "tcp://cluster.example.org:8786", "tcp://0.0.0.0:8786"])
def test_a_scheduler_open_to_others_is_refused_unless_trusted(address):
    with pytest.raises(InputError, match="--i-trust-this-network"):
        check_address(address, False)
    assert check_address(address, True) == address
    assert check_address(address.replace("tcp", "tls"), False).startswith("tls")


@pytest.mark.parametrize("address", [None, "", "8786", "http://127.0.0.1:8786", "tcp://127.0.0.1", "tcp://a b:1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match="127.0.0.1:8786"):
        check_address(address, True)


@pytest.mark.parametrize("listening", [False, True])
def test_an_address_where_no_scheduler_answers_is_told_within_seconds(listening, monkeypatch):
    monkeypatch.setattr("tme_sim.study.cluster.ANSWER", 0.5)
    with socket.socket() as other:  # bound and so nobody else's; where it listens, something that is no scheduler
        other.bind(("127.0.0.1", 0))
        if listening:
            other.listen()
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        begin = time.monotonic()
        with pytest.raises(InputError, match="no dask scheduler answers there.*dask scheduler"):
            dask_engine(address)
    assert time.monotonic() - begin < 20


def test_a_worker_of_another_version_is_refused():
    import json

    from tme_sim.study.cluster import OTHER_MODEL
    from tme_sim.study.runner import recipe_of
    from tme_sim.study.wire import rows_from

    made = study()
    recipe = json.dumps(recipe_of(made), sort_keys=True)
    assert run_points(recipe, "0" * 32, []) == OTHER_MODEL
    assert rows_from(run_points(recipe, made.model_digest, [])) == []


@pytest.mark.slow
def test_a_cluster_whose_workers_are_killed_gives_the_rows_of_a_local_run(tmp_path, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    text = '[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\nlow = "0.02 1/day"\nhigh = "0.06 1/day"\nlevels = 700\n'
    made = study(text, HEAD.replace("60 day", "20 day"))
    told = []
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None) as cluster:
        victim = next(iter(cluster.workers.values())).pid

        def kill():
            end = time.monotonic() + 200
            while time.monotonic() < end and not any(p.done > 0 for p in told):
                time.sleep(0.05)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        engine = dask_engine(cluster.scheduler_address)
        with run_study(made, tmp_path / "s", progress=told.append, engine=engine) as store:
            table = store.table(made)
        killer.join()
    assert (table["status"] == "ok").all() and told[-1].failed == 0
    assert same(run_table(made), table)


CLUSTER = """
import time
from distributed import LocalCluster

if __name__ == "__main__":
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    print(cluster.scheduler_address, flush=True)
    time.sleep(280)
"""


@pytest.mark.slow
def test_a_study_whose_scheduler_is_lost_goes_on_elsewhere(tmp_path):
    (tmp_path / "cluster.py").write_text(CLUSTER)
    text = '[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\nlow = "0.02 1/day"\nhigh = "0.06 1/day"\nlevels = 700\n'
    made = study(text, HEAD.replace("60 day", "20 day"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    cluster = subprocess.Popen([sys.executable, str(tmp_path / "cluster.py")], stdout=subprocess.PIPE, text=True,
                               env=environment, start_new_session=True)  # fmt: skip

    def heard(progress):
        if 0 < progress.done < progress.total:
            with suppress(ProcessLookupError):
                os.killpg(cluster.pid, signal.SIGKILL)  # scheduler and workers at once

    try:
        engine = dask_engine(cluster.stdout.readline().strip())
        with pytest.raises(StoreError) as told:
            run_study(made, tmp_path / "s", progress=heard, engine=engine)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(cluster.pid, signal.SIGKILL)
        cluster.wait()
    assert "does not answer" in str(told.value) and "run the same command again to go on" in str(told.value)
    seen = []
    with run_study(made, tmp_path / "s", 0, progress=seen.append) as store:
        table = store.table(made)
    assert seen[-1].reused > 0 and (table["status"] == "ok").all()
    assert same(run_table(made), table)
