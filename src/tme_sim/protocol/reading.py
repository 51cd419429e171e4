"""From the tables of a file to a checked protocol; all mistakes are noted at once."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from tme_sim.diagnostics import Key, nearest, quoted
from tme_sim.protocol.tables import KINDS, Name, Phase, Protocol, Scan, Timed, Visit
from tme_sim.validation import NAME_PATTERN, Model, Problems, Texts, check_table

MAX_TREATMENTS = 200
ALIASES = {"y90": "radioembolisation"}
LISTS = ("phase", "treatment", "scan", "visit")


class _Head(Model):
    name: Name = "untreated"
    title: str = Field("", max_length=300)
    source: Texts = ""
    followed_by: str | None = Field(None, max_length=300)


def read_protocol(table: Any, key: Key, problems: Problems) -> Protocol | None:
    """Validate the table of a protocol; returns None after noting every mistake in it."""
    if not isinstance(table, dict):
        problems.add(key, "must be a table with keys")
        return None
    before = len(problems.found)
    head = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items() if k not in LISTS}
    checked = check_table(_Head, head, key, problems, also=(*LISTS, "file"))

    def read(name: str, model: type[Model] | None) -> list[tuple[Key, Any]]:
        """The checked entries of one list with their places, a sole table counting as a list of one."""
        return [
            (
                at,
                _read_treatment(item, at, problems)
                if model is None
                else check_table(model, _tuples(item), at, problems),
            )
            for at, item in _listed(table.get(name, []), (*key, name), problems)
        ]

    phases, treatments = read("phase", Phase), read("treatment", None)
    scans, visits = read("scan", Scan), read("visit", Visit)
    _unique([*treatments, *scans, *visits], problems)
    _unique(phases, problems)
    if len(treatments) + len(scans) + len(visits) > MAX_TREATMENTS or len(phases) > MAX_TREATMENTS:
        problems.add(key, f"has more than {MAX_TREATMENTS} treatments and scans")
    if len(problems.found) > before or checked is None:
        return None
    parts = dict(zip(LISTS, (phases, treatments, scans, visits), strict=True))
    return Protocol(**dict(checked), **{name: tuple(t for _, t in found) for name, found in parts.items()})


def targets_of(table: dict[str, Any]) -> list[str]:
    """Names of lesions in the treatments of an unchecked protocol, in order; what cannot be a name is left out."""
    treatments = table.get("treatment")
    out: list[str] = []
    for treatment in treatments if isinstance(treatments, list) else ():
        named = treatment.get("targets") if isinstance(treatment, dict) else None
        out += [n for n in (named if isinstance(named, list) else ()) if isinstance(n, str)]
    return [name for name in dict.fromkeys(out) if re.fullmatch(NAME_PATTERN, name)]


def _listed(value: Any, key: Key, problems: Problems) -> list[tuple[Key, Any]]:
    if not isinstance(value, list):
        problems.add(key, f"must be a list of tables: write [[{key[-1]}]] with double brackets")
        return []
    return [((*key, i), item) for i, item in enumerate(value)]


def _read_treatment(item: Any, key: Key, problems: Problems) -> Timed | None:
    if not isinstance(item, dict):
        problems.add(key, "must be a table with keys")
        return None
    kind = item.get("kind", "drug" if "drug" in item else None)
    if isinstance(kind, str) and kind in ALIASES:
        kind = ALIASES[kind]
        item = {**item, "kind": kind}
    if not isinstance(kind, str) or kind not in KINDS:
        given = "is missing" if kind is None else f"{quoted(kind)} is not known{nearest(str(kind), KINDS)}"
        problems.add((*key, "kind"), f"{given}; kinds of treatment are {', '.join(KINDS)}")
        return None
    model = KINDS[kind]
    if kind == "drug" and "name" not in item and isinstance(item.get("drug"), str):
        item = {"name": item["drug"], **item}
    return check_table(model, _tuples(item), key, problems)


def _tuples(value: Any) -> Any:
    """Lists become tuples, so that strict validation of frozen tables takes them."""
    if isinstance(value, list):
        return tuple(_tuples(v) for v in value)
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    return value


def _unique(items: list[tuple[Key, Timed | Phase | None]], problems: Problems) -> None:
    seen: set[str] = set()
    for key, item in items:
        if item is not None and item.name.lower() in seen:
            problems.add(key, f'a second entry is named {quoted(item.name)}; give each its own "name"')
        elif item is not None:
            seen.add(item.name.lower())
