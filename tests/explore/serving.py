"""An explorer that listens in a thread of this process, and a plain HTTP request to it."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tme_sim.explore.server import Explorer
from tme_sim.scenario import Scenario

ROOT = Path(__file__).parents[2]


@contextmanager
def serving(scenario: Scenario | None = None) -> Iterator[Explorer]:
    """A running explorer of the shipped scenario, or of `scenario`."""
    explorer = Explorer(scenario or Scenario.load(ROOT / "configs/emerald1.toml"))
    ready, over = threading.Event(), threading.Event()

    def live() -> None:
        async def go() -> None:
            explorer.start()
            ready.set()
            while not over.is_set():
                await asyncio.sleep(0.02)
            explorer.stop()

        asyncio.run(go())

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield explorer
    finally:
        over.set()
        thread.join(20)


def ask(explorer: Explorer, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str):
    """Status, headers and body of one request; header names with underscores for dashes, ``None`` leaves one out."""
    line = http.client.HTTPConnection("127.0.0.1", explorer.port, timeout=20)
    sent = {"Host": f"127.0.0.1:{explorer.port}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    line.putrequest(method, path, skip_host=True)
    for name, value in sent.items():
        line.putheader(name, value)
    if body is not None:
        line.putheader("Content-Length", str(len(body)))
    line.endheaders(body)
    answer = line.getresponse()
    out = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    line.close()
    return out


def cookie(explorer: Explorer) -> str:
    """The cookie that the address of the explorer gives."""
    status, headers, _ = ask(explorer, f"/?token={explorer.token}")
    assert status == 303
    return headers["set-cookie"].split(";")[0]
