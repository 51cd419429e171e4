"""The parameter table as CSV: what is declared, what is used, and where each value came from."""

from __future__ import annotations

import csv
import io
import re

from tme_sim.export.source import Source
from tme_sim.quantities import to_display

COLUMNS = (
    "name", "lesion", "mechanism", "value", "unit", "low", "high", "grade", "source", "note", "declared", "origin",
)  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def parameter_table(source: Source) -> str:
    """CSV, one row per parameter (per lesion for those of lesions); values in the unit of the row.

    `value` is the one used, `declared` that of the mechanism's file.  `origin` says where an overridden value
    came from.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    several = source.layout.n_lesions > 1
    for where in ("body", "lesion"):
        for lesion in range(source.layout.n_lesions if where == "lesion" else 1):
            for declared in source.network.parameters(where):
                p = source.resolved.get(declared.name, declared)
                internal = source.value(p.name, lesion)
                value = p.value if internal == p.internal else to_display(internal, p.unit)
                mark = str(lesion + 1) if where == "lesion" and several else ""
                row = (
                    p.name, mark, source.network.owner(p.name), number(value), p.unit, number(p.low), number(p.high),
                    p.grade, p.source, p.note or p.label, number(declared.value), source.origin(p.name, lesion),
                )  # fmt: skip
                writer.writerow([cell(text) for text in row])
    return out.getvalue()


def number(value: float) -> str:
    """Shortest text that reads back as the same float."""
    return repr(float(value)).removesuffix(".0")


def cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets a leading apostrophe."""
    flat = " ".join(text.split())
    risky = flat[:1] in ("=", "+", "-", "@") and not _NUMBER.fullmatch(flat)
    return f"'{flat}" if risky else flat
