"""Checking a store to the last bit, saving what is whole of a damaged one, and joining stores of one model."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tme_sim.diagnostics import InputError, Problem
from tme_sim.row import CRASHED, Row
from tme_sim.study.execute import TIMEOUT
from tme_sim.study.lock import Lock
from tme_sim.study.rows import checksum
from tme_sim.study.store import COPY, DAMAGED, FILE, Store, StoreError, _row_checksum, open_store

LOST = 30_000  # numbers in a row without a record, after which nothing more is looked for
ACCIDENTS = (CRASHED, TIMEOUT)  # no results: another machine may do better

__all__ = ["Finding", "merge_stores", "repair_store", "verify_store"]


@dataclass(frozen=True)
class Finding:
    """What a check found: rows that are whole, and every damage in words."""

    rows: int
    damage: tuple[str, ...]


def verify_store(folder: str | Path) -> Finding:
    """Read every byte that counts: SQLite's own structure, the checksum of every row and plan, and small facts.

    Raises:
        InputError: no store there.
    """
    folder = Path(folder)
    file = folder / FILE
    if not file.is_file():
        raise InputError(Problem(str(folder), "", f"holds no store ({FILE})"))
    damage: list[str] = []
    rows = 0
    try:
        with closing(sqlite3.connect(file, timeout=30.0)) as db:
            structure = [text for (text,) in db.execute("PRAGMA integrity_check(20)")]
            damage += [f"structure: {text}" for text in structure if text != "ok"]
            for name, value, crc in db.execute("SELECT name, value, crc FROM meta"):
                if not isinstance(value, str) or checksum(str(name).encode(), value.encode()) != crc:
                    damage.append(f"fact {name!r}")
        with open_store(folder, digest="") as store:
            for key, row in store.all_rows():
                rows += row.status != DAMAGED
                if row.status == DAMAGED:
                    damage.append(f"row {key.hex()}")
            damage += [f"plan {plan['number']} ({plan['name']})" for plan in store.plans() if not plan["sound"]]
    except (sqlite3.Error, StoreError, UnicodeDecodeError) as error:
        damage.append(f"unreadable: {error}")
    return Finding(rows, tuple(dict.fromkeys(damage)))


def repair_store(folder: str | Path) -> tuple[Finding, Path | None]:
    """Save every whole row and plan into a new file that takes the place of the damaged one, which is kept beside it.

    Returns what was found, and the path of the damaged file (None where nothing was damaged).

    Raises:
        InputError: no store there.
        StoreError: another process writes it, or not even the digest of the model can be read.
    """
    folder = Path(folder)
    found = verify_store(folder)
    if not found.damage:
        return found, None
    file, new = folder / FILE, folder / f"{FILE}.mended"
    lock = Lock(folder / "lock")
    lock.take()
    try:
        for rest in folder.glob(f"{FILE}.mended*"):
            rest.unlink()
        with closing(sqlite3.connect(file, timeout=30.0)) as old:
            old.text_factory = lambda raw: raw.decode("utf-8", "replace")
            old.execute("PRAGMA query_only=1")
            old.execute("PRAGMA writable_schema=1")  # else SQLite refuses all of a file that lost its end
            digest = _fact(old, "model_digest")
            if digest is None:
                raise StoreError(
                    f"{file}: its model digest cannot be read, so its rows belong to nothing; move it away "
                    "and sweep again"
                )
            kept = _copied(old, new, digest, folder)
        damaged = next(p for i in range(1, 10_000) if not (p := folder / f"{FILE}.damaged-{i}").exists())
        os.rename(file, damaged)
        for journal in folder.glob(f"{FILE}-journal"):
            journal.unlink()
        os.rename(new, file)
        return Finding(kept, found.damage), damaged
    finally:
        lock.release()


def _fact(db: sqlite3.Connection, name: str) -> str | None:
    for copy, value, crc in _records(db, "meta", "name, value, crc", "rowid"):
        with suppress(AttributeError):
            if copy in (name, name + COPY) and checksum(copy.encode(), value.encode()) == crc:
                return value
    return None


def _copied(old: sqlite3.Connection, new: Path, digest: str, folder: Path) -> int:
    """Write the whole rows and plans of a damaged file into a new one; returns how many rows."""
    layouts: dict[int, str] = {}
    for record in _records(old, "layout", "layout_id, names, crc", "layout_id"):
        with suppress(AttributeError, TypeError):
            if checksum(record[1].encode()) == record[2]:
                layouts[record[0]] = record[1]
    store = Store.__new__(Store)
    store.folder, store.file, store.writable, store._lock = folder, new, True, Lock(folder / "unused")
    store._open(digest)
    with closing(store):
        rows: list[tuple[bytes, Row]] = []
        count = 0
        for record in _records(old, "run", "key, status, message, layout, data, crc", "rowid"):
            if record[5] == _row_checksum(*record[:5]) and record[3] in layouts:
                rows.append((bytes(record[0]), store._read(record, layouts)))
                count += 1
            if len(rows) == 1000:
                store.put(rows)
                rows = []
        store.put(rows)
        with suppress(StoreError, sqlite3.Error), closing(Store(folder, digest="")) as before:
            for plan in before.plans():
                with suppress(StoreError, InputError):
                    if plan["sound"]:
                        _copy_plan(before, store, plan)
        return count


def _records(db: sqlite3.Connection, table: str, columns: str, rowid: str) -> Iterator[tuple]:
    """Records of a table by number, so that a damaged page costs only its own."""
    try:
        top = min(db.execute(f"SELECT max({rowid}) FROM {table}").fetchone()[0] or 0, 10**9)
    except sqlite3.Error:
        top = None  # the last page is lost, as in a file that was cut
    last = lost = 0
    while last < top if top is not None else lost < LOST:
        try:
            for record in db.execute(
                f"SELECT {rowid}, {columns} FROM {table} WHERE {rowid} > ? ORDER BY {rowid} LIMIT 5000", (last,)
            ):
                last, lost = record[0], 0
                yield record[1:]
            step = db.execute(f"SELECT min({rowid}) FROM {table} WHERE {rowid} > ?", (last,)).fetchone()[0]
            if step is None:
                return
        except sqlite3.Error:
            last, lost = last + 1, lost + 1


def merge_stores(out: str | Path, parts: Sequence[str | Path]) -> int:
    """Join stores of one model into `out`, in any order; returns how many rows `out` holds then.

    Rows that several hold must be equal; a result beats a run that crashed or timed out elsewhere.

    Raises:
        InputError: no store, or one of another model.
        StoreError: damage, or two different rows for one run; nothing has been written then.
    """
    opened: list[Store] = []
    try:
        for part in dict.fromkeys(Path(p).resolve() for p in parts):
            opened.append(open_store(part))
        digests = {store.model_digest for store in opened}
        if len(digests) != 1:
            told = ", ".join(f"{s.folder} ({s.model_digest[:12]})" for s in opened)
            raise InputError(Problem(str(out), "", (
                f"stores of different models cannot be joined: {told}; run the study again with one version")))
        new = not Path(out).exists()
        target = open_store(out, create=True, digest=digests.pop())
        try:
            try:
                beaten = _beaten(target, opened)
            except StoreError:
                target.close()
                if new:  # nothing stands in it yet
                    shutil.rmtree(out)
                raise
            for store in opened:
                for plan in store.plans():
                    if plan["sound"]:
                        _copy_plan(store, target, plan)
                _copy_runs(store.folder, target.folder)
            target.drop(beaten)
            for accidents in (False, True):  # results first, so that they stay
                for store in opened:
                    target.put_records(r for r in store.whole_records() if (r[1] in ACCIDENTS) is accidents)
            return len(target)
        finally:
            target.close()
    finally:
        for store in opened:
            store.close()


def _copy_plan(source: Store, target: Store, plan: Mapping[str, Any]) -> None:
    """Note a plan of `source` and what it was given in `target`, where it is not there yet."""
    target.add_plan(source.plan(plan["number"]), plan["study"])
    given = source.given(plan["digest"])
    if given is not None and target.given(plan["digest"]) is None:
        target.note_given(plan["digest"], given)


def _beaten(target: Store, parts: Sequence[Store]) -> list[bytes]:
    """Keys of accidents in `target` that a result from elsewhere beats.

    Raises:
        StoreError: two different rows for one run.
    """
    known: dict[bytes, bytes] = {}
    accidents: set[bytes] = set()
    beaten: list[bytes] = []
    for store in (target, *parts):
        for key, status, message, names, data in store.whole_records():
            if status in ACCIDENTS:
                if store is target:
                    accidents.add(key)
                continue
            content = checksum(status.encode(), message.encode(), names.encode(), data)
            if known.setdefault(key, content) != content:
                raise StoreError(
                    f"{store.folder}: its row {key.hex()} is not that of another store, though both say they come from "
                    "one model; trust neither, and run that part again"
                )
            if key in accidents:
                accidents.discard(key)
                beaten.append(key)
    return beaten


def _copy_runs(source: Path, target: Path) -> None:
    """Copy run folders that the target lacks; each appears whole."""
    for run in sorted((source / "runs").glob("*")) if (source / "runs").is_dir() else ():
        place = target / "runs" / run.name
        if run.name.startswith(".") or place.exists():
            continue
        half = target / "runs" / f".{run.name}.incomplete"
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(run, half)
        os.rename(half, place)
