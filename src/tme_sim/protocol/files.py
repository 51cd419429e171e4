"""A protocol that stands in a file of its own: named by a scenario or by ``--set``, and put in place of its section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tme_sim.diagnostics import InputError, Key, Problem, dotted, parse_toml, read_text
from tme_sim.kinds import SCHEMA
from tme_sim.protocol.after import KEY, follow
from tme_sim.therapies.library import Library
from tme_sim.validation import Problems

__all__ = ["PROTOCOL_FILE", "choose_protocol", "inline_protocol"]

PROTOCOL_FILE = "protocol.file"
FOLLOWING = f"protocol.{KEY}"


def choose_protocol(raw: dict, wanted: list[tuple[str, Any]], problems: Problems) -> bool:
    """Take ``protocol.file`` out of overrides, the last of them, in place of the whole section, and
    ``protocol.after_progression``; whether there is one.

    Unlike those of a scenario file, the paths start from where the user stands.
    """
    files = [value for name, value in wanted if name == PROTOCOL_FILE]
    following = [value for name, value in wanted if name == FOLLOWING]
    wanted[:] = [pair for pair in wanted if pair[0] not in (PROTOCOL_FILE, FOLLOWING)]
    if files:
        path = str(Path(files[-1]).absolute()) if isinstance(files[-1], str) and files[-1].strip() else files[-1]
        raw["protocol"] = {"file": path}
        problems.places.set(("protocol",), "--set")
    if following and isinstance(raw.setdefault("protocol", {}), dict):
        value = following[-1]
        items = value if isinstance(value, list | tuple) else [value]
        raw["protocol"][KEY] = [
            str(Path(i).absolute()) if isinstance(i, str) and i.endswith(".toml") else i for i in items
        ]
        problems.places.set(("protocol", KEY), "--set")
    return bool(files or following)


def inline_protocol(raw: dict, folder: Path, problems: Problems, library: Library) -> None:
    """Replace ``protocol.file`` by what the file holds, and join what follows it after progression, so that a resolved
    scenario stands alone."""
    section = raw.get("protocol")
    if not isinstance(section, dict):
        return
    after = [(section.pop(KEY), folder)] if KEY in section else []
    if "file" in section:
        folder = _insert_protocol(raw, section, folder, problems)
        section = raw["protocol"]
    if KEY in section:
        after.append((section.pop(KEY), folder))  # of the protocol's own file; the scenario's comes first
    if after:
        follow(section, *after[0], ("protocol",), problems, library)


def _insert_protocol(raw: dict, section: dict, folder: Path, problems: Problems) -> Path:
    """Put what the file of a protocol holds in place of the section; the folder it lies in."""
    key: Key = ("protocol", "file")
    if not isinstance(section["file"], str) or not section["file"].strip() or "\0" in section["file"]:
        problems.add(key, 'must be the path of a protocol file, like "protocols/tace_only.toml"')
        raw["protocol"] = {}
        return folder
    others = [k for k in section if k != "file"]
    if others:
        problems.add(
            ("protocol", others[0]), 'stands beside "file"; change single values with --set, or write all inline'
        )
    path = folder / section["file"]
    try:
        data, places = parse_toml(read_text(path), str(path))
    except InputError as error:
        for problem in error.problems:
            place = problems.places.place(key)
            problems.found.append(Problem(place, dotted(key), str(problem)))
        raw["protocol"] = {}
        return folder
    if data.pop("schema", SCHEMA) != SCHEMA:
        problems.found.append(Problem(places.place(("schema",)), "schema", f"must be {SCHEMA}"))
    raw["protocol"] = data
    problems.places.graft(("protocol",), places)
    return path.parent
