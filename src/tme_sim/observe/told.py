"""What the record of a run tells of its scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tme_sim.criteria import CRITERIA, NE, RECICL, RESPONSES

TICKS_PER_DAY = 1440


def told_scans(events: Sequence[Mapping[str, Any]], visits: np.ndarray, history: np.ndarray) -> list[dict[str, Any]]:
    """Events with what each scan read: response by criterion and sums of target diameters (mm), from history (V,
    HISTORY).

    A baseline visit that no protocol entry asked for gets an event of its own.  Scans before the baseline, and scans
    that death prevented, read nothing.
    """
    read = {int(tick): row for tick, row in zip(visits, history, strict=True)}
    out = [dict(e) for e in events]
    baseline = int(visits[0])
    if not any(e["kind"] == "scan" and e["tick"] == baseline for e in out):
        at = sum(e["tick"] < baseline for e in out)
        out.insert(at, {"tick": baseline, "day": baseline / TICKS_PER_DAY, "kind": "scan", "treatment": "baseline",
                        "number": 1, "what": "baseline"})  # fmt: skip
    for event in out:
        row = read.get(event["tick"])
        if event["kind"] != "scan" or row is None or np.isnan(row[0]):
            continue
        if event["tick"] != baseline:
            event |= {name: RESPONSES[int(row[c])] for c, name in enumerate(CRITERIA) if int(row[c]) != NE}
        event |= {f"sum_{name}": float(row[3 + c]) for c, name in enumerate(CRITERIA) if c != RECICL}
    return out
