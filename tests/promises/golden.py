"""The table of digests: what every shipped scenario must give, byte for byte.

    python -m tests.promises.golden              print the digests of now
    python -m tests.promises.golden --write      renew golden.json

The table belongs to one value of `tme_sim.__numerics__`, which has its line under "Changes results" in CHANGELOG.md.
As long as that line stands under "Unreleased" the table may be renewed; after the release the number must be raised.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("golden.json")
CHANGELOG = ROOT / "CHANGELOG.md"
SCENARIOS = ("emerald1", "tace_only", "untreated")
# shipped scenarios with changes that reach other parts of the engine and of the calendar, or spare time
CHANGED = {"emerald1 early": ("emerald1", ("protocol.treatment.bevacizumab.start=day 3", "patient.weight=92 kg",
                                           "run.duration=200 day", "run.output_every=5 hour")),
           "agents": ("agents_emerald1", ("piece.size=0.3 mm", "piece.snapshots=[1, 5]", "run.duration=10 day"))}
LINE = re.compile(r"^\* Numerics version (\d+): \S")


def names() -> list[str]:
    """Names of the rows of the table."""
    return [*SCENARIOS, *CHANGED]


def scenario(name: str):
    """The scenario of a row; its file is read by a path relative to the repository, which is part of its origins."""
    from tme_sim.scenario import Scenario

    base, changes = CHANGED.get(name, (name, ()))
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return Scenario.load(f"configs/{base}.toml", changes)
    finally:
        os.chdir(before)


def digests(name: str) -> dict[str, str]:
    """SHA-256 of every deterministic file of the run folder of a row, as written to disk."""
    from tme_sim.results import DETERMINISTIC
    from tme_sim.simulation import simulate

    with tempfile.TemporaryDirectory() as folder:
        saved = Path(simulate(scenario(name)).save(Path(folder) / "run"))
        files = [saved / name for name in DETERMINISTIC] + sorted((saved / "snapshots").glob("*"))
        return {str(file.relative_to(saved)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def table() -> dict[str, dict[str, str]]:
    """The digests of now."""
    return {name: digests(name) for name in names()}


def stored() -> dict:
    """What golden.json holds: `numerics` and `table`."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def told(text: str) -> list[tuple[str, int]]:
    """(release, numerics) of every "Numerics version" line under a heading "Changes results" of the changelog."""
    out, release, under = [], "", False
    for line in text.splitlines():
        if line.startswith("## "):
            release, under = line[3:].strip(), False
        elif line.startswith("### "):
            under = line[4:].strip() == "Changes results"
        elif under and (found := LINE.match(line)):
            out.append((release, int(found[1])))
    return out


def problems(held: dict, text: str, numerics: int) -> list[str]:
    """What is wrong between the stored table, the changelog and the number of the package."""
    out, numbers = [], [number for _, number in told(text)]
    if held["numerics"] != numerics:
        out.append(f"golden.json is of numerics version {held['numerics']}, the package of {numerics}")
    if numbers != sorted(set(numbers), reverse=True):
        out.append("numerics versions of the changelog must fall from top to bottom, each standing once")
    if max(numbers, default=0) != numerics:
        out.append(f'the changelog needs "* Numerics version {numerics}: why" on top of "Changes results"')
    return out


def may_renew(held: dict | None, text: str, numerics: int, rows: dict) -> str:
    """Why the table may not be renewed; "" when it may."""
    releases = {number: release for release, number in told(text)}
    if numerics not in releases:
        return f'first tell it in CHANGELOG.md, "Changes results": * Numerics version {numerics}: why'
    if releases[numerics] != "Unreleased" and (held is None or held["numerics"] != numerics or held["table"] != rows):
        return f"numerics version {numerics} is released ({releases[numerics]}); raise tme_sim.__numerics__"
    return ""


def main(arguments: list[str]) -> None:
    """Print or renew the table."""
    from tme_sim import __numerics__

    parser = argparse.ArgumentParser(prog="python -m tests.promises.golden")
    parser.add_argument("--write", action="store_true", help="renew golden.json")
    rows = {"numerics": __numerics__, "table": table()}
    if parser.parse_args(arguments).write:
        held = stored() if TABLE.is_file() else None
        if reason := may_renew(held, CHANGELOG.read_text(encoding="utf-8"), __numerics__, rows["table"]):
            raise SystemExit(reason)
        TABLE.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        changed = [name for name in rows["table"] if (held or {"table": {}})["table"].get(name) != rows["table"][name]]
        print(f"written: {TABLE.relative_to(ROOT)}; changed rows: {', '.join(changed) or 'none'}")
    else:
        print(json.dumps(rows, indent=1, sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
