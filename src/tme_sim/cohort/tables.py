"""Tables of a baseline from outside: read as columns of numbers or words, refused if they look like real people.

A table of patients is compared with a cohort, never copied.  What names a person (names, dates of birth, record
numbers, addresses) is refused by the names of columns and by their content, remarks among it.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from tme_sim.diagnostics import InputError, Problem, quoted, read_text

__all__ = ["identifying", "read_table"]

MOST_ROWS, MOST_COLUMNS = 100_000, 300
NAMING = (
    "name",
    "surname",
    "forename",
    "firstname",
    "lastname",
    "fullname",
    "initials",
    "birth",
    "dob",
    "birthdate",
    "mrn",
    "recordnumber",
    "medicalrecord",
    "hospitalnumber",
    "patientid",
    "subjectid",
    "passport",
    "ssn",
    "socialsecurity",
    "nhsnumber",
    "insurance",
    "address",
    "street",
    "postcode",
    "zip",
    "zipcode",
    "phone",
    "telephone",
    "mobile",
    "email",
    "mail",
    "vorname",
    "nachname",
    "geburtsdatum",
    "geburtstag",
)
EXACT = frozenset({"name", "mail", "zip", "dob", "mrn", "ssn", "mobile", "insurance", "phone", "birth"})
UPPER, LOWER = "A-ZÀ-ÖØ-ÞČĐĞİŁŃŐŚŠŞŰŹŻŽ", "a-zß-öø-ÿčđęğıłńőśšşűźżž"
WORD = f"[{UPPER}](?:['’][{UPPER}])?[{LOWER}]+(?:[-'’]?[{UPPER}][{LOWER}]+)*"  # of a name: Müller, O'Brien, Anne-Marie
FIRST = f"[{UPPER}]\\.(?: ?[{UPPER}]\\.)*"  # initials
GIVEN = f"{WORD}|[{UPPER}]+|{FIRST}"
NAMES = f"{WORD}(?:[ ,]+{WORD})+|{WORD},? {FIRST}|{FIRST} ?{WORD}|[{UPPER}][{UPPER}'’-]+, ?(?:{GIVEN})"
MONTH = r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zä]*\.?"
WRITTEN = rf"\d{{1,2}}\.? ?{MONTH},? ?\d{{2,4}}|{MONTH} \d{{1,2}},? \d{{4}}"
NUMERIC = r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}"
CONTENT = (
    (re.compile(rf"^(?:{NUMERIC}|{WRITTEN})(?:[T ].*)?$", re.IGNORECASE), "dates"),
    (re.compile(r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"), "mail addresses"),
    (re.compile(r"^[A-Z]{0,4}[- ]?\d{6,12}[A-Z]?$"), "record numbers"),
    (re.compile(r"^\+?\d[\d ()/-]{8,}\d$"), "telephone numbers"),
    (re.compile(f"^(?:{NAMES})$"), "names of people"),
)
INSIDE = (  # of a remark; one is enough
    (re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"), "mail addresses"),
    (re.compile(r"(?<![\w.])\+?\(?\d{2,5}\)?[ /-]+\d{2,4}[ -]\d{3,}(?![\w.])"), "telephone numbers"),
    (re.compile(rf"\b(?:{NUMERIC}|{WRITTEN})\b", re.IGNORECASE), "dates"),
    (re.compile(rf"\b(?:Mr|Mrs|Ms|Dr|Prof|Herr|Frau)\.? {WORD}"), "names of people"),
)


def identifying(columns: dict[str, list[str]]) -> list[str]:
    """Why a table looks like one of identifiable patients; empty if it does not."""
    found = []
    for name, values in columns.items():
        folded = re.sub(r"[^a-z]", "", name.lower())
        words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
        if EXACT & {*words, folded} or any(word in folded for word in NAMING if word not in EXACT):
            found.append(f"column {quoted(name)} sounds like one that identifies people")
            continue
        filled = [v.strip() for v in values[:200] if v.strip()]
        for pattern, what in CONTENT:
            if filled and sum(bool(pattern.match(v)) for v in filled) > 0.5 * len(filled):
                found.append(f"column {quoted(name)} looks like {what}")
                break
        else:
            remarks = [v for v in values if " " in v.strip() and re.search("[A-Za-z]", v)]
            found += [f"column {quoted(name)} holds {what}" for pattern, what in INSIDE
                      if any(pattern.search(v) for v in remarks)][:1]  # fmt: skip
    return found


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
