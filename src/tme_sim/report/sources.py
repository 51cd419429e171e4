"""What a result stands on: values with grade and source, the weakest first, those that share a source in one row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tme_sim.mechanisms.kinetics import EMPTY, SLOTS
from tme_sim.plots.style import unit_text
from tme_sim.quantities import GRADES
from tme_sim.report.page import Prose, Table
from tme_sim.report.words import value_text

__all__ = ["rank_of", "source_tables", "sources_used"]


def sources_used(sources: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows that say something of a result: not those of drug slots that hold no drug, nor a drug's unused terms.

    A slot holds no drug where all its volumes are those of an empty one; a store or a trial may name a value twice,
    once for each drug that an arm puts there.
    """
    rows = list(sources)
    filled = {s for s in SLOTS for row in rows if row.get("name") == f"{s}_V1" and row.get("source") != EMPTY}
    known = {s for s in SLOTS for row in rows if row.get("name") == f"{s}_V1"}
    idle = known - filled
    return [r for r in rows if r.get("source") != EMPTY and not idle.intersection(str(r.get("name", "")).split("_"))]


def source_tables(sources: Sequence[Mapping[str, Any]]) -> list:
    """How many values stand on which grade, and every value with its source, weakest grade first."""
    rows = sorted(sources_used(sources), key=lambda s: (rank_of(s.get("grade", "")), str(s.get("name", ""))))
    if not rows:
        return [Prose("The sources are not stored.")]
    counts = [(g, sum(s.get("grade") == g for s in rows)) for g in GRADES]
    told = ", ".join(f"{n} {grade}" for grade, n in counts if n)
    shared: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        shared.setdefault((str(row.get("grade", "")), str(row.get("source", ""))), []).append(_value(row))
    idle = len(sources) - len(rows)
    left = f" {idle} values of drugs that are not given here are left out." if idle else ""
    return [
        Prose(f"{len(rows)} values decided the result: {told}. Assumed means: no source was read for the value; "
              f"high means: measured in this setting and read in the source.{left}"),
        Table(("grade", "values", "source"), [(grade, "; ".join(values), source)
              for (grade, source), values in shared.items()], graded=0, small=True, widths=(9, 32, 59)),
    ]  # fmt: skip


def _value(row: Mapping[str, Any]) -> str:
    """A name with its value and unit, which stay on one line."""
    value = row.get("value")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    unit = str(row.get("unit", "1"))
    parts = (
        str(row.get("name", "")),
        value_text(value) if number else str(value),
        "" if unit == "1" else unit_text(unit),
    )
    return "\N{NO-BREAK SPACE}".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts if part)


def rank_of(grade: str) -> int:
    """The place of a grade in an order that begins with the weakest; one that is not known comes first."""
    return GRADES.index(grade) if grade in GRADES else -1
