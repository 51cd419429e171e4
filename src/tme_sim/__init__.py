"""Simulator of the tumour microenvironment of hepatocellular carcinoma under locoregional and systemic treatment.

Five lines of Python::

    from tme_sim import Scenario, simulate

    scenario = Scenario.load("configs/emerald1.toml")
    run = simulate(scenario)
    print(run.summary["best_response_mrecist"], run["viable_cells"][-1])
    run.save("runs/first")
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__numerics__ = 3  # raised with every change of results, together with a line under "Changes results" in the changelog

__all__ = ["Run", "Scenario", "simulate"]

if TYPE_CHECKING:
    from tme_sim.results import Run
    from tme_sim.scenario import Scenario
    from tme_sim.simulation import simulate

_HOMES = {"Run": "tme_sim.results", "Scenario": "tme_sim.scenario", "simulate": "tme_sim.simulation"}


def __getattr__(name):
    """Load the public names when they are first used, so that `import tme_sim` stays cheap."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tme_sim' has no attribute {name!r}")
