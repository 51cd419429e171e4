"""A small set of mechanisms for tests of scenarios and the command line."""

from functools import lru_cache

from tme_sim.catalogue import catalogue_of
from tme_sim.network import Hypothesis, Mechanism, Modulation, Species, decay
from tme_sim.quantities import Parameter
from tme_sim.therapies.library import Library


def _rate(k_loss):
    return k_loss


def _factor(VEGF):
    return VEGF


def mechanism():
    """A mechanism with a state, an arrow, a hypothesis and parameters of body and lesion."""
    return Mechanism(
        name="signals",
        text="Signals of a toy.\n\nBiology.  None.",
        parameters=(
            Parameter("k_loss", 2.0, "1/day", "toy", "low", 1.0, 4.0, "loss of VEGF"),
            Parameter("share_free", 0.5, "1", "toy", "assumed", 0.2, 1.0, "free share"),
            Parameter("shift", 0.0, "1", "toy", "assumed", -1.0, 0.9, ""),
        ),
        lesion_parameters=(
            Parameter("diameter", 50.0, "mm", "toy", "medium", 5.0, 150.0, ""),
            Parameter("doubling_time", 160.0, "day", "toy", "high", 11.0, 851.0, ""),
        ),
        species=(Species("VEGF", "ng/mL", "VEGF"),),
        processes=(decay("vegf_loss", "VEGF", _rate, "loss of VEGF"),),
        modulations=(Modulation("vegf_on_itself", "vegf_loss", _factor, "VEGF -> loss"),),
        hypotheses=(Hypothesis("vegf.loss", "fast", "fast loss", "toy"),),
    )


@lru_cache(maxsize=1)
def toy_catalogue():
    """The toy mechanism with the shipped drugs."""
    return catalogue_of([mechanism()], Library())
