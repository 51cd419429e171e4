"""Files and folders that appear whole or not at all, under names that stay where they belong."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tme_sim.diagnostics import InputError, Problem, quoted

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def safe_name(name: str) -> str:
    """`name`, if it can be the name of a run folder.

    Raises:
        InputError: other characters than ``A-Z a-z 0-9 . _ -``, longer than 64, or ``.`` and ``..``.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or set(name) == {"."}:
        raise InputError(
            Problem("", quoted(name), "is no name for a folder: letters, digits, . _ - and at most 64 of them")
        )
    return name


def inside(parent: str | Path, name: str) -> Path:
    """The path of `name` in `parent`; links that lead out of `parent` are refused.

    Raises:
        InputError: as `safe_name`, or a path that leaves `parent`.
    """
    parent = Path(parent)
    path = parent / safe_name(name)
    if path.resolve().parent != parent.resolve():
        raise InputError(Problem(str(path), "", "leads out of its folder"))
    return path


def free_folder(parent: str | Path, name: str) -> Path:
    """``<parent>/<name>-<n>`` with the next free n."""
    parent = Path(parent)
    stem = safe_name(name)[:56]
    numbers = [0]
    if parent.is_dir():
        for entry in os.listdir(parent):
            head, _, tail = entry.rpartition("-")
            if head == stem and tail.isdigit() and len(tail) < 7:
                numbers.append(int(tail))
    return inside(parent, f"{stem}-{max(numbers) + 1}")


def write_file(path: str | Path, content: bytes) -> None:
    """Write a file that appears whole or not at all: beside its place, flushed to disk, renamed."""
    path = Path(path)
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(6)}.incomplete"
    try:
        with open(temporary, "xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A name beside `path`, with its endings, for a library to write to; it becomes `path` if nothing was raised."""
    path = Path(path)
    half = path.with_name(f".{path.stem[:40]}.{secrets.token_hex(6)}{''.join(path.suffixes)}")
    try:
        yield half
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Have the names in a folder flushed to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def swap(temporary: Path, folder: Path, *, force: bool) -> None:
    """Put a complete folder in its place; without `force` a run that came there meanwhile stays."""
    old = None
    if force and folder.is_dir() and any(folder.iterdir()):
        old = folder.parent / f".{folder.name[:40]}.{secrets.token_hex(6)}.old"
        os.rename(folder, old)
    try:
        os.rename(temporary, folder)
    except OSError:
        if old is not None:
            os.rename(old, folder)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
