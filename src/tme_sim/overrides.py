"""Overrides of single values of a scenario: ``--set "patient.weight=80 kg"`` and `Scenario.changed`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tme_sim.diagnostics import InputError, Key, Problem, dotted, nearest, parse_toml, quoted
from tme_sim.validation import Problems

__all__ = ["apply_changes", "locate", "read_changes"]


NAMED_BY = ("name", "drug", "kind")  # what an entry of a list is found by, the first that it has


def read_changes(changes: Mapping[str, Any] | Iterable[str]) -> list[tuple[str, Any]]:
    """Overrides as (dotted key, value); text is read as a TOML value, and as plain text where it is none."""
    if isinstance(changes, Mapping):
        return list(changes.items())
    out = []
    for text in changes:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise InputError(Problem("--set", quoted(text), 'is not KEY=VALUE; write --set "patient.weight=80 kg"'))
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InputError(Problem("--set", name.strip(), "is not UTF-8 text")) from None
        out.append((name.strip(), _value(value.strip())))
    return out


def _value(text: str) -> Any:
    try:
        found = parse_toml(f"v = {text}", "--set")[0]
    except InputError:
        return text
    return found["v"] if set(found) == {"v"} else text


def _path_of(name: str) -> list[str]:
    parts = [p.strip("\"'") for p in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\[\]]+", name)]
    if len(parts) > 3 and parts[:2] == ["biology", "hypotheses"]:
        parts = [*parts[:2], ".".join(parts[2:])]
    return [p.strip() for p in parts if p.strip()]


def apply_changes(raw: dict, changes: Sequence[tuple[str, Any]], problems: Problems) -> None:
    """Put overrides into the raw tables of a scenario; entries of lists are found by name, drug, kind or number.

    Notes keys that lead nowhere in `problems`; unknown keys are found by the check that follows.
    """
    reached: list[Key] = []
    for name, value in changes:
        path = _path_of(str(name))
        if not path or len(path) > 8:
            problems.found.append(Problem("--set", str(name)[:80], "is not a key of a scenario"))
            continue
        at: Any = raw
        key: Key = ()
        for i, part in enumerate(path):
            last = i == len(path) - 1
            if isinstance(at, list):
                index = _index(at, part)
                if index is None:
                    found = [next((str(x[k]) for k in NAMED_BY if k in x), "") for x in at if isinstance(x, dict)]
                    names = [name or str(i) for i, name in enumerate(found, 1)]
                    problems.found.append(
                        Problem(
                            "--set",
                            name,
                            f"{quoted(part)} is none of {', '.join(names) or 'an empty list'}{nearest(part, names)}",
                        )
                    )
                    break
                key = (*key, index)
                if last:
                    at[index] = value
                at = at[index]
            elif isinstance(at, dict):
                key = (*key, part)
                if not last and part not in at and path[i + 1].isdigit():
                    near = nearest(part, list(at))
                    place = ".".join(k for k in key if isinstance(k, str))
                    said = f"there is no {part} whose entry {path[i + 1]} could be changed"
                    said += near or f"; give the file one first, as [[{place}]]"
                    problems.found.append(Problem("--set", name, said))
                    break
                if last:
                    at[part] = value
                else:
                    at = at.setdefault(part, {})
            else:
                problems.found.append(Problem("--set", name, f"{dotted(key)} is a value and has no keys"))
                break
        else:
            reached.append(key)
    problems.places.set_all(reached, "--set")


def locate(raw: dict, name: str, problems: Problems) -> Key:
    """Where an override called `name` stands in the raw tables of a scenario; notes an entry that a list lacks."""
    at: Any = raw
    key: Key = ()
    for part in _path_of(str(name)):
        if isinstance(at, list):
            index = _index(at, part)
            if index is None:
                problems.found.append(Problem("--set", name, f"{quoted(part)} is none of the entries there"))
                return key
            key, at = (*key, index), at[index]
        else:
            key, at = (*key, part), at.get(part) if isinstance(at, dict) else None
    return key


def _index(items: list, part: str) -> int | None:
    if part.isdigit() and len(part) < 6 and 1 <= int(part) <= len(items):
        return int(part) - 1
    for field in NAMED_BY:
        for i, item in enumerate(items):
            if isinstance(item, dict) and str(item.get(field, "")).lower() == part.lower():
                return i
    return None
