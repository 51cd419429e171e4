"""Runs in processes of their own, where an environment variable, a cache folder or a guard can be set from the start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment(**changes: str) -> dict[str, str]:
    """The environment of a fresh process in which the package and these tests can be imported."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep), **changes}


def python(*arguments: str, timeout: float = 280.0, cwd: Path = ROOT, **changes: str) -> subprocess.CompletedProcess:
    """Run Python with `arguments` and changed environment variables; its output is text."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment(**changes), cwd=cwd, timeout=timeout
    )


def hear_ctrl_c() -> None:
    """For `preexec_fn`: Ctrl-C reaches the process, though a shell that runs the tests behind & lets it be ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
