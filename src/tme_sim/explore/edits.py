"""What a hand on the calendar means for the text of a scenario.

Every edit is a pure function of the plain data of a scenario file (see :attr:`tme_sim.scenario.Scenario.data`) and of
the checked scenario they gave; it returns new data, which the caller checks again.  Dates keep their relation: a bar
that starts ``"14 day after last tace"`` and is dragged a week later starts ``"21 day after last tace"``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

from tme_sim.diagnostics import InputError, Problem, nearest, quoted
from tme_sim.protocol import TICKS_PER_DAY, When, parse_when
from tme_sim.protocol.dates import END, START

__all__ = ["EDITS", "apply_edit", "shifted"]

PLACE = "calendar"
FAR = 36_525.0


def refuse(key: str, message: str) -> InputError:
    """The error of an edit that has no meaning."""
    return InputError(Problem(PLACE, key, message))


def apply_edit(data: Mapping[str, Any], scenario: Any, edit: Mapping[str, Any]) -> dict[str, Any]:
    """New data after an edit: ``{"do": name, ...}`` with the arguments of one of :data:`EDITS`.

    Raises:
        InputError: an unknown edit, or arguments that have no meaning; what the edit brings about is not checked here.
    """
    name = edit.get("do")
    if not isinstance(name, str) or name not in EDITS:
        raise refuse(str(name)[:40], f"is no edit{nearest(str(name), EDITS)}; there are {', '.join(EDITS)}")
    change, wanted = EDITS[name]
    values = {}
    for key, kind in wanted.items():
        value = edit.get(key)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if kind is not object and (not isinstance(value, kind) or isinstance(value, bool)):
            raise refuse(name, f"needs {quoted(key)}")
        if kind is float and not abs(value) <= FAR:
            raise refuse(name, "lies more than a hundred years away")
        values[key] = value
    out = copy.deepcopy(dict(data))
    change(out, scenario, **values)
    return out


# --- values ------------------------------------------------------------------------------------------------------


def set_value(data: dict, _scenario: Any, key: list, value: Any) -> None:
    """Put `value` at a key given as a list of names and numbers; None takes it out, and the default holds again."""
    if not 1 <= len(key) <= 6 or not all(isinstance(k, (str, int)) and not isinstance(k, bool) for k in key):
        raise refuse("set", "needs a key of one to six names")
    if not isinstance(value, (str, int, float, bool, type(None))) or (isinstance(value, str) and len(value) > 500):
        raise refuse("set", "takes text, a number, or nothing")
    if isinstance(value, float) and not math.isfinite(value):
        raise refuse("set", "takes finite numbers")
    at: Any = data
    for i, part in enumerate(key[:-1]):
        if isinstance(at, list):
            at = _item(at, part)
            continue
        if not isinstance(part, str) or not isinstance(at, dict):
            raise refuse("set", f"{quoted(part)} leads nowhere")
        if part == "lesion" and part not in at:
            at[part] = [{"name": "lesion 1"}]
        empty: Any = [] if isinstance(key[i + 1], int) else {}
        at = at.setdefault(part, empty)
    last = key[-1]
    if not isinstance(at, dict) or not isinstance(last, str):
        raise refuse("set", f"{quoted(last)} leads nowhere")
    if value is None:
        at.pop(last, None)
    else:
        at[last] = value


def _item(items: list, part: Any) -> Any:
    if not isinstance(part, int) or not 0 <= part < len(items):
        raise refuse("set", f"{quoted(part)} is no entry of the list")
    return items[part]


# --- treatments ----------------------------------------------------------------------------------------------------


def _treatment(data: dict, scenario: Any, index: int) -> tuple[dict, Any]:
    """The table and the checked entry of treatment `index`."""
    listed = data.get("protocol", {}).get("treatment", [])
    if not 0 <= index < len(listed):
        raise refuse("treatment", f"there is no treatment number {index}")
    return listed[index], scenario.protocol.treatment[index]


def _days(scenario: Any, item: Any) -> list[float]:
    """Dates of a treatment as the calendar resolved them."""
    return [e.day for e in scenario.calendar.all if e.treatment == item.name]


def shifted(value: Any, days: float) -> str:
    """The text of a date moved by `days`, in its own terms."""
    when = parse_when(value)
    moved = when.offset + round(days * TICKS_PER_DAY)
    if not when.anchor:
        return f"day {_number(moved)}"
    which = {1: "first", -1: "last", START: "start of", END: "end of"}
    if when.phase:
        anchor = f"{which[when.which]} {when.anchor}"
    else:
        anchor = f"{which.get(when.which) or _ordinal(when.which)} {when.anchor}"
    if moved == 0:
        return f"at {anchor}" if when.phase else anchor
    return f"{_number(abs(moved))} day {'after' if moved > 0 else 'before'} {anchor}"


def _number(ticks: int) -> str:
    return f"{ticks / TICKS_PER_DAY:.10f}".rstrip("0").rstrip(".")


def _ordinal(number: int) -> str:
    tail = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{tail}"


def _fixed(day: float) -> str:
    return f"day {_number(round(day * TICKS_PER_DAY))}"


def move(data: dict, scenario: Any, index: int, days: float) -> None:
    """Move a treatment by `days`; an end on a fixed day moves with it."""
    table, item = _treatment(data, scenario, index)
    if item.at is not None:
        table["at"] = [shifted(w, days) for w in table["at"]]
        return
    if item.start is None:
        raise refuse(item.name, f"starts with its phase {quoted(item.in_phase)}; give it a start of its own to move it")
    table["start"] = shifted(table["start"], days)
    if isinstance(item.until, When) and not item.until.anchor:
        table["until"] = shifted(table["until"], days)


def begin(data: dict, scenario: Any, index: int, days: float) -> None:
    """Move the start of a treatment by `days` and leave its end where it is."""
    table, item = _treatment(data, scenario, index)
    if item.start is None:
        raise refuse(item.name, "has no start of its own; move its dates one by one")
    if item.times is not None and item.every is not None:
        count = item.times - round(days * TICKS_PER_DAY / _every(item))
        table["times"] = max(1, count)
    table["start"] = shifted(table["start"], days)


def end(data: dict, scenario: Any, index: int, day: float) -> None:
    """End a treatment before `day`; the last dose that fits is kept."""
    table, item = _treatment(data, scenario, index)
    if item.at is not None or (item.every is None and not item.spaced_elsewhere):
        raise refuse(item.name, 'is given on single dates and has no length; give it "every" to make it a train')
    days = _days(scenario, item)
    if item.times is not None and item.every is not None and days:
        fitting = math.ceil(round((day - days[0]) * TICKS_PER_DAY) / _every(item) - 1e-9)
        table["times"] = max(1, fitting)
        return
    if isinstance(item.until, tuple):
        raise refuse(item.name, "ends when a visit says so; set \"until\" to a day to end it there")
    table["until"] = _fixed(day)


def _every(item: Any) -> float:
    from tme_sim.protocol import to_ticks

    return float(to_ticks(item.every, "every"))


def split(data: dict, scenario: Any, index: int, day: float, length: float) -> None:
    """Cut a train at `day` into two with a pause of `length` days between them."""
    table, item = _treatment(data, scenario, index)
    days = _days(scenario, item)
    if item.at is not None or item.start is None or (item.every is None and not item.spaced_elsewhere):
        raise refuse(item.name, "is given on single dates; take one of them out instead")
    if not length > 0:
        raise refuse(item.name, "needs a pause of more than 0 days")
    if not days or not days[0] < day <= days[-1]:
        raise refuse(item.name, "is split between its first and its last dose")
    first, second = table, copy.deepcopy(table)
    if item.times is not None:
        spacing = item.every and _every(item) / TICKS_PER_DAY
        before = sum(d < day for d in days)
        left = item.times - before - (math.ceil(length / spacing - 1e-9) if spacing else 0)
        if left < 1:
            raise refuse(item.name, "would have no dose left after the pause; make it shorter")
        first["times"], second["times"] = before, left
        first.pop("until", None)
    else:
        first["until"] = _fixed(day)
    second["start"] = _fixed(day + length)
    second["name"] = _free_name(data, item.name)
    second.pop("loading", None)
    data["protocol"]["treatment"].insert(index + 1, second)


def _free_name(data: dict, name: str) -> str:
    from tme_sim.protocol.tables import KINDS

    used = set()
    for table in data.get("protocol", {}).get("treatment", []):
        default = KINDS["drug"].model_fields["name"]
        used.add(str(table.get("name") or table.get("drug") or table.get("kind") or default).lower())
    stem = name[:58].rstrip()
    number = 2
    while f"{stem} {number}".lower() in used:
        number += 1
    return f"{stem} {number}" if name.lower() in used else name


def session(data: dict, scenario: Any, index: int, number: int, day: float) -> None:
    """Move date `number` (from 0) of a treatment to `day`; a train becomes a list of dates."""
    table, item = _treatment(data, scenario, index)
    days = _dates(scenario, item)
    if not 0 <= number < len(days):
        raise refuse(item.name, f"has no date number {number + 1}")
    if len(days) == 1 and item.start is not None:
        table["start"] = shifted(table["start"], day - days[0])
        return
    days[number] = day
    _listed(table, days)


def add_session(data: dict, scenario: Any, index: int, day: float) -> None:
    """One more date of a treatment."""
    table, item = _treatment(data, scenario, index)
    _listed(table, [*_dates(scenario, item), day])


def drop_session(data: dict, scenario: Any, index: int, number: int) -> None:
    """Take one date out; the last one takes the treatment with it."""
    table, item = _treatment(data, scenario, index)
    days = _dates(scenario, item)
    if not 0 <= number < len(days):
        raise refuse(item.name, f"has no date number {number + 1}")
    if len(days) == 1:
        remove(data, scenario, index)
        return
    _listed(table, days[:number] + days[number + 1 :])


def _dates(scenario: Any, item: Any) -> list[float]:
    if getattr(item, "on_demand", None) is not None:
        raise refuse(item.name, "is repeated when a scan asks for it, so only its start can be moved")
    days = _days(scenario, item)
    if len(days) > 100:
        raise refuse(item.name, "has more than a hundred dates; move it as a whole")
    return days


def _listed(table: dict, days: list[float]) -> None:
    for key in ("start", "every", "times", "until"):
        table.pop(key, None)
    table["at"] = [_fixed(d) for d in sorted(days)]


def remove(data: dict, scenario: Any, index: int) -> None:
    """Take a treatment out; what was dated from it stays on the day where it stands, and holds around it end."""
    _, gone = _treatment(data, scenario, index)
    tables = data["protocol"]["treatment"]
    others = {i: item for i, item in enumerate(scenario.protocol.treatment) if i != index}
    named = {n.lower() for item in others.values() for n in _names(item)}
    lost = {n.lower() for n in _names(gone)} - named
    for i, item in others.items():
        _settle(tables[i], item, lost, scenario)
    for kind in ("scan", "visit"):
        for table, item in zip(data["protocol"].get(kind, []), getattr(scenario.protocol, kind), strict=True):
            _settle(table, item, lost, scenario)
    del tables[index]


def _names(item: Any) -> list[str]:
    return [item.name, item.kind, *([item.drug] if item.kind == "drug" else [])]


def _settle(table: dict, item: Any, lost: set[str], scenario: Any) -> None:
    """Give fixed days to the dates of `item` that are counted from a name in `lost`."""

    def day(when: Any) -> str | None:
        """The fixed day of a date counted from what is lost, or None for another one."""
        if not isinstance(when, When) or when.phase or when.anchor.lower() not in lost:
            return None
        days = sorted(
            e.day for e in scenario.calendar.all
            if when.anchor.lower() in (e.treatment.lower(), e.kind, str(e.data.get("drug", "")).lower())
        )  # fmt: skip
        at = days[-1 if when.which < 0 else min(when.which, len(days)) - 1] if days else 0.0
        return _fixed(at + when.offset / TICKS_PER_DAY)

    for key in ("start", "until"):
        fixed = day(getattr(item, key))
        if fixed is not None:
            table[key] = fixed
    if item.at is not None:
        table["at"] = [day(when) or text for when, text in zip(item.at, table["at"], strict=True)]
    holds = [h for h in table.get("hold", []) if str(h.get("around", "")).lower() not in lost]
    if "hold" in table:
        table["hold"] = holds
        if not holds:
            del table["hold"]


def add(data: dict, scenario: Any, what: str, day: float) -> None:
    """A new treatment: ``tace``, or a drug of the library at the dose of its first regimen."""
    protocol = data.setdefault("protocol", {})
    listed = protocol.setdefault("treatment", [])
    if what == "tace":
        table: dict[str, Any] = {"kind": "tace", "start": _fixed(day), "technique": "conventional"}
        name = "tace"
    else:
        library = scenario.catalogue.library
        if what not in library.names():
            raise refuse("add", f"{quoted(what)} is no drug of the library{nearest(what, library.names())}")
        drug = library.get(what)
        table = {"kind": "drug", "drug": what, "start": _fixed(day)}
        if not drug.dosing:
            raise refuse("add", f"the library has no regimen for {what}; write it in the config file")
        table["regimen"] = drug.dosing[0].name
        name = what
    free = _free_name(data, name)
    if free != name:
        table["name"] = free
    listed.append(table)


def field(data: dict, scenario: Any, index: int, name: str, value: str) -> None:
    """Set a key of a treatment as typed; empty text takes it out."""
    table, item = _treatment(data, scenario, index)
    if name not in type(item).model_fields or name == "kind":
        raise refuse(item.name, f"has no {quoted(name)}{nearest(name, type(item).model_fields)}")
    text = value.strip()
    if len(text) > 2000:
        raise refuse(item.name, "takes at most 2000 characters")
    if not text:
        table.pop(name, None)
    elif name == "at":
        table["at"] = [part.strip() for part in text.split(",") if part.strip()]
    elif name == "targets":
        table["targets"] = [part.strip() for part in text.split(",") if part.strip()]
    elif name == "times":
        table["times"] = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text
    else:
        table[name] = text


def hold(data: dict, scenario: Any, index: int, around: str, before: float, after: float) -> None:
    """No dose from `before` days before to `after` days after each entry of what `around` names; 0 and 0 ends that."""
    table, item = _treatment(data, scenario, index)
    if "hold" not in type(item).model_fields:
        raise refuse(item.name, "is no drug; only drugs are held around procedures")
    others = [h for h in table.get("hold", []) if h.get("around") != around]
    if before or after:
        others.append({"around": around, "before": f"{before:g} day", "after": f"{after:g} day"})
    table.pop("hold", None)
    if others:
        table["hold"] = others


EDITS: dict[str, tuple[Callable[..., None], dict[str, type]]] = {
    "set": (set_value, {"key": list, "value": object}),
    "move": (move, {"index": int, "days": float}),
    "begin": (begin, {"index": int, "days": float}),
    "end": (end, {"index": int, "day": float}),
    "split": (split, {"index": int, "day": float, "length": float}),
    "session": (session, {"index": int, "number": int, "day": float}),
    "add_session": (add_session, {"index": int, "day": float}),
    "drop_session": (drop_session, {"index": int, "number": int}),
    "add": (add, {"what": str, "day": float}),
    "remove": (remove, {"index": int}),
    "field": (field, {"index": int, "name": str, "value": str}),
    "hold": (hold, {"index": int, "around": str, "before": float, "after": float}),
}
