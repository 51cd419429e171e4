"""Units and parameters: strict reading of what people write, one coherent system inside.

What a user writes or reads carries a unit; inside, everything is a float in the coherent system day, mm, mg, nmol,
mmHg, cell.  Pressure is a base dimension of its own here (pressure is only ever compared with pressure), so that mmHg
does not turn into mass per length and time.  Amounts of single molecules are amounts of substance.

Text is checked against a strict grammar first (`15 mg/kg`, `0.02 1/day`, `1.5e3 cell/mm^3`, `3 weeks`; at most 64
characters).  Units of the table below are exact ratios of whole numbers; any other name is looked up in pint, which is
only imported then.  A month is 30.4375 d by definition.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

__all__ = [
    "BASE_UNITS", "GRADES", "Parameter", "Quantity", "QuantityError", "Unit", "base_unit", "convert", "dimensions",
    "factor", "internal", "is_dimensionless", "parse_number_or_quantity", "parse_quantity", "parse_unit", "pretty",
    "registry", "same_dimension", "to_display",
]  # fmt: skip

GRADES = ("assumed", "low", "medium", "high")  # weakest first
BASE_UNITS = ("day", "mm", "mg", "nmol", "mmHg", "cell")
DIMENSIONS = ("time", "length", "mass", "substance", "pressure", "cell")
MAX_LENGTH = 64
MAX_EXPONENT = 9

Dimension = tuple[int, int, int, int, int, int]
NONE: Dimension = (0, 0, 0, 0, 0, 0)


class QuantityError(ValueError):
    """A quantity, unit or parameter that cannot be meant; the message says what is wrong and what is allowed."""


# Atoms: name -> (numerator, denominator, dimension) of one such unit in base units.  Exact whole numbers, so that
# 1 week is 7.0 days and 15 mg is 15.0 mg to the last bit.
_TIME, _LENGTH, _MASS = (1, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0)
_SUBSTANCE, _PRESSURE, _CELL = (0, 0, 0, 1, 0, 0), (0, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 1)
_VOLUME, _MOLARITY, _CATALYSIS = (0, 3, 0, 0, 0, 0), (0, -3, 0, 1, 0, 0), (-1, 0, 0, 1, 0, 0)
_AVOGADRO = 602214076 * 10**15  # 1/mol, exact since 2019

_PLAIN = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), (1, 86400, _TIME)),
    **dict.fromkeys(("min", "minute", "minutes"), (1, 1440, _TIME)),
    **dict.fromkeys(("h", "hour", "hours"), (1, 24, _TIME)),
    **dict.fromkeys(("d", "day", "days"), (1, 1, _TIME)),
    **dict.fromkeys(("week", "weeks"), (7, 1, _TIME)),
    **dict.fromkeys(("month", "months"), (487, 16, _TIME)),  # 30.4375 d
    **dict.fromkeys(("year", "years"), (1461, 4, _TIME)),  # 365.25 d
    "mmHg": (1, 1, _PRESSURE),
    **dict.fromkeys(("cell", "cells", "CTL", "target"), (1, 1, _CELL)),
    "Mcell": (10**6, 1, _CELL),
    **dict.fromkeys(("molecule", "molecules", "receptor", "receptors"), (10**9, _AVOGADRO, _SUBSTANCE)),
    "%": (1, 100, NONE),
}
_PREFIXED = {  # unit -> (numerator, denominator, dimension, prefixes)
    "m": (1000, 1, _LENGTH, "k d c m u n"),
    "g": (1000, 1, _MASS, "k m u n p"),
    "L": (10**6, 1, _VOLUME, "d m u n p"),
    "l": (10**6, 1, _VOLUME, "d m u"),
    "mol": (10**9, 1, _SUBSTANCE, "m u n p f"),
    "M": (1000, 1, _MOLARITY, "m u n p f"),
    "Pa": (10**9, 133322387415, _PRESSURE, "k"),  # mmHg is 133.322387415 Pa
    "U": (1000 * 1440, 1, _CATALYSIS, "k m"),  # enzyme unit: 1 umol/min = 1000 nmol per 1/1440 d
    "Bq": (86400, 1, (-1, 0, 0, 0, 0, 0), "k M G"),
    "Gy": (10**6 * 86400**2, 1, (-2, 2, 0, 0, 0, 0), "m c"),
}
_PREFIXES = {
    "G": (10**9, 1), "M": (10**6, 1), "k": (1000, 1), "d": (1, 10), "c": (1, 100), "m": (1, 1000), "u": (1, 10**6),
    "n": (1, 10**9), "p": (1, 10**12), "f": (1, 10**15),
}  # fmt: skip
# Counts and scores without a dimension.
_WORDS = (
    "fraction share ratio fold relative score SMD ALBI AU vessel vessels clone clones division divisions lesion "
    "lesions session sessions dose doses patient patients dimensionless"
).split()
# How tables in the literature put it -> the grammar.  Logarithms and exponents are dimensionless.
_SPOKEN = {
    "": "1",
    "-": "1",
    "1 (fraction)": "1",
    "ln unit": "1",
    "relative dose": "1",
    "fraction of baseline": "1",
    "fraction of patients": "1",
    "ALBI per liver fraction": "1",
    "per log10(umol/L)": "1",
    "per g/L": "L/g",
    "nM free": "nM",
    "mL/min/100mL": "mL/min/dL",
    "nmol/s/1e6 cells": "nmol/s/Mcell",
    "1/min per adhesive cell": "1/min/cell",
    "1/min per cm^3": "1/min/cm^3",
}

_NUMBER = r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?"
_FACTOR = r"(?:1|[A-Za-z%][A-Za-z_]*(?:\^[+-]?[0-9])?)"
_UNIT_PATTERN = re.compile(rf"{_FACTOR}(?:[*/]{_FACTOR})*", re.ASCII)
_QUANTITY_PATTERN = re.compile(rf"({_NUMBER})\s*(/?)\s*(.*)", re.ASCII | re.DOTALL)
GRAMMAR = "a unit such as mg, 1/day, mg/m^2 or cell/mm^3 (factors joined by * or /, whole powers with ^)"


@lru_cache(maxsize=1)
def _atoms() -> dict[str, tuple[int, int, Dimension]]:
    atoms = dict(_PLAIN)
    for word in _WORDS:
        atoms[word] = (1, 1, NONE)
    for name, (numerator, denominator, dimension, prefixes) in _PREFIXED.items():
        atoms[name] = (numerator, denominator, dimension)
        for prefix in prefixes.split():
            up, down = _PREFIXES[prefix]
            atoms[prefix + name] = (numerator * up, denominator * down, dimension)
    return atoms


class Unit(NamedTuple):
    """A parsed unit: its text, its size in base units as an exact ratio, and its exponents over `DIMENSIONS`."""

    text: str
    numerator: int
    denominator: int
    dimension: Dimension

    @property
    def factor(self) -> float:
        """Size in base units of the coherent system."""
        return self.numerator / self.denominator


class Quantity(NamedTuple):
    """A number with its unit, as typed."""

    value: float
    unit: str

    @property
    def internal(self) -> float:
        """Magnitude in the coherent system."""
        return internal(self.value, self.unit)

    def __str__(self) -> str:
        return f"{self.value:g}" if self.unit == "1" else f"{self.value:g} {self.unit}"


def parse_unit(text: str) -> Unit:
    """Read a unit.

    Raises:
        QuantityError: text outside the grammar, longer than 64 characters, or an unknown name (with the nearest known).
    """
    if not isinstance(text, str):
        raise QuantityError(f"a unit must be text, not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise QuantityError(f"a unit has at most {MAX_LENGTH} characters, this has {len(text)}")
    return _parse_unit(text)


@lru_cache(maxsize=4096)
def _parse_unit(text: str) -> Unit:
    plain = text.strip().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    plain = _SPOKEN.get(plain, plain)
    if not _UNIT_PATTERN.fullmatch(plain):
        hint = ", powers are written ^ and not **" if "**" in plain else ""
        raise QuantityError(f'"{_shown(text)}" is not {GRAMMAR}{hint}')
    numerator, denominator, dimension = 1, 1, list(NONE)
    for operator, part in re.findall(r"([*/]?)([^*/]+)", plain):
        if part == "1":
            continue
        name, _, exponent = part.partition("^")
        power = int(exponent or 1) * (-1 if operator == "/" else 1)
        up, down, dims = _atom(name)
        if power < 0:
            up, down = down, up
        numerator *= up ** abs(power)
        denominator *= down ** abs(power)
        dimension = [a + power * b for a, b in zip(dimension, dims, strict=True)]
    if any(abs(e) > MAX_EXPONENT for e in dimension):
        raise QuantityError(f'"{_shown(text)}" has a dimension to a power above {MAX_EXPONENT}')
    shared = math.gcd(numerator, denominator)
    numerator, denominator = numerator // shared, denominator // shared
    if max(numerator, denominator) > 10**120:
        raise QuantityError(f'"{_shown(text)}" is too large or too small a unit to compute with')
    return Unit(plain, numerator, denominator, tuple(dimension))


def _atom(name: str) -> tuple[int, int, Dimension]:
    found = _atoms().get(name)
    return found if found is not None else _ask_pint(name)


@lru_cache(maxsize=1024)
def _ask_pint(name: str) -> tuple[int, int, Dimension]:
    """Any other single unit that pint knows and that is a plain multiple of our base units."""
    from fractions import Fraction

    from tme_sim.diagnostics import nearest

    unknown = QuantityError(f'unit "{_shown(name)}" is not known{nearest(name, _atoms())}')
    if not 2 <= len(name) <= 24:
        raise unknown
    ureg = _pint_default()
    try:
        quantity = ureg.Quantity(1, name)
        dims = dict(quantity.dimensionality)
        if dims == dict(ureg.Quantity(1, "pascal").dimensionality):
            return _ratio(Fraction(float(quantity.to("mmHg").magnitude))) + (_PRESSURE,)
        to_base = {"[time]": ("day", 0), "[length]": ("mm", 1), "[mass]": ("mg", 2), "[substance]": ("nmol", 3)}
        if not dims:
            raise unknown  # a constant or a count: too easily a slip
        if not set(dims) <= set(to_base) or any(e != int(e) for e in dims.values()):
            raise QuantityError(
                f'unit "{_shown(name)}" is not made of time, length, mass, amount, pressure or cells, so nothing here '
                "can have it"
            )
        target = ureg.UnitsContainer({to_base[d][0]: e for d, e in dims.items()})
        size = float(quantity.to(target).magnitude)
    except QuantityError:
        raise
    except Exception as error:  # pint raises many kinds, and pint knows offset and logarithmic units
        raise unknown from error
    if not (math.isfinite(size) and size > 0):
        raise unknown
    dimension = list(NONE)
    for d, e in dims.items():
        dimension[to_base[d][1]] = int(e)
    return _ratio(Fraction(size).limit_denominator(10**15) if size > 1e-6 else Fraction(size)) + (tuple(dimension),)


def _ratio(fraction) -> tuple[int, int]:
    return fraction.numerator, fraction.denominator


@lru_cache(maxsize=1)
def _pint_default():
    import pint

    return pint.UnitRegistry()


@lru_cache(maxsize=1)
def registry():
    """A pint registry whose base units are exactly ours (day, mm, mg, nmol, mmHg, cell), for unit checks of laws.

    Contains every unit of this module, so that a law evaluated with quantities shows wrong dimensions and wrong sizes.
    """
    import pint

    ureg = pint.UnitRegistry(None)
    for unit, dimension in zip(BASE_UNITS, DIMENSIONS, strict=True):
        ureg.define(f"{unit} = [{dimension}]")
    for name, (numerator, denominator, dimension) in _atoms().items():
        if name in (*BASE_UNITS, "%"):
            continue
        body = " * ".join(f"{u} ** {e}" for u, e in zip(BASE_UNITS, dimension, strict=True) if e)
        size = numerator / denominator
        ureg.define(f"{name} = {size!r}" + (f" * {body}" if body else ""))
    ureg.define(r"percent = 0.01 = %")
    return ureg


def parse_quantity(text: str) -> Quantity:
    """Read a number with its unit, such as ``"15 mg/kg"``, ``"0.02 1/day"`` or ``"0.02/day"``; no unit means "1".

    Raises:
        QuantityError: no number, not finite, a unit outside the grammar, or more than 64 characters.
    """
    if not isinstance(text, str):
        raise QuantityError(f"expected a number with a unit as text, not {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise QuantityError(f"a quantity has at most {MAX_LENGTH} characters, this has {len(text)}")
    match = _QUANTITY_PATTERN.fullmatch(text.strip())
    if match is None:
        raise QuantityError(f'"{_shown(text)}" does not start with a number; write it like "15 mg/kg"')
    number, slash, unit = match.groups()
    value = float(number)
    if not math.isfinite(value):
        raise QuantityError(f'"{_shown(text)}" is not a finite number')
    if slash and not unit:
        raise QuantityError(f'"{_shown(text)}" ends with a slash')
    quantity = Quantity(value, parse_unit("1/" + unit if slash else unit).text)
    if not math.isfinite(quantity.internal):
        raise QuantityError(f'"{_shown(text)}" is too large a number')
    return quantity


def parse_number_or_quantity(value: Any, unit: str, what: str = "value") -> Quantity:
    """Read what a user gave for something whose canonical unit is `unit`; a bare number only if it is dimensionless.

    Returns the quantity as typed.

    Raises:
        QuantityError: not a number or text, not finite, missing unit or wrong dimension; the message shows the repair.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise QuantityError(f"{what} must be a number with a unit as text, not {type(value).__name__}")
    wanted = parse_unit(unit)
    if not isinstance(value, str):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise QuantityError(f"{what} must be a finite number")
        if wanted.dimension != NONE:
            raise QuantityError(f'{what} needs a unit: write "{number:g} {unit}"')
        return Quantity(number, "1")
    given = parse_quantity(value)
    if parse_unit(given.unit).dimension != wanted.dimension:
        if given.unit == "1":
            raise QuantityError(f'{what} needs a unit: write "{given.value:g} {unit}"')
        raise QuantityError(
            f'"{_shown(value)}" is a {_kind_of(given.unit)}, but {what} is a {describe_dimension(unit)}; '
            f"write it in {'plain numbers' if wanted.dimension == NONE else unit}"
        )
    return given


def internal(value: Any, unit: str | None = None) -> Any:
    """Magnitude in the coherent system (day, mm, mg, nmol, mmHg, cell) of a float, an array, a text or a `Quantity`.

    Raises:
        QuantityError: as `parse_unit` and `parse_quantity`.
    """
    if unit is None:
        quantity = parse_quantity(value) if isinstance(value, str) else value
        if not isinstance(quantity, Quantity):
            raise QuantityError("give a value with its unit")
        value, unit = quantity
    parsed = parse_unit(unit)
    return _scaled(value, parsed.numerator, parsed.denominator)


def to_display(value: Any, unit: str) -> Any:
    """What an internal value (float or array) is in `unit`."""
    parsed = parse_unit(unit)
    return _scaled(value, parsed.denominator, parsed.numerator)


def _scaled(value: Any, numerator: int, denominator: int) -> Any:
    # One correctly rounded operation where the ratio allows it, so that 90 min is 0.0625 d to the last bit.
    if denominator == 1:
        return value * float(numerator)
    if numerator == 1:
        return value / float(denominator)
    return value * (numerator / denominator)


def convert(value: Any, source: str, target: str) -> Any:
    """Convert a float or array from unit `source` to unit `target`.

    Raises:
        QuantityError: the units differ in dimension.
    """
    a, b = parse_unit(source), parse_unit(target)
    if a.dimension != b.dimension:
        raise QuantityError(
            f"cannot convert {source} ({describe_dimension(source)}) to {target} ({describe_dimension(target)})"
        )
    numerator, denominator = a.numerator * b.denominator, a.denominator * b.numerator
    shared = math.gcd(numerator, denominator)
    return _scaled(value, numerator // shared, denominator // shared)


def factor(unit: str) -> float:
    """Size of `unit` in base units of the coherent system."""
    return parse_unit(unit).factor


def dimensions(unit: str) -> Dimension:
    """Exponents of `unit` over (time, length, mass, substance, pressure, cell)."""
    return parse_unit(unit).dimension


def same_dimension(a: str, b: str) -> bool:
    """Whether two units can be converted into each other."""
    return dimensions(a) == dimensions(b)


def is_dimensionless(unit: str) -> bool:
    """Whether `unit` has no dimension (a share, a count, a ratio, an exponent)."""
    return dimensions(unit) == NONE


_DIMENSION_NAMES = {
    NONE: "plain number",
    _TIME: "time",
    _LENGTH: "length",
    _MASS: "mass",
    _SUBSTANCE: "amount",
    _PRESSURE: "pressure",
    _CELL: "number of cells",
    _VOLUME: "volume",
    _MOLARITY: "molar concentration",
    (0, -3, 1, 0, 0, 0): "mass concentration",
    (0, -3, 0, 0, 0, 1): "cell density",
    (-1, 0, 0, 0, 0, 0): "rate",
    (0, 2, 0, 0, 0, 0): "area",
    (-1, 2, 0, 0, 0, 0): "diffusivity",
    (-1, 3, 0, 0, 0, 0): "flow",
    (-1, 0, 1, 0, 0, 0): "mass per time",
    (0, -2, 1, 0, 0, 0): "mass per area",
}


def describe_dimension(unit: str) -> str:
    """The dimension of `unit` in words, for messages."""
    dimension = dimensions(unit)
    if dimension in _DIMENSION_NAMES:
        return _DIMENSION_NAMES[dimension]
    return "quantity of dimension " + "*".join(
        name if e == 1 else f"{name}^{e}" for name, e in zip(DIMENSIONS, dimension, strict=True) if e
    )


def _kind_of(unit: str) -> str:
    """What somebody gave, in words: one mass per another is a ratio."""
    return "ratio" if is_dimensionless(unit) and "/" in unit else describe_dimension(unit)


def base_unit(of: str | Dimension) -> str:
    """A dimension, or that of a unit, in base units of the coherent system: ``cell/mm^3``; "1" for a plain number."""
    dimension = dimensions(of) if isinstance(of, str) else of
    text = ""
    for base, e in sorted(zip(BASE_UNITS, dimension, strict=True), key=lambda pair: pair[1] < 0):
        if e:
            power = "" if abs(e) == 1 else f"^{abs(e)}"
            text += ("/" if e < 0 else "*" if text else "") + base + power
    return "1" + text if text.startswith("/") else text or "1"


def pretty(unit: str) -> str:
    """The unit as figures and tables print it: ``cell/mm^3`` becomes ``cell/mm³``; nothing for a plain number."""
    text = parse_unit(unit).text
    if text == "1":
        return ""
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    text = re.sub(r"\^\+?(-?\d)", lambda m: m.group(1).translate(raised), text)
    text = re.sub(r"(?<![A-Za-z])u(?=[mgLMU]|mol)", "µ", text)
    return text.replace("*", "·")


def _shown(text: str, limit: int = 40) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in text[: limit + 1])
    return plain if len(plain) <= limit else plain[:limit] + "..."


@dataclass(frozen=True)
class Parameter:
    """A number of the model: value, unit, where it comes from and how far to trust it.

    `low` and `high` span the evidence.  `minimum` and `maximum` are physical: beyond them a value cannot be meant.
    By default a parameter whose evidence is not negative cannot be negative, and a dimensionless one whose evidence
    ends at exactly 1 is a share and cannot exceed 1.

    Raises:
        QuantityError: not finite, value outside [low, high], unknown grade, no source or a unit that does not parse.
    """

    name: str
    value: float
    unit: str
    source: str
    grade: str
    low: float
    high: float
    note: str = ""
    symbol: str = ""
    label: str = ""
    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self) -> None:
        problems = []
        for key in ("value", "low", "high"):
            number = getattr(self, key)
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
                problems.append(f"{key} must be a finite number")
        if not problems and not self.low <= self.value <= self.high:
            problems.append(f"value {self.value!r} lies outside its range [{self.low!r}, {self.high!r}]")
        if self.grade not in GRADES:
            problems.append(f'grade "{self.grade}" is not one of {", ".join(GRADES)}')
        if not isinstance(self.source, str) or not self.source.strip():
            problems.append("a source is missing; write where the value comes from, or that it is assumed")
        try:
            parse_unit(self.unit)
        except QuantityError as error:
            problems.append(str(error))
        if problems:
            raise QuantityError(f'parameter "{self.name}": ' + "; ".join(problems))

    @property
    def internal(self) -> float:
        """Value in the coherent system."""
        return float(internal(self.value, self.unit))

    @property
    def low_internal(self) -> float:
        """Low end of the evidence in the coherent system."""
        return float(internal(self.low, self.unit))

    @property
    def high_internal(self) -> float:
        """High end of the evidence in the coherent system."""
        return float(internal(self.high, self.unit))

    @property
    def physical(self) -> tuple[float, float]:
        """Bounds, in `unit`, beyond which a value cannot be meant; what is named a share lies between 0 and 1."""
        lowest = self.minimum if self.minimum is not None else (0.0 if self.low >= 0 else -math.inf)
        highest = self.maximum
        if highest is None:
            share = "share" in self.name.split("_") and self.high <= 1
            highest = 1.0 if is_dimensionless(self.unit) and (self.high == 1 or share) else math.inf
        return lowest, highest
