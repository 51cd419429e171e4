"""Start-up as whole processes: what someone at a terminal waits for."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Goal, wait_until_quiet
from benchmarks.problem import ROOT, SCENARIO

LOOK_EVERY = 0.005  # seconds between two looks for the result


def process(arguments, environment=None, result: Path | None = None) -> dict[str, float]:
    """Seconds of one `python -m tme_sim ...` with its children: wall, cpu, and until the file `result` is there.

    Raises:
        RuntimeError: the command failed, or ended without its result.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    command = [sys.executable, "-m", "tme_sim", *map(str, arguments)]
    with tempfile.TemporaryFile() as told:
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=told)
        found = None
        while result is not None and found is None and child.poll() is None:
            if result.exists():
                found = time.perf_counter() - begin
            else:
                time.sleep(LOOK_EVERY)
        code = child.wait()
        wall = time.perf_counter() - begin
        if code != 0 or (result is not None and not result.exists()):
            told.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {code}: {told.read()[-600:].decode(errors='replace')}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": spent} | ({"until_result": found or wall} if result is not None else {})


def run(*, quick: bool, say) -> dict:
    """Wall and CPU seconds of the usual commands; wall figures wait for a quiet machine."""
    repeats = 2 if quick else 7
    patience = 0.0 if quick else 120.0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)

        def scenario(name: str, environment=None, *more) -> dict[str, float]:
            out = place / f"{name}_{time.monotonic_ns()}"
            return process(["run", SCENARIO, "--out", out, *more], environment, out / "summary.json")

        scenario("warm")
        jobs = {
            "help": lambda: process(["--help"]),
            "config check": lambda: process(["config", "check", SCENARIO]),
            "run without figures, cached": lambda: scenario("bare", None, "--no-figures"),
            "run with figures, cached": lambda: scenario("full"),
        }
        found = {}
        for name, job in jobs.items():
            busy = wait_until_quiet(patience)
            found[name] = summary([job() for _ in range(repeats)], busy)
            say(f"{name}: {told(found[name])}")
        # a home without any cache: ours, numba's and Matplotlib's
        busy = wait_until_quiet(patience)
        times = []
        for turn in range(1 if quick else 3):
            home = place / f"home_{turn}"
            home.mkdir()
            clean = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "NUMBA_", "MPL"))}
            clean |= {"HOME": str(home), "TME_SIM_CACHE": str(home / "tme_sim")}
            times.append(scenario("first", clean))
        found["first run ever, with figures"] = summary(times, busy)
        say(f"first run ever: {told(found['first run ever, with figures'])}")
    cached = found["run with figures, cached"]["until_result"]["median"]
    first = found["first run ever, with figures"]["until_result"]["median"]
    made = [
        Goal("cached start to summary.json", f"{cached:.2f} s", "none", cached, 1.5, 0.8, upward=False, unit="s"),
        Goal("first run ever to summary.json", f"{first:.1f} s", "none", first, 30.0, 12.0, upward=False, unit="s"),
    ]
    return {
        "what": "whole processes of the command line, python included; seconds",
        "processes": found,
        "goals": [g.record() for g in made],
        "lines": [g.line() for g in made],
    }


def summary(times: list[dict[str, float]], busy: float) -> dict:
    """Median and range of every clock."""
    out: dict = {"repeats": len(times), "others_busy_cores": busy}
    for clock in times[0]:
        values = [t[clock] for t in times]
        out[clock] = {"median": statistics.median(values), "range": [min(values), max(values)]}
    return out


def told(found: dict) -> str:
    """The medians in words."""
    first = f"{found['until_result']['median']:.2f} s to the result, " if "until_result" in found else ""
    return f"{first}{found['wall']['median']:.2f} s wall, {found['cpu']['median']:.2f} s CPU"
