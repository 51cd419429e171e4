"""The gallery: small pictures of every kind of figure, which one command makes again."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from tests.docs.shown import ROOT


def test_pictures_are_small():
    for picture in (ROOT / "docs/images").iterdir():
        assert picture.suffix == ".png" and picture.stat().st_size < 300_000, picture


@pytest.fixture(scope="module")
def pictures():
    """docs/pictures, which makes the pictures of the gallery."""
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs/pictures/__main__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def test_one_command_makes_every_picture_of_the_gallery_again(pictures):
    page = (ROOT / "docs/gallery.md").read_text()
    made = [name for step in pictures.STEPS.values() for name in step.shown]
    assert sorted(made) == sorted(set(re.findall(r"\]\(images/(\w+)\.png\)", page)))
    for name in made:
        width = int.from_bytes((ROOT / f"docs/images/{name}.png").read_bytes()[16:20], "big")
        assert width == pictures.NARROWER.get(name, pictures.WIDE) or name == "trial_conversion", name
    for step in pictures.STEPS.values():
        for word in (word for command in step.commands for word in command if word.startswith(str(ROOT))):
            assert Path(word).exists(), word
    for line in re.findall(r"^tme-sim (.*)$", page, re.M):
        alike = [c for s in pictures.STEPS.values() for c in s.commands if c[0] == line.split()[0]]
        assert alike or line.split()[0] in ("explore", "surface"), line


@pytest.mark.slow
def test_a_picture_is_made_again_within_its_size(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "IMAGES", tmp_path)
    pictures.make("calendar", tmp_path / "work")
    one = (tmp_path / "calendar.png").read_bytes()
    assert int.from_bytes(one[16:20], "big") == 1200 and len(one) < pictures.LARGEST


def test_the_gallery_shows_every_kind_of_figure():
    """A figure that is added to a trial, a finding or a run has to be shown, and what is shown is there."""
    page = (ROOT / "docs/gallery.md").read_text()
    shown = set(re.findall(r"\]\(images/(\w+)\.png\)", page))
    assert all((ROOT / f"docs/images/{name}.png").is_file() for name in shown)
    source = ROOT / "src/tme_sim"
    trial = re.findall(r'out\["(\w+)"\] = |^ +"(\w+)": \w+_figure\(', (source / "plots/trial.py").read_text(), re.M)
    assert {f"trial_{one or other}" for one, other in trial} == {n for n in shown if n.startswith("trial_")}
    kinds = {"surface": "surface", "bars": "prcc", "tornado": "tornado", "morris": "morris", "scan": "scans", "flips": "flips",
             "knockouts": "arrows", "arms": "card_arms", "differences": "card_differences"}  # fmt: skip
    assert set(re.findall(r"^def (\w+)_figure\(", (source / "findings/draw.py").read_text(), re.M)) == set(kinds)
    assert set(kinds.values()) <= shown
    forms = {"_maps": "sweep", "_lines": "study_line", "_ranked": "study_ranked", "_strips": "study_strips"}
    assert set(re.findall(r"return (?:own|view), (_\w+), ", (source / "plots/study.py").read_text())) == set(forms)
    assert set(forms.values()) <= shown
    from tme_sim.plots.figures import FIGURES

    runs = {"calendar_and_lesion": "emerald1_lesion", "oxygen_hif_vegf_vessels": "run_oxygen", "drugs": "run_drugs",
            "mdsc_and_suppression": "run_suppression", "priming_and_tcells": "run_tcells",
            "liver_and_markers": "run_liver"}  # fmt: skip
    assert {f.name for f in FIGURES} == set(runs)
    assert set(runs.values()) <= shown
