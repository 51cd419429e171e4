"""Pages as they are executed: their files are written, their commands and Python run, and what they print is kept.

In a page, ``` ```toml NAME ``` and ``` ```python NAME ``` are files, ``` ```python ``` is run, and in ``` ```console ```
lines that begin with ``$`` are commands and the others their output: shortened where a line is ``...``, in any order,
numbers apart (`test_numbers_shown_are_todays` compares those, in the slower pack).
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md", "CONTRIBUTING.md", "docs/files.md", "docs/protocols.md", "docs/tutorials/own_protocol.md",
    "docs/tutorials/mechanism.md", "docs/tutorials/drug.md",
)  # fmt: skip
TUTORIALS = (
    "docs/tutorials/first_run.md", "docs/tutorials/timing_study.md", "docs/tutorials/virtual_trial.md",
    "docs/tutorials/agent_snapshots.md",
)  # fmt: skip
BLOCK = re.compile(r"^```(\w+)(?: +([^\n]+))?\n(.*?)^```$", re.M | re.S)
COMPILING = "writing and compiling the model"


@dataclass
class Shown:
    """A command of a page, what the page shows of its output, and what it printed."""

    command: str
    lines: list[str]
    output: str = ""
    code: int = 0
    ran: bool = False


@dataclass
class Page:
    """A page that was executed: its commands, and what its Python blocks printed and left behind."""

    name: str
    folder: Path
    commands: list[Shown] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    names: dict = field(default_factory=dict)


def commands_of(text):
    """Commands of a console block with the output lines that follow each."""
    out = []
    for line in text.splitlines():
        if line.startswith("$ "):
            out.append(Shown(line[2:].partition("   #")[0].strip(), []))
        elif line.strip() and line.strip() != "...":
            out[-1].lines.append(line)
    return out


def call(shown):
    """Run a `tme-sim` command as a user would."""
    from click.testing import CliRunner

    from tme_sim.cli import cli

    done = CliRunner().invoke(cli, shlex.split(shown.command)[1:])
    shown.ran, shown.code, shown.output = True, done.exit_code, done.output


def execute(name, folder):
    """Do what a page shows, in order, in `folder`."""
    shutil.copytree(ROOT / "configs", folder / "configs", dirs_exist_ok=True)
    page = Page(name, folder)
    for language, info, body in BLOCK.findall((ROOT / name).read_text()):
        if language in ("toml", "python") and info:
            target = folder / info
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body)
        elif language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(body, f"{name}: python", "exec"), page.names)
            page.printed.append(printed.getvalue())
        elif language == "console":
            for shown in commands_of(body):
                if shown.command.startswith("tme-sim "):
                    call(shown)
                page.commands.append(shown)
    return page


def masked(line):
    """A line without the width of its columns and its numbers, those in names apart."""
    return " ".join(re.sub(r"(?<![\w.])[-+]?\d[\d.,]*(?:e[-+]?\d+)?", "#", line).split())


def squeezed(line):
    """A line without the width of its columns."""
    return " ".join(line.split())


def missing(shown, form):
    """Lines of a page that the command did not print, compared by `form`; a trailing ``...`` stands for the rest."""
    real = [form(line) for line in shown.output.splitlines() if COMPILING not in line]
    out = []
    for line in shown.lines:
        start, cut, _ = line.partition(" ...")
        found = any(r.startswith(form(start)) if cut else r == form(line) for r in real)
        if not found:
            out.append(line)
    return out


def counts():
    """Parameters of the model and how many of them are assumed."""
    from tme_sim.catalogue import load_catalogue

    grades = [p.grade for p in load_catalogue().names().values()]
    return len(grades), grades.count("assumed")


def counts_in(text):
    found = re.search(r"Of (\d+) parameters (\d+) are graded `assumed`", text)
    return int(found[1]), int(found[2])
