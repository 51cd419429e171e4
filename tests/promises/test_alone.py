"""A run keeps to itself: no network, no global random numbers, the same bytes again; and how long it takes to start."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.promises.processes import python
from tme_sim.cli import cli
from tme_sim.compiler.unitcheck import Verdict, report
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import compose
from tme_sim.results import DETERMINISTIC

ROOT = Path(__file__).parents[2]
EMERALD = "configs/emerald1.toml"

# An audit hook hears of every name that is looked up and every socket that is made, bound or connected by Python code.
WATCHED = """
import sys
heard = []
def hook(event, details):
    if event.startswith(("socket.", "urllib.", "http.", "ftplib.", "smtplib.")):
        heard.append(event)
sys.addaudithook(hook)
if sys.argv[1] == "dial":
    import socket
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=0.2)
    except OSError:
        pass
else:
    from tme_sim.cli import cli
    try:
        cli(sys.argv[1:])
    except SystemExit as end:
        assert not end.code, end.code
print("heard", sorted(set(heard)))
"""


def call(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def test_a_run_with_figures_opens_no_connection(tmp_path):
    done = python("-c", WATCHED, "run", EMERALD, "--out", str(tmp_path / "run"), "--set", "run.duration=60 day")
    assert done.returncode == 0, done.stderr[-800:]
    assert done.stdout.splitlines()[-1] == "heard []" and list((tmp_path / "run" / "figures").iterdir())


def test_the_watch_hears_a_connection():
    assert "socket.connect" in python("-c", WATCHED, "dial").stdout


def test_rerun_of_a_run_folder_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    first, second = tmp_path / "first", tmp_path / "elsewhere" / "second"
    short = ("--set", "run.duration=100 day", "--set", "protocol.treatment.bevacizumab.start=day 9")
    assert call("run", EMERALD, "--out", first, "--no-figures", *short).exit_code == 0
    monkeypatch.chdir(tmp_path)
    done = call("rerun", first / "manifest.json", "--out", second)
    assert done.exit_code == 0 and "the same bytes" in done.output, done.output
    for name in DETERMINISTIC:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    changed = json.loads((first / "manifest.json").read_text())
    changed["files"]["summary.json"]["sha256"] = "0" * 64
    (first / "manifest.json").write_text(json.dumps(changed))
    done = call("rerun", first / "manifest.json", "--out", tmp_path / "third")
    assert done.exit_code == 1 and "not the same bytes: summary.json" in done.output


def test_a_run_leaves_the_global_random_numbers_alone(tmp_path, monkeypatch):
    import random

    monkeypatch.chdir(ROOT)
    before = (random.getstate(), np.random.get_state()[1].tobytes(), np.random.get_state()[2])
    assert call("run", EMERALD, "--out", tmp_path / "run", "--no-figures", "--set", "run.duration=30 day").exit_code == 0
    assert (random.getstate(), np.random.get_state()[1].tobytes(), np.random.get_state()[2]) == before


def test_units_of_every_law_of_the_whole_network_agree():
    network = compose(all_mechanisms())
    verdicts = report(network)
    assert len(verdicts) >= len(network.processes) + len(network.signals)
    wrong: list[Verdict] = [v for v in verdicts if v.problem]
    assert not wrong, wrong


STARTED = """
import sys, time
begin = time.perf_counter()
from tme_sim.cli import cli
try:
    cli(["run", sys.argv[1], "--out", sys.argv[2], "--no-figures"])
except SystemExit:
    pass
print("late", [m for m in ("sympy", "matplotlib", "pint", "scipy") if m in sys.modules])
"""


def test_start_up_is_told_and_neither_sympy_nor_matplotlib_is_loaded_before_the_summary(tmp_path, capsys):
    call("run", str(ROOT / EMERALD), "--out", tmp_path / "warm", "--no-figures")  # the model is compiled by now
    before, begin = os.times(), time.perf_counter()
    done = python("-c", STARTED, EMERALD, str(tmp_path / "run"))
    wall, after = time.perf_counter() - begin, os.times()
    assert done.returncode == 0, done.stderr[-800:]
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    timings = json.loads((tmp_path / "run" / "manifest.json").read_text())["timings"]
    with capsys.disabled():
        print(f"\n  cached start to summary.json: {wall:.2f} s, {spent:.2f} s of processor time (budget 1.5 s and "
              f"integration, {timings['integrate']:.2f} s)", end="")
    assert done.stdout.splitlines()[-1] in ("late []", "late ['scipy']")


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_a_first_run_with_an_empty_cache_and_home_works(tmp_path):
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    arguments = ("-m", "tme_sim", "run", EMERALD, "--no-figures", "--out")
    done = python(*arguments, str(tmp_path / "run"), timeout=900.0, HOME=str(home), TME_SIM_CACHE=str(cache))
    assert done.returncode == 0, done.stderr[-800:]
    assert done.stderr.startswith("compiling the integrator (once,"), done.stderr[:200]  # before the long silence
    assert {p.name for p in cache.iterdir()} == {"engine", "models"} and not any(home.rglob("*.nbi"))

