"""A store loses, doubles and changes nothing, whatever happens to its file or its writer."""

from __future__ import annotations

import csv
import io
import math
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.study.study_toys import same
from tme_sim.diagnostics import InputError
from tme_sim.ensemble import Row
from tme_sim.study import run_study
from tme_sim.study import store as store_module
from tme_sim.study.mend import merge_stores, repair_store, verify_store
from tme_sim.study.plan_table import PlanTable
from tme_sim.study.rows import DamagedRow, layout_of, pack, unpack
from tme_sim.study.store import FILE, Store, StoreError, open_store
from tme_sim.study.tables import csv_text
from tme_sim.validation import shortest

MODEL = "a" * 32


def key(i: int) -> bytes:
    return i.to_bytes(16, "big")


def row(i: int) -> Row:
    if i % 7 == 3:
        return Row("failed", f"the integration ended at day {i}: stiff limit")
    return Row("ok", "", {"pfs": i / 3.0, "pfs_event": i % 2, "first_pd": "death" if i % 2 else "", "dor": math.nan})


def plan(size: int) -> PlanTable:
    about = {"name": "toy", "title": "", "question": "", "design": "grid"}
    factor = ("x", "day", "x", False)
    return PlanTable(about, (factor,), [[float(i) for i in range(size)]], ["base"] * size, [0] * size, (),
                     tuple(key(i) for i in range(size)))


def filled(folder, numbers, size=0) -> Store:
    store = open_store(folder, create=True, digest=MODEL)
    store.put([(key(i), row(i)) for i in numbers])
    if size:
        store.add_plan(plan(size), "text")
    return store


@pytest.mark.parametrize("value", [0.1, -0.0, math.inf, 5e-324, 1e308, math.nan, 3, -(2**62), "", "Grüße, \"quoted\""])
def test_values_come_back_to_the_last_bit(value):
    summary = {"a": value, "text": "x", "b": 1.5, "more": "y"}
    names = layout_of(summary)
    back = unpack(pack(summary, names), names)
    assert list(back) == list(summary) and type(back["a"]) is type(value)
    if isinstance(value, float):
        assert struct.pack("d", back["a"]) == struct.pack("d", value)
    else:
        assert back["a"] == value
    with pytest.raises(DamagedRow):
        unpack(pack(summary, names)[:10], names)


def test_a_table_has_a_row_for_every_point_and_no_silent_zero(tmp_path):
    with filled(tmp_path / "s", [0, 1, 3, 5], size=6) as store:
        table = store.table()
        assert list(table)[:5] == ["x", "arm", "replicate", "status", "message"]
        assert table["status"].tolist() == ["ok", "ok", "missing", "failed", "missing", "ok"]
        np.testing.assert_array_equal(table["pfs"], [0, 1 / 3, np.nan, np.nan, np.nan, 5 / 3.0])
        assert table["first_pd"].tolist() == ["", "death", "", "", "", "death"]
        assert "stiff limit" in table["message"][3]
        assert store.missing(plan(6)) == [2, 4]


def test_a_second_writer_is_refused_at_once_and_told_who_writes(tmp_path):
    with filled(tmp_path / "s", [1]):
        begin = time.monotonic()
        with pytest.raises(StoreError, match=f"process {os.getpid()} on "):
            open_store(tmp_path / "s", write=True, digest=MODEL)
        assert time.monotonic() - begin < 1.0
        with open_store(tmp_path / "s", digest=MODEL) as reader:  # reading is free
            assert len(reader) == 1
    open_store(tmp_path / "s", write=True, digest=MODEL).close()


def test_another_model_is_refused(tmp_path):
    filled(tmp_path / "s", [1]).close()
    with pytest.raises(InputError, match="choose another folder"):
        open_store(tmp_path / "s", create=True, digest="b" * 32)
    with open_store(tmp_path / "s") as reader:
        assert reader.model_digest == MODEL


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="other things in it"):
        open_store(tmp_path / "full", create=True)
    with pytest.raises(InputError, match="holds no store"):
        open_store(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        open_store(tmp_path / "file", create=True)
    assert sorted(os.listdir(tmp_path)) == ["file", "full"]


def test_a_full_disk_stops_with_a_message_and_keeps_what_was_committed(tmp_path):
    store = filled(tmp_path / "s", range(50))
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(StoreError, match=r"the disk is full .* free space and run the same command again"):
        for i in range(50, 5000, 50):
            store.put([(key(k), row(k)) for k in range(i, i + 50)])
            done = i + 50
    assert len(store) == done and store.damaged() == []
    store._db.execute("PRAGMA max_page_count=1000000")
    store.put([(key(k), row(k)) for k in range(5000)])
    assert len(store) == 5000
    store.close()


def equal(a: Row, b: Row) -> bool:
    return (a.status, a.message, repr(a.summary)) == (b.status, b.message, repr(b.summary))


def silent(folder, size: int) -> list[str]:
    """Rows of a damaged store that are neither as they were, nor gone, nor said to be damaged."""
    wrong = []
    try:
        with open_store(folder, digest="") as store:
            found = store.get([key(i) for i in range(size)])
            wrong += [f"row {i}" for i, r in enumerate(found) if r and r.status != "damaged" and not equal(r, row(i))]
            for noted in store.plans():
                if noted["sound"] and store.plan(noted["number"]).keys != plan(size).keys:
                    wrong.append("plan")
    except (StoreError, InputError):
        pass
    return wrong


def _damaged(tmp_path, rounds: int, cut: bool = False) -> int:
    size, found = 200, 0
    filled(tmp_path / "s", range(size), size=size).close()
    content = (tmp_path / "s" / FILE).read_bytes()
    draws = random.Random(1)
    for _ in range(rounds):
        bad = bytearray(content)
        if cut:
            bad = bad[: draws.randrange(len(bad))]
        else:
            at = draws.randrange(len(bad))
            bad[at] ^= 1 << draws.randrange(8)
        (tmp_path / "s" / FILE).write_bytes(bad)
        assert silent(tmp_path / "s", size) == []
        found += bool(verify_store(tmp_path / "s").damage)
    (tmp_path / "s" / FILE).write_bytes(content)
    assert verify_store(tmp_path / "s").damage == ()
    return found


def test_a_flipped_bit_is_never_silent(tmp_path):
    assert _damaged(tmp_path, 60) > 15  # the rest fell on space that holds nothing


def test_a_cut_file_is_never_silent(tmp_path):
    assert _damaged(tmp_path, 8, cut=True) == 8


@pytest.mark.slow
def test_a_thousand_flips_and_two_hundred_cuts_are_never_silent(tmp_path):
    assert _damaged(tmp_path / "a", 1000) > 250
    assert _damaged(tmp_path / "b", 200, cut=True) == 200


def test_repair_keeps_every_whole_row_and_drops_the_rest(tmp_path):
    filled(tmp_path / "s", range(40), size=40).close()
    file = tmp_path / "s" / FILE
    content = bytearray(file.read_bytes())
    for i in (4, 11):  # two rows, found by their own values
        at = content.find(struct.pack("<d", i / 3.0))
        assert at > 0
        content[at] ^= 1
    file.write_bytes(content)
    found = verify_store(tmp_path / "s")
    assert sorted(found.damage) == [f"row {key(4).hex()}", f"row {key(11).hex()}"]
    kept, damaged = repair_store(tmp_path / "s")
    assert kept.rows == 38 and damaged.is_file()
    assert verify_store(tmp_path / "s").damage == ()
    with open_store(tmp_path / "s", digest=MODEL) as store:
        assert store.missing(plan(40)) == [4, 11]
        assert store.plan().digest == plan(40).digest
    assert repair_store(tmp_path / "s")[1] is None


def test_a_damaged_plan_is_noted_again(tmp_path):
    filled(tmp_path / "s", range(5), size=5).close()
    with open_store(tmp_path / "s", write=True, digest=MODEL) as store:
        with store.transaction():
            store._db.execute("UPDATE plan SET key = ? WHERE ordinal = 2", (key(99),))
        with pytest.raises(StoreError, match="plan 1 is damaged"):
            store.table()
        store.add_plan(plan(5), "text")
        assert [p["sound"] for p in store.plans()] == [True] and store.missing(store.plan()) == []


def test_repair_saves_what_it_can_of_a_broken_file(tmp_path):
    filled(tmp_path / "s", range(400), size=400).close()
    file = tmp_path / "s" / FILE
    content = bytearray(file.read_bytes())
    page = content.find(struct.pack("<d", 200 / 3.0)) // 4096
    content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    file.write_bytes(content)
    assert verify_store(tmp_path / "s").damage
    kept, _ = repair_store(tmp_path / "s")
    assert 300 < kept.rows < 400
    assert verify_store(tmp_path / "s").damage == () and silent(tmp_path / "s", 400) == []


def test_repair_saves_the_first_rows_of_a_file_that_lost_its_end(tmp_path):
    filled(tmp_path / "s", range(2000)).close()
    file = tmp_path / "s" / FILE
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(StoreError, match="store repair"):
        open_store(tmp_path / "s", digest=MODEL)
    kept, damaged = repair_store(tmp_path / "s")
    assert damaged is not None and kept.rows > 400
    assert verify_store(tmp_path / "s").damage == ()
    with open_store(tmp_path / "s", digest=MODEL) as store:
        found = dict(store.all_rows())
        assert len(found) == kept.rows
        assert all(equal(one, row(int.from_bytes(name, "big"))) for name, one in found.items())


def content_of(folder) -> list:
    with open_store(folder, digest="") as store:
        return [(k, r.status, r.message, repr(r.summary)) for k, r in store.all_rows()]


def test_shards_join_in_any_order_to_the_same_rows(tmp_path):
    filled(tmp_path / "whole", range(30), size=30).close()
    for n in range(3):
        filled(tmp_path / f"part{n}", [*range(n, 30, 3), 0], size=30).close()  # row 0 in all of them
    parts = [tmp_path / f"part{n}" for n in range(3)]
    assert merge_stores(tmp_path / "a", parts) == 30
    merge_stores(tmp_path / "b", [parts[2], parts[0]])
    merge_stores(tmp_path / "b", [parts[1]])
    assert content_of(tmp_path / "a") == content_of(tmp_path / "b") == content_of(tmp_path / "whole")
    with open_store(tmp_path / "b", digest="") as store:
        assert [p["digest"] for p in store.plans()] == [plan(30).digest]


def test_shards_together_are_the_whole(whole, tmp_path):
    made, _, table = whole
    for i in (1, 2):
        run_study(made, tmp_path / str(i), jobs=0, shard=(i, 2)).close()
    merge_stores(tmp_path / "both", [tmp_path / "2", tmp_path / "1"])
    with open_store(tmp_path / "both") as store:
        assert store.missing(made) == [] and same(store.table(), table)


def test_shards_that_contradict_each_other_are_not_joined(tmp_path):
    filled(tmp_path / "a", range(10)).close()
    with open_store(tmp_path / "b", create=True, digest=MODEL) as store:
        store.put([(key(5), Row("ok", "", row(5).summary | {"pfs": 5 / 3.0 + 1e-15}))])
    with pytest.raises(StoreError, match=key(5).hex()):
        merge_stores(tmp_path / "c", [tmp_path / "a", tmp_path / "b"])
    assert not (tmp_path / "c").exists()
    filled(tmp_path / "other", [1]).close()
    with open_store(tmp_path / "d", create=True, digest="d" * 32):
        pass
    with pytest.raises(InputError, match="different models"):
        merge_stores(tmp_path / "e", [tmp_path / "a", tmp_path / "d"])


def test_a_result_beats_an_accident_elsewhere(tmp_path):
    with open_store(tmp_path / "a", create=True, digest=MODEL) as store:
        store.put([(key(5), Row("crashed", "its process was ended by SIGKILL")), (key(6), Row("timeout", "late"))])
    filled(tmp_path / "b", [5]).close()
    merge_stores(tmp_path / "c", [tmp_path / "a", tmp_path / "b"])
    merge_stores(tmp_path / "a", [tmp_path / "b"])
    for name in ("a", "c"):
        assert [status for _, status, _, _ in content_of(tmp_path / name)] == ["ok", "timeout"]


WRITER = """
import sys
sys.path.insert(0, {here!r})
from test_study_store import MODEL, key, row
from tme_sim.study.store import open_store
store = open_store({folder!r}, create=True, digest=MODEL)
begin = len(store)
for i in range(begin, begin + 100_000, 20):
    store.put([(key(k), row(k)) for k in range(i, i + 20)])
    print(i + 20, flush=True)
"""


def _killed_while_writing(folder, kills: int) -> None:
    draws = random.Random(kills)
    here = os.path.dirname(__file__)
    told = 0
    for _ in range(kills):
        text = WRITER.format(here=here, folder=str(folder))
        with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True) as writer:
            writer.stdout.readline()
            time.sleep(draws.uniform(0.0, 0.3))
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split("\n")
            told = max([told, *(int(n) for n in rest[:-1] if n)])
        with open_store(folder, write=True, digest=MODEL) as store:  # the lock died with its owner
            count = len(store)
            assert count >= told and count % 20 == 0
            assert all(equal(r, row(i)) for i, (_, r) in enumerate(store.all_rows()))
        assert verify_store(folder).damage == ()


def test_a_killed_writer_loses_and_doubles_nothing(tmp_path):
    _killed_while_writing(tmp_path / "s", 2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_fifty_killed_writers_lose_and_double_nothing(tmp_path):
    _killed_while_writing(tmp_path / "s", 50)


def test_a_write_that_fails_anywhere_leaves_a_store_that_goes_on(tmp_path, monkeypatch):
    filled(tmp_path / "s", range(10)).close()
    for place in range(1, 6):
        shutil.rmtree(tmp_path / "t", ignore_errors=True)
        shutil.copytree(tmp_path / "s", tmp_path / "t")
        with open_store(tmp_path / "t", write=True, digest=MODEL) as store:
            count = iter(range(1, 1000))
            real = store_module._row_checksum

            def checksum_of(*record, count=count, place=place, real=real):
                if next(count) == place:
                    raise OSError(28, "No space left on device")
                return real(*record)

            monkeypatch.setattr(store_module, "_row_checksum", checksum_of)
            with pytest.raises(OSError):
                store.put([(key(i), row(i)) for i in range(10, 20)])
            monkeypatch.undo()
            assert len(store) == 10
            store.put([(key(i), row(i)) for i in range(10, 20)])
            assert len(store) == 20


def test_a_table_as_csv_is_read_back_to_the_last_bit():
    numbers = [0.0, -0.0, 1e15, -1e15, 999999999999999.0, -999999999999999.0, 1e16, math.nan, math.inf, 5e-324, 0.1,
               1e-4, 9.999e-5, 1e-5, -1.5e-7, 3.3e20, 123456789.0]
    words = ["", "a,b", 'q"x', "line\nbreak", "=1+1", "cr\rx", " plain ", "ü;", "x", "'", "-", "1.0", "null", "[", ".0,", "b", "c"]
    table = {"a,b": np.array(numbers), "n": np.arange(len(numbers)), "s": np.array(words, dtype=object)}
    rows = list(csv.reader(io.StringIO(csv_text(table), newline="")))
    assert rows[0] == ["a,b", "n", "s"] and len(rows) == 1 + len(numbers)
    assert [r[0] for r in rows[1:]] == ["" if x != x else repr(x) if math.isinf(x) else shortest(x) for x in numbers]
    read = [w.replace("\r", "\n") for w in words]  # a carriage return ends a line for many readers, quoted or not
    assert [r[2] for r in rows[1:]] == ["'" + w if w[:1] in ("=", "-") else w for w in read]
