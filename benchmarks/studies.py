"""A whole study: runs per second of `tme-sim sweep`, bytes a row takes on disk, and memory of the driver."""

from __future__ import annotations

import resource
import tempfile
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


def run(*, quick: bool, say) -> dict:
    """Sweep of random patients in one process and in one for each core, into a store of its own each."""
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
