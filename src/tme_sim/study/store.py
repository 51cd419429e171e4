"""The store of a study: a folder with one SQLite file that holds a row per run, and whatever was drawn from it.

Every row carries a checksum over all its columns, so that a flipped bit is found and never a number.  One process
writes; a second one is refused at once.  The journal is SQLite's rollback journal with full syncs (a write-ahead log
is unsafe on network disks and in versions before 3.51.3), so that a killed or powered-off run loses at most the rows
not yet acknowledged.  Writers commit at most `COMMIT` rows at a time.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tme_sim.diagnostics import InputError, Problem
from tme_sim.row import OK, Row
from tme_sim.study.keys import model_digest
from tme_sim.study.lock import Lock, StoreError
from tme_sim.study.plan_table import FINDING, PlanTable
from tme_sim.study.rows import TEXT, WHOLE, DamagedRow, Packed, checksum, kinds_of, packed, unpack, unpack_many

if TYPE_CHECKING:
    from tme_sim.study.definition import Study

__all__ = ["DAMAGED", "FILE", "MISSING", "Store", "StoreError", "open_store"]

FILE = "runs.sqlite"
FORMAT = "1"
BLOCK = 20_000  # rows of a table read at a time
COMMIT = 1000  # rows of one transaction at most
MISSING, DAMAGED = "missing", "damaged"
COPY = " (copy)"  # small facts stand twice, so that a flipped bit in one of them loses nothing
SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL, crc BLOB NOT NULL) STRICT;
CREATE TABLE layout(layout_id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE, crc BLOB NOT NULL) STRICT;
CREATE TABLE run(key BLOB PRIMARY KEY, status TEXT NOT NULL, message TEXT NOT NULL, layout INTEGER NOT NULL,
                 data BLOB NOT NULL, crc BLOB NOT NULL) STRICT;
CREATE TABLE plans(plan_id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL, size INTEGER NOT NULL,
                   made TEXT NOT NULL, study TEXT NOT NULL, design BLOB NOT NULL, crc BLOB NOT NULL) STRICT;
CREATE TABLE plan(plan_id INTEGER NOT NULL, ordinal INTEGER NOT NULL, key BLOB NOT NULL,
                  PRIMARY KEY(plan_id, ordinal)) STRICT, WITHOUT ROWID;
"""


def open_store(path: str | Path, *, create: bool = False, write: bool = False, digest: str | None = None) -> Store:
    """Open the store in the folder `path`.

    Args:
        create: make a new one where there is none.
        write: take the lock; one process at a time.
        digest: of the model (:func:`tme_sim.study.keys.model_digest`) that the rows must come from; "" accepts any.
            None means that of this installation when writing, and any when only reading.

    Raises:
        InputError: no store, or one of another format or another model.
        StoreError: another process writes it, or it cannot be read.
    """
    return Store(Path(path), create=create, write=write, digest=digest)


class Store:
    """Rows by key; see :func:`open_store`.  A context manager: leaving it closes file and lock."""

    def __init__(self, folder: Path, *, create: bool = False, write: bool = False, digest: str | None = None):
        self.folder, self.file = folder, folder / FILE
        self.writable = write or create
        self._lock = Lock(folder / "lock")
        exists = self.file.is_file()
        if not exists and not create:
            raise InputError(Problem(str(folder), "", f"holds no store ({FILE}); tme-sim sweep STUDY --out makes one"))
        if not exists and folder.is_dir() and any(p.name not in ("lock",) for p in folder.iterdir()):
            raise InputError(Problem(str(folder), "", "is a folder with other things in it; choose another"))
        if folder.exists() and not folder.is_dir():
            raise InputError(Problem(str(folder), "", "is a file, not a folder; choose another place"))
        with _told(self.file):
            if self.writable:
                folder.mkdir(parents=True, exist_ok=True)
                self._lock.take()
            try:
                self._open(digest)
            except BaseException:
                self.close()
                raise

    def _open(self, digest: str | None) -> None:
        wanted = model_digest() if digest is None else digest
        self._db = sqlite3.connect(self.file, isolation_level=None, timeout=30.0, check_same_thread=False)
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA journal_mode=DELETE")
        with self.transaction():
            known = self._db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'meta'").fetchone()[0]
            if not known:
                if not self.writable:
                    raise InputError(Problem(str(self.file), "", "is no store of tme-sim"))
                for statement in SCHEMA.strip().split(";\n"):
                    self._db.execute(statement)
                self._set("format", FORMAT)
                self._set("model_digest", wanted)
        if self._get("format") != FORMAT:
            raise InputError(Problem(str(self.file), "", (
                f"is a store of format {self._get('format')}; this version reads {FORMAT}")))
        self.model_digest = self._get("model_digest") or ""
        if wanted and self.model_digest != wanted and (digest is not None or self.writable):
            raise InputError(Problem(str(self.folder), "", (
                f"holds runs of model {self.model_digest[:12]}, this is model {wanted[:12]}: a law, a drug or the "
                "engine has changed, so the rows cannot be mixed; choose another folder")))
        if not self.writable:
            self._db.execute("PRAGMA query_only=1")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *what: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give the lock back."""
        if hasattr(self, "_db"):
            self._db.close()
        self._lock.release()

    def release(self) -> None:
        """Give the lock back and go on reading."""
        self._db.execute("PRAGMA query_only=1")
        self.writable = False
        self._lock.release()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing.

        Raises:
            StoreError: a full disk or a damaged file, with what to do.
        """
        with _told(self.file):
            self._db.execute("BEGIN IMMEDIATE" if self.writable else "BEGIN")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    # --- small facts ------------------------------------------------------------------------------------------------

    def _set(self, name: str, value: str) -> None:
        for copy in (name, name + COPY):
            crc = checksum(copy.encode(), value.encode())
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", (copy, value, crc))

    def _get(self, name: str) -> str | None:
        wrong = False
        for copy in (name, name + COPY):
            found = self._db.execute("SELECT value, crc FROM meta WHERE name = ?", (copy,)).fetchone()
            if found is not None and checksum(copy.encode(), found[0].encode()) == found[1]:
                return found[0]
            wrong |= found is not None
        if wrong:
            raise StoreError(f"{self.file}: its {name} is damaged; tme-sim store repair {self.folder}")
        return None

    def note(self, name: str, value: Any) -> None:
        """Keep a small fact (plain data) under a name."""
        with self.transaction():
            self._set("note_" + name, json.dumps(value))

    def noted(self, name: str) -> Any:
        """The fact kept under a name, or None."""
        with _told(self.file):
            text = self._get("note_" + name)
        return None if text is None else json.loads(text)

    def note_given(self, digest: str, given: Mapping[str, Any]) -> None:
        """Keep what the plan `digest` was given (:func:`tme_sim.record.given_of`)."""
        self.note(f"given {digest}", b64encode(zlib.compress(json.dumps(given).encode())).decode())

    def given(self, digest: str) -> dict[str, Any] | None:
        """What the plan `digest` was given, or None in a store that does not say it."""
        text = self.noted(f"given {digest}")
        return None if text is None else json.loads(zlib.decompress(b64decode(text)))

    # --- rows -------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        with _told(self.file):
            return self._db.execute("SELECT count(*) FROM run").fetchone()[0]

    def put(self, rows: Iterable[tuple[bytes, Row | Packed]]) -> None:
        """Add rows; they are on disk when this returns.  A key that is there already keeps its row.

        Raises:
            StoreError: a full disk or damage; rows put before are safe.
        """
        rows = list(rows)
        for begin in range(0, len(rows), COMMIT):
            with self.transaction():
                self._insert((key, packed(row)) for key, row in rows[begin : begin + COMMIT])

    def put_records(self, records: Iterable[tuple[bytes, str, str, str, bytes]]) -> None:
        """Add records of :meth:`whole_records`, as :meth:`put` does."""
        records = iter(records)
        while part := list(islice(records, COMMIT)):
            with self.transaction():
                self._insert((key, Packed(*told)) for key, *told in part)

    def _insert(self, rows: Iterable[tuple[bytes, Packed]]) -> None:
        numbers: dict[str, int] = {}  # of layouts, asked once
        for key, row in rows:
            if row.layout not in numbers:
                numbers[row.layout] = self._layout(row.layout)
            told = key, row.status, row.message, numbers[row.layout], row.data
            self._db.execute("INSERT OR IGNORE INTO run VALUES (?, ?, ?, ?, ?, ?)", (*told, _row_checksum(*told)))

    def _layout(self, names: str) -> int:
        found = self._db.execute("SELECT layout_id FROM layout WHERE names = ?", (names,)).fetchone()
        if found:
            return found[0]
        self._db.execute("INSERT INTO layout(names, crc) VALUES (?, ?)", (names, checksum(names.encode())))
        return self._db.execute("SELECT layout_id FROM layout WHERE names = ?", (names,)).fetchone()[0]

    def layouts(self) -> dict[int, str]:
        """Layouts by number; a damaged one is left out."""
        return {i: n for i, n, crc in self._db.execute("SELECT layout_id, names, crc FROM layout")
                if crc == checksum(n.encode())}  # fmt: skip

    def _read(self, record: Sequence[Any], layouts: Mapping[int, str]) -> Row:
        key, status, message, layout, data, crc = record
        if crc != _row_checksum(key, status, message, layout, data):
            return Row(DAMAGED, f"tme-sim store repair {self.folder} drops it")
        try:
            return Row(status, message, unpack(data, layouts[layout]))
        except (DamagedRow, KeyError):
            return Row(DAMAGED, f"tme-sim store repair {self.folder} drops it")

    def all_rows(self) -> Iterator[tuple[bytes, Row]]:
        """Every row with its key, in the order of the keys; damaged ones have the status "damaged"."""
        with _told(self.file):
            layouts = self.layouts()
            for record in self._db.execute("SELECT key, status, message, layout, data, crc FROM run ORDER BY key"):
                yield _key(record[0]), self._read(record, layouts)

    def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        """The rows of some keys, None where there is none."""
        with _told(self.file):
            layouts = self.layouts()
            found: dict[bytes, Row] = {}
            unique = list(dict.fromkeys(keys))
            for record in self._records_of(unique):
                found[_key(record[0])] = self._read(record, layouts)
            return [found.get(key) for key in keys]

    def _records_of(self, keys: Sequence[bytes]) -> Iterator[tuple]:
        for begin in range(0, len(keys), 500):
            part = keys[begin : begin + 500]
            marks = ",".join("?" * len(part))
            yield from self._db.execute(
                f"SELECT key, status, message, layout, data, crc FROM run WHERE key IN ({marks})", part)  # fmt: skip

    def whole_records(self) -> Iterator[tuple[bytes, str, str, str, bytes]]:
        """Key, status, message, layout (text) and data of every row, as stored, in the order of the keys.

        Raises:
            StoreError: at a damaged row.
        """
        with _told(self.file):
            layouts = self.layouts()
            for record in self._db.execute("SELECT key, status, message, layout, data, crc FROM run ORDER BY key"):
                if record[5] != _row_checksum(*record[:5]) or record[3] not in layouts:
                    raise StoreError(
                        f"{self.folder}: has damaged rows; tme-sim store repair {self.folder} drops them")
                yield bytes(record[0]), record[1], record[2], layouts[record[3]], bytes(record[4])

    def damaged(self) -> list[bytes]:
        """Keys of rows whose checksum fails."""
        with _told(self.file):
            layouts = self.layouts()
            return [_key(r[0]) for r in self._db.execute("SELECT key, status, message, layout, data, crc FROM run")
                    if r[5] != _row_checksum(*r[:5]) or r[3] not in layouts]  # fmt: skip

    def drop(self, keys: Iterable[bytes]) -> int:
        """Remove rows, so that they are computed again; returns how many there were."""
        with self.transaction():
            return sum(self._db.execute("DELETE FROM run WHERE key = ?", (key,)).rowcount for key in keys)

    def known_keys(self) -> set[bytes]:
        """Keys of all rows."""
        with _told(self.file):
            return {_key(k) for (k,) in self._db.execute("SELECT key FROM run")}

    # --- plans ------------------------------------------------------------------------------------------------------

    def add_plan(self, plan: PlanTable, text: str = "") -> int:
        """Note a plan and the text of its study, if it is not there; returns its number."""
        with self.transaction():
            for told, whole in self._plans():
                if told["digest"] == plan.digest and whole is not None:
                    return told["number"]
                if whole is None:
                    self._db.execute("DELETE FROM plans WHERE plan_id = ?", (told["number"],))
                    self._db.execute("DELETE FROM plan WHERE plan_id = ?", (told["number"],))
            made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            record = (plan.digest, plan.about["name"], len(plan), made, text, plan.packed())
            self._db.execute(
                "INSERT INTO plans(digest, name, size, made, study, design, crc) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*record, _plan_checksum(record)),
            )
            number = self._db.execute("SELECT plan_id FROM plans WHERE digest = ?", (plan.digest,)).fetchone()[0]
            keys = ((number, i, key) for i, key in enumerate(plan.keys))
            self._db.executemany("INSERT INTO plan VALUES (?, ?, ?)", keys)
            return number

    def plans(self) -> list[dict[str, Any]]:
        """The plans noted here, oldest first: number, digest, name, size, date, text of the study, and `sound`."""
        return [told | {"sound": plan is not None} for told, plan in self._plans()]

    def _plans(self) -> list[tuple[dict[str, Any], PlanTable | None]]:
        with _told(self.file):
            records = self._db.execute(
                "SELECT plan_id, digest, name, size, made, study, design, crc FROM plans ORDER BY plan_id").fetchall()
        names = ("digest", "name", "size", "made", "study")
        return [({"number": number} | dict(zip(names, record, strict=False)), self._whole(number, record, crc))
                for number, *record, crc in records]  # fmt: skip

    def _whole(self, number: int, record: Sequence[Any], crc: Any) -> PlanTable | None:
        if crc != _plan_checksum(record):
            return None
        try:
            plan = PlanTable.unpacked(record[5], self._plan_keys(number))
        except ValueError:
            return None
        return plan if plan.digest == record[0] else None

    def _plan_keys(self, number: int) -> list[bytes]:
        with _told(self.file):
            found = self._db.execute("SELECT key FROM plan WHERE plan_id = ? ORDER BY ordinal", (number,))
            return [_key(k) for (k,) in found]

    def plan(self, number: int | None = None) -> PlanTable:
        """A plan by number; None is the one of a study noted last or, where there are none, that of a finding.

        Raises:
            InputError: there is none.
            StoreError: it is damaged.
        """
        known = self._plans()
        chosen = [pair for pair in known if number in (None, pair[0]["number"])]
        if not chosen:
            listed = ", ".join(str(told["number"]) for told, _ in known) or "none"
            raise InputError(Problem(str(self.folder), "", f"holds no plan {number or ''}; there are {listed}"))
        whole = [pair for pair in chosen if pair[1] is None or pair[1].about.get("design") != FINDING]
        told, plan = (whole or chosen)[-1]
        if plan is None:
            raise StoreError(
                f"{self.folder}: plan {told['number']} is damaged; run its study again: its whole rows are reused"
            )
        return plan

    def missing(self, study: Study | PlanTable, ordinals: Sequence[int] | None = None) -> list[int]:
        """Ordinals of a plan that have no row; of equal runs only the first is listed."""
        seen = self.known_keys()
        out = []
        for i in range(len(study)) if ordinals is None else ordinals:
            key = study.keys[i]
            if key not in seen:
                seen.add(key)
                out.append(i)
        return out

    # --- tables -----------------------------------------------------------------------------------------------------

    def table(self, study: Study | PlanTable | None = None, ordinals: Sequence[int] | None = None) -> dict[str, Any]:
        """Columns in the order of the plan: factors by their names, "arm", "replicate", "status", "message", endpoints.

        A row that is not "ok" has NaN (in a column of text: "") for every endpoint: nothing is silently zero.  Rows not
        computed yet are "missing", rows whose checksum fails "damaged".  Without a study, that of the plan noted last.
        """
        plan = self.plan() if study is None else study if isinstance(study, PlanTable) else study.plan_table
        keys = plan.keys if ordinals is None else [plan.keys[i] for i in ordinals]
        told = _Columns(len(keys))
        for begin in range(0, len(keys), BLOCK):
            part = keys[begin : begin + BLOCK]
            with _told(self.file):
                layouts, found = self.layouts(), {}
                for record in self._records_of(part):
                    found[_key(record[0])] = record
            for i, key in enumerate(part, begin):
                told.add(i, found.get(key), layouts, self.folder)
            told.block()
        return _whole_table(plan, plan.columns(ordinals), told)

    def status(self) -> dict[str, int]:
        """How many rows have which status; checks no checksums."""
        with _told(self.file):
            return dict(self._db.execute("SELECT status, count(*) FROM run GROUP BY status ORDER BY status").fetchall())


def table_of_rows(plan: PlanTable, rows: Sequence[Row]) -> dict[str, Any]:
    """Columns of rows that stand in the order of a plan; see :meth:`Store.table`."""
    told = _Columns(len(rows))
    for i, row in enumerate(rows):
        one = packed(row)
        told.put(i, one.status, one.message, one.layout, one.data)
    told.block()
    return _whole_table(plan, plan.columns(), told)


def _whole_table(plan: PlanTable, factors: dict[str, Any], told: _Columns) -> dict[str, Any]:
    """Factors, endpoints that are shown, and derived columns."""
    needed = plan.read_by_derived()
    table = plan.with_derived(factors | told.table((*plan.shown, *needed) if plan.shown else ()))
    hidden = set(needed) - set(plan.shown) - set(factors) - {name for name, *_ in plan.derived} if plan.shown else ()
    return {name: values for name, values in table.items() if name not in hidden}


class _Columns:
    """Columns out of packed rows, block by block, without an object for each value."""

    def __init__(self, size: int):
        import numpy as np

        self.size = size
        self.status = np.full(size, MISSING, dtype=object)
        self.message = np.full(size, "", dtype=object)
        self.open: dict[str, tuple[list[int], list[bytes]]] = {}
        self.done: dict[str, list[tuple[Any, Any, list[list[str]]]]] = {}

    def add(self, i: int, record: Sequence[Any] | None, layouts: Mapping[int, str], folder: Path) -> None:
        """Row `i` as the file has it, or None."""
        if record is None:
            self.message[i] = "not computed yet"
        elif record[5] != _row_checksum(*record[:5]) or record[3] not in layouts:
            self.status[i], self.message[i] = DAMAGED, f"tme-sim store repair {folder} drops it"
        else:
            self.put(i, record[1], record[2], layouts[record[3]], bytes(record[4]))

    def put(self, i: int, status: str, message: str, names: str, data: bytes) -> None:
        """A whole row."""
        self.status[i], self.message[i] = status, message
        if status == OK:
            places, rows = self.open.setdefault(names, ([], []))
            places.append(i)
            rows.append(data)

    def block(self) -> None:
        """Turn the rows added since the last block into numbers."""
        import numpy as np

        for names, (places, rows) in self.open.items():
            numbers, texts = unpack_many(rows, names)
            self.done.setdefault(names, []).append((np.array(places), numbers, texts))
        self.open = {}

    def table(self, shown: Sequence[str]) -> dict[str, Any]:
        """Status, message and endpoints; only those `shown`, if any are."""
        import numpy as np

        out: dict[str, Any] = {"status": self.status, "message": self.message}
        kinds = {n: k for names in self.done for n, k in reversed(kinds_of(names))}
        order = dict.fromkeys(n for names in self.done for n, _ in kinds_of(names))
        for name in (n for n in shown or order if n in kinds):
            out[name] = np.full(self.size, "" if kinds[name] == TEXT else np.nan,
                                dtype=object if kinds[name] == TEXT else np.float64)  # fmt: skip
        for names, blocks in self.done.items():
            columns = [(n, k) for n, k in kinds_of(names)]
            of_numbers = [(n, k) for n, k in columns if k != TEXT]
            of_texts = [n for n, k in columns if k == TEXT]
            for places, numbers, texts in blocks:
                for j, (name, kind) in enumerate(of_numbers):
                    if name in out and out[name].dtype != object:
                        out[name][places] = numbers[:, j].view("<i8") if kind == WHOLE else numbers[:, j]
                for j, name in enumerate(of_texts):
                    if name in out and out[name].dtype == object:
                        out[name][places] = [row[j] for row in texts]
        return out


def _key(value: Any) -> bytes:
    """A key as the file has it; damage can make it anything, and no row is known by nothing."""
    return bytes(value) if isinstance(value, (bytes, bytearray)) else b""


def _row_checksum(key: Any, status: Any, message: Any, layout: Any, data: Any) -> bytes:
    try:
        return checksum(bytes(key), status.encode(), message.encode(), int(layout).to_bytes(8, "little"), bytes(data))
    except (TypeError, AttributeError, ValueError, OverflowError, UnicodeError):
        return b""  # a column of another type: damaged


def _plan_checksum(record: Sequence[Any]) -> bytes:
    try:
        digest, name, size, made, study, design = record
        texts = (digest, name, str(size), made, study)
        return checksum(*(text.encode() for text in texts), bytes(design))
    except (TypeError, ValueError, AttributeError, UnicodeError):
        return b""


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """SQLite's errors as messages that say what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text or "disk I/O" in text:
            raise StoreError(f"{file}: {_space(file)}; all rows committed so far are safe: free space and run the same "
                             "command again") from error  # fmt: skip
        if "locked" in text:
            raise StoreError(f"{file}: is being written by another process; try again in a moment") from error
        if "readonly" in text or "unable to open" in text:
            raise StoreError(f"{file}: cannot be opened or written ({text}); check its rights") from error
        raise StoreError(f"{file}: {text}; tme-sim store verify {file.parent}") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        repair = f"tme-sim store repair {file.parent} saves what is whole"
        raise StoreError(f"{file}: is damaged ({error}); {repair}") from error


def _space(file: Path) -> str:
    try:
        free = os.statvfs(file.parent)
        return f"the disk is full ({free.f_bavail * free.f_frsize} bytes are free, at least 65536 are needed)"
    except OSError:
        return "the disk is full"
