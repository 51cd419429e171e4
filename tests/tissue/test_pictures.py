"""Snapshots and film of a run with agent tissue: written, read back, drawn; bad input told."""

import dataclasses

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
    assert (before.label, after.label) == ("before TACE", "day 0.5 after TACE")  # the end of the run
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
    assert set(told) == {"before TACE", "day 0.5 after TACE"}
    before, after = told["before TACE"], told["day 0.5 after TACE"]
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


def test_a_snapshot_of_the_day_of_a_later_session_says_so(folder):
    from tme_sim.plots.tissue import snapshot_sheet

    shots = snapshots_of(folder)
    titles = [axes.get_title() for axes in snapshot_sheet(shots, "", ("cells",), (0.5, shots[1].day)).axes]
    assert titles == ["Before TACE", "Day 0.5, after TACE 2"]
    assert snapshot_sheet(shots, "", ("cells",), (shots[1].day,)).axes[1].get_title() == "Day 0.5 after TACE"


def test_measures_of_few_places_are_not_drawn_and_treatments_have_a_key(folder):
    from tme_sim.plots.tissue_course import FEW, _drawn, measure_figure
    from tme_sim.results import Run

    frame = film_of(folder)[0]
    few = np.zeros_like(frame.arrays["cell"])
    few.flat[: FEW - 1] = frame.cell_names.index("cycling")
    scarce = dataclasses.replace(frame, arrays=frame.arrays | {"cell": few})
    assert np.isnan(_drawn("cd8_in_tumour", 5.0, scarce)) and _drawn("cd8_in_tumour", 5.0, frame) == 5.0
    assert _drawn("cd8_in_stroma", 5.0, scarce) == 5.0 and _drawn("cd8_to_tumour", 5.0, scarce) == 5.0
    texts = [t.get_text() for t in measure_figure(Run.load(folder), folder).texts]
    assert "TACE" in texts


@pytest.mark.parametrize("days", [1, 2])
@pytest.mark.parametrize("rows", [("cells",), ("cells", "oxygen", "perfusion")])
def test_words_and_keys_of_narrow_sheets_stay_on_the_paper(folder, days, rows):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from tme_sim.plots.tissue import snapshot_sheet

    title = "TACE, then durvalumab, then durvalumab with bevacizumab: cell by cell"
    figure = snapshot_sheet(snapshots_of(folder)[:days], title, rows)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    paper, drawn = figure.bbox, canvas.get_renderer()
    for one in (*figure.texts, *figure.legends):
        box = one.get_window_extent(drawn)
        assert paper.x0 <= box.x0 and box.x1 <= paper.x1 and paper.y0 <= box.y0 and box.y1 <= paper.y1, str(one)
    keys = [t.get_text() for legend in figure.legends for t in legend.get_texts()]
    assert {"cleared", "embolised", "dendritic"} <= set(keys) and len(keys) == len(set(keys))
