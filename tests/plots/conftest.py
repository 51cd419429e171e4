"""Figures that several tests look at."""

import pytest

from plots.plotted import a_run
from tme_sim.plots import run_figures


@pytest.fixture(scope="package")
def figures():
    return run_figures(a_run())
