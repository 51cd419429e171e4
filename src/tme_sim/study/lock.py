"""One writer at a time: a lock that its owner's death releases, and that says who holds it."""

from __future__ import annotations

import fcntl
import os
import platform
from contextlib import suppress
from pathlib import Path

__all__ = ["Lock", "StoreBusyError", "StoreError"]


class StoreError(RuntimeError):
    """A store that cannot go on: a full disk, damage, another writer.  What was committed stays readable."""


class StoreBusyError(StoreError):
    """Another process writes the store; nothing has been done."""


class Lock:
    """An advisory lock on a file; the file holds the owner's process number and machine."""

    def __init__(self, path: Path):
        self.path = path
        self._handle: int | None = None

    def take(self) -> None:
        """Take the lock, or say at once who has it.

        Raises:
            StoreBusyError: another process holds it.
        """
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(handle, 200, 0).decode("utf-8", "replace").strip() or "another process"
            os.close(handle)
            raise StoreBusyError(
                f"{self.path.parent}: is being written by {owner}; wait until it is done, or stop it (kill PID)"
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Give it back; the file stays, so that nobody locks a file that is being removed."""
        if self._handle is not None:
            with suppress(OSError):
                os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None
