"""Run folders: the same bytes, whole or not at all, never over another, and read without trust."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tme_sim import results
from tme_sim.diagnostics import InputError
from tme_sim.results import Run


def a_run(shift=0.0, **more):
    time_ = np.arange(0.0, 11.0)
    columns = {"CD8.1": np.sin(time_) + shift, "CD8.2": np.cos(time_), "VEGF": time_ * 0.1}
    given = dict(
        units={"CD8.1": "cell/mm^3", "CD8.2": "cell/mm^3", "VEGF": "pg/mL"}, labels={"VEGF": "VEGF in plasma"},
        events=[{"day": 0.0, "kind": "tace", "treatment": "tace"}, {"day": 7.0, "kind": "drug", "dose": 1500.0}],
        summary={"pfs": 100.1 + shift, "pfs_event": 1, "orr": float("nan"), "first_pd": "death"},
        manifest={"seed": 1, "scenario": {"name": "case"}}, scenario_text="schema = 1\n",
    )  # fmt: skip
    return Run(time_, columns, **(given | more))


RUN = """
import numpy as np
from tme_sim.results import Run
base = Run(np.arange(11.0), {f"c{i}": np.arange(11.0) / 7 for i in range(200)}, {}, events=[{"day": 0.1}], summary={"x": 0.1})
"""


@pytest.fixture
def saved(tmp_path):
    return a_run().save(tmp_path / "case-1")


# --- contents ------------------------------------------------------------


def test_a_run_reads_back_as_it_was(saved):
    run = Run.load(saved)
    original = a_run()
    assert np.array_equal(run.time, original.time) and run.units == original.units and run.labels == original.labels
    assert all(np.array_equal(run.columns[c], original.columns[c]) for c in original.columns)
    assert run.events[1] == {"day": 7, "kind": "drug", "dose": 1500.0}
    assert run.summary == {"pfs": 100.1, "pfs_event": 1, "orr": None, "first_pd": "death"}
    assert run.manifest["seed"] == 1 and run.manifest["status"] == "done" and run.digest == original.digest


def test_equal_runs_are_equal_bytes_and_unequal_ones_are_not(tmp_path):
    one, two, other = (a_run(s).save(tmp_path / n) for s, n in ((0, "a"), (0, "b"), (1e-15, "c")))
    time.sleep(0.01)
    for name in results.DETERMINISTIC:
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert (one / "trajectory.npz").read_bytes() != (other / "trajectory.npz").read_bytes()


def test_bytes_do_not_depend_on_time_zone_clock_or_locale():
    code = RUN + "import hashlib; print(hashlib.sha256(b''.join(base._files().values())).hexdigest())"
    found = set()
    for extra in ({"TZ": "UTC"}, {"TZ": "Pacific/Auckland"}, {"LC_ALL": "de_DE.UTF-8", "SOURCE_DATE_EPOCH": "99"}):
        env = {**os.environ, **extra}
        root = Path(__file__).parent.parent
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, cwd=root, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_numpy_reads_the_trajectory(saved):
    with np.load(saved / "trajectory.npz", allow_pickle=False) as data:
        assert list(data["names"]) == ["CD8.1", "CD8.2", "VEGF"] and data["values"].shape == (11, 3)
        assert list(data["units"]) == ["cell/mm^3", "cell/mm^3", "pg/mL"]


def test_the_summary_is_sorted_exact_and_has_no_date(saved):
    text = (saved / "summary.json").read_text()
    assert list(json.loads(text)) == sorted(json.loads(text)) and '"pfs": 100.1' in text and '"orr": null' in text


def test_columns_by_name_and_by_lesion():
    run = a_run()
    assert np.array_equal(run["VEGF"], run.columns["VEGF"]) and run["CD8"].shape == (11, 2) and "CD8" in run
    with pytest.raises(KeyError, match="nearest are VEGF"):
        run["VEFG"]


def test_tables_for_other_libraries():
    frame = a_run().to_dataframe()
    assert list(frame.columns) == ["CD8.1", "CD8.2", "VEGF"] and frame.attrs["units"]["VEGF"] == "pg/mL"
    data = a_run().to_xarray()
    assert (
        data["VEGF"].attrs == {"units": "pg/mL", "long_name": "VEGF in plasma"}
        and float(data["VEGF"].sel(day=5)) == 0.5
    )
    rows = a_run().to_csv().split("\n")
    assert rows[0] == "day,CD8.1,CD8.2,VEGF" and rows[1].startswith("day,cell/mm^3") and rows[3].endswith(",0.1")


def test_cells_that_a_spreadsheet_would_run_are_quoted(tmp_path):
    events = [{"day": 1.0, "kind": "note", "text": "=HYPERLINK(1)", "value": -3.0, "other": "-x"}]
    folder = a_run(events=events).save(tmp_path / "r")
    text = (folder / "events.csv").read_text()
    assert "'=HYPERLINK(1)" in text and ",-3.0," in text and "'-x" in text
    assert Run.load(folder).events == [{"day": 1, "kind": "note", "text": "=HYPERLINK(1)", "value": -3, "other": "-x"}]


# --- names and folders ------------------------------------------------------------


def test_nothing_is_overwritten_without_force(saved, tmp_path):
    before = {p.name: p.read_bytes() for p in saved.iterdir()}
    with pytest.raises(InputError, match="--force"):
        a_run(1.0).save(saved)
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == before
    a_run(1.0).save(saved, force=True)
    assert Run.load(saved).summary["pfs"] == 101.1 and [p.name for p in tmp_path.iterdir()] == ["case-1"]


def test_force_deletes_nothing_that_no_run_wrote(saved):
    (saved / "notes.md").write_text("mine")
    with pytest.raises(InputError, match="holds what no run wrote \\(notes.md\\)"):
        a_run(1.0).save(saved, force=True)
    assert (saved / "notes.md").read_text() == "mine"
    (saved / "notes.md").unlink()
    (saved / "figures").mkdir(exist_ok=True)
    a_run(1.0).save(saved, force=True)


def test_force_replaces_run_folders_only(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for name, says in (("letters", "is no run folder"), ("file", "is no folder")):
        with pytest.raises(InputError, match=says):
            a_run().save(tmp_path / name, force=True)
    (tmp_path / "link").symlink_to(tmp_path / "letters")
    with pytest.raises(InputError, match="is no folder"):
        a_run().save(tmp_path / "link", force=True)
    assert (tmp_path / "letters" / "dear.txt").read_text() == "x"


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "r").mkdir()
    assert Run.load(a_run().save(tmp_path / "r"))


# --- whole or not at all ------------------------------------------------------------


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "replace", "mkdir"])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_of_any_write_leaves_no_half_run(tmp_path, monkeypatch, call, existing):
    folder = tmp_path / "r"
    if existing:
        a_run().save(folder)
    failures = 0
    for n in range(1, 40):
        real = os.fsync if call == "write" else getattr(os, call)
        count = [0]

        def fail(*args, real=real, count=count, n=n, **more):
            count[0] += 1
            if count[0] == n:
                raise OSError(28, "No space left on device", "disk")
            return real(*args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync" if call == "write" else call, fail)
            try:
                a_run(1.0).save(folder, force=True)
            except OSError as error:
                failures += 1
                assert "No space left on device" in str(error) and "bytes needed" in str(error)
            else:
                if count[0] < n:
                    break
                assert call == "mkdir"  # that of a parent that exists already
        if existing or folder.exists():
            assert Run.load(folder).summary["pfs"] in (100.1, 101.1)
    assert failures >= 1 and Run.load(folder).summary["pfs"] == 101.1
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_a_run_that_came_to_the_folder_meanwhile_stays(tmp_path, monkeypatch):
    from tme_sim import results

    real = results.write_file

    def slow(path, content):
        if Path(path).name == "manifest.json":  # the other run ends while this one is being written
            monkeypatch.setattr(results, "write_file", real)
            a_run(1.0).save(tmp_path / "r")
        real(path, content)

    monkeypatch.setattr(results, "write_file", slow)
    with pytest.raises(InputError, match="exists; choose another --out"):
        a_run().save(tmp_path / "r")
    assert Run.load(tmp_path / "r").summary["pfs"] == 101.1 and [p.name for p in tmp_path.iterdir()] == ["r"]


KILLED = """
import sys
print("ready", flush=True)
n = 0
while True:
    n += 1
    base.summary = {"n": n}
    base.save(sys.argv[1], force=True)
"""


def kill_while_writing(tmp_path, rounds, seed):
    chance = random.Random(seed)
    for number in range(rounds):
        folder = tmp_path / f"r{number}"
        command = [sys.executable, "-c", RUN + KILLED, str(folder)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.005, 0.25))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        if folder.exists():
            assert Run.load(folder).summary["n"] >= 1
        for left in tmp_path.iterdir():  # what a kill leaves is recognisable and is never taken for a run
            if left.name.endswith(".incomplete") and not (left / "manifest.json").exists():
                with pytest.raises(InputError):
                    Run.load(left)


def test_kill_while_writing_leaves_whole_folders_or_none(tmp_path):
    kill_while_writing(tmp_path, 5, 1)


@pytest.mark.slow
def test_fifty_kills_while_writing(tmp_path):
    kill_while_writing(tmp_path, 50, 2)


# --- read without trust ------------------------------------------------------------


@pytest.mark.parametrize("name", results.DETERMINISTIC)
def test_a_cut_missing_or_changed_file_is_recognised(saved, name):
    path = saved / name
    content = path.read_bytes()
    for changed, says in ((content[:-1], "were written"), (b"X" + content[1:], "was changed"), (None, "incomplete")):
        path.unlink() if changed is None else path.write_bytes(changed)
        with pytest.raises(InputError, match=says):
            Run.load(saved)
        path.write_bytes(content)
    assert Run.load(saved)


def test_single_flipped_bits_are_never_silent(saved):
    chance = random.Random(3)
    for _ in range(200):
        path = saved / chance.choice(results.DETERMINISTIC)
        content = bytearray(path.read_bytes())
        at = chance.randrange(len(content))
        content[at] ^= 1 << chance.randrange(8)
        whole = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(InputError):
            Run.load(saved)
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is an incomplete run folder"), (b"{", "is damaged"), (b"[]", "is no manifest"), (b"\xff", "is damaged"),
        (b'{"files": {}, "format": 99}', "is of format 99"), (b"[" * 100_000, "is damaged"),
        (b'{"files": {}, "format": 1, "status": "failed", "message": "why"}', "holds a failed run: why"),
    ],
)  # fmt: skip
def test_manifests_that_are_none(saved, content, says):
    path = saved / "manifest.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        Run.load(saved)


def test_folders_that_are_no_runs(tmp_path):
    (tmp_path / "empty").mkdir()
    for path, says in ((tmp_path / "empty", "is no run folder"), (tmp_path / "none", "there is no such run folder")):
        with pytest.raises(InputError, match=says):
            Run.load(path)
