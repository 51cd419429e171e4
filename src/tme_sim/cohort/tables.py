"""Tables of a baseline from outside: read as columns of numbers or words, refused if they look like real people.

A table of patients is compared with a cohort, never copied.  What identifies a person is known in
:mod:`tme_sim.cohort.identities`.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tme_sim.cohort.identities import identifying
from tme_sim.diagnostics import InputError, Problem, read_text

__all__ = ["read_table"]

MOST_ROWS, MOST_COLUMNS = 100_000, 300


def read_table(path: str | Path, *, allow_identifiers: bool = False) -> dict[str, list[str]]:
    """Columns of a CSV table (comma, semicolon or tab), as text.

    Raises:
        InputError: no table, one too large, or one that looks like identifiable patients.
    """
    text = read_text(path, max_bytes=50_000_000)
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    if first.count(separator) == 0 and len(text.split("\n")) < 3:
        raise InputError(Problem(str(path), "", "is no table: a header line and a line per patient, with commas"))
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(cell.strip() for cell in row)]
    header = [cell.strip() for cell in rows[0]]
    if len(rows) < 2:
        raise InputError(Problem(str(path), "", "has a header and no rows"))
    if len(rows) > MOST_ROWS or len(header) > MOST_COLUMNS:
        raise InputError(Problem(str(path), "", f"has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns"))
    if len(set(header)) < len(header) or not all(header):
        raise InputError(Problem(f"{path}:1", "", "two columns have one name, or one has none"))
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise InputError(Problem(f"{path}:{number}", "", f"has {len(row)} cells; the header has {len(header)}"))
    columns = {name: [row[i] for row in rows[1:]] for i, name in enumerate(header)}
    found = identifying(columns)
    if found and not allow_identifiers:
        raise InputError(
            Problem(
                str(path),
                "",
                (
                    f"looks like a table of identifiable patients: {'; '.join(found[:5])}. Take these columns out; "
                    "if they do not identify anybody, say so with --allow-identifiers"
                ),
            )
        )
    return columns
