"""What runs will take before any is made: time, disk, what is compiled first; and what to do where that is much.

Nothing here loads the engine, which takes half a minute to compile where it never ran: the estimate is told before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tme_sim.diagnostics import InputError, Problem
from tme_sim.study.store import FILE, open_store
from tme_sim.study.task import samples

if TYPE_CHECKING:
    from tme_sim.study.definition import Study

__all__ = [
    "BYTES_PER_ROW", "Estimate", "cores", "estimate", "estimate_unplanned", "planning_time", "refuse_large",
    "short_of_space", "told_size", "told_time", "usual_seconds",
]  # fmt: skip

SECONDS_PER_RUN = 0.008  # of a core, for two years and one lesion; replaced by what a store has seen
SECONDS_PER_DAY_OF_CELLS = 0.5  # of a core, for a piece of one square millimetre; replaced in the same way
COMPILE_MODEL, COMPILE_CELLS = 30.0, 60.0  # s of a core, for the engine with a model, and for laws asked cell by cell
BYTES_PER_ROW = 1000
SECONDS_TO_START = 4.0  # of worker processes, before the first run
SECONDS_TO_PLAN = 4e-5  # of a core, for the key of one point and its place in the table
UNPLANNED = 200_000  # points from which it takes seconds to plan them, so that a first estimate does without
MANY, LONG, LARGE = 20_000, 1800.0, 2e9  # runs, seconds and bytes from which --yes is asked for
MAKE_ROOM = "free some space, choose another folder, or make it smaller"


@dataclass(frozen=True)
class Estimate:
    """What is to come: runs, seconds on `jobs` processes, bytes on disk, and bytes that are free there.

    Before the runs, `models` are compiled on this machine, and for `cells` of them what asks their laws cell by cell.
    """

    runs: int
    seconds: float
    size: float
    jobs: int
    free: float
    models: int = 0
    cells: int = 0

    @property
    def large(self) -> bool:
        """Whether it needs a yes."""
        return self.runs > MANY or self.seconds > LONG or self.size > LARGE or self.size > self.free

    @property
    def remedy(self) -> str:
        """What to do where it needs a yes."""
        if self.size > self.free:
            return f"this is more than the disk holds: {MAKE_ROOM}; --yes goes on as far as it lasts"
        return "go on with --yes, or make it smaller (fewer levels, n or replicates)"

    def __str__(self) -> str:
        if not self.runs:
            return "nothing"
        where = "in this process" if self.jobs == 0 else f"on {self.jobs} process{'es' * (self.jobs > 1)}"
        many = f"{self.runs} run{'s' * (self.runs > 1)}"
        text = f"{many}, about {told_time(self.seconds)} {where} and {told_size(self.size)}"
        text += f", but only {told_size(self.free)} are free" if self.size > self.free else ""
        if not self.models and not self.cells:
            return text
        what = [f"{self.models} model{'s' * (self.models > 1)}"] if self.models else []
        what += ["the laws of single cells"] if self.cells else []
        took = self.models * COMPILE_MODEL + self.cells * COMPILE_CELLS
        return f"{text}; first, once, to compile {' and '.join(what)}, about {told_time(took)}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def estimate(
    study: Study, out: str | Path, jobs: int | None = None, ordinals: Sequence[int] | None = None, *,
    compiling: bool = False,
) -> Estimate:  # fmt: skip
    """What running a study into `out` will take; measured on earlier runs of the store where there are any.

    With `compiling` it is looked up, too, what this machine has to compile before.

    Raises:
        InputError: the store there is of another model.
    """
    if (Path(out) / FILE).is_file():
        with open_store(out, digest=study.model_digest) as store:
            todo = store.missing(study, ordinals)
    else:
        todo = list({study.keys[i]: i for i in (range(len(study)) if ordinals is None else ordinals)}.values())
    first = _uncompiled(study, samples(study, todo)) if compiling else (0, 0)
    return _of_runs(study, Path(out), len(todo), jobs, first)


def estimate_unplanned(study: Study, out: str | Path, runs: int, jobs: int | None = None) -> Estimate:
    """What so many runs of a study into `out` will take, before it is planned which they are; as if all rows that
    stand there were among them.

    Raises:
        InputError: the store there is of another model.
    """
    there = 0
    if (Path(out) / FILE).is_file():
        with open_store(out, digest=study.model_digest) as store:
            there = len(store)
    return _of_runs(study, Path(out), max(0, runs - there), jobs)


def planning_time(points: int) -> str:
    """How long planning so many points takes, in words; "" where nobody would notice."""
    return told_time(points * SECONDS_TO_PLAN) if points > UNPLANNED else ""


def refuse_large(study: Study, expected: Estimate) -> None:
    """Refuse what needs a yes and was not given one.

    Raises:
        InputError: with the estimate and what to do.
    """
    if expected.large:
        raise InputError(Problem(study.path or study.name, "", f"is large: {expected}; {expected.remedy}"))


def usual_seconds(study: Study, noted: float | None = None) -> float:
    """Seconds of a core that a run of a study takes; `noted` is what earlier ones took in its store."""
    from tme_sim.quantities import internal

    days = float(internal(*study.base.run.duration))
    if noted is not None:
        return noted
    if study.agents:
        return SECONDS_PER_DAY_OF_CELLS * days
    return SECONDS_PER_RUN * (0.3 + 0.7 * days / 730.0) * max(1, len(study.base.patient.lesion))


def _uncompiled(study: Study, points: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[int, int]:
    """How many models of some points (arm, overrides) this machine has not compiled yet, and for how many of those of
    agent tissue the laws are not compiled cell by cell; points that make no model are passed over.
    """
    from tme_sim.compiler.model import model_folder
    from tme_sim.network import NetworkError, compose
    from tme_sim.plan import plan_of, slots_for

    seen: set[tuple] = set()
    models, cells = set(), set()
    for arm, changes in points:
        try:
            plan = plan_of(study.scenario_of_arm(arm).changed(changes))
            slots = slots_for(len(plan.lesions))
            key = (arm, tuple(plan.off), tuple(sorted(plan.hypotheses.items())), slots)
            if key in seen:
                continue
            seen.add(key)
            network = compose(plan.mechanisms, off=plan.off, hypotheses=plan.hypotheses)
            folder = model_folder(network, slots)
        except (InputError, NetworkError, ValueError, KeyError):
            continue  # its row will tell
        if not folder.is_dir():
            models.add(folder)
        if plan.piece is not None and not any(folder.glob("tissue_*.py")):
            cells.add(folder)
    return len(models), len(cells)


def _of_runs(study: Study, out: Path, runs: int, jobs: int | None, first: tuple[int, int] = (0, 0)) -> Estimate:
    """What so many runs take that `out` does not hold, and what is compiled before them (models, laws of cells)."""
    from tme_sim.quantities import internal

    jobs = cores() if jobs is None else jobs
    noted, per_row = None, BYTES_PER_ROW + 8.0 * len(study.outputs.columns)
    if (out / FILE).is_file():
        with open_store(out, digest=study.model_digest) as store:
            noted = store.noted("seconds_per_run")
            rows = len(store)
            per_row = (out / FILE).stat().st_size / rows if rows > 500 else per_row
    per_run = usual_seconds(study, noted)
    if study.outputs.runs:
        days, every = (float(internal(*time)) for time in (study.base.run.duration, study.base.run.output_every))
        columns = len(study.base.outputs.states) or len(study.base.catalogue.states)
        per_row += 8.0 * columns * (days / every + 2) + 50_000
        per_run += 0.15
    seconds = runs * per_run / max(1, min(jobs or 1, runs or 1))
    if jobs and runs:
        seconds += SECONDS_TO_START
    return Estimate(runs, seconds, runs * per_row, jobs, _free(out), *first)


# --- disk and words --------------------------------------------------------------------------------------------------


def short_of_space(folder: str | Path, size: float) -> str:
    """What to tell where `size` bytes are more than is free for `folder`, which need not be there yet; "" otherwise."""
    free = _free(Path(folder))
    if size <= free:
        return ""
    return f"about {told_size(size)} will be written to {folder}, but only {told_size(free)} are free: {MAKE_ROOM}"


def _free(path: Path) -> float:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def told_time(seconds: float) -> str:
    """A duration in words."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{max(seconds, 1.0):.0f} s"


def told_size(size: float) -> str:
    """Bytes in words."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{max(size, 1000) / 1e3:.0f} kB"
