"""Tables of runs: reading an outcome, which way is better, and cubes of members by cells with failures declared.

A table is a dict from name to an array over runs: factors by name, ``arm``, ``replicate``, ``status`` ("ok" or why
not), ``message`` and endpoints.  A member is what is paired across cells: one virtual patient, one draw of parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tme_sim.diagnostics import InputError, Problem, nearest, quoted

__all__ = ["Cube", "Missing", "Table", "column", "cube", "missing_of", "outcome_of", "sense_of"]

Table = Mapping[str, np.ndarray]

OK = "ok"
MOST_LEFT_OUT = 0.2  # share of members or runs without an outcome beyond which nothing is concluded
LOWER = ("burden", "viable_fraction", "albi", "child_pugh", "afp_ratio", "depth", "pd")
HIGHER = (
    "survival", "os", "pfs", "ttp", "tace_pfs", "untaceable", "orr", "dcr", "cr", "pr", "dor", "resectable",
)  # fmt: skip
EVENTS = "_event"
NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")


@dataclass(frozen=True)
class Missing:
    """Runs without an outcome: how many of how many, members left out for it, and the most frequent messages."""

    failed: int
    runs: int
    left_out: int = 0
    members: int = 0
    messages: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """One sentence, or "" when nothing is missing."""
        if not self.failed:
            return ""
        out = f"{self.failed} of {self.runs} runs gave no value"
        if self.members:
            out += f"; {self.left_out} of {self.members} members are left out for it"
        return out + (f" ({'; '.join(self.messages)})" if self.messages else "")


@dataclass(frozen=True)
class Cube:
    """An outcome as `values` [member, cell]; `cells` are tuples of the values of the columns in `over`."""

    outcome: str
    over: tuple[str, ...]
    cells: tuple[tuple, ...]
    members: tuple[tuple, ...]
    values: np.ndarray
    missing: Missing


def column(table: Table, name: str) -> np.ndarray:
    """A column by name.

    Raises:
        InputError: there is none; with the nearest known name, or what the first run says where none has a result.
    """
    if name not in table:
        status = np.asarray(table.get("status", ())).astype(str)
        if status.size and not (status == "ok").any():
            first = _short(str(np.asarray(table["message"])[0]))
            raise InputError(Problem("study", "", f"none of {status.size} runs has a result; the first: {first}"))
        raise InputError(Problem("study", "", f"{quoted(name)} is no column of the table{nearest(name, table)}"))
    return np.asarray(table[name])


def sense_of(outcome: str, better: str | None = None) -> int:
    """+1 if more of an outcome is better, -1 if less is; `better` ("higher" or "lower") decides where given.

    Raises:
        InputError: neither is known for this outcome.
    """
    if better not in (None, "higher", "lower"):
        raise InputError(Problem("study", "better", f'{quoted(better)} is not "higher" or "lower"'))
    if better is not None:
        return 1 if better == "higher" else -1
    if not outcome.endswith(EVENTS):
        for names, sense in ((HIGHER, 1), (LOWER, -1)):
            if any(outcome == n or outcome.startswith(f"{n}_") for n in names):
                return sense
    raise InputError(Problem("study", "better", f'say whether "higher" or "lower" {quoted(outcome)} is better'))


def outcome_of(table: Table, outcome: str) -> np.ndarray:
    """An endpoint as floats; NaN where the run failed or the endpoint is empty.

    Raises:
        InputError: no such column, or one of text.
    """
    values = column(table, outcome)
    if values.dtype.kind not in "fiub":
        try:
            values = np.array([np.nan if v in ("", None) else float(v) for v in values])
        except (TypeError, ValueError):
            raise InputError(Problem("study", "outcome", f"{quoted(outcome)} is text; choose a number")) from None
    values = values.astype(float)
    if "status" in table:
        values = np.where(np.asarray(table["status"]) == OK, values, np.nan)
    return values


def missing_of(table: Table, values: np.ndarray, left_out: int = 0, members: int = 0) -> Missing:
    """What is missing of `values` (one per run), with the three most frequent messages of failed runs.

    Messages that differ in their numbers alone count as one, and the first of them is told.
    """
    bad = ~np.isfinite(values)
    messages: tuple[str, ...] = ()
    if bad.any() and "message" in table:
        alike: dict[str, list[str]] = {}
        for text in np.asarray(table["message"]).astype(str)[bad]:
            if text:
                alike.setdefault(NUMBER.sub("", text), []).append(text)
        often = sorted(alike.values(), key=len, reverse=True)[:3]
        messages = tuple(f"{_times(len(same))}: {_short(same[0])}" for same in often)
    return Missing(int(bad.sum()), len(values), left_out, members, messages)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times, like"


def cube(
    table: Table, outcome: str, over: Sequence[str], member: Sequence[str] = ("replicate",), *, whole_only: bool = True
) -> Cube:
    """The outcome of every member in every cell; members that miss a cell are left out, and counted.

    With `whole_only` false all members stay, with NaN where they have no value, and nothing is refused for it.

    `over` are the columns that make up a cell, `member` those that are the same across the cells of one member.

    Raises:
        InputError: two runs of one member in one cell, or more than a fifth of the members incomplete.
    """
    values = outcome_of(table, outcome)
    columns = [column(table, name) for name in over]
    keys = [column(table, name) for name in member if name in table]
    cells = sorted({tuple(_plain(c[i]) for c in columns) for i in range(len(values))})
    members = sorted({tuple(_plain(k[i]) for k in keys) for i in range(len(values))})
    where = {c: j for j, c in enumerate(cells)}
    whose = {m: i for i, m in enumerate(members)}
    out = np.full((len(members), len(cells)), np.nan)
    seen = np.zeros(out.shape, dtype=bool)
    for r, value in enumerate(values):
        at = whose[tuple(_plain(k[r]) for k in keys)], where[tuple(_plain(c[r]) for c in columns)]
        if seen[at]:
            raise InputError(Problem("study", "", (
                f"two runs stand for {dict(zip(over, cells[at[1]], strict=True))} of one member; "
                f"name every other factor that varies as a member")))
        seen[at], out[at] = True, value
    whole = np.isfinite(out).all(axis=1) | (not whole_only)
    missing = missing_of(table, values, int((~whole).sum()), len(members))
    if not members or missing.left_out > MOST_LEFT_OUT * len(members):
        why = missing.text or f"{missing.left_out} of {len(members)} members do not have every cell"
        raise InputError(Problem("study", outcome, f"{why}; too few are whole to compare, look at the failed runs"))
    kept = tuple(m for m, w in zip(members, whole, strict=True) if w)
    return Cube(outcome, tuple(over), tuple(cells), kept, out[whole], missing)


def _short(text: str, most: int = 140) -> str:
    """The first sentence of a message, cut."""
    first = text.split(". ")[0]
    return first if len(first) <= most else f"{first[:most]}..."


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value
