"""Dates as texts: ``"day 7"``, ``"14 day after last tace"``, ``"first tace"``, ``"7 day after start of maintenance"``.

Day 0 is that of the scenario, by habit the first TACE.  Dates are whole minutes (ticks).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from tme_sim.diagnostics import known_key, plain, quoted
from tme_sim.quantities import Quantity, QuantityError, convert, dimensions, parse_quantity

TICKS_PER_DAY = 1440
FARTHEST_DAY = 36_525.0
START, END = 0, -2  # which entry of a phase a date means; of a treatment: 1 = first, 2 = second ..., -1 = last


def to_ticks(quantity: Quantity, what: str) -> int:
    """A time as whole minutes.

    Raises:
        QuantityError: not a time, not whole minutes, or farther than a hundred years.
    """
    days = convert(quantity.value, quantity.unit, "day")
    if abs(days) > FARTHEST_DAY:
        raise QuantityError(f"{what} lies more than a hundred years away")
    ticks = round(days * TICKS_PER_DAY)
    if abs(ticks - days * TICKS_PER_DAY) > 1e-6 * max(1.0, abs(ticks)):
        raise QuantityError(f"{what} must be whole minutes, not {quantity}")
    return ticks


@dataclass(frozen=True)
class When:
    """A date: `offset` ticks after day 0, an entry of the treatment `anchor`, or an end of the phase `anchor`."""

    offset: int
    anchor: str = ""
    which: int = 0  # 1 = first, 2 = second ..., -1 = last; of a phase: START or END
    text: str = ""
    phase: bool = False  # `anchor` names a phase

    def __str__(self) -> str:
        return self.text


_WHICH = r"(?P<which>first|last|[1-9]\d{0,2}(?:st|nd|rd|th))"
_FIXED = re.compile(r"day\s+(?P<day>[+-]?\d{1,6}(?:\.\d{1,12})?)", re.ASCII)
_RELATIVE = re.compile(
    rf"(?:(?P<offset>\S.{{0,30}}?)\s+(?P<side>after|before)\s+|(?:at|with)\s+)?{_WHICH}\s+(?P<name>\S.*)"
)
_OF_PHASE = re.compile(
    r"(?:(?P<offset>\S.{0,30}?)\s+(?P<side>after|before)\s+|(?:at|with)\s+)?(?P<end>start|end)\s+of\s+(?P<name>\S.*)"
)
_UNSAID = re.compile(r"(?P<offset>\S.{0,30}?)\s+(?P<side>after|before)\s+(?P<name>\S.*)")
_DATE_HELP = 'write a date like "day 7", "14 day after last tace" or "first bevacizumab"'


def parse_when(value: Any) -> When:
    """Read a date from text or table.

    Raises:
        QuantityError: not a date; with what may be written.
    """
    if isinstance(value, When):
        return value
    if isinstance(value, dict):
        return _when_of_table(value)
    if isinstance(value, bool) or not isinstance(value, str):
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6:
            raise QuantityError(f'a date needs words: write "day {value:g}"')
        if isinstance(value, datetime.date):
            raise QuantityError(f"is a day of the year, and days count from day 0; {_DATE_HELP}")
        raise QuantityError(f"is not a date; {_DATE_HELP}")
    text = " ".join(value.split())
    if len(text) > 120:
        raise QuantityError(f"is too long for a date; {_DATE_HELP}")
    fixed = _FIXED.fullmatch(text)
    if fixed:
        return When(to_ticks(Quantity(float(fixed["day"]), "day"), "a date"), text=text)
    phase = _OF_PHASE.fullmatch(text)
    if phase:
        offset = _offset(phase["offset"]) if phase["offset"] else 0
        sign = -1 if phase["side"] == "before" else 1
        return When(sign * offset, phase["name"].strip(), START if phase["end"] == "start" else END, text, phase=True)
    relative = _RELATIVE.fullmatch(text)
    if relative:
        offset = _offset(relative["offset"]) if relative["offset"] else 0
        sign = -1 if relative["side"] == "before" else 1
        return When(sign * offset, relative["name"].strip(), _which(relative["which"]), text)
    unsaid = _UNSAID.fullmatch(text)
    if unsaid:
        name = plain(unsaid["name"], 40)
        raise QuantityError(f'{quoted(text)} does not say which {name}: write "first {name}" or "last {name}"')
    try:
        quantity = parse_quantity(text)
    except QuantityError:
        quantity = None
    if quantity is not None and dimensions(quantity.unit) == (1, 0, 0, 0, 0, 0):
        days = convert(quantity.value, quantity.unit, "day")
        raise QuantityError(f'{quoted(text)} is a duration; as a date write "day {days:g}"')
    raise QuantityError(f"{quoted(text)} is not a date; {_DATE_HELP}")


def _offset(text: str) -> int:
    ticks = to_ticks(parse_quantity(text), "the offset of a date") if text else 0
    if ticks < 0:
        raise QuantityError(f"the offset {quoted(text)} is negative; write before or after instead")
    return ticks


def _which(text: str) -> int:
    return {"first": 1, "last": -1}.get(text) or int(text[:-2])


def _when_of_table(table: Mapping[str, Any]) -> When:
    sides = [s for s in ("after", "before") if s in table]
    unknown = [k for k in table if k not in ("after", "before", "offset")]
    if unknown:
        raise QuantityError(f"{quoted(unknown[0])} {known_key(str(unknown[0]), ('after', 'before', 'offset'))}")
    if len(sides) != 1 or not isinstance(table[sides[0]], str) or not isinstance(table.get("offset", ""), str):
        raise QuantityError('a date as a table is { after = "last tace", offset = "14 day" } (or before)')
    target, offset = table[sides[0]], table.get("offset", "")
    return parse_when(f"{offset} {sides[0]} {target}" if offset else target)


def date(description: str) -> Any:
    """The type of a key that holds a date, with its schema for editors."""
    schema = {
        "description": description,
        "anyOf": [
            {"type": "string", "examples": ["day 7", "14 day after last tace"]},
            {
                "type": "object",
                "properties": {k: {"type": "string"} for k in ("after", "before", "offset")},
                "additionalProperties": False,
            },
        ],
    }
    return Annotated[
        When, BeforeValidator(parse_when), PlainSerializer(str), WithJsonSchema(schema), Field(description=description)
    ]
