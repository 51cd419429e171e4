"""What a study will take is told before it runs: runs, time, disk, what is compiled first."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.study.study_toys import HEAD, MDSC, call, study
from tme_sim.diagnostics import InputError
from tme_sim.study import run_study


def test_a_large_design_shows_its_estimate_and_asks(toy, tmp_path):
    toy.write_text(HEAD + '[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\n[design]\nkind = "sobol"\nn = 30000\n')
    done = call("sweep", toy, "--out", tmp_path / "s")
    assert done.exit_code == 2 and "30000 runs, about" in done.output and "--yes" in done.output
    assert not (tmp_path / "s").exists()
    with pytest.raises(InputError, match="is large: 30000 runs"):
        run_study(study(toy.read_text().removeprefix(HEAD)), tmp_path / "s")


def test_a_huge_design_is_estimated_before_its_runs_are_planned(toy, tmp_path, monkeypatch):
    from tme_sim.study import expected
    from tme_sim.study.definition import Study

    monkeypatch.setattr(expected, "UNPLANNED", 1000)
    monkeypatch.setattr(Study, "keys", property(lambda study: pytest.fail("was planned")))
    toy.write_text(HEAD + '[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\n[design]\nkind = "sobol"\nn = 30000\n')
    done = call("sweep", toy, "--out", tmp_path / "s")
    assert done.exit_code == 2 and "at most 30000 runs, about" in done.output and "--yes" in done.output
    assert not (tmp_path / "s").exists()
    assert call("sweep", toy, "--out", tmp_path / "s", "--dry-run").exit_code == 0


def test_an_estimate_loads_no_engine_which_would_be_compiled_before_a_word(toy):
    code = ("import sys; from tme_sim.study import load_study; from tme_sim.study.expected import estimate; "
            "print(estimate(load_study(sys.argv[1]), 'nowhere', 1, compiling=True)); "
            "import tme_sim.study.execute, tme_sim.findings.drive, tme_sim.findings.told; "
            "print([m for m in sys.modules if m.startswith('tme_sim.engine.integ')])")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, toy], capture_output=True, text=True, check=True)
    assert " runs, about " in done.stdout and done.stdout.endswith("[]\n")


def test_a_disk_that_is_too_small_is_told_with_the_repair(toy, tmp_path, monkeypatch):
    from tme_sim.study import expected

    monkeypatch.setattr(expected, "_free", lambda path: 1500)
    done = call("sweep", toy, "--out", tmp_path / "s", "--jobs", 2)
    assert done.exit_code == 2 and "2 runs, about 4 s on 2 processes and 2 kB, but only 2 kB are free" in done.output
    assert "this is more than the disk holds: free some space" in done.output and not (tmp_path / "s").exists()


def test_the_estimate_tells_what_is_compiled_first_where_it_is_not_there(whole, toy, tmp_path, monkeypatch):
    def said(text):
        toy.write_text(text)
        return call("sweep", toy, "--out", tmp_path / "s", "--dry-run").output

    assert "compile" not in said(HEAD + MDSC)  # what `whole` has run
    monkeypatch.setenv("TME_SIM_CACHE", str(tmp_path))
    assert "first, once, to compile 1 model, about 30 s" in said(HEAD + MDSC)
    cells = HEAD.replace("configs/emerald1.toml", "configs/agents_emerald1.toml") + MDSC
    assert "first, once, to compile 1 model and the laws of single cells, about" in said(cells)
