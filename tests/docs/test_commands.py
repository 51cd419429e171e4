"""The commands that pages show are understood, and print what the pages show."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.docs.shown import PAGES, ROOT, TUTORIALS, counts, counts_in, execute, masked, missing, squeezed

OUTSIDE = re.compile(r"(git clone|cd|\. \.venv/bin/activate)\b")  # commands of the shell, not of this project


@pytest.mark.parametrize("name", [*PAGES, *(pytest.param(n, marks=pytest.mark.slow) for n in TUTORIALS)])
def test_commands_do_what_the_page_shows(name, pages):
    for shown in pages(name).commands:
        if shown.ran:
            meant = 2 if any("is not known here" in line for line in shown.lines) else 0
            assert shown.code == meant, f"{name}: {shown.command}\n{shown.output}"
            assert not missing(shown, masked), f"{name}: {shown.command}\n{shown.output}"


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_of_this_project_and_understood(name, pages):
    from tme_sim.cli import cli

    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for shown in pages(name).commands:
        words = shlex.split(shown.command)
        if words[0] == "make":
            assert set(words[1:]) <= targets, shown.command
        elif words[0] == "tme-sim":
            command, rest = cli, words[1:]
            while rest and hasattr(command, "commands"):
                command, rest = command.get_command(None, rest[0]), rest[1:]
            command.make_context("tme-sim", rest)
        else:
            assert OUTSIDE.match(shown.command), shown.command


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_numbers_shown_are_todays(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = [line for shown in execute(name, tmp_path).commands if shown.ran for line in missing(shown, squeezed)]
    wrong += [] if counts_in((ROOT / "README.md").read_text()) == counts() else ["counts of parameters in README.md"]
    assert not wrong, "python -m tests.docs writes today's numbers"
