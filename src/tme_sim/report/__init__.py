"""One self-contained page about a result: what was asked, given and found, on what evidence, and how to do it again.

The page holds everything it shows (pictures as data), asks nothing of any network, and prints.  What a user wrote is
escaped (promise H8 of docs/verification.md).  `READERS` lists what can be reported, the first that fits is taken; a
new kind of result is a new reader that returns a :class:`tme_sim.report.page.Page`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tme_sim.diagnostics import InputError, Problem
from tme_sim.report.page import Page, page_html

__all__ = ["READERS", "Reader", "page_of", "write_report"]


@dataclass(frozen=True)
class Reader:
    """A kind of result: its name, how a folder or file of it is recognised, and what reads it into a page."""

    name: str
    fits: Callable[[Path], bool]
    read: Callable[[Path], Page]


def _is_run(path: Path) -> bool:
    from tme_sim.results import DETERMINISTIC

    return path.is_dir() and any((path / name).exists() for name in DETERMINISTIC)


def _run(path: Path) -> Page:
    from tme_sim.report.run import run_page
    from tme_sim.results import Run

    return run_page(Run.load(path))


def _is_store(path: Path) -> bool:
    from tme_sim.study.store import FILE

    return (path / FILE).is_file()


def _study(path: Path) -> Page:
    from tme_sim.report.study import study_page
    from tme_sim.study.store import StoreError

    try:
        return study_page(path)
    except StoreError as error:
        raise InputError(Problem(str(path), "", str(error))) from error


def _is_trial(path: Path) -> bool:
    return path.is_dir() and ((path / "trial.json").is_file() or (path / "chunks").is_dir())


def _trial(path: Path) -> Page:
    from tme_sim.report.trial import trial_page

    return trial_page(path)


READERS: tuple[Reader, ...] = (
    Reader("the store of a study", _is_store, _study),
    Reader("the folder of a trial", _is_trial, _trial),
    Reader("the folder of a run", _is_run, _run),
)


def page_of(source: str | Path) -> Page:
    """The page about a result.

    Raises:
        InputError: no such file or folder, one of no known kind, or one that is damaged.
    """
    path = Path(source)
    if path.name in ("manifest.json", "runs.sqlite", "trial.json"):
        path = path.parent
    if not path.exists():
        told = "there is no such folder; give one that tme-sim run, sweep or trial wrote"
        raise InputError(Problem(str(source), "", told))
    for reader in READERS:
        if reader.fits(path):
            return reader.read(path)
    known = ", ".join(r.name for r in READERS)
    raise InputError(Problem(str(source), "", f"is nothing that can be reported; known are: {known}"))


def write_report(source: str | Path, out: str | Path, *, force: bool = False) -> Path:
    """Write the page about `source` to the file `out`, which appears whole or not at all.

    Raises:
        InputError: as :func:`page_of`, or `out` exists and `force` is false, or cannot be written.
        ImportError: jinja2 is not installed (extra ``[report]``).
    """
    from tme_sim.disk import write_file

    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(Problem(str(out), "", "a report is a page; name it like report.html"))
    if out.is_dir():
        raise InputError(Problem(str(out), "", "is a folder; name a file in it, like report.html"))
    if out.exists() and not force:
        raise InputError(Problem(str(out), "", "exists; choose another --out, or replace it with --force"))
    html = page_html(page_of(source))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_file(out, html.encode())
    except OSError as error:
        raise InputError(Problem(str(out), "", f"cannot be written: {error.strerror or error}")) from error
    return out
