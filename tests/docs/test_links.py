"""Links, paths and lists of pages lead somewhere; decisions and versions are explained."""

from __future__ import annotations

import re

import pytest

from tests.docs.shown import PAGES, ROOT, TUTORIALS

ALL_PAGES = (
    *PAGES,
    *TUTORIALS,
    "docs/credibility.md",
    "docs/decisions.md",
    "docs/index.md",
    "CHANGELOG.md",
    "docs/endpoints.md",
    "docs/evidence.md",
    "docs/gallery.md",
    "docs/report.md",
    *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs/adr").glob("*.md")),
)


@pytest.mark.parametrize("name", ALL_PAGES)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text()):
        if not target.startswith(("http", "#", "model/")):  # docs/conf.py writes model/
            assert ((ROOT / name).parent / target.partition("#")[0]).exists(), target


def test_paths_named_in_tables_exist():
    for name in ("README.md", "CONTRIBUTING.md"):
        for path in re.findall(
            r"`((?:src|configs|docs|tests|experiments|requirements)/[\w./]*)`", (ROOT / name).read_text()
        ):
            if "NAME" not in path:
                assert (ROOT / path).exists(), path


def test_the_site_lists_every_page_that_is_written_by_hand():
    """A page that no table of contents names would be built and never found."""
    listed = set()
    for page in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs/tutorials").glob("*.md")]:
        for block in re.findall(r"^```{toctree}\n(.*?)^```", page.read_text(), re.M | re.S):
            listed |= {line for line in block.splitlines() if line and not line.startswith(":")}
    made = {"contributing", "changes", "model/index"}  # by docs/conf.py
    by_hand = {str(p.relative_to(ROOT / "docs").with_suffix("")) for p in (ROOT / "docs").rglob("*.md")}
    by_hand = {p for p in by_hand if not p.startswith(("_build/", "adr/", "model/")) and p != "index"}
    assert by_hand - made == listed - made - {"adr/*"}, "docs/index.md"


def test_every_decision_has_its_four_parts_and_a_number():
    pages_ = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [p.name[:4] for p in pages_] == [f"{i:04d}" for i in range(1, len(pages_) + 1)]
    for page in pages_:
        assert re.findall(r"^## (.*)$", page.read_text(), re.M) == [
            "Context",
            "Decision",
            "Consequences",
            "Measured",
        ], page


def test_the_numerics_version_is_explained():
    import tme_sim

    text = (ROOT / "CHANGELOG.md").read_text()
    assert f"Numerics version {tme_sim.__numerics__}:" in text and "### Changes results" in text
