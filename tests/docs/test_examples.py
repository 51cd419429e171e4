"""The worked examples of README.md and the tutorials do what their pages say they do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.shown import BLOCK, PAGES, ROOT, TUTORIALS


def test_five_lines_of_python(pages):
    page = pages("README.md")
    body = next(b for lang, info, b in BLOCK.findall((ROOT / "README.md").read_text()) if lang == "python")
    assert len([line for line in body.splitlines() if line]) <= 5
    table, data = page.names["table"], page.names["data"]
    assert table.attrs["units"]["MDSC.1"] == "cell/mm^3" and table.index[-1] == 730.0
    assert data["MDSC.1"].attrs == {"units": "cell/mm^3", "long_name": "suppressor cells in tumour"}
    assert "cell/mm^3" in page.printed[0]


def test_a_mechanism_in_one_file(pages):
    """The file of the page adds a state, processes and an arrow, changes a run, and does nothing once its arrow is cut."""
    import numpy as np

    from tme_sim.results import Run
    from tme_sim.scenario import Scenario

    page = pages("docs/tutorials/mechanism.md")
    with_, without = Run.load(page.folder / "runs/lactate"), Run.load(page.folder / "runs/no_effect")
    alone = page.names["simulate"](Scenario.load(page.folder / "configs/emerald1.toml"))
    assert "lactate" in with_ and "lactate" not in alone and with_.units["lactate.1"] == "mmol/L"
    first, rise = with_["lactate"][0], with_["lactate"].max()
    assert rise > 1.1 * first  # occlusion: more is made, less washed away; but few cells are left to make it
    reach = {
        name: np.abs(without[name] - alone[name]).max() / np.abs(alone[name]).max() for name in ("CD8", "viable_cells")
    }
    assert max(reach.values()) < 1e-3  # another grid of steps, the same biology
    assert abs(with_["viable_cells"][-1] / without["viable_cells"][-1] - 1) > 0.02
    assert with_.manifest["model_digest"] == without.manifest["model_digest"]  # a gain is no new structure
    assert {"name": "K_lactate", "grade": "low"}.items() <= next(
        s for s in with_.manifest["sources"] if s["name"] == "K_lactate"
    ).items()


def test_a_mechanism_of_ones_own_rests_untreated(pages):
    from tme_sim.scenario import Scenario

    page = pages("docs/tutorials/mechanism.md")
    changes = {"run.duration": "1 day"}
    quiet = Scenario.load(page.folder / "configs/untreated.toml", changes, mechanisms=[page.folder / "my_mechanisms"])
    run = page.names["simulate"](quiet)
    assert run["lactate"][0] == pytest.approx(8.0, rel=1e-12) and run["lactate"][-1] == pytest.approx(8.0, rel=2e-3)


def test_a_mechanism_with_a_mistake_is_refused_with_the_repair(pages, tmp_path):
    from tme_sim.catalogue import discover_mechanisms
    from tme_sim.compiler.unitcheck import check
    from tme_sim.network import NetworkError, compose

    text = (pages("docs/tutorials/mechanism.md").folder / "my_mechanisms/lactate.py").read_text()
    for i, (old, new, told) in enumerate(
        (
            ("k_lactate, perfusion)", "k_lactate, perfusoin)", 'did you mean "perfusion"'),
            ('"nmol/cell/day"', '"nmol/day"', "make_lactate"),
        )
    ):
        folder = tmp_path / str(i)
        folder.mkdir()
        (folder / "lactate.py").write_text(
            text.replace(old, new).replace("* perfusion\n", f"* {'perfusoin' if i == 0 else 'perfusion'}\n")
        )
        with pytest.raises(NetworkError, match=re.escape(told)):
            check(compose(discover_mechanisms([folder])))


def test_a_drug_in_one_file(pages):
    from dataclasses import replace

    from tme_sim.results import Run
    from tme_sim.scenario import Scenario
    from tme_sim.therapies.exposure import computed
    from tme_sim.therapies.library import Library

    page = pages("docs/tutorials/drug.md")
    drug, run = page.names["drug"], page.names["run"]
    assert "tislelizumab" not in Library().names() and drug.slot == "pd1"
    for row in drug.published:
        assert abs(computed(drug, row) / row.value.value - 1) <= row.tolerance, row.quantity
    for factor in (1 / 1.6, 1.6):
        clearance = replace(drug.disposition["CL"], value=factor * drug.disposition["CL"].value, low=0.0, high=1.0)
        wrong = replace(drug, disposition={**drug.disposition, "CL": clearance})
        assert any(abs(computed(wrong, row) / row.value.value - 1) > row.tolerance for row in drug.published)
    before, after = (run["pd1_plasma"][abs(run.time - day).argmin()] for day in (6, 8))
    assert before == 0.0 and 50 < after < 78  # mg/L; the first dose is on day 7
    assert run["pd1_engaged"].max() > 0.9
    text = (page.folder / "tace_tislelizumab.toml").read_text()
    other = Scenario.from_text(re.sub(r'drug = "tislelizumab"', 'drug = "pembrolizumab"', text))
    assert (
        run.manifest["model_digest"] == page.names["simulate"](other).manifest["model_digest"]
    )  # a drug is no structure
    assert isinstance(run, Run)


def test_a_scenario_with_an_unknown_drug_names_the_library():
    from tme_sim.diagnostics import InputError
    from tme_sim.scenario import Scenario

    page = (ROOT / "docs/tutorials/drug.md").read_text()
    text = next(b for _, i, b in BLOCK.findall(page) if i == "tace_tislelizumab.toml")
    with pytest.raises(InputError, match="tislelizumab"):
        Scenario.from_text(text)


def test_all_seven_tutorials_are_executed():
    asked = {"first_run", "own_protocol", "mechanism", "drug", "timing_study", "virtual_trial", "agent_snapshots"}
    assert {path.stem for path in (ROOT / "docs/tutorials").glob("*.md")} == asked
    assert {Path(name).stem for name in (*PAGES, *TUTORIALS) if "tutorials" in name} == asked
    for name in (*PAGES, *TUTORIALS):
        if "tutorials" in name:
            text = (ROOT / name).read_text()
            assert re.search(r"^\$ tme-sim ", text, re.M) or "```python\n" in text, name
