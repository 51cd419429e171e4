"""Points from a CSV file: one column for each factor, matched by name, one row for each point."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from tme_sim.diagnostics import InputError, Problem, nearest, quoted, read_text
from tme_sim.quantities import QuantityError, convert, parse_quantity
from tme_sim.study.factors import Factor, Value

__all__ = ["read_points"]

MAX_BYTES = 500_000_000


def read_points(path: Path, factors: Sequence[Factor]) -> list[tuple[Value | None, ...]]:
    """Values of the factors, row by row; an empty cell leaves the base alone.

    The first line names the columns, ``name`` or ``name [unit]``; a cell is a number in the factor's unit (or that of
    the column), a quantity with its own unit, or a choice.  Columns of no factor are refused, so that none is lost
    unseen.

    Raises:
        InputError: a column too many or too few, or a cell that cannot be read; with file and line.
    """
    rows = list(csv.reader(io.StringIO(read_text(path, max_bytes=MAX_BYTES))))
    header = [cell.strip() for cell in rows[0]]
    names, units = zip(*(_named(cell) for cell in header), strict=True)
    known = [f.name for f in factors]
    found: list[Problem] = []
    for name in names:
        if name not in known:
            found.append(Problem(f"{path}:1", quoted(name), f"is no factor of this study{nearest(name, known)}; "
                                 "take the column out, or add a [[factor]]"))  # fmt: skip
    found += [Problem(f"{path}:1", quoted(n), "is the name of two columns") for n in set(names) if names.count(n) > 1]
    found += [Problem(f"{path}:1", quoted(n), "has no column") for n in known if n not in names]
    if found:
        raise InputError(found)
    columns = [(factor, names.index(factor.name)) for factor in factors]
    out: list[tuple[Value | None, ...]] = []
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            found.append(Problem(f"{path}:{number}", "", f"has {len(row)} cells, the first line {len(header)}"))
            continue
        values: list[Value | None] = []
        for factor, at in columns:
            try:
                values.append(_cell(row[at].strip(), factor, units[at]))
            except QuantityError as error:
                after = f' after {factor.relative_to}, negative ones before it' if factor.relative_to else ""
                more = f'; a date is a number of days{after}, like -14' if factor.date else ""
                found.append(Problem(f"{path}:{number}", factor.name, f"{error}{more}"))
                values.append(None)
        out.append(tuple(values))
        if len(found) > 50:
            break
    if not out and not found:
        found.append(Problem(str(path), "", "holds no points"))
    if found:
        raise InputError(found)
    return out


def _named(cell: str) -> tuple[str, str]:
    """Name and unit of a column header."""
    name, sign, unit = cell.partition("[")
    return name.strip(), unit.strip().rstrip("]").strip() if sign else ""


def _cell(text: str, factor: Factor, unit: str) -> Value | None:
    if not text:
        return None
    if factor.is_choice:
        if text not in factor.values:
            raise QuantityError(f"{quoted(text)} is no choice{nearest(text, map(str, factor.values))}")
        return text
    quantity = parse_quantity(text)
    own = unit or factor.unit
    value = quantity.value if quantity.unit == "1" and own != "1" else None
    number = convert(value, own, factor.unit) if value is not None else convert(*quantity, factor.unit)
    if not math.isfinite(number):
        raise QuantityError(f"{quoted(text)} is not finite")
    return factor.rounded(number)
