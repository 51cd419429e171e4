"""Runs of a calibration in a studies' store: each is known by its patient, parameters, cohort and protocol.

A fit that was killed goes on with the rows that were committed, and a fit of a changed file reuses those that are the
same.  The store refuses rows of another model, a second writer, and numbers whose checksum fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tme_sim.row import FAILED, OK, Row
from tme_sim.study.keys import model_digest, short_digest
from tme_sim.study.store import DAMAGED, Store, open_store

__all__ = ["RunStore", "run_keys"]

DRAW = "draw:"  # before the name of a patient's own value, among the endpoints of a row
NUMBER = "draw:number"  # which patient it was in the end: another where the protocol cannot be given


def run_keys(cohort: str, scenario: str, settings: Mapping[str, Any], patients: Sequence[int],
             vectors: Sequence[Mapping[str, float]], series: tuple[Sequence[str], Sequence[int]] = ((), ()),
             ) -> list[bytes]:  # fmt: skip
    """Keys of runs: digests of cohort and scenario, what of the settings changes a run, patient and parameters, and the
    `series` kept besides endpoints, where there are any."""
    same = [cohort, scenario, {n: settings[n] for n in ("seed", "rtol", "max_steps")}]
    same += [list(map(list, series))] if series[0] else []
    return [short_digest(*same, int(p), dict(v)) for p, v in zip(patients, vectors, strict=True)]


class RunStore:
    """Rows of :func:`tme_sim.fit.design.run_redrawn` by key; a context manager."""

    def __init__(self, folder: str | Path, own: Mapping[str, str] | None = None):
        """Open or make the store in `folder` for writing.

        Raises:
            InputError: it holds runs of another model.
            StoreError: another process writes it.
        """
        self._store: Store = open_store(folder, create=True, digest=model_digest(own))

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *what: Any) -> None:
        self._store.close()

    def __len__(self) -> int:
        return len(self._store)

    def put(self, keys: Sequence[bytes], rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep rows (message, summary, values, number); they are on disk when this returns."""
        kept = []
        for row in rows:
            whole = {**row["summary"], **{DRAW + n: v for n, v in row["values"].items()}, NUMBER: int(row["number"])}
            status = OK if row["summary"] else FAILED
            kept.append(Row(status, row["message"], whole))
        self._store.put(zip(keys, kept, strict=True))

    def get(self, keys: Sequence[bytes]) -> list[dict[str, Any] | None]:
        """Rows as they were put; None where there is none.  Damaged ones are dropped, to be simulated again."""
        found = self._store.get(keys)
        broken = [k for k, row in zip(keys, found, strict=True) if row is not None and row.status == DAMAGED]
        if broken:
            self._store.drop(broken)
        return [None if row is None or row.status == DAMAGED else _restored(row) for row in found]


def _restored(row: Row) -> dict[str, Any]:
    values = {n[len(DRAW):]: v for n, v in row.summary.items() if n.startswith(DRAW) and n != NUMBER}
    summary = {n: v for n, v in row.summary.items() if not n.startswith(DRAW)} if row.status == OK else {}
    return {"message": row.message, "summary": summary, "values": values, "number": int(row.summary[NUMBER])}
