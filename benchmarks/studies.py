"""A whole study: runs per second of `tme-sim sweep`, bytes a row takes on disk, and memory.

With ``--runs N`` it is the command itself over N runs, as a user types it: seconds by the clock and of processor,
largest memory of all its processes together, bytes of the folder that it leaves.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.measure import Goal, cores, wait_until_quiet
from benchmarks.problem import ROOT

TEXT = """schema = 1
name = "benchmark"
base = "{base}"
[set]
"run.rtol" = 1e-4
"run.duration" = "{days} day"
[[factor]]
name = "mdsc_death"
key = "parameters.k_MDSC_death"
[[factor]]
name = "exhaustion"
key = "parameters.k_T_exh"
[[factor]]
name = "doubling_time"
key = "patient.lesion.main.doubling_time"
low = "100 day"
high = "300 day"
[design]
kind = "sobol"
n = {n}
"""


def run(*, quick: bool, say, runs: int | None = None) -> dict:
    """Sweep of random patients in one process and in one for each core, into a store of its own each.

    `runs`: instead, the command over that many, measured as a whole.
    """
    if runs:
        return _command(runs, quick, say)
    from tme_sim.study.reading import study_from_text
    from tme_sim.study.store import FILE

    number, days = (16, 60) if quick else (4096, 730)
    text = TEXT.format(base=ROOT / "configs" / "emerald1.toml", days=days, n=number)
    study = study_from_text(text, "benchmark.toml")
    figures: dict = {"runs": number, "cores": cores()}
    with tempfile.TemporaryDirectory(prefix="tme_sim_") as folder:
        for jobs in dict.fromkeys((1, cores())):
            figures["others_busy_cores"] = wait_until_quiet(0.0 if quick else 120.0)
            out = Path(folder) / str(jobs)
            rate, seconds, failed = _swept(study, out, jobs)
            figures[f"runs_per_second_{jobs}"], figures[f"seconds_{jobs}"], figures["failed"] = rate, seconds, failed
            figures["bytes_per_row"] = (out / FILE).stat().st_size / number
            say(f"{jobs} processes: {rate:.1f} runs/s once started, {seconds:.0f} s in all, {failed} failed")
    figures["driver_MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    minutes = 100_000 / figures[f"runs_per_second_{cores()}"] / 60
    title = f"100 000 runs of two years on {cores()} cores at rtol 1e-4, from the rate of {number}"
    ours = "-" if quick else f"{minutes:.1f} min"
    goal = Goal(title, ours, "none", float("nan") if quick else minutes, 2.5, 0.75, False, "min")
    return {"what": f"{number} runs of {days} days", **figures, "goals": [goal.record()], "lines": [goal.line()]}


def _swept(study, out: Path, jobs: int) -> tuple[float, float, int]:
    """Runs per second from the first task on, seconds in all, and runs without a result."""
    from tme_sim.study import run_study

    last = []
    begin = time.perf_counter()
    run_study(study, out, jobs, yes=True, progress=lambda p: last.append(p) if p.rate else None).close()
    return last[-1].rate, time.perf_counter() - begin, last[-1].failed


def _command(runs: int, quick: bool, say) -> dict:
    """``tme-sim sweep`` over `runs` runs: time, memory and disk, all included."""
    from tme_sim.study.store import FILE

    days = 60 if quick else 730
    with tempfile.TemporaryDirectory(prefix="tme_sim_") as name:
        folder = Path(name)
        study, out = folder / "benchmark.toml", folder / "store"
        study.write_text(TEXT.format(base=ROOT / "configs" / "emerald1.toml", days=days, n=runs))
        figures: dict = {"runs": runs, "cores": cores(), "others_busy_cores": wait_until_quiet(0.0 if quick else 120.0)}
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        arguments = [sys.executable, "-m", "tme_sim", "sweep", str(study), "--out", str(out), "--yes"]
        with (folder / "told.txt").open("w+") as told:
            process = subprocess.Popen(arguments, stdout=told, stderr=subprocess.STDOUT, cwd=ROOT)
            memory = _Memory(process.pid)
            code = process.wait()
            figures["seconds"] = time.perf_counter() - begin
            figures["peak_MB"] = memory.stop() / 1e6
            told.seek(0)
            text = told.read()
        if code:
            raise RuntimeError(f"tme-sim sweep ended with {code}: {text[-2000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures["cpu_seconds"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        sizes = {str(p.relative_to(out)): p.stat().st_size for p in sorted(out.rglob("*")) if p.is_file()}
        figures["disk_MB"], figures["store_MB"] = sum(sizes.values()) / 1e6, sizes[FILE] / 1e6
        from tme_sim.study import open_store

        with open_store(out) as store:
            counts = store.status()
    figures["failed"] = sum(counts.values()) - counts.get("ok", 0)
    say(f"{runs} runs: {figures['seconds']:.0f} s by the clock, {figures['cpu_seconds']:.0f} s of processor, at most "
        f"{figures['peak_MB']:.0f} MB in all its processes, {figures['disk_MB']:.0f} MB on disk (the store alone "
        f"{figures['store_MB']:.0f} MB), {figures['failed']} without a result; others used "
        f"{figures['others_busy_cores']:.2f} cores before")  # fmt: skip
    minutes = float("nan") if quick else figures["seconds"] / 60 * 100_000 / runs
    title = f"100 000 runs of two years on {cores()} cores at rtol 1e-4, `tme-sim sweep` as a whole"
    title += "" if runs == 100_000 else f", from {runs} runs"
    goal = Goal(title, "-" if quick else f"{minutes:.1f} min", "none", minutes, 2.5, 0.75, False, "min")
    return {"what": f"{runs} runs of {days} days", "facts": figures, "goals": [goal.record()], "lines": [goal.line()]}


class _Memory:
    """Largest memory of a process and all below it together, sampled twice a second; what they share counts once."""

    def __init__(self, pid: int):
        self.pid, self.peak, self.ended = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.ended.wait(0.5):
            self.peak = max(self.peak, sum(map(_memory_of, _tree(self.pid))))

    def stop(self) -> int:
        """The largest sum so far, in bytes."""
        self.ended.set()
        self.thread.join()
        return self.peak


def _tree(pid: int) -> list[int]:
    """A process and those that it and they started."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit():
                parent = int(Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry))
        except OSError:
            continue  # it has ended
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def _memory_of(pid: int) -> int:
    """Bytes of a process, its share of pages that others use as well."""
    try:
        lines = Path("/proc", str(pid), "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
