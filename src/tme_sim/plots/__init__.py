"""Figures: of a run, of several runs over each other, and of what moved a state.

Everything is drawn from run records on figures of their own; matplotlib is imported when something is drawn and no
global state of it is touched.
"""

from tme_sim.plots.attribution import attribution_figure, draw_attribution
from tme_sim.plots.compare import comparison_figure, draw_comparison
from tme_sim.plots.files import save_figure
from tme_sim.plots.run import draw_run, run_figures

__all__ = [
    "attribution_figure",
    "comparison_figure",
    "draw_attribution",
    "draw_comparison",
    "draw_run",
    "run_figures",
    "save_figure",
]
