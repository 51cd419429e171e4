"""Figures of a run: which are written, what they carry, and that drawing them needs no engine."""

import subprocess
import sys
from pathlib import Path

import pytest

from plots.plotted import (
    NAMES,
    a_run,
)
from tme_sim.diagnostics import InputError
from tme_sim.plots import draw_run, run_figures, save_figure
from tme_sim.results import Run


def test_every_figure_is_written_and_none_is_blank(tmp_path):
    from matplotlib.image import imread

    folder = a_run().save(tmp_path / "case-1")
    paths = draw_run(folder)
    assert [p.name for p in paths] == [f"{n}.png" for n in NAMES] and all(p.parent == folder / "figures" for p in paths)
    for path in paths:
        picture = imread(path)[:, :, :3]
        assert picture.shape[1] == 1417 and picture.shape[0] < 0.97 * 1417 / 180 * 257, "fits a column and a page"
        inked = (picture.min(axis=2) < 0.9).mean()
        assert 0.02 < inked < 0.6, f"{path.name}: {inked:.1%} of it is inked"
    assert Run.load(folder).summary == {}, "the record itself is as it was"


def test_a_picture_carries_its_question_and_caption(tmp_path, figures):
    from PIL import Image

    path = save_figure(figures["drugs"], tmp_path / "x.png", "a question", "a caption")
    assert Image.open(path).text == {**Image.open(path).text, "Title": "a question", "Description": "a caption"}


def test_drawing_again_removes_what_no_longer_applies(tmp_path):
    folder = a_run(days=60, tace=(), drugs=False).save(tmp_path / "case-1")
    (folder / "figures").mkdir()
    (folder / "figures" / "drugs.png").write_bytes(b"old")
    (folder / "figures" / "mine.png").write_bytes(b"kept")
    names = {p.name for p in draw_run(folder)}
    assert "drugs.png" not in names and not (folder / "figures" / "drugs.png").exists()
    assert (folder / "figures" / "mine.png").read_bytes() == b"kept"


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no run folder"):
        draw_run(tmp_path)
    assert not (tmp_path / "figures").exists()


def test_figures_are_chosen_by_name():
    assert list(run_figures(a_run(days=60), ["drugs"])) == ["drugs"]
    with pytest.raises(ValueError, match="drugs"):
        run_figures(a_run(days=60), ["drug"])


ALONE = """
import sys
import tme_sim.plots
assert "matplotlib" not in sys.modules, "matplotlib is imported before anything is drawn"
import matplotlib
before = matplotlib.rcParams.copy()  # reading "backend" itself would import pyplot
sys.path.insert(0, sys.argv[1])
from pathlib import Path
tme_sim.plots.draw_run(sys.argv[2])
assert matplotlib.rcParams.copy() == before
for module in ("matplotlib.pyplot", "numba", "tme_sim.engine", "tme_sim.compiler", "tme_sim.simulation"):
    assert module not in sys.modules, module
"""


def test_figures_need_neither_pyplot_nor_the_engine(tmp_path):
    folder = a_run(days=60).save(tmp_path / "case-1")
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path), str(folder)], capture_output=True, text=True, cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stderr


def test_the_same_run_gives_the_same_picture(tmp_path):
    one, two = (
        save_figure(run_figures(a_run(days=60), ["drugs"])["drugs"], tmp_path / f"{n}.png").read_bytes() for n in "ab"
    )
    assert one == two
