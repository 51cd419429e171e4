"""From pydantic's findings to messages in plain words, table by table, so that all mistakes are told at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, WithJsonSchema

from tme_sim.diagnostics import Key, Places, Problem, dotted, known_key, nearest, plain, quoted
from tme_sim.quantities import Quantity, QuantityError, convert, is_dimensionless, parse_number_or_quantity

__all__ = ["Model", "Problems", "Texts", "check_table", "in_words", "measured", "refuse_other_kinds", "tuple_of"]

NAME_SIGNS = "letters, digits, space and . _ , + / ( ) -"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._,+/()-]{0,63}$"


class Model(BaseModel):
    """Base of all tables: strict types, no unknown keys, nothing infinite, frozen."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, validate_default=True,
        arbitrary_types_allowed=True,
    )  # fmt: skip


def measured(
    unit: str,
    description: str,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    example: str = "",
) -> Any:
    """The type of a key that holds a quantity convertible to `unit`, with physical bounds given in `unit`.

    The validated value is the `Quantity` as typed.
    """

    def read(value: Any) -> Quantity:
        """The quantity as typed, refused where its unit or size cannot be meant."""
        if isinstance(value, Quantity):
            value = value.value if is_dimensionless(unit) and value.unit == "1" else f"{value.value!r} {value.unit}"
        refuse_other_kinds(value, unit)
        try:
            quantity = parse_number_or_quantity(value, unit, "this")
        except QuantityError as error:
            raise QuantityError(str(error).removeprefix("this ")) from None
        number = convert(quantity.value, quantity.unit, unit)
        spelled = "" if unit == "1" else f" {unit}"
        if above is not None and not number > above:
            raise QuantityError(f"must be above {above:g}{spelled}, not {quantity}")
        if least is not None and not number >= least:
            raise QuantityError(f"must be at least {least:g}{spelled}, not {quantity}")
        if most is not None and not number <= most:
            raise QuantityError(f"must be at most {most:g}{spelled}, not {quantity}")
        return quantity

    schema: dict[str, Any] = {"description": f"{description} [{unit}]"}
    if is_dimensionless(unit):
        schema |= {"type": ["number", "string"]}
    else:
        schema |= {"type": "string", "examples": [example or f"1 {unit}"], "pattern": r"^\s*[+-]?[0-9.]"}
    bounds = {"exclusiveMinimum": above, "minimum": least, "maximum": most}
    schema |= {f"x-{k}": v for k, v in bounds.items() if v is not None} | {"x-unit": unit}
    return Annotated[
        Quantity,
        BeforeValidator(read),
        PlainSerializer(written),
        WithJsonSchema(schema),
        Field(description=description),
    ]


def refuse_other_kinds(value: Any, unit: str) -> None:
    """Refuse what is neither a number nor text where a quantity in `unit` stands.

    Raises:
        QuantityError: with what the value is; for true and false of a plain number, with that number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        plainly = is_dimensionless(unit)
        repair = f"; write {int(value)}" if plainly and isinstance(value, bool) else ""
        wanted = "a number" if plainly else "a number with its unit as text"
        raise QuantityError(f"must be {wanted}, not {in_words(value)}{repair}")


def written(quantity: Quantity) -> float | str:
    """A quantity as it stands in a file: a bare number when it has no unit."""
    return quantity.value if quantity.unit == "1" else f"{shortest(quantity.value)} {quantity.unit}"


def shortest(value: float) -> str:
    """The shortest text that reads back as the same float, without a needless ``.0``."""
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _texts(value: Any) -> str | tuple[str, ...]:
    parts = value if isinstance(value, (list, tuple)) else (value,)
    wrong = [part for part in parts if not isinstance(part, str)]
    if wrong:
        raise ValueError(f"must be text in double quotes, or a list of texts, not {in_words(wrong[0])}")
    return value if isinstance(value, str) else tuple(value)


Texts = Annotated[  # one text or several
    Any, BeforeValidator(_texts),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
]  # fmt: skip


class Problems:
    """Collects mistakes with their places."""

    def __init__(self, places: Places):
        self.places = places
        self.found: list[Problem] = []

    def add(self, key: Sequence[str | int], message: str) -> None:
        """Note a mistake at `key`."""
        self.found.append(Problem(self.places.place(key), dotted(key), message))

    def __bool__(self) -> bool:
        return bool(self.found)

    def ordered(self) -> list[Problem]:
        """The mistakes file by file in the order of their lines."""
        files = list(dict.fromkeys(p.place.rpartition(":")[0] or p.place for p in self.found))

        def rank(problem: Problem) -> tuple[int, int]:
            """File and line of a mistake, so that one file is told from top to bottom."""
            file, _, line = problem.place.rpartition(":")
            return files.index(file or problem.place), int(line) if file and line.isdigit() else 0

        return sorted(self.found, key=rank)


T = TypeVar("T", bound=BaseModel)


def check_table(
    model: type[T],
    table: Any,
    key: Key,
    problems: Problems,
    *,
    also: Iterable[str] = (),
    context: Mapping[str, Any] | None = None,
) -> T | None:
    """Validate one table; returns the model, or None after noting every mistake in it.

    `also` are further key names allowed here that the caller handles itself; they take part in "did you mean".
    """
    if not isinstance(table, dict):
        problems.add(key, f"must be a table with keys, not {in_words(table)}")
        return None
    try:
        return model.model_validate(table, context=dict(context or {}))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            where = tuple(p for p in item["loc"] if isinstance(p, (str, int)))
            inner = _model_at(model, where[:-1])
            problems.add((*key, *where), explain(item, _keys(inner) | (set(also) if inner is model else set())))
        return None
    except RecursionError:
        problems.add(key, "is nested too deeply")
        return None


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _model_at(model: type[BaseModel], where: Sequence[str | int]) -> type[BaseModel]:
    """The table that a place inside `model` belongs to; lists of tables are stepped into."""
    for part in where:
        field = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        inner = field.annotation if field is not None else None
        while inner is not None and not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            inner = next((a for a in get_args(inner) if a is not type(None) and a is not Ellipsis), None)
        model = inner or model
    return model


def tuple_of(value: Any) -> Any:
    """A list of a file as the tuple that frozen sections hold; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def in_words(value: Any) -> str:
    """What a value of a file is, in words."""
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    names |= dict.fromkeys((list, tuple), "a list")
    return names.get(type(value), "a table" if isinstance(value, dict) else f"a {type(value).__name__}")


_WANTED = {
    "string_type": "text in double quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list in square brackets",
    "tuple_type": "a list in square brackets",
    "dict_type": "a table with keys",
    "model_type": "a table with keys",
}


def explain(item: Mapping[str, Any], allowed: Iterable[str]) -> str:
    """One of pydantic's findings in plain words, with what is allowed and the nearest name."""
    kind, value, context = item["type"], item.get("input"), item.get("ctx", {})
    if kind == "extra_forbidden":
        return known_key(str(item["loc"][-1]), allowed)
    if kind == "missing":
        return "is missing"
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {in_words(value)}" + (f" ({plain(value, 30)})" if _scalar(value) else "")
    if kind == "literal_error":
        said = quoted(value) if _scalar(value) else in_words(value)
        choices = [c.strip("'\"") for c in str(context.get("expected", "")).replace(" or ", ", ").split(", ")]
        return f"{said} is not one of {', '.join(choices)}{nearest(plain(value), choices)}"
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    if kind == "finite_number":
        return "must be a finite number"
    if kind == "string_pattern_mismatch":
        spaced = " " in context.get("pattern", " ")
        signs = NAME_SIGNS if spaced else "letters, digits and . _ -, without spaces"
        return f"{quoted(value)} is not a plain name ({signs}; at most 64 characters)"
    bounds = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    if kind in bounds:
        return f"must be {words[bounds[kind]]} {context[bounds[kind]]}, not {plain(value, 30)}"
    if kind in ("too_short", "too_long", "string_too_short", "string_too_long"):
        return item["msg"][:1].lower() + item["msg"][1:]
    return f"cannot be used: {plain(item['msg'], 160)}"


def _scalar(value: Any) -> bool:
    return isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value))
