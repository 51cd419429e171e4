"""A worker: a process of its own that runs points for a driver, and dies with it.

Started as ``python -m tme_sim.study.worker``; speaks :mod:`tme_sim.study.wire`.  The end of its standard input means
that the driver is gone, whatever happened to it, and ends the worker at once.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

__all__ = ["main"]

FAULT = "TME_SIM_TEST_FAULT"  # tests only: "crash NAME=VALUE" or "hang NAME=VALUE", of a point with this override


def _listen(tasks: queue.Queue) -> None:
    from tme_sim.study.wire import read_frame

    try:
        while True:
            tasks.put(read_frame(sys.stdin.buffer))
    except BaseException:  # the driver is gone, or talks nonsense: nobody waits for an answer
        os._exit(3)


def _fault(points: list) -> None:
    told = os.environ.get(FAULT)
    if not told:
        return
    what, _, where = told.partition(" ")
    if not any(f"{name}={value}" == where for _, changes in points for name, value in changes.items()):
        return
    if what == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    while True:
        signal.pause()


def main() -> None:
    """Answer tasks until the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not fall into the answers
    tasks: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    from tme_sim.study.runner import runner_of
    from tme_sim.study.wire import frame, rows_to

    runner = None
    while True:
        task = tasks.get()
        if "recipe" in task:
            runner = runner_of(task["recipe"])
            answer: dict[str, Any] = {"ready": True}
        elif "prepare" in task:
            runner.prepare(task["prepare"], task["at_once"])
            answer = {"prepared": True}
        else:
            points = task["points"]
            _fault(points)
            if task.get("folders"):
                rows = [runner.folder(arm, changes, Path(folder))
                        for (arm, changes), folder in zip(points, task["folders"], strict=True)]  # fmt: skip
            else:
                rows = runner.rows(points)
            answer = {"task": task["task"], "rows": rows_to(rows)}
        out.write(frame(answer))
        out.flush()


if __name__ == "__main__":
    main()
