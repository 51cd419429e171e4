"""What every command shares: options, exit codes, errors told in one paragraph, progress."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import click

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class Failure(click.ClickException):
    """A message on standard error with an exit code."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code

    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True)


def guarded(command: Callable) -> Callable:
    """Turn every error of a command into one paragraph and the right exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        """The command, whose errors leave as a message and an exit code."""
        try:
            return command(*args, **kwargs)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            raise Failure("interrupted; nothing was written", INTERRUPTED) from None
        except BrokenPipeError:
            sys.stderr.close()
            raise click.exceptions.Exit(0) from None
        except Exception as error:
            if click.get_current_context().find_root().params.get("traceback"):
                raise
            raise _told(error) from error

    return run


def _told(error: Exception) -> Failure:
    names = {c.__name__ for c in type(error).__mro__}
    if names & {"InputError", "NetworkError", "BaselineError", "QuantityError", "DrugFileError", "StoreBusyError"}:
        return Failure(str(error), BAD_INPUT)
    if names & {"Interrupted"}:
        return Failure(str(error), INTERRUPTED)
    if names & {"StoreError"}:
        return Failure(str(error), FAILED)
    if names & {"SimulationError"}:
        return Failure(f"the run failed: {error}", FAILED)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            told = "the disk is full, or your share of it; free some space and run the same command again"
            return Failure(f"{where}{told}", FAILED)
        return Failure(f"{where}{error.strerror or error}", FAILED)
    if isinstance(error, ImportError):
        return Failure(f"{error}; tme-sim doctor says what is installed", FAILED)
    if isinstance(error, MemoryError):
        return Failure("not enough memory for this run; keep fewer values (run.output_every, outputs.states)", FAILED)
    return Failure(
        f"an unexpected {type(error).__name__} stopped tme-sim: {error}\n"
        "This is a mistake of the program, not yours; tme-sim --traceback COMMAND shows where.",
        FAILED,
    )


changes = click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help='Override a value, like --set "patient.weight=80 kg".'
)
folders = click.option(
    "--mechanisms", multiple=True, metavar="DIR", help="A folder of your own mechanisms (Python code) and drugs (TOML)."
)


def load(config: str, changes: tuple[str, ...] = (), mechanisms: tuple[str, ...] = ()) -> Any:
    """The checked scenario of a file."""
    from tme_sim.scenario import Scenario

    return Scenario.load(config, changes, mechanisms=mechanisms)


@contextmanager
def stopped_by_term() -> Iterator[None]:
    """Meanwhile SIGTERM (kill, a batch system at the end of its time) stops as Ctrl-C does: what is done is kept."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def load_study(path: str, mechanisms: Sequence[str] = ()) -> Any:
    """The study of a file, its warnings told.

    Raises:
        InputError: with every mistake found, and a word about mechanisms that lie beside it and were not loaded.
    """
    from tme_sim import study
    from tme_sim.diagnostics import InputError, Problem

    try:
        made = study.load_study(path, mechanisms=mechanisms)
    except InputError as error:
        place = Path(path) if Path(path).is_dir() else Path(path).parent
        if mechanisms or not (place / "mechanisms").is_dir():
            raise
        said = "holds mechanisms, which are code and loaded only when named: if you trust them, add --mechanisms"
        own = place / "mechanisms"
        raise InputError([*error.problems, Problem(str(own), "", f"{said} {own}")]) from error
    for warning in made.warnings:
        announce(f"warning: {warning}")
    return made


force_file = click.option("--force", is_flag=True, help="Replace the file in --out.")


def output_file(out: str, *suffixes: str, force: bool) -> Path:
    """The path of a file that a command is about to write; told before anything is computed for it.

    Raises:
        Failure: a folder, a place that is not there, an ending other than `suffixes` (any, if none is given), or a
            file that stands there, unless `force` is given.
    """
    path = Path(out)
    if path.is_dir():
        raise Failure(f"{out}: is a folder; name a file in it", BAD_INPUT)
    if not path.parent.is_dir():
        raise Failure(f"{path.parent}: there is no such folder", BAD_INPUT)
    if suffixes and path.suffix.lower() not in suffixes:
        raise Failure(
            f'{out}: the name must end in {" or ".join(suffixes)}, like "{path.stem}{suffixes[0]}"', BAD_INPUT
        )
    if path.exists() and not force:
        raise Failure(f"{out}: exists; choose another --out, or replace it with --force", BAD_INPUT)
    return path


def announce(message: str) -> None:
    """Progress, on standard error."""
    click.echo(message, err=True)


def announce_first_run() -> None:
    """Say that the integrator is about to be compiled, where it is: importing it, which comes next, takes that long."""
    from numba import config

    import tme_sim.engine  # names the folder of compiled code

    if not any(Path(config.CACHE_DIR or tme_sim.engine.__path__[0]).glob("engine_*/integrate.*.nbc")):
        announce("compiling the integrator (once, about half a minute)")
