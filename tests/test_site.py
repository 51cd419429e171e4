"""The check of a built site, and the places of evidence on its model pages; the site itself is built by `make docs`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def tool(name):
    """A module of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<a href="b.html">b</a><a href="b.html#place">p</a><a href="https://doi.org/10.1/2">doi</a><p id="here">', ""),
        ('<a href="c.html">c</a>', "c.html leads nowhere"),
        ('<a href="b.html#gone">c</a>', "b.html#gone has no such place"),
        ('<a href="#gone">c</a>', "#gone has no such place"),
        ('<script src="https://cdn.example/mathjax.js"></script>', "loads https://cdn.example/mathjax.js"),
        ('<img src="//cdn.example/x.png">', "loads //cdn.example/x.png"),
        ('<link rel="stylesheet" href="gone.css">', "gone.css leads nowhere"),
    ],
)
def test_links_that_lead_nowhere_and_things_from_elsewhere_are_found(body, told, tmp_path):
    (tmp_path / "a.html").write_text(body)
    (tmp_path / "b.html").write_text('<p id="place">')
    found = tool("check_site").check(tmp_path)
    assert [line.partition(": ")[2] for line in found] == ([told] if told else [])


def test_an_empty_site_is_no_site(tmp_path):
    assert tool("check_site").check(tmp_path) == [f"{tmp_path}: holds no page"]


def test_every_experiment_of_the_board_stands_on_the_page_of_a_mechanism():
    from tests.evidence.rows import ROWS
    from tme_sim.catalogue import load_catalogue

    board, known = tool("board"), set(load_catalogue().mechanisms) | {"tace", "drug_effects"}
    assert {row.experiment for row in ROWS} == set(board.PLACES)
    assert {name for places in board.PLACES.values() for name in places} <= known
    text = board.section("purinergic")
    assert "| Hypoxic tumours hold more MDSC because of AMP" in text
    assert "No row of the" in board.section("closure")


def test_words_of_a_mechanism_are_markdown_and_lists_of_the_makefile_check_the_site():
    from tme_sim.export.equations import prose

    text = prose("Head.\n\nBiology.  Cells of :mod:`tme_sim.laws` live.\n\nNot included.  Death.")
    assert text == "Head.\n\n**Biology.** Cells of `tme_sim.laws` live.\n\n**Not included.** Death."
    assert "check_site.py docs/_build/html" in (DOCS.parent / "Makefile").read_text()
