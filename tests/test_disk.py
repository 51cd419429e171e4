"""Files that appear whole or not at all, and names that stay in their folder."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tme_sim.diagnostics import InputError
from tme_sim.disk import free_folder, inside, safe_name, write_file


@given(st.text(max_size=80))
@settings(max_examples=500, deadline=None)
def test_a_name_is_safe_or_refused(tmp_path_factory, name):
    parent = tmp_path_factory.getbasetemp() / "runs"
    parent.mkdir(exist_ok=True)
    try:
        path = inside(parent, name)
    except InputError:
        return
    assert path.resolve().parent == parent.resolve() and len(name) <= 64 and name.isascii() and "/" not in name


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../x", "a\0", "x" * 65, "a b", "ä", "/etc", "a\n"])
def test_names_that_could_leave_their_folder_are_refused(name):
    with pytest.raises(InputError):
        safe_name(name)


def test_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out"):
        inside(tmp_path / "runs", "out")


def test_the_next_free_folder(tmp_path):
    assert free_folder(tmp_path / "runs", "case").name == "case-1"
    for n in ("case-1", "case-7", "case-x", "other-9"):
        (tmp_path / n).mkdir()
    assert free_folder(tmp_path, "case").name == "case-8"


def test_a_single_file_appears_whole_and_private_temporaries_vanish(tmp_path, monkeypatch):
    write_file(tmp_path / "f", b"one")

    def fail(*args):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(os, "replace", fail)
        write_file(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"one" and [p.name for p in tmp_path.iterdir()] == ["f"]
