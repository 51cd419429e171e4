"""Hypoxia signalling: fast HIF-1, its own brake, and the sustained HIF-2-like part.

Biology.  HIF-1alpha is made all the time and destroyed within minutes when there is oxygen; without it, it lasts.
Half-maximal at 1.5-2 % oxygen, maximal at 0.5 % (PMID 8897823).  Within hours the prolyl hydroxylases it induces switch
part of it off again, while HIF-2 takes over and stays (PMC9730601).

Simplified.  Tissue means: each level moves towards the mean of its oxygen-dependent target over the tissue.  Levels are
shares of the anoxic maximum.  Targets of HIF respond to the level above normoxia, so normal liver counts as zero.

Not included.  Oxygen-independent HIF (mTOR, mutation), HIF-3, feedback of cell metabolism on oxygen.
"""

from tme_sim.laws import inhibit
from tme_sim.network import Mechanism, Signal, Species, arrival, decay
from tme_sim.quantities import Parameter


def hypoxic_response(oxygen, p50_HIF, n_HIF):
    """Share of the full HIF response at this oxygen: half at 12.5 mmHg, 95 % at 3.6 mmHg (PMID 8897823)."""
    return inhibit(oxygen, p50_HIF, n_HIF)


def hif_level_at(oxygen, p50_HIF, n_HIF, h_normoxic):
    """HIF-1alpha level this oxygen leads to; `h_normoxic` is what remains in full oxygen."""
    return h_normoxic + (1 - h_normoxic) * hypoxic_response(oxygen, p50_HIF, n_HIF)


def make_hif1(k_hif1):
    """HIF-1alpha is made at a constant rate."""
    return k_hif1


def destroy_hif1(k_hif1, hif1_target):
    """Prolyl hydroxylation and degradation; written as rate over target, so that the target is the steady state."""
    return k_hif1 / hif1_target


def make_hif2(k_hif2, hif_response):
    """The slow, sustained part follows the hypoxic response within hours (PMC9730601)."""
    return k_hif2 * hif_response


def lose_hif2(k_hif2):
    """Relaxation of the slow part."""
    return k_hif2


def engage_brake(phi_max, hif_response, tau_brake):
    """Induced prolyl hydroxylases switch off up to `phi_max` of the fast part within about 6 h."""
    return phi_max * hif_response / tau_brake


def release_brake(tau_brake):
    """The brake relaxes with the same time constant."""
    return 1 / tau_brake


def hif_above_normoxia(HIF1, HIF2, HIF_brake, w_hif2, h_normoxic):
    """Activity of HIF on its targets: 0 in normal liver, 1 at the anoxic maximum without brake."""
    activity = (1 - w_hif2) * HIF1 * (1 - HIF_brake) + w_hif2 * HIF2
    normal = (1 - w_hif2) * h_normoxic
    return (activity - normal) / (1 - normal)


def brake_at_rest(phi_max, hif_response):
    """Brake of the untreated lesion."""
    return phi_max * hif_response


SWITCH = "https://pmc.ncbi.nlm.nih.gov/articles/PMC9730601"
SHAPE = "https://pubmed.ncbi.nlm.nih.gov/8897823"

MECHANISM = Mechanism(
    name="hypoxia",
    text=__doc__,
    parameters=(
        Parameter("p50_HIF", 12.5, "mmHg", SHAPE, "high", 11.0, 15.0, "half-maximal at 1.5-2 % oxygen"),
        Parameter("n_HIF", 2.4, "1", f"derived: 95 % of maximum at 0.5 % oxygen ({SHAPE})", "medium", 1.5, 4.0, ""),
        Parameter("h_normoxic", 0.17, "1", "derived: ratio of a 5 min normoxic to a 30 min anoxic half-life", "low",
                  0.05, 0.3, "HIF-1alpha level in full oxygen, share of the maximum", maximum=1.0),
        Parameter("k_hif1", 33.3, "1/day", "tuned to the 10-min rise in rabbit VX2 (PMC2613192): ln2 / 30 min", "low",
                  8.3, 50.0, "production; sets the on-rate"),
        Parameter("k_hif2", 3.0, "1/day", f"about 1 / 8 h; HIF-2 maximal at 8 h ({SWITCH})", "medium", 1.5, 6.0, ""),
        Parameter("w_hif2", 0.4, "1", f"{SWITCH}; the weight is a model choice", "medium", 0.0, 1.0,
                  "weight of the sustained part"),
        Parameter("phi_max", 0.5, "1", "no source found", "assumed", 0.0, 0.9,
                  "largest share of the fast response switched off again", maximum=1.0),
        Parameter("tau_brake", 6.0, "h", f"HIF-1 peaks at 4 h and is strongly down by 8 h ({SWITCH})", "low", 4.0, 12.0,
                  ""),
    ),
    species=(
        Species("HIF1", "1", "HIF-1alpha level", kind="trait", initial="hif1_target", scale=0.1,
                ontology="UniProt:Q16665"),
        Species("HIF2", "1", "HIF-2alpha level", kind="trait", initial="hif_response", scale=0.1,
                ontology="UniProt:Q99814"),
        Species("HIF_brake", "1", "hydroxylase brake on HIF-1", kind="trait", initial=brake_at_rest, scale=0.1),
    ),
    signals=(
        Signal("hif_response", hypoxic_response, "1", "hypoxic response, tissue mean"),
        Signal("hif1_target", hif_level_at, "1", "HIF-1alpha level that oxygen leads to, tissue mean"),
        Signal("hif", hif_above_normoxia, "1", "HIF activity above normoxia"),
    ),
    processes=(
        arrival("hif1_synthesis", "HIF1", make_hif1, "synthesis of HIF-1alpha"),
        decay("hif1_degradation", "HIF1", destroy_hif1, "oxygen-dependent degradation of HIF-1alpha"),
        arrival("hif2_rise", "HIF2", make_hif2, "rise of HIF-2alpha"),
        decay("hif2_fall", "HIF2", lose_hif2, "fall of HIF-2alpha"),
        arrival("brake_on", "HIF_brake", engage_brake, "hydroxylases reactivated"),
        decay("brake_off", "HIF_brake", release_brake, "brake released"),
    ),
)
