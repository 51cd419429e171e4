"""The ODD description holds what the protocol asks for, and every state and process of the network."""

import pytest

from export.sources import toy_model, toy_source
from tme_sim.export import export
from tme_sim.export.equations import mechanism_pages
from tme_sim.export.odd import odd_document

HEADINGS = ["Purpose and patterns", "Entities, state variables and scales", "Process overview and scheduling",
            "Design concepts", "Initialisation", "Input data", "Submodels"]


@pytest.fixture(scope="module")
def source():
    return toy_source(toy_model(1))


def test_seven_parts_in_the_order_of_the_protocol(source):
    text = odd_document(source.network, source)
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == HEADINGS


def test_every_state_process_and_solved_parameter_is_in_it(source):
    text = odd_document(source.network, source)
    names = [*(s.name for s in source.network.species), *(p.name for p in source.network.processes),
             *(b.parameter for b in source.network.balances)]
    assert names and not [name for name in names if f"`{name}`" not in text]


def test_it_is_written_like_any_export(source, tmp_path):
    export("odd", source, tmp_path / "odd.md")
    assert (tmp_path / "odd.md").read_text().startswith("# ODD description of ")


def test_a_page_for_each_mechanism_with_its_own_headings(source):
    pages = mechanism_pages(source.network)
    assert list(pages) == [m.name for m in source.network.mechanisms]
    for name, text in pages.items():
        assert text.startswith(f"# {name}\n") and "\n### " not in text and f"\n## Processes of {name}" in text
