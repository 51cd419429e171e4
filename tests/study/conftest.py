"""A finished study and the file of a small one, for the tests of studies."""

from __future__ import annotations

import pytest

from tests.study.study_toys import HEAD, MDSC, SIX, study
from tme_sim.study import run_study


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A finished store of six points, and its table."""
    made = study(SIX)
    with run_study(made, tmp_path_factory.mktemp("whole") / "s", jobs=0) as store:
        yield made, store, store.table(made)


@pytest.fixture
def toy(tmp_path):
    """The file of a study of two points."""
    path = tmp_path / "study.toml"
    path.write_text(HEAD + MDSC)
    return path
