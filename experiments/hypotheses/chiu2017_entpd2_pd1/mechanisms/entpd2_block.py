"""An inhibitor of ENTPD2, from the first day of the run on.

Biology.  Chiu 2017 gave mice with hepatoma inhibitors of ENTPD2 (DOI 10.1038/s41467-017-00530-7): less tumour, and more
effect of checkpoint blockade.  No inhibitor is in clinical use and no human kinetics were found.

Simplified.  The inhibitor reaches its full level within days and stays there; it takes away `entpd2_blocked` of the
activity.  The untreated tumour is that of the other arms, because the level starts at 0.

Not included.  Kinetics, off-target block of other ecto-enzymes, effect on ENTPD2 outside the tumour.
"""

from tme_sim.network import Mechanism, Modulation, Species, arrival, decay
from tme_sim.quantities import Parameter


def rise(k_entpd2_inhibitor):
    """The inhibitor builds up towards 1."""
    return k_entpd2_inhibitor


def leave(k_entpd2_inhibitor):
    """And leaves at the same rate, so that it rests at 1."""
    return k_entpd2_inhibitor


def what_is_left(entpd2_inhibitor, entpd2_blocked):
    """Activity of ENTPD2 that the inhibitor leaves."""
    return 1 - entpd2_blocked * entpd2_inhibitor


MECHANISM = Mechanism(
    name="entpd2_block",
    text=__doc__,
    parameters=(
        Parameter("entpd2_blocked", 0.0, "1", "chosen by the study: 0 without it, 0.9 with it", "assumed", 0.0, 1.0,
                  "share of ENTPD2 activity that the inhibitor takes away"),
        Parameter("k_entpd2_inhibitor", 1.0, "1/day", "no source found; days to a steady level", "assumed", 0.3, 3.0,
                  "how fast the inhibitor reaches its level"),
    ),
    species=(
        Species("entpd2_inhibitor", "1", "ENTPD2 inhibitor, share of its full level", kind="field", initial=0.0,
                scale=0.01),
    ),
    processes=(
        arrival("entpd2_inhibitor_given", "entpd2_inhibitor", rise, "ENTPD2 inhibitor given"),
        decay("entpd2_inhibitor_lost", "entpd2_inhibitor", leave, "ENTPD2 inhibitor lost"),
    ),
    modulations=(
        Modulation("inhibitor_on_entpd2", "atp_split", what_is_left, "ENTPD2 inhibitor -> ENTPD2"),
    ),
)  # fmt: skip
