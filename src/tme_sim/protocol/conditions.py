"""Conditions that rules test: what the latest scan or blood test saw, as a short text.

A condition compares a measure with a bound (``"child-pugh at least 8"``, ``"viable area above 50 %"``) or names a
reading of the scans (``"progression by mrecist"``, ``"refractory by jsh"``); some measures are read by a criterion too
(``"depth by mrecist at most -50 %"``).  ``"not ..."`` turns one around.  A rule never reads the simulated body itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from tme_sim.diagnostics import nearest, quoted
from tme_sim.protocol.dates import parse_when
from tme_sim.quantities import QuantityError, convert, parse_number_or_quantity

# Measures: unit of the bound, what must have looked ("scan", "blood" or "" for the calendar itself), meaning.
MEASURES: dict[str, tuple[str, str, str]] = {
    "viable area": ("1", "scan", "sum of squared viable diameters, of its value at the first scan"),
    "viable volume": ("1", "scan", "sum of cubed viable diameters, of its value at the first scan"),
    "viable diameter": ("mm", "scan", "largest viable diameter seen"),
    "diameter": ("mm", "scan", "largest diameter seen"),
    "new lesion": ("mm", "scan", "largest diameter of a liver lesion not there at the first scan"),
    "lesions": ("1", "scan", "number of lesions seen"),
    "child-pugh": ("1", "blood", "Child-Pugh points"),
    "albi": ("1", "blood", "ALBI score"),
    "bilirubin": ("umol/L", "blood", "bilirubin in serum"),
    "albumin": ("g/L", "blood", "albumin in serum"),
    "afp": ("1", "blood", "alpha-fetoprotein, of its value at the first visit"),
    "sessions": ("1", "", "sessions of TACE given so far"),
    "li-rads new lesion": ("mm", "scan", "the largest of LI-RADS 5 among liver lesions not there at the first scan"),
    "depth": ("1", "scan", "best change of the targets up to first progression, of their value at baseline"),
    "time since response": ("day", "scan", "from the first response to the latest scan"),
    "time since progression": ("day", "scan", "from the first progression to the latest scan"),
}
LIMITS = {"child-pugh": (5.0, 15.0), "albi": (-6.0, 2.0), "depth": (-1.0, math.inf)}  # the others: from 0 on
CRITERIA = ("recist11", "mrecist", "recicl")
BY_CRITERION = ("depth", "time since response", "time since progression")  # measures that a criterion reads
READINGS: dict[str, tuple[tuple[str, ...], str]] = {
    "progression": (CRITERIA, "first progression by the criterion; recist11 when none is named"),
    "complete response": (CRITERIA, "complete response at the latest scan; mrecist when none is named"),
    "response": (CRITERIA, "complete or partial response at the latest scan; mrecist when none is named"),
    "stable disease": (CRITERIA, "stable disease at the latest scan; mrecist when none is named"),
    "best complete response": (CRITERIA, "the best response so far is complete; mrecist when none is named"),
    "best response": (CRITERIA, "the best response so far is complete or partial; mrecist when none is named"),
    "best stable disease": (CRITERIA, "the best response so far is stable disease; mrecist when none is named"),
    "best progressive disease": (CRITERIA, "progression without a response or stable disease before it; mrecist"),
    "existing intrahepatic progression": (CRITERIA, "first progression was growth of known liver lesions; recist11"),
    "new intrahepatic progression": (CRITERIA, "first progression was new liver lesions or invasion; recist11"),
    "extrahepatic progression": (CRITERIA, "first progression was extrahepatic; recist11 when none is named"),
    "refractory": (
        ("jsh", "easl"),
        "TACE refractoriness: JSH and LCSGJ, or no objective response after two sessions (EASL)",
    ),
    "untaceable": ((), "untreatable progression: growth by RECICL, vascular invasion, spread or Child-Pugh C"),
    "tace progression": ((), "untaceable, or refractory by jsh: the event of TACE-PFS"),
    "resectable": ((), "the latest scan would let a surgeon operate; see tme_sim.observe.resection"),
}
DEFAULTS = {"refractory": "jsh"}
DEFAULTS |= {name: "recist11" if "progression" in name else "mrecist" for name in (*READINGS, *BY_CRITERION)
             if name in BY_CRITERION or READINGS[name][0] == CRITERIA}  # fmt: skip
SIDES = ("above", "below", "at least", "at most")
_COMPARISON = re.compile(
    r"(?P<what>[a-z][a-z0-9 -]{1,40}?) (?P<side>above|below|at least|at most) (?P<bound>\S.{0,40})"
)
_HELP = 'write a condition like "progression by mrecist", "viable area above 50 %" or "child-pugh at least 8"'


@dataclass(frozen=True)
class Condition:
    """One test.  `side` is one of SIDES for a measure, with `bound` in its unit; "" for a reading.  `criterion` is what
    reads it, "" where none does."""

    what: str
    side: str = ""
    bound: float = 0.0
    criterion: str = ""
    negated: bool = False
    text: str = ""

    @property
    def needs(self) -> str:
        """Which visit sees it: "scan", "blood", or "" for the calendar itself."""
        return MEASURES[self.what][1] if self.side else "scan"

    def __str__(self) -> str:
        return self.text


def parse_condition(value: Any) -> Condition:
    """Read a condition.

    Raises:
        QuantityError: no condition; with the nearest name and what may be written.
    """
    if isinstance(value, Condition):
        return value
    if not isinstance(value, str):
        raise QuantityError(f"is no condition; {_HELP}")
    text = " ".join(value.split())
    if not text or len(text) > 100:
        raise QuantityError(f"is no condition; {_HELP}")
    negated = text.startswith("not ")
    said = text.removeprefix("not ").strip().lower() if negated else text.lower()
    said = said.replace("child pugh", "child-pugh")
    compared = _COMPARISON.fullmatch(said)
    if compared:
        what, _, criterion = compared["what"].partition(" by ")
        if what not in MEASURES:
            raise QuantityError(
                f"{quoted(what)} is no measure of a visit{nearest(what, MEASURES)}; measures are {', '.join(MEASURES)}"
            )
        if criterion and what not in BY_CRITERION:
            raise QuantityError(f'{what} is not read by a criterion; write "{what} {compared["side"]} ..."')
        _allowed(what, criterion, CRITERIA)
        at = re.search(rf"{compared['side']}\s+", text).end()  # bounds keep their case: mL is no ml
        unit = MEASURES[what][0]
        bound = parse_number_or_quantity(_number(text[at:]), unit, f"the bound of {what}")
        criterion = criterion or DEFAULTS.get(what, "")
        found = Condition(what, compared["side"], convert(bound.value, bound.unit, unit), criterion, negated, text)
        _possible(found)
        return found
    what, _, criterion = said.partition(" by ")
    if what in ("new lesion", "li-rads new lesion") and not criterion:
        return Condition(what, "above", 0.0, "", negated, text)
    if what not in READINGS:
        known = [*READINGS, *(f"{m} above" for m in MEASURES)]
        raise QuantityError(f"{quoted(text)} is no condition{nearest(what, known)}; {_HELP}")
    _allowed(what, criterion, READINGS[what][0])
    return Condition(what, "", 0.0, criterion or DEFAULTS.get(what, ""), negated, text)


def _possible(condition: Condition) -> None:
    """Refuse a comparison that no visit can ever find true."""
    (low, high), bound = LIMITS.get(condition.what, (0.0, math.inf)), condition.bound
    never = {"above": bound >= high, "at least": bound > high, "below": bound <= low, "at most": bound < low}
    always = {"above": bound < low, "at least": bound <= low, "below": bound > high, "at most": bound >= high}
    if (always if condition.negated else never)[condition.side]:
        lies = f"lies between {low:g} and {high:g}" if math.isfinite(high) else f"is never below {low:g}"
        raise QuantityError(f"{quoted(condition.text)} is never true: {condition.what} {lies}; correct the number")


def _allowed(what: str, criterion: str, allowed: Sequence[str]) -> None:
    """Refuse a criterion that does not read `what`."""
    if criterion and criterion not in allowed:
        listed = f"write {' or '.join(f'{what} by {a}' for a in allowed)}" if allowed else f'write "{what}" alone'
        raise QuantityError(f"{quoted(criterion)} defines no {what}{nearest(criterion, allowed)}; {listed}")


def _number(text: str) -> float | str:
    """A bare number as a number, so that it is refused where a unit is needed."""
    try:
        return float(text) if len(text) < 20 else text
    except ValueError:
        return text


def read_conditions(value: Any) -> tuple[Condition, ...]:
    """One condition or a list of them.

    Raises:
        QuantityError: an empty list, or something that is no condition.
    """
    items: Sequence[Any] = value if isinstance(value, (list, tuple)) else (value,)
    if not items:
        raise QuantityError(f"is an empty list; {_HELP}")
    return tuple(_of_several(v) for v in items)


def _of_several(value: Any) -> Condition:
    """One of a list of conditions; a date among them is told how to be written."""
    try:
        return parse_condition(value)
    except QuantityError as error:
        try:
            parse_when(value)
        except QuantityError:
            raise error from None
        raise QuantityError(
            f'{quoted(value)} is a date, and these are conditions; for both give "times" as well, or put it into a '
            '[[phase]] with "end"'
        ) from None


def _plain(conditions: tuple[Condition, ...]) -> str | list[str]:
    return str(conditions[0]) if len(conditions) == 1 else [str(c) for c in conditions]


SCHEMA = {
    "anyOf": [
        {"type": "string", "examples": ["progression by mrecist", "child-pugh at least 8"]},
        {"type": "array", "items": {"type": "string"}},
    ]
}


def conditions(description: str) -> Any:
    """The type of a key that holds one condition or a list, any of which is enough."""
    return Annotated[
        tuple[Condition, ...], BeforeValidator(read_conditions), PlainSerializer(_plain),
        WithJsonSchema(SCHEMA | {"description": description}),
        Field(description=description),
    ]  # fmt: skip
