"""Runs what a store does not hold yet: in workers of their own, in this process, or on a cluster.

The plan minus the store says what is to do, so nothing is done twice and nothing is forgotten.  One process, this one,
writes.  A batch that kills or hangs its worker is taken apart, and only the run that did it is lost: it becomes a row
with the status "crashed" or "timeout".
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tme_sim.row import CRASHED, OK, Row
from tme_sim.study.expected import cores, estimate, refuse_large, told_time, usual_seconds
from tme_sim.study.store import Store, StoreError, open_store
from tme_sim.study.task import Task, samples

if TYPE_CHECKING:
    from tme_sim.study.definition import Study
    from tme_sim.study.rows import Packed
    from tme_sim.study.runner import Runner

__all__ = ["TIMEOUT", "Interrupted", "Progress", "in_process", "run_study", "run_table"]

TIMEOUT = "timeout"
BATCH = 256  # runs of one task: lanes stay full until its last runs, and a report comes every few seconds
SLACK, LOADING = 10.0, 30.0  # times the usual duration, as others may use the cores; s for a worker to load its model
COMPILING = "loading or compiling models"  # told before the first run, whose time it does not count as
WORTH_A_WORKER = 50  # runs for which one more process pays for its start


class Interrupted(RuntimeError):
    """Stopped by the user; what was done is in the store."""


@dataclass(frozen=True)
class Progress:
    """How far a study is: rows there and planned, of them `reused` and `failed`; runs per second, seconds left."""

    done: int
    total: int
    reused: int = 0
    failed: int = 0
    rate: float = 0.0
    left: float | None = None
    note: str = ""

    def __str__(self) -> str:
        parts = [f"{self.done} of {self.total}"]
        parts += [f"{self.reused} from before"] if self.reused else []
        parts += [f"{self.failed} without a result"] if self.failed else []
        parts += [f"{self.rate:.3g} runs/s"] if self.rate else []
        parts += [f"{told_time(self.left)} left"] if self.left and self.done < self.total else []
        return ", ".join(parts) + (f" ({self.note})" if self.note else "")


def run_study(
    study: Study,
    out: str | Path,
    jobs: int | None = None,
    yes: bool = False,
    progress: Callable[[Progress], None] | None = None,
    *,
    shard: tuple[int, int] | None = None,
    retry: bool = False,
    engine: Callable[..., None] | None = None,
) -> Store:
    """Run what the store `out` does not hold yet, and return it, open for reading.

    Args:
        jobs: worker processes; None means one for each core, 0 none: everything in this process.
        yes: go on with a study above the size that asks for it.
        progress: told now and then.
        shard: (i, n): only every n-th point, from the i-th (from 1).
        retry: run again what crashed or timed out before.
        engine: what runs the tasks instead of local processes (:mod:`tme_sim.study.cluster`).

    Raises:
        InputError: a store of another model, or a large study without `yes`; nothing has been written.
        StoreError: another process writes the store, a full disk, damage; what was committed is safe.
        Interrupted: by Ctrl-C; the same call goes on.
    """
    out = Path(out)
    wanted, jobs = jobs, cores() if jobs is None else jobs
    ordinals = study.shard(*shard) if shard else None
    if not yes:
        refuse_large(study, estimate(study, out, jobs, ordinals))
    store = open_store(out, create=True, digest=study.model_digest)
    try:
        _sound(store)
        store.add_plan(study.plan_table, study.text)
        _note_given(store, study)
        if retry:
            _forget(store, study)
        missing = store.missing(study, ordinals)
        planned = len({study.keys[i] for i in (range(len(study)) if ordinals is None else ordinals)})
        sink = _Sink(store, study, missing, planned, progress)
        if wanted is None:
            jobs = min(jobs, max(1, len(missing) // (1 if study.agents else WORTH_A_WORKER)))
        tasks = list(_tasks(study, missing, max(jobs, 1)))
        run = engine or (_here if jobs == 0 else _processes)
        if tasks:
            run(study, tasks, sink, jobs)
        sink.finish()
        store.release()
        return store
    except BaseException:
        store.close()
        raise


def _note_given(store: Store, study: Study) -> None:
    """Keep what the plan's arms were given and on what sources, once, so that a report needs no file but the store."""
    digest = study.plan_table.digest
    if store.given(digest) is None:
        from tme_sim.record import given_of

        store.note_given(digest, given_of({arm.name: study.scenario_of_arm(arm.name) for arm in study.arms}))


def run_table(
    study: Study, threads: int | None = None, progress: Callable[[Progress], None] | None = None
) -> dict[str, Any]:
    """The table of a study (as :meth:`tme_sim.study.store.Store.table` gives it) run in this process, kept nowhere."""
    from tme_sim.study.runner import Runner
    from tme_sim.study.store import table_of_rows

    runner = Runner({arm.name: study.scenario_of_arm(arm.name) for arm in study.arms}, study.outputs)
    found: dict[bytes, Row] = {}
    first = {key: i for i, key in reversed(list(enumerate(study.keys)))}
    tasks = list(_tasks(study, sorted(first.values()), 1))
    for task in tasks:
        rows = runner.rows(task.points, threads=threads or cores())
        found |= {study.keys[i]: row for i, row in zip(task.ordinals, rows, strict=True)}
        if progress is not None:
            progress(Progress(len(found), len(first), 0, sum(row.status != OK for row in found.values())))
    return table_of_rows(study.plan_table, [found[key] for key in study.keys])


def _sound(store: Store) -> None:
    damaged = store.damaged()
    if damaged:
        raise StoreError(
            f"{store.folder}: {len(damaged)} damaged rows; tme-sim store repair {store.folder} drops them, then run "
            "the same command again"
        )


def _forget(store: Store, study: Study) -> None:
    rows = store.get(study.keys)
    again = {k for k, row in zip(study.keys, rows, strict=True) if row and row.status in (CRASHED, TIMEOUT)}
    store.drop(again)


def _tasks(study: Study, missing: Sequence[int], jobs: int) -> Iterator[Task]:
    """The missing points in tasks; points of one arm and the same choices stand together, as they share a model."""
    points = study.points()
    choices = [f.name for f in study.all_factors if f.is_choice]
    order = list(missing)
    if choices or len(study.arms) > 1:
        order.sort(key=lambda i: (points[i][1], *(str(points[i][0].get(c, "")) for c in choices)))
    size = 1 if study.agents else 8 if study.outputs.runs else max(1, min(BATCH, -(-len(order) // jobs)))
    for begin in range(0, len(order), size):
        yield Task(study, tuple(order[begin : begin + size]))


class _Sink:
    """Takes rows, commits them once a second, and tells how far it is."""

    def __init__(
        self, store: Store, study: Study, missing: Sequence[int], planned: int, progress: Callable | None
    ):
        self.store, self.study, self.progress = store, study, progress
        self.todo, self.total, self.done, self.failed = len(missing), planned, 0, 0
        self.waiting: list[tuple[bytes, Row | Packed]] = []
        self.begin = self.flushed = time.monotonic()
        self.working: float | None = None  # since when rows come
        self.seconds = 0.0
        self.expected = usual_seconds(study, store.noted("seconds_per_run"))
        self.tell("" if missing else "nothing is missing")

    def add(self, task: Task, rows: Sequence[Row | Packed]) -> None:
        """Rows of a task, in its order."""
        self.waiting += [(self.study.keys[i], row) for i, row in zip(task.ordinals, rows, strict=True)]
        self.done += len(rows)
        self.failed += sum(row.status != OK for row in rows)
        if len(self.waiting) >= 1000 or time.monotonic() - self.flushed > 1.0:
            self.flush()
        self.tell()

    def flush(self) -> None:
        """Commit what waits."""
        self.store.put(self.waiting)
        self.waiting, self.flushed = [], time.monotonic()

    def started(self) -> None:
        """The first task begins: from now on counts for the rate."""
        if self.working is None:
            self.working = time.monotonic()

    def tell(self, note: str = "") -> None:
        """Tell how far it is."""
        if self.progress is None:
            return
        rate = self.done / max(1e-3, time.monotonic() - self.working) if self.working and self.done else 0.0
        left = (self.todo - self.done) / rate if rate else None
        reused = self.total - self.todo
        self.progress(Progress(reused + self.done, self.total, reused, self.failed, rate, left, note))

    def finish(self, jobs: int = 1) -> None:
        """Commit the rest, and note how long a run took of a core."""
        self.flush()
        if self.seconds and self.done >= (2 if self.study.agents else 50):
            self.store.note("seconds_per_run", self.seconds / self.done)


def _here(study: Study, tasks: Sequence[Task], sink: _Sink, jobs: int) -> None:
    """Everything in this process."""
    from tme_sim.study.runner import Runner

    arms = {arm.name: study.scenario_of_arm(arm.name) for arm in study.arms}
    in_process(Runner(arms, study.outputs, lambda text: sink.tell(text)))(study, tasks, sink, jobs)


def in_process(runner: Runner) -> Callable[..., None]:
    """An engine that runs everything here with a runner that is kept, and with it what it has compiled and dated."""
    return lambda study, tasks, sink, jobs: _run_here(runner, study, tasks, sink)


def _run_here(runner: Runner, study: Study, tasks: Sequence[Task], sink: _Sink) -> None:
    try:
        sink.tell(COMPILING)
        runner.prepare(samples(study, (i for task in tasks for i in task.ordinals)), len(tasks[0]))
        for task in tasks:
            sink.started()
            begin = time.monotonic()
            if study.outputs.runs:
                targets = map(Path, folders(study, sink.store, task))
                rows = [runner.folder(*point, target) for point, target in zip(task.points, targets, strict=True)]
            else:
                rows = runner.rows(task.points, threads=cores())
            sink.seconds += time.monotonic() - begin
            sink.add(task, rows)
    except KeyboardInterrupt:
        sink.flush()
        raise Interrupted(_stopped(sink)) from None


def folders(study: Study, store: Store, task: Task) -> list[str]:
    """Where the run folders of a task go."""
    return [str((store.folder / "runs" / study.keys[i].hex()).absolute()) for i in task.ordinals]


def _stopped(sink: _Sink) -> str:
    kept = sink.total - sink.todo + sink.done
    return f"stopped; {kept} of {sink.total} runs are in {sink.store.folder}; run the same command again to go on"


def _processes(study: Study, tasks: Sequence[Task], sink: _Sink, jobs: int) -> None:
    """Local workers."""
    from tme_sim.study.pool import Pool

    pool = Pool(study, min(jobs, len(tasks)))
    queue = deque(tasks)
    try:
        sink.tell("starting workers")
        pool.start(samples(study, (i for task in tasks for i in task.ordinals)), len(tasks[0]), COMPILING)
        while queue or pool.busy:
            done = pool.collect(0.5) if pool.busy or not pool.idle() else []
            for worker in pool.idle()[: len(queue)]:  # before rows are stored, so that none waits for the disk
                task = queue.popleft()
                sink.started()
                targets = folders(study, sink.store, task) if study.outputs.runs else None
                worker.give(task, _limit(study, task, sink), targets)
            for task, rows, seconds in done:
                if isinstance(rows, str) and len(task) > 1:
                    queue.extendleft(reversed(task.singly()))  # find out which of them it was
                    continue
                if isinstance(rows, str):
                    status, _, message = rows.partition(": ")
                    rows = [Row(status, message)]
                sink.seconds += seconds
                sink.add(task, rows)
            sink.tell(pool.note)
    except KeyboardInterrupt:
        pool.kill()
        sink.flush()
        raise Interrupted(_stopped(sink)) from None
    finally:
        pool.kill()


def _limit(study: Study, task: Task, sink: _Sink) -> float:
    """Seconds that a task may take: those of a single run, and for several of them ten times what they usually take.

    What is given up too early loses nothing but time: its runs are made one by one, each within the timeout.
    """
    if len(task) == 1:
        return study.timeout
    usual = sink.seconds / sink.done if sink.done else sink.expected
    return study.timeout + max(LOADING, SLACK * max(usual, sink.expected) * len(task))
