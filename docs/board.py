"""Rows of the evidence board that bear on a mechanism, for its page.

An experiment of the board exercises several mechanisms; it stands with those that its figure decides about first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BOARD = ROOT / "tests" / "evidence" / "board.json"
PLACES = {
    "kinetics": ("kinetics",), "emboli": ("tace",), "beads": ("tace",), "resection": ("markers", "myeloid"),
    "untreated": ("tumour",), "zones": ("tumour",), "hypoxia": ("hypoxia", "oxygen"), "pruning": ("angiogenesis",),
    "normalisation": ("angiogenesis", "oxygen", "tcells"), "embolised": ("vegf", "markers", "myeloid", "antigen"),
    "bevacizumab": ("vegf", "drug_effects"), "mdsc_turnover": ("myeloid",), "amp": ("purinergic", "myeloid"),
    "reserve_after_session": ("liver",), "liver": ("liver",), "necrosis": ("tace", "tumour"),
    "explants": ("tace", "tumour"), "response_by_size": ("tace", "tumour"), "first_session": ("tace", "markers"),
    "infusion": ("tace", "drug_effects"), "recurrence": ("tumour", "tace"), "three_sessions": ("tace",),
    "recurrence_by_satellites": ("tace",), "thin_rims": ("tace",),
    "local_control": ("tumour",), "systemic": ("drug_effects", "killing", "tcells"),
    "systemic_by_antigenicity": ("killing",), "systemic_by_addiction": ("drug_effects",),
    "systemic_by_potency": ("drug_effects", "angiogenesis"), "systemic_at_low_end": ("drug_effects", "angiogenesis"),
    "tissue_oxygen": ("oxygen", "tace"), "nodule_oxygen": ("oxygen",), "depots": ("tace",),
    "pieces_necrosis": ("tace", "tumour"), "t_cells": ("tcells",), "stalling": ("tcells", "oxygen"),
}  # fmt: skip


def known_rows() -> list:
    """The rows of the board (:class:`tests.evidence.rows.Row`)."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from tests.evidence.rows import ROWS

    return list(ROWS)


def section(mechanism: str) -> str:
    """A section of Markdown: what was observed, and what the model gives, for one mechanism."""
    figures = {row["name"]: row for row in json.loads(BOARD.read_text(encoding="utf-8"))["rows"]}
    rows = [row for row in known_rows() if mechanism in PLACES.get(row.experiment, ())]
    out = [f"## Evidence on {mechanism}", ""]
    if not rows:
        return "\n".join([*out, "No row of the [evidence board](../evidence.md) rests on it first.", ""])
    out += [
        "Rows of the [evidence board](../evidence.md) that it decides about first, as last written. Fitted rows",
        "and input checks are no evidence; a row that is not met stays.",
        "",
        "| observed | tolerance | the model gives | unit | role | met | source |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        found = figures.get(row.name, {})
        figure = found.get("figure")
        told = "-" if figure is None else f"{figure:.3g}"
        met = {True: "met", False: "**not met**"}.get(found.get("met"), "not run")
        choice = "".join(f" ({slot} = {c})" for slot, c in row.hypotheses.items())
        cells = (f"{row.observation}{choice}: {row.observed}", f"{row.low:g} to {row.high:g}", told, row.unit, row.role,
                 met, row.source)  # fmt: skip
        out.append(f"| {' | '.join(cells)} |")
    return "\n".join([*out, ""])
