"""Therapy after progression: a file of its own, joined to a protocol as phases that follow the end of its treatment.

A protocol, trial, calibration or prediction names it as ``after_progression``: ``"none"`` with words of its own, a
file, or a list of files of which the first is taken that a run can still hold, for it holds few drugs of a role.
Such a file holds treatments, and phases if there are several steps; ``"day 14"`` in it means 14 days after the visit at
which the protocol's own treatment ended.  It has no scans: those of the protocol go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tme_sim.diagnostics import InputError, Key, Problem, dotted, nearest, parse_toml, quoted, read_text
from tme_sim.kinds import SCHEMA
from tme_sim.protocol.conditions import Condition
from tme_sim.protocol.dates import TICKS_PER_DAY, When, parse_when
from tme_sim.protocol.tables import read_until
from tme_sim.quantities import QuantityError
from tme_sim.therapies.drug_file import PLACES, DrugFileError
from tme_sim.therapies.library import Library
from tme_sim.validation import Problems, shortest

__all__ = ["KEY", "NOTHING", "After", "follow", "follows", "scenario_text"]

KEY = "after_progression"
NOTHING = ("none",)
OWN, NEXT = "own treatment", "after progression"  # the phases that are made
ENDINGS = ("progression", "existing intrahepatic progression", "new intrahepatic progression",
           "extrahepatic progression", "best progressive disease", "refractory", "untaceable",
           "tace progression")  # fmt: skip
ALLOWED = ("schema", "name", "title", "source", "phase", "treatment")
_HELP = 'write "none" (and why, if you like), the path of a file that ends in .toml, or a list of such files'


def read_choices(value: Any) -> tuple[str, ...]:
    """One text or a list: files, and ``"none ..."`` as the last.

    Raises:
        ValueError: neither; with what may be written.
    """
    items = value if isinstance(value, (list, tuple)) else (value,)
    if not items or not all(isinstance(i, str) and 0 < len(i) <= 300 and "\0" not in i for i in items):
        raise ValueError(f"is no therapy after progression; {_HELP}")
    for place, item in enumerate(items, 1):
        if _nothing(item) and place < len(items):
            raise ValueError(f"{quoted(items[place])} stands after {quoted(item)} and is never reached; move one")
        if not _nothing(item) and not item.endswith(".toml"):
            raise ValueError(f"{quoted(item)} is no therapy after progression; {_HELP}")
    return tuple(items)


After = Annotated[
    tuple[str, ...], BeforeValidator(read_choices), Field(description="therapy after progression, for survival")
]


def _nothing(text: str) -> bool:
    return text.lower().startswith("none")


def follows(after: Sequence[str]) -> bool:
    """Whether any therapy is named."""
    return not _nothing(after[0])


def scenario_text(name: str, protocol: str, after: Sequence[str] = NOTHING) -> str:
    """The scenario of a protocol file and of what follows it, as text; paths as they are given."""
    text = f"schema = 1\nname = {json.dumps(name)}\n[protocol]\nfile = {json.dumps(protocol)}\n"
    return text + (f"{KEY} = {json.dumps(list(after))}\n" if follows(after) else "")


def follow(raw: dict, value: Any, folder: Path, key: Key, problems: Problems, library: Library) -> None:
    """Let the unchecked tables `raw` of a protocol, which stand at `key`, be followed by the therapy of `value`.

    Notes mistakes in `problems`; what is wrong with a treatment of the file is told by the check that follows, at its
    own place.  `raw` stays as it is where nothing can be joined.
    """
    at = (*key, KEY)
    try:
        choices = read_choices(value)
    except ValueError as error:
        problems.add(at, str(error))
        return
    if "followed_by" in raw:
        problems.add(at, f"{quoted(raw['followed_by'])} follows this protocol already; start from the protocol's file")
        return
    lists = (raw.get("treatment", []), raw.get("phase", []))
    if not all(isinstance(one, list) and all(isinstance(i, dict) for i in one) for one in lists):
        return  # the check of the protocol says so
    refused: list[str] = []
    for choice in choices:
        if _nothing(choice):
            return
        found = _read(folder / choice, at, problems)
        if found is None:
            return
        reason = _hindrance(raw, found[0], library)
        if not reason:
            _join(raw, *found, key, problems)
            return
        refused.append(f"{choice}: {reason}")
    problems.add(at, (
        f"none of what is listed can follow this protocol ({'; '.join(refused)}); list a therapy with other drugs, or "
        '"none" as the last'))  # fmt: skip


def _read(path: Path, at: Key, problems: Problems) -> tuple[dict, Any] | None:
    """A file of therapy after progression and its places; None after noting what is wrong with it."""
    try:
        data, places = parse_toml(read_text(path), str(path))
    except InputError as error:
        place = problems.places.place(at)
        problems.found += [Problem(place, dotted(at), str(problem)) for problem in error.problems]
        return None
    before = len(problems.found)

    def add(key: Key, message: str) -> None:
        problems.found.append(Problem(places.place(key), dotted(key), message))

    for name in data:
        if name in ("scan", "visit"):
            add((name,), "has no place after progression: the visits of the protocol go on; remove it")
        elif name not in ALLOWED:
            add((name,), f"is not known here{nearest(name, ALLOWED)}; there are {', '.join(ALLOWED)}")
    if data.get("schema", SCHEMA) != SCHEMA:
        add(("schema",), f"must be {SCHEMA}")
    for name in ("phase", "treatment"):
        if not isinstance(data.get(name, []), list):
            add((name,), f"must be a list of tables: write [[{name}]] with double brackets")
    if len(problems.found) > before:
        return None
    if not data.get("treatment"):
        add((), 'gives nothing; write a [[treatment]], or after_progression = "none"')
    roots = [i for i, p in enumerate(data.get("phase", [])) if "follows" not in p]
    for i in roots[1:]:
        add(("phase", i), 'several phases begin at once; let this one follow another with "follows"')
    if data.get("phase") and not roots:
        add(("phase", 0), 'every phase follows another; the first begins at progression, so leave its "follows" out')
    for i, item in enumerate(data.get("treatment", [])):
        if data.get("phase") and "phase" not in item:
            add(("treatment", i), 'belongs to no phase of this file; give it phase = "..."')
        if not data.get("phase") and "phase" in item:
            add(("treatment", i, "phase"), "there is no [[phase]] in this file; write one, or remove this")
    return None if len(problems.found) > before else (data, places)


def _drugs(raw: Mapping[str, Any], library: Library) -> dict[str, str]:
    """Role of each drug that treatments give, by its name in the library; unknown ones are told by the later check."""
    out = {}
    for item in raw.get("treatment", []):
        if item.get("kind", "drug") != "drug" or not isinstance(item.get("drug"), str):
            continue
        try:
            drug = library.get(item["drug"])
        except (KeyError, DrugFileError):
            continue
        out[drug.name] = drug.role
    return out


def _hindrance(raw: Mapping[str, Any], after: Mapping[str, Any], library: Library) -> str:
    """Why a therapy cannot follow a protocol; "" where it can."""
    given, wanted = _drugs(raw, library), _drugs(after, library)
    again = [name for name in wanted if name in given]
    if again:
        return f"{again[0]} was given before progression"
    for name, role in wanted.items():
        same = [n for n, r in {**given, **wanted}.items() if r == role]
        if len(same) > len(PLACES[role]):
            held = {1: "one drug", 2: "two drugs"}[len(PLACES[role])]
            return f"{' and '.join(same)} are all {role}, and a run holds {held} of a role, {name} would be one more"
    return ""


# --- when the protocol's own treatment has ended ----------------------------------------------------------------------


def _join(raw: dict, after: Mapping[str, Any], places: Any, key: Key, problems: Problems) -> None:
    """Append the phases and treatments of `after` to those of `raw`."""
    ends = _ends(raw, (*key, KEY), problems)
    if ends is None:
        return
    title = str(after.get("title") or after.get("name") or Path(places.name).stem)
    phases = [dict(p) for p in after.get("phase", [])] or [{"name": NEXT, "new_baseline": True}]
    treatments = [dict(t) for t in after["treatment"]]
    for phase in phases:
        before = "start" if "follows" in phase else f"end of {OWN}"
        if "follows" not in phase:
            phase["follows"] = OWN
            phase.setdefault("source", _source(after, title))
            _count_from(phase, ("start",), before)
        _count_from(phase, ("end",), f"start of {phase.get('name')}")
    for item in treatments:
        item.setdefault("phase", NEXT)
        _count_from(item, ("start", "until", "at"), f"start of {item['phase']}")
    known = (len(raw.get("treatment", [])), len(raw.get("phase", [])) + 1)
    own = {"name": OWN, "start": "day 0", "until": ends, "ends_all": True,
           "source": "made: what ends the protocol's own treatment"}  # fmt: skip
    raw["phase"] = [*raw.get("phase", []), own, *phases]
    raw["treatment"] = [*raw.get("treatment", []), *treatments]
    raw["followed_by"] = title
    for (name, *rest), place in places.lines.items():
        if name in ("treatment", "phase") and rest:
            shift = known[0] if name == "treatment" else known[1]
            problems.places.lines[(*key, name, rest[0] + shift, *rest[1:])] = place


def _source(after: Mapping[str, Any], title: str) -> str:
    """What a first phase says of where it comes from."""
    source = after.get("source", "")
    text = "; ".join(source) if isinstance(source, list) else str(source)
    return f"{title}: {text}"[:2000]


def _count_from(table: dict, names: Iterable[str], anchor: str) -> None:
    """Let dates by day count from `anchor`; other texts stay for the check that follows."""
    for name in names:
        value = table.get(name)
        if isinstance(value, list) and name == "at":
            table[name] = [_counted(v, anchor) for v in value]
        elif isinstance(value, str):
            table[name] = _counted(value, anchor)


def _counted(value: Any, anchor: str) -> Any:
    try:
        when = parse_when(value)
    except QuantityError:
        return value  # a condition, or no date
    if when.phase or when.which:
        return value
    days = when.offset / TICKS_PER_DAY
    return f"{shortest(abs(days))} day {'after' if days >= 0 else 'before'} {anchor}"


def _ends(raw: Mapping[str, Any], at: Key, problems: Problems) -> list[str] | None:
    """Conditions at which all of a protocol's own treatment has ended, as texts; None after noting that there are none.

    Treatments that dates or a number end have no say; where nothing else is given, it is progression.
    """
    found: list[tuple[str, dict[Condition, str]]] = []
    phases = {str(p.get("name", "")).lower(): p for p in raw.get("phase", [])}
    for item in raw.get("treatment", []):
        name = str(item.get("name") or item.get("drug") or item.get("kind"))
        phase = phases.get(str(item.get("phase", "")).lower(), {})
        ends = {**_endings(item.get("until")), **_endings(phase.get("until"))}
        if ends:
            found.append((name, ends))
        elif not _runs_out(item, phase):
            problems.add(at, (
                f"{quoted(name)} of the protocol goes on after progression, so nothing follows it; end it with "
                'until = "progression", or leave "after_progression" out'))  # fmt: skip
            return None
    if not found:
        return ["progression"]
    first = found[0][1]
    common = [text for what, text in first.items() if all(what in ends for _, ends in found)]
    if not common:
        said = "; ".join(f"{name}: {' or '.join(ends.values())}" for name, ends in found)
        problems.add(at, (
            f"treatments of the protocol end at different findings ({said}), so there is no visit at which all have "
            'ended; add one to all of them, such as until = ["progression", ...]'))  # fmt: skip
        return None
    return common


def _endings(until: Any) -> dict[Condition, str]:
    """Those of the conditions that mean the end of a treatment's use, without their texts, and the texts."""
    try:
        read = read_until(until) if isinstance(until, (str, list)) else ()
    except QuantityError:
        return {}
    if isinstance(read, When):
        return {}
    return {Condition(c.what, c.side, c.bound, c.criterion): str(c) for c in read
            if c.what in ENDINGS and not c.negated}  # fmt: skip


def _runs_out(item: Mapping[str, Any], phase: Mapping[str, Any]) -> bool:
    """Whether dates or a number end a treatment, or it is given once."""
    demand = item.get("on_demand")
    if isinstance(demand, Mapping):
        return "maximum" in demand
    dated = isinstance(item.get("until"), (str, Mapping)) and not _endings(item.get("until"))
    return "times" in item or "at" in item or "end" in phase or dated or not ("every" in item or "regimen" in item)
