"""Tables of a store for other tools: CSV, Parquet, xarray; and what each column is."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tme_sim.cells import no_formula
from tme_sim.diagnostics import InputError, Problem
from tme_sim.disk import write_file

if TYPE_CHECKING:
    from tme_sim.study.plan_table import PlanTable
    from tme_sim.study.store import Store

BLOCK = 4096  # rows
FIXED = {  # columns that every table has, and what they are
    "arm": "treatment arm", "replicate": "number of the patient", "message": "why there is no result",
    "status": "ok, bad input, failed, crashed, timeout, missing or damaged",
}  # fmt: skip

__all__ = ["columns_text", "csv_text", "export_table", "unit_of"]


def unit_of(plan: PlanTable, name: str) -> str:
    """Unit of a column of a study's table, "1" for a plain number and "text" for words."""
    from tme_sim.definitions import definition_of

    for factor, unit, _, is_choice in plan.factors:
        if factor == name:
            return "text" if is_choice else unit
    for linked, unit, _, _ in plan.linked:
        if linked == name:
            return unit
    for derived, _, unit, _ in plan.derived:
        if derived == name:
            return unit
    found = definition_of(name)
    if found is not None:
        return found.unit
    if name in FIXED:
        return "1" if name == "replicate" else "text"
    return _units_of_states().get(name.rpartition("_d")[0], "unknown")


@lru_cache(maxsize=1)
def _units_of_states() -> Mapping[str, str]:
    """Units of the states and signals that come with the model; those of a user's own mechanisms are not among them."""
    from tme_sim.catalogue import load_catalogue

    return load_catalogue().states


def csv_text(table: Mapping[str, Any]) -> str:
    """A table as CSV: one row of names, then the plan in order; numbers to the last bit, empty where there is none."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(table)
    size = len(next(iter(table.values()), ()))
    for begin in range(0, size, BLOCK):  # so that not every cell is an object at once
        columns = [_cells(values[begin : begin + BLOCK]) for values in table.values()]
        out.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))
    return out.getvalue()


def _cells(values: Any) -> list[str]:
    """A column as text; numbers as :func:`tme_sim.validation.shortest` has them, and millions of them."""
    import numpy as np
    from pydantic_core import to_json

    if values.dtype.kind != "f":
        return [_cell(value) for value in values.tolist()]
    size = np.abs(values)
    usual = (size == 0.0) | ((size >= 1e-4) & (size < 1e15))  # JSON writes these as Python does, and much faster
    text = to_json(np.where(usual, values + 0.0, 0.0).tolist()).decode()  # + 0.0: no zero with a sign
    cells = f"{text[1:-1]},".replace(".0,", ",").split(",")[: len(values)]
    for i in np.flatnonzero(~usual).tolist():
        cells[i] = _number(repr(float(values[i])))
    return cells


def _number(text: str) -> str:
    """The `repr` of a number as a cell."""
    if text[-2:] == ".0" and len(text.lstrip("-")) < 18:  # below 1e15
        return text[:-2] if text != "-0.0" else "0"
    return text if text != "nan" else ""


@lru_cache(maxsize=4096, typed=True)
def _cell(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(no_formula(value))
    return _number(repr(value)) if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    """A text as a cell of a CSV file."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([text, ""])  # quotes what holds either of the two
    return out.getvalue()[:-3]


def columns_text(plan: PlanTable, table: Mapping[str, Any]) -> str:
    """What each column is: name, unit, definition, as CSV."""
    from tme_sim.definitions import definition_of

    titles = {name: title for name, _, title, _ in plan.factors}
    titles |= {name: title for name, _, title, _ in plan.linked}
    titles |= {name: f"{title}: {text}" if title else text for name, text, _, title in plan.derived}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["column", "unit", "meaning"])
    for name in table:
        found = definition_of(name)
        state, _, number = name.rpartition("_d")
        told = found.text.replace("day N", f"day {number}") if found else f"{state} on day {number}"
        meaning = titles.get(name) or FIXED.get(name) or told
        writer.writerow([name, no_formula(unit_of(plan, name)), no_formula(meaning)])
    return out.getvalue()


def export_table(
    kind: str, store: Store, out: str | Path, number: int | None = None
) -> tuple[PlanTable, dict[str, Any]]:
    """Write the table of a plan (None: the one noted last) as `kind` "csv", "parquet" or "xarray" (netCDF).

    Returns the plan and its table.

    Raises:
        InputError: no plan, or a file that cannot be made.
        ImportError: pandas, pyarrow or xarray is not installed.
    """
    plan = store.plan(number)
    table = store.table(plan)
    if kind == "csv":
        write_file(out, csv_text(table).encode())
        return plan, table
    units = {name: unit_of(plan, name) for name in table}
    import tempfile

    if not Path(out).absolute().parent.is_dir():
        raise InputError(Problem(str(Path(out).parent), "", "there is no such folder"))
    with tempfile.TemporaryDirectory(prefix="tme_sim_", dir=Path(out).absolute().parent) as folder:
        half = Path(folder) / "table"
        if kind == "parquet":
            _parquet(table, units, plan, half)
        else:
            _netcdf(table, units, plan, half)
        half.replace(out)
    return plan, table


def _parquet(table: Mapping[str, Any], units: Mapping[str, str], plan: PlanTable, out: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError('Parquet needs pyarrow: pip install "tme-sim[parquet]"') from error
    arrays, fields = [], []
    for name, values in table.items():
        array = pyarrow.array(list(values) if values.dtype == object else values)
        arrays.append(array)
        fields.append(pyarrow.field(name, array.type, metadata={"unit": units[name]}))
    about = {k: str(v) for k, v in plan.about.items()}
    parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields, metadata=about)), out)


def _netcdf(table: Mapping[str, Any], units: Mapping[str, str], plan: PlanTable, out: Path) -> None:
    try:
        import xarray
    except ImportError as error:
        raise ImportError('xarray files need xarray: pip install "tme-sim[xarray]"') from error
    data = {
        name: ("run", values.astype(str) if values.dtype == object else values, {"units": units[name]})
        for name, values in table.items()
    }
    xarray.Dataset(data, attrs={k: str(v) for k, v in plan.about.items()}).to_netcdf(out)
