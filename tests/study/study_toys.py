"""Small studies for the tests: runs of sixty days of the shipped scenario."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner

from tme_sim.cli import cli
from tme_sim.study.reading import study_from_text

ROOT = Path(__file__).parents[2]
HEAD = f"""schema = 1
name = "toy"
base = "{ROOT / "configs" / "emerald1.toml"}"
[set]
"run.duration" = "60 day"
"""
MDSC = """
[[factor]]
name = "mdsc_death"
key = "parameters.k_MDSC_death"
values = ["0.02 1/day", "0.05 1/day"]
"""
START = """
[[factor]]
name = "bev"
key = "protocol.treatment.bevacizumab.start"
relative_to = "first tace"
low = "-14 day"
high = "28 day"
levels = 2
"""
SIX = MDSC.replace('"0.05 1/day"', '"0.05 1/day", "0.06 1/day"') + START
LONG = '[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\nlow = "0.02 1/day"\nhigh = "0.06 1/day"\nlevels = 1500\n'
AGENTS = """schema = 1
name = "cells"
base = "{root}/configs/agents_emerald1.toml"
[set]
"run.duration" = "3 day"
"piece.size" = "0.2 mm"
"piece.snapshots" = []
[[factor]]
name = "mdsc_death"
key = "parameters.k_MDSC_death"
values = ["0.02 1/day", "0.2 1/day"]
"""


def study(text: str = MDSC + START, head: str = HEAD, folder: Path | str = "."):
    """The study of some text, as if it lay in `folder`."""
    return study_from_text(head + text, str(Path(folder) / "study.toml"))


def same(a: dict, b: dict) -> bool:
    """Whether two tables are equal to the last bit, NaN equal to NaN."""
    if list(a) != list(b):
        return False
    for name in a:
        if a[name].dtype == object or b[name].dtype == object:
            if list(a[name]) != list(b[name]):
                return False
        elif not np.array_equal(np.asarray(a[name]), np.asarray(b[name]), equal_nan=True):
            return False
    return True


def call(*arguments):
    """What a command, given as words, ends with."""
    return CliRunner().invoke(cli, [str(a) for a in arguments])
