"""One run as a row: its endpoints, or why there are none.  Apart from what makes rows, so that reading a store loads
no engine."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["BAD_INPUT", "CRASHED", "FAILED", "OK", "Row"]

OK, BAD_INPUT, FAILED, CRASHED = "ok", "bad input", "failed", "crashed"


@dataclass(frozen=True)
class Row:
    """Endpoints of one plan (`summary`, empty unless `status` is "ok"), or why there are none."""

    status: str
    message: str = ""
    summary: dict = field(default_factory=dict)
