"""Studies on a dask cluster: the tasks go to its workers, the rows come back to the one store here.

The driver keeps a few tasks per worker in flight and writes rows as they come, so a lost worker costs the tasks it held
(dask gives them to another one) and a lost scheduler or driver costs nothing that was committed.  Rows are those of a
local run: a worker of another version is refused.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tme_sim.diagnostics import InputError, Problem
from tme_sim.study.store import StoreError

if TYPE_CHECKING:
    from tme_sim.study.definition import Study
    from tme_sim.study.execute import _Sink
    from tme_sim.study.task import Task

__all__ = ["check_address", "dask_engine", "run_points"]

IN_FLIGHT = 3  # tasks for each worker
ANSWER = 4.0  # seconds in which a scheduler must answer
PATIENCE = 60.0  # seconds to wait for its first worker, which a queue may start later
OTHER_MODEL = "another model"


def check_address(address: str | None, trusted: bool) -> str:
    """The address of a scheduler, if it may be talked to.

    A dask cluster runs whatever anyone sends it, so an address must be of this machine, or use TLS, or be trusted in so
    many words.

    Raises:
        InputError: no address, one that cannot be meant, or one that is open to others.
    """
    if not address:
        raise InputError(Problem("--scheduler", "", (
            "is missing: the address that dask scheduler prints, like tcp://127.0.0.1:8786")))
    found = re.fullmatch(r"(tcp|tls)://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):(\d{1,5})", address)
    if not found:
        raise InputError(Problem("--scheduler", address[:80], "is no address like tcp://127.0.0.1:8786"))
    host = found[2].strip("[]")
    if found[1] == "tcp" and host not in ("127.0.0.1", "localhost", "::1") and not trusted:
        raise InputError(Problem("--scheduler", address, (
            "is open to everyone on its network, who could run anything in your name; use tls:// (see the page on "
            "studies), or say --i-trust-this-network")))
    return address


def dask_engine(address: str | None, trusted: bool = False) -> Callable[..., None]:
    """What runs the tasks of a study on the cluster at `address`; for `run_study(..., engine=...)`.

    The scheduler is asked at once, so that a wrong address is told before a store is made.

    Raises:
        InputError: an address that may not be used, or where no scheduler answers.
        ImportError: distributed is not installed.
    """
    address = check_address(address, trusted)
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ImportError('--engine dask needs distributed: pip install "tme-sim[cluster]"') from error
    try:
        asyncio.run(asyncio.wait_for(_ask(address), ANSWER + 1.0))
    except (OSError, TimeoutError) as error:
        said = f" ({error})" if str(error) else ""
        raise InputError(Problem("--scheduler", address, (
            f"no dask scheduler answers there{said}; start one with dask scheduler, or give the address that it prints"
        ))) from error
    except TypeError as error:  # what distributed says where it has no certificates
        raise InputError(Problem("--scheduler", address, (
            "needs the certificates of its cluster; name them in dask's configuration (distributed.comm.tls), as the "
            "page on clusters shows"))) from error

    def engine(study: Study, tasks: Sequence[Task], sink: _Sink, jobs: int) -> None:
        """Run tasks on the cluster; how many processes there are is its own matter."""
        _run(address, study, tasks, sink)

    return engine


async def _ask(address: str) -> None:
    """Ask a scheduler who it is.  Not by a client, which waits for ever on a port where something else listens."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=ANSWER, **Security().get_connection_args("client"))
    try:
        await comm.write({"op": "identity", "reply": True})
        await comm.read()
    finally:
        comm.abort()


def _run(address: str, study: Study, tasks: Sequence[Task], sink: _Sink) -> None:
    from distributed import Client

    from tme_sim.study.execute import Interrupted, _stopped

    if study.outputs.runs:
        raise InputError(Problem(study.path, "outputs.runs", "needs the disk of this machine; leave it out"))
    client = None
    try:
        sink.tell(f"asking {address} for workers")
        client = Client(address, timeout=ANSWER, set_as_default=False)
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise StoreError(
                f"{address}: the cluster has no workers, and none came in {PATIENCE:.0f} s; start one with "
                f"dask worker {address}; {_stopped(sink)}"
            ) from None
        _feed(client, study, deque(tasks), sink)
    except KeyboardInterrupt:
        sink.flush()
        raise Interrupted(_stopped(sink)) from None
    except (OSError, TimeoutError) as error:
        with suppress(StoreError):
            sink.flush()
        raise StoreError(f"{address}: the cluster does not answer ({error}); {_stopped(sink)}") from error
    finally:
        if client is not None:
            with suppress(Exception):  # the cluster may be gone
                client.close(timeout=5)


def _feed(client: Any, study: Study, queue: deque, sink: _Sink) -> None:
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    from tme_sim.row import CRASHED, Row
    from tme_sim.study.runner import recipe_of
    from tme_sim.study.wire import rows_from

    recipe = json.dumps(recipe_of(study), sort_keys=True)
    at_work: dict[Any, Task] = {}
    done = as_completed(loop=client.loop)

    def top_up() -> None:
        """Keep some tasks waiting at every worker, so that none idles while an answer travels."""
        room = IN_FLIGHT * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        while queue and len(at_work) < room:
            task = queue.popleft()
            future = client.submit(run_points, recipe, study.model_digest, list(task.points), pure=False)
            at_work[future] = task
            done.add(future)

    sink.started()
    top_up()
    while at_work:
        future = next(done)
        task = at_work.pop(future)
        if future.status == "finished":
            answer = future.result()
            if answer == OTHER_MODEL:
                raise StoreError(
                    "a worker of the cluster has another version of tme_sim than this machine; install this one there"
                )
            sink.add(task, rows_from(answer))
        elif future.status == "cancelled":
            raise OSError("its scheduler forgot a task")
        else:
            error = future.exception()
            if len(task) > 1:
                queue.extendleft(reversed(task.singly()))  # find out which of them it was
            elif isinstance(error, KilledWorker):
                sink.add(task, [Row(CRASHED, "the workers that ran it died, several times")])
            else:
                sink.add(task, [Row(CRASHED, f"{type(error).__name__}: {str(error)[:200]}")])
        future.release()
        top_up()


# --- on the workers --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _runner(recipe: str) -> tuple[Any, threading.Lock]:
    from tme_sim.study.runner import runner_of

    return runner_of(json.loads(recipe)), threading.Lock()


def run_points(recipe: str, digest: str, points: Sequence[Any]) -> Any:
    """Rows of some points as plain data; on a worker.  Threads of one worker take turns."""
    from tme_sim.study.keys import model_digest
    from tme_sim.study.wire import rows_to

    runner, turn = _runner(recipe)
    own = next(iter(runner.arms.values())).catalogue.own
    if model_digest(own) != digest:
        return OTHER_MODEL
    with turn:
        return rows_to(runner.rows([tuple(p) for p in points]))
