"""Kinds of input files, told apart by the keys at their top, so that a file given to the wrong command is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tme_sim.diagnostics import InputError, Problem

__all__ = ["SCHEMA", "kind_of", "refuse_another_kind"]

SCHEMA = 1  # version of the format of scenarios, protocols and what follows progression

# Keys that only one kind of file has at its top; and the command that takes such a file.
KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "scenario": (("patient", "protocol", "tissue", "piece"), "tme-sim run FILE"),
    "study": (("base", "factor", "design", "replicates"), "tme-sim sweep FILE --out STORE"),
    "trial": (("cohort", "n", "repeats", "follow_up"), "tme-sim trial FILE --out DIR"),
    "calibration": (("target", "parameter"), "tme-sim calibrate FILE --out DIR"),
    "hypothesis card": (("claim", "prediction", "refute"), "tme-sim hypothesis run FILE"),
    "table of trials": (("trial",), "tme-sim predict TRIAL --trials FILE"),
    "cohort": (("draw",), "tme-sim cohort describe FILE"),
    "protocol": (("treatment", "scan"), "tme-sim protocol show FILE, or name it in a scenario: [protocol] file = ..."),
}


def kind_of(raw: Mapping[str, Any]) -> str:
    """The kind of file that some data are, or "" where no key, or keys of several kinds, say so."""
    found = [kind for kind, (marks, _) in KINDS.items() if any(mark in raw for mark in marks)]
    return found[0] if len(found) == 1 else ""


def refuse_another_kind(raw: Mapping[str, Any], path: str, wanted: str) -> None:
    """Refuse a file that is plainly of another kind than `wanted`.

    Raises:
        InputError: naming the kind it is, and the command that takes it.
    """
    kind = kind_of(raw)
    if kind and kind != wanted:
        command = KINDS[kind][1].replace("FILE", path)
        raise InputError(Problem(path, "", f"this is a {kind}, not a {wanted}: use {command}"))
