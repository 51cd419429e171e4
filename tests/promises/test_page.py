"""docs/verification.md tells the truth: every test it names exists, belongs to the pack named, and is or is not marked."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "verification.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows(text: str) -> list[tuple[str, str, list[tuple[str, str]], str]]:
    """(section, promise, tests, pack) of every row of a table with tests."""
    out, section = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:]
        cells = [c.strip() for c in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[0] not in ("promise", "---"):
            out.append((section, cells[0], TEST.findall(cells[2]), cells[3]))
    return out


@cache
def marks(path: str) -> dict[str, set[str]]:
    """Names of the marks of every test of a file."""
    out = {}
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            out[node.name] = {a.attr for d in node.decorator_list for a in ast.walk(d) if isinstance(a, ast.Attribute)}
    return out


def mistakes(text: str) -> list[str]:
    """What the page says that is not so."""
    out = []
    for section, promise, tests, pack in rows(text):
        if not tests:
            out.append(f"{promise}: no test is named")
        for path, name in tests:
            if not (ROOT / path).is_file() or name not in marks(path):
                out.append(f"{promise}: there is no {path}::{name}")
                continue
            found = marks(path)[name]
            if pack != ("verify" if "slow" in found else "test"):
                out.append(f"{promise}: {name} is not of the pack {pack}")
            if ("xfail" in found) != (section != "Kept"):
                out.append(f"{promise}: {name} stands in the wrong table")
    return out


def test_every_promise_names_tests_that_exist_in_the_pack_named():
    text = PAGE.read_text(encoding="utf-8")
    assert len(rows(text)) > 40
    assert mistakes(text) == []


def test_every_test_of_a_promise_is_on_the_page():
    named = {(path, name) for _, _, tests, _ in rows(PAGE.read_text(encoding="utf-8")) for path, name in tests}
    mine = {(f"tests/promises/{p.name}", name) for p in Path(__file__).parent.glob("test_*.py") for name in marks(f"tests/promises/{p.name}")}
    apart = {"test_page", "test_start_up"}  # about the page itself; told, not promised
    missing = {(path, name) for path, name in mine - named if Path(path).stem not in apart and name[:13] not in apart}
    assert not missing


@pytest.mark.parametrize(("old", "new"), [
    ("test_observed_order_is_five", "test_observed_order_is_six"),
    ("tests/engine/test_engine_order.py", "tests/engine/test_engine_ordre.py"),
    ("`tests/test_results.py::test_fifty_kills_while_writing` | verify", "`tests/test_results.py::test_fifty_kills_while_writing` | test"),
    ("## Kept", "## Not kept in full yet"),
    ("`tests/limits/test_corrections.py::test_tumour_free_body_rests`", ""),
])
def test_an_untrue_page_is_found(old, new):
    text = PAGE.read_text(encoding="utf-8")
    assert old in text
    changed = text.replace(old, new)
    if not new:
        changed = re.sub(r"`tests/limits/test_corrections[^|]*", "", text)
    assert mistakes(changed)
