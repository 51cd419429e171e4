"""Tables of the pages list what there is: endpoints, mechanisms, files of a run, keys of a scenario."""

from __future__ import annotations

import json
import re

import pytest

from tests.docs.keys import key_table, keys_in
from tests.docs.shown import ROOT


def endpoint_names(days):
    """Names of the table in docs/endpoints.md, `_dN` written out for `days`."""
    names = set()
    for line in (ROOT / "docs/endpoints.md").read_text().splitlines():
        if line.startswith("| `"):
            for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
                names |= {name[:-1] + str(day) for day in days} if name.endswith("_dN") else {name}
    return names


@pytest.mark.parametrize("months", [24, 4])
def test_the_table_of_endpoints_is_that_of_a_real_run(months, pages):
    from tme_sim.observe import LANDMARKS
    from tme_sim.results import Run
    from tme_sim.scenario import Scenario

    page = pages("README.md")
    if months == 24:
        summary = json.loads((page.folder / "runs/trial_order/summary.json").read_text())
    else:
        summary = page.names["simulate"](
            Scenario.load(page.folder / "configs/emerald1.toml", {"run.duration": f"{months} months"})
        ).summary
    covered = [day for day in LANDMARKS if day <= months * 30.4375]
    assert set(summary) == endpoint_names(covered)
    assert Run.load(page.folder / "runs/trial_order").summary["n_tace"] == 2


def test_the_readme_lists_every_mechanism():
    from tme_sim.catalogue import load_catalogue

    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), re.M)
    assert rows == list(load_catalogue().mechanisms)


def test_the_run_folder_is_as_described(pages):
    page = pages("README.md")
    rows = re.findall(r"^\| `([^`]+)` \| .* \| (yes|no) \|$", (ROOT / "docs/files.md").read_text(), re.M)
    from tme_sim.results import DETERMINISTIC

    assert {n for n, same in rows if same == "yes"} == set(DETERMINISTIC)
    assert {p.name for p in (page.folder / "runs/trial_order").iterdir()} == {n for n, _ in rows if "/" not in n}


def test_the_table_of_scenario_keys_is_that_of_the_schema():
    text = (ROOT / "docs/files.md").read_text()
    start, end = keys_in(text)
    assert text[start:end] == key_table(), "python -m tests.docs"
