"""Snapshots and film of a run with agent tissue: written, read back, drawn; bad input told."""

import numpy as np
import pytest
from click.testing import CliRunner
from tissue.test_piece import TEXT

from tme_sim.cli import cli
from tme_sim.diagnostics import InputError
from tme_sim.scenario import Scenario
from tme_sim.simulation import simulate
from tme_sim.tissue.snapshots import film_of, snapshots_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder with two snapshots and a film of two frames."""
    run = simulate(Scenario.from_text(TEXT, changes=["piece.film_every=1 day", "run.duration=1 day"]))
    return run.save(tmp_path_factory.mktemp("runs") / "small")


def invoke(*words):
    return CliRunner().invoke(cli, [str(w) for w in words])


def test_snapshots_tell_day_cells_and_units(folder):
    before, after = snapshots_of(folder)
    assert (before.label, after.label) == ("before TACE", "day 1 after TACE")
    assert before.shape == (1, 15, 15) and before.edge == 20.0
    assert before.arrays["occluded"].sum() == 0 < after.arrays["occluded"].sum()
    assert before.is_kind("necrotic").sum() < after.is_kind("necrotic").sum()
    assert before.arrays["oxygen"].dtype == np.float32


def test_film_frames_hold_what_snapshots_hold(folder):
    frames, (_, last) = film_of(folder), snapshots_of(folder)
    assert [f.day for f in frames] == [0.0, 1.0]
    for name in ("cell", "vessel", "occluded", "flowing"):
        assert np.array_equal(frames[-1].arrays[name], last.arrays[name])
    assert np.array_equal(np.sort(frames[-1].immune, axis=0), np.sort(last.immune, axis=0))
    assert np.abs(frames[-1].arrays["oxygen"] - last.arrays["oxygen"]).max() <= 0.2501


def test_commands_draw_a_sheet_and_a_film(folder, tmp_path):
    from PIL import Image

    sheet, film = tmp_path / "sheet.png", tmp_path / "film.gif"
    done = invoke("snapshot", folder, "--out", sheet, "--show", "cells", "--show", "perfusion", "--show", "doxorubicin")
    assert done.exit_code == 0, done.output
    assert Image.open(sheet).size[0] > 500
    done = invoke("movie", folder, "--out", film)
    assert done.exit_code == 0, done.output
    assert Image.open(film).n_frames == 2


@pytest.mark.parametrize(("words", "told"), [
    (("snapshot", "--show", "oxigen"), 'did you mean "oxygen"'),
    (("snapshot", "--show", "zzz"), "there are cells, oxygen"),
    (("snapshot", "--day", "nan"), "finite"),
    (("snapshot", "--out", "x.jpeg"), "must end in"),
    (("movie", "--out", "x.avi"), "must end in"),
])  # fmt: skip
def test_bad_input_is_told_and_nothing_is_written(folder, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    done = invoke(words[0], folder, *words[1:])
    assert done.exit_code == 2 and told in done.output
    assert not list(tmp_path.iterdir())


def test_summary_and_figures_tell_the_measures(folder):
    import json

    from tme_sim.plots import draw_run
    from tme_sim.tissue.measures import WORDS

    told = json.loads((folder / "summary.json").read_text())["tissue"]
    assert set(told) == {"before TACE", "day 1 after TACE"}
    before, after = told["before TACE"], told["day 1 after TACE"]
    assert set(WORDS) < set(before) and after["open_vessels"] < before["open_vessels"] - 0.2
    assert {"tissue.png", "tissue_measures.png"} <= {p.name for p in draw_run(folder)}


def test_changed_snapshot_is_named(folder):
    path = next((folder / "snapshots").glob("01_*.npz"))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    with pytest.raises(InputError, match="was changed after the run"):
        snapshots_of(folder)
    path.write_bytes(content)
    (folder / "snapshots" / "film.npz").rename(folder / "film.kept")
    with pytest.raises(InputError, match="is missing"):
        film_of(folder)
    (folder / "film.kept").rename(folder / "snapshots" / "film.npz")
