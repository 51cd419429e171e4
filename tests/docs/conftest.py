"""Pages executed once for all tests of this folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.shown import Page, execute


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Pages executed once, when first asked for."""
    done: dict[str, Page] = {}

    def get(name):
        if name not in done:
            folder, before = tmp_path_factory.mktemp(Path(name).stem), os.getcwd()
            os.chdir(folder)
            try:
                done[name] = execute(name, folder)
            finally:
                os.chdir(before)
        return done[name]

    return get
