"""Local workers: started, fed, watched, replaced when they die, and gone when this process is gone."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tme_sim.study.runner import recipe_of
from tme_sim.study.store import StoreError
from tme_sim.study.wire import Frames, frame, rows_from

if TYPE_CHECKING:
    from tme_sim.study.definition import Study
    from tme_sim.study.task import Task

__all__ = ["Pool", "WorkerProcess"]

PREPARING = 3600.0  # seconds in which every model must have been compiled
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class WorkerProcess:
    """One worker and what it is doing."""

    def __init__(self, recipe: dict[str, Any]):
        import tme_sim

        environment = dict(os.environ) | dict.fromkeys(ONE_THREAD, "1")
        root = str(Path(tme_sim.__file__).resolve().parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tme_sim.study.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, env=environment, start_new_session=True,
        )  # fmt: skip
        self.frames = Frames()
        self.ready = False
        self.task: Task | None = None
        self.begin, self.deadline = time.monotonic(), float("inf")
        self.send({"recipe": recipe})

    def send(self, message: Any) -> None:
        """Send a message; one to a dead worker is dropped, and its death noticed elsewhere."""
        with suppress(BrokenPipeError, OSError):
            self.process.stdin.write(frame(message))
            self.process.stdin.flush()

    def give(self, task: Task, seconds: float, folders: list[str] | None = None) -> None:
        """Give it a task to be done within some seconds."""
        self.task, self.begin = task, time.monotonic()
        self.deadline = self.begin + seconds
        self.send({"task": 0, "points": [list(p) for p in task.points], "folders": folders})

    def last_words(self) -> str:
        """What it wrote last on its standard error."""
        self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, self.errors.tell() - 4000))
        lines = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def end(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError, PermissionError):
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with suppress(OSError):
                stream.close()


class Pool:
    """Some workers for one study."""

    def __init__(self, study: Study, size: int):
        self.recipe, self.size = recipe_of(study), size
        self.workers: list[WorkerProcess] = []
        self.selector = selectors.DefaultSelector()
        self.prepared, self.note = False, ""

    def start(self, samples: Sequence[Any], at_once: int, note: str) -> None:
        """Start the workers; the first compiles the models of some points while the others load, as `note` says."""
        for _ in range(self.size):
            self._add()
        self.workers[0].send({"prepare": [list(s) for s in samples], "at_once": at_once})
        self.note = note
        self.workers[0].deadline = time.monotonic() + PREPARING

    def _add(self) -> None:
        worker = WorkerProcess(self.recipe)
        self.workers.append(worker)
        self.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)

    @property
    def busy(self) -> bool:
        """Whether any worker has a task."""
        return any(w.task is not None for w in self.workers)

    def idle(self) -> list[WorkerProcess]:
        """Workers that wait for a task."""
        return [w for w in self.workers if w.ready and w.task is None] if self.prepared else []

    def collect(self, seconds: float) -> list[tuple[Task, Any, float]]:
        """What came within some seconds: task, its rows (or "status: why" if it took its worker down), seconds taken.

        Raises:
            StoreError: workers that do not even start.
        """
        out = []
        for key, _ in self.selector.select(seconds):
            worker = key.data
            data = os.read(worker.process.stdout.fileno(), 1 << 20)
            if not data:
                out += self._lost(worker, "")
                continue
            for message in worker.frames.feed(data):
                if "prepared" in message:
                    self.prepared, self.note, worker.deadline = True, "", float("inf")
                elif "ready" in message:
                    worker.ready = True
                else:
                    task, worker.task, worker.deadline = worker.task, None, float("inf")
                    rows = rows_from(message["rows"])
                    out.append((task, rows, time.monotonic() - worker.begin))
        now = time.monotonic()
        for worker in [w for w in self.workers if w.deadline < now]:
            out += self._lost(worker, f"timeout: no end after {worker.deadline - worker.begin:.0f} s")
        return out

    def _lost(self, worker: WorkerProcess, why: str) -> list[tuple[Task, Any, float]]:
        self.selector.unregister(worker.process.stdout)
        self.workers.remove(worker)
        with suppress(ProcessLookupError, PermissionError):
            worker.process.kill()
        code, words = worker.process.wait(), worker.last_words()
        task = worker.task
        worker.end()
        if task is None and (not worker.ready or not self.prepared):
            raise StoreError(f"a worker process did not start: {words or f'it ended with code {code}'}")
        self._add()
        if task is None:
            return []
        if not why:
            why = f"crashed: its process was ended by {_signal(code)}" if code < 0 else f"crashed: {words}"
        return [(task, why, 0.0)]

    def kill(self) -> None:
        """End all workers."""
        for worker in self.workers:
            with suppress(ProcessLookupError, PermissionError):
                worker.process.kill()
        for worker in self.workers:
            worker.end()
        self.workers = []
        self.selector.close()


def _signal(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
