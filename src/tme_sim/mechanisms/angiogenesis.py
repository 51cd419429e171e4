"""Tumour vessels: density and quality as separate states, driven by VEGF.

Biology.  Immature vessels sprout under VEGF and die back when it is blocked (half to 60 % lost within 7 days, regrown
within 7 days of stopping, DOI 10.1172/JCI24612); mature, pericyte-covered vessels no longer need it.  A partial block
first normalises the vessels that are there (Ang1, pericytes; PMID 15607960), the more the closer the block is to one
half, and the effect fades as the tissue adapts.  Under a lasting block tumours slowly find other angiogenic factors.

Simplified.  Two vessel ages, one quality level per lesion.  Normalisation is an adapting response, not a window of
fixed dates; its rates are tuned to reproduce windows of one to two weeks, they were not measured.

Not included.  Vessel co-option, flow-driven pruning, vasculogenic mimicry, lymphatics.
"""

from tme_sim.laws import logistic_room, positive, saturate
from tme_sim.network import (
    Balance,
    Hypothesis,
    Mechanism,
    Reference,
    Signal,
    Species,
    arrival,
    decay,
    division,
    transition,
)
from tme_sim.quantities import Parameter


def vegf_signalling(vegf_fold, K_vegf_signal, tki_vegfr_blocked, Bmax_tki):
    """VEGF receptor signalling relative to the untreated lesion: saturable in free VEGF, reduced by kinase block."""
    relative = saturate(vegf_fold, K_vegf_signal) / saturate(1, K_vegf_signal)
    return relative * (1 - Bmax_tki * tki_vegfr_blocked)


def share_blocked(vegf_signal, signal_width):
    """Share of the untreated VEGF signalling that is missing: 0 at or above the untreated level, 1 without any."""
    return positive(1 - vegf_signal, signal_width) / positive(1, signal_width)


def signalling_with_escape(vegf_signal, vegf_blocked, escape):
    """Angiogenic drive: VEGF signalling, plus what other factors have taken over."""
    return vegf_signal + escape * vegf_blocked


def block_with_escape(vegf_blocked, escape):
    """Effective block of the angiogenic drive."""
    return vegf_blocked * (1 - escape)


def sprout(k_sprout, angiogenic_drive, immature_vessels, mature_vessels, vessel_capacity):
    """Immature vessels multiply with the angiogenic drive while there is room."""
    return k_sprout * angiogenic_drive * logistic_room(immature_vessels + mature_vessels, vessel_capacity)


def regress(k_turnover, k_regression, block):
    """Loss of immature vessels: basal turnover, rising to the rate of complete VEGF block."""
    return k_turnover + block * (k_regression - k_turnover)


def mature(k_mature, basal_maturation, normalisation):
    """Pericyte coverage turns immature into mature vessels; normalisation speeds it up."""
    return k_mature * (basal_maturation + normalisation)


def lose_mature(k_late):
    """Slow loss of mature vessels, solved so that the untreated lesion rests."""
    return k_late


def normalise(k_normalise, block, adaptation, normalisation):
    """Normalisation rises most at a half block, and not once the tissue has adapted."""
    return k_normalise * 4 * block * (1 - block) * (1 - adaptation) * (1 - normalisation)


def denormalise(k_denormalise):
    """Normalisation fades."""
    return k_denormalise


def adapt(block, K_adapt, tau_adapt):
    """Adaptation to a block ends the normalisation window."""
    return saturate(block, K_adapt) / tau_adapt


def unadapt(tau_adapt):
    """Adaptation relaxes when the block ends."""
    return 1 / tau_adapt


def adapt_once(block, K_adapt, tau_adapt, adaptation):
    """The window runs from the first block and closes for good; the power leaves out the trace of block at rest."""
    return saturate(block, K_adapt) ** 4 / tau_adapt * (1 - adaptation)


def stay_adapted(tau_adapt):
    """A closed window does not open again."""
    return 0 / tau_adapt


def escape_block(k_escape, vegf_blocked, escape):
    """Other angiogenic factors take over under a lasting block (FGF2, Ang2, co-option)."""
    return k_escape * vegf_blocked * (1 - escape)


def lose_escape(k_escape_loss):
    """The escape relaxes without block."""
    return k_escape_loss


def lose_escape_without_block(k_escape_loss, vegf_blocked):
    """Alternative: the escape relaxes only as far as there is no block; vessels of the liver, once taken, stay."""
    return k_escape_loss * (1 - vegf_blocked)


def escape_at_rest(k_escape, vegf_blocked, k_escape_loss):
    """Escape of the untreated lesion (nearly none)."""
    return k_escape * vegf_blocked / (k_escape * vegf_blocked + k_escape_loss)


def adaptation_at_rest(block, K_adapt):
    """Adaptation of the untreated lesion (nearly none; the smooth onset of block leaves a trace)."""
    return saturate(block, K_adapt)


def normalisation_at_rest(k_normalise, block, adaptation, k_denormalise):
    """Normalisation of the untreated lesion (nearly none)."""
    on = k_normalise * 4 * block * (1 - block) * (1 - adaptation)
    return on / (on + k_denormalise)


def quality_of(normalisation, quality_floor):
    """Flow quality of the vessels: `quality_floor` untreated, 1 when fully normalised."""
    return quality_floor + (1 - quality_floor) * normalisation


def perfused_vessels(immature_vessels, mature_vessels, perfused_share, open_share):
    """Vessels that carry blood, per section area."""
    return (immature_vessels + mature_vessels) * perfused_share * open_share


def perfusion_index(perfused_density, vessel_quality):
    """Density times quality of perfused vessels."""
    return perfused_density * vessel_quality


def relative_to_start(value, value_start):
    """A value over its untreated value."""
    return value / value_start


def immature_at_start(vessel_density, mature_share):
    """Immature vessels of the untreated lesion."""
    return vessel_density * (1 - mature_share)


def mature_at_start(vessel_density, mature_share):
    """Mature vessels of the untreated lesion."""
    return vessel_density * mature_share


def capacity_of(vessel_density, capacity_ratio):
    """Largest vessel density."""
    return vessel_density * capacity_ratio


REGROWTH = "DOI 10.1172/JCI24612 (two VEGFR inhibitors, mouse tumours)"
COOPTION = ("PMC5017954 (Kuczynski 2016, human HCC in mice: under sorafenib 75 % of vessels are co-opted, untreated "
            "23 %; no rebound unless treatment stops)")  # fmt: skip
WINDOW = "tuned to normalisation windows (PMID 15607960; DOI 10.3389/fimmu.2023.1212577); not measured"

MECHANISM = Mechanism(
    name="angiogenesis",
    text=__doc__,
    parameters=(
        Parameter("vessel_density", 180.0, "1/mm^2", "derived: steady oxygen field, section densities 70-250 "
                  "(https://pmc.ncbi.nlm.nih.gov/articles/PMC4698187: 70 +- 17 in rabbit VX2)", "low", 70.0, 250.0,
                  "microvessels per section area, untreated"),
        Parameter("perfused_share", 0.81, "1", "https://pmc.ncbi.nlm.nih.gov/articles/PMC4698187", "high", 0.6, 0.95,
                  "share of microvessels that carry blood"),
        Parameter("mature_share", 0.4, "1", "https://pmc.ncbi.nlm.nih.gov/articles/PMC3484269 (late vessels resist "
                  "anti-VEGF; the human share is unknown)", "medium", 0.1, 0.8, "VEGF-independent share of vessels"),
        Parameter("capacity_ratio", 1.25, "1", "no source found; room for the regrowth seen after a block", "assumed",
                  1.1, 2.0, "largest over untreated vessel density"),
        Parameter("k_sprout", 0.5, "1/day", REGROWTH, "medium", 0.2, 1.0, "sprouts at day 1, regrown by day 7"),
        Parameter("k_regression", 0.13, "1/day", f"{REGROWTH}: 50-60 % lost in 7 days", "high", 0.05, 0.15,
                  "loss of immature vessels under complete block"),
        Parameter("k_mature", 0.1, "1/day", "https://www.ncbi.nlm.nih.gov/pubmed/15607960", "medium", 0.03, 0.3, ""),
        Parameter("basal_maturation", 0.05, "1", "no source found; balances the loss of mature vessels", "assumed",
                  0.01, 0.2, "maturation without normalisation, share of the full rate"),
        Parameter("K_vegf_signal", 1.0, "1", "no source found; half-saturation relative to untreated tissue VEGF",
                  "assumed", 0.3, 3.0, ""),
        Parameter("Bmax_tki", 0.95, "1", "no source found; receptor-level block is nearly complete at saturation",
                  "assumed", 0.7, 1.0, "largest share of VEGF signalling a kinase inhibitor can block"),
        Parameter("signal_width", 0.002, "1", "smoothing of the onset of block", "assumed", 0.0005, 0.01, ""),
        Parameter("k_normalise", 0.9, "1/day", WINDOW, "low", 0.4, 2.0, ""),
        Parameter("k_denormalise", 0.3, "1/day", WINDOW, "low", 0.1, 0.6, ""),
        Parameter("tau_adapt", 4.0, "day", WINDOW + "; with 4 d a five-day hold reopens a window, so keep it a prior",
                  "low", 2.0, 30.0, "adaptation time that closes the window"),
        Parameter("K_adapt", 0.05, "1", "smooth switch of adaptation", "assumed", 0.02, 0.1, ""),
        Parameter("quality_floor", 0.7, "1", "flow quality of untreated tumour vessels; " + WINDOW, "low", 0.3, 0.8,
                  "", maximum=1.0),
        Parameter("k_escape", 0.004, "1/day", "derived: half progress within 6.9 months (6.5 to 9.1) on bevacizumab "
                  "alone, 46 patients with HCC (DOI 10.1200/JCO.2007.15.9947), so 0.003 if all of that were "
                  "escape", "low",
                  0.0, 0.02, "VEGF-independent escape"),
        Parameter("k_escape_loss", 0.01, "1/day", "no source found", "assumed", 0.002, 0.05, ""),
    ),
    species=(
        Species("immature_vessels", "1/mm^2", "immature vessels", kind="vessel", initial=immature_at_start, scale=1.0),
        Species("mature_vessels", "1/mm^2", "mature vessels", kind="vessel", initial=mature_at_start, scale=1.0),
        Species("normalisation", "1", "normalisation of vessels", kind="trait",
                initial=normalisation_at_rest, scale=0.1),
        Species("adaptation", "1", "adaptation to VEGF block", kind="trait", initial=adaptation_at_rest, scale=0.1),
        Species("escape", "1", "VEGF-independent escape", kind="trait", initial=escape_at_rest, scale=0.1),
    ),
    signals=(
        Signal("vegf_signal", vegf_signalling, "1", "VEGF signalling relative to untreated", rest=1.0),
        Signal("vegf_blocked", share_blocked, "1", "share of VEGF signalling that is blocked", rest=0.0),
        Signal("angiogenic_drive", signalling_with_escape, "1", "angiogenic drive", rest=1.0),
        Signal("block", block_with_escape, "1", "effective block of the angiogenic drive"),
        Signal("vessel_capacity", capacity_of, "1/mm^2", "largest vessel density", where="body"),
        Signal("vessel_quality", quality_of, "1", "flow quality of vessels", rest=0.7),
        Signal("perfused_density", perfused_vessels, "1/mm^2", "perfused vessels", rest=145.8, pivot=True),
        Signal("perfusion_now", perfusion_index, "1/mm^2", "density times quality of perfused vessels", rest=102.06),
        Signal("perfusion", relative_to_start, "1", "perfusion relative to untreated", rest=1.0,
               bind={"value": "perfusion_now", "value_start": "perfusion_start"}),
    ),
    processes=(
        division("sprouting", "immature_vessels", sprout, "sprouting"),
        decay("regression", "immature_vessels", regress, "regression of immature vessels"),
        transition("maturation", "immature_vessels", "mature_vessels", mature, "maturation"),
        decay("late_loss", "mature_vessels", lose_mature, "loss of mature vessels"),
        arrival("normalising", "normalisation", normalise, "normalisation under partial block"),
        decay("denormalising", "normalisation", denormalise, "loss of normalisation"),
        arrival("adapting", "adaptation", adapt, "adaptation to the block"),
        decay("unadapting", "adaptation", unadapt, "loss of adaptation"),
        arrival("escaping", "escape", escape_block, "escape by other factors"),
        decay("unescaping", "escape", lose_escape, "loss of escape"),
    ),
    balances=(
        Balance("k_turnover", "immature_vessels", "1/day", "basal turnover of immature vessels"),
        Balance("k_late", "mature_vessels", "1/day", "loss of mature vessels"),
    ),
    references=(Reference("perfusion_start", "perfusion_now", "1/mm^2", "untreated perfusion"),),
    hypotheses=(
        Hypothesis("normalisation.window", "fixed", "the window opens once, for a fixed time; no hold reopens it",
                   "https://www.ncbi.nlm.nih.gov/pubmed/15607960 (a window exists; that it opens once is assumed)",
                   laws={"adapting": adapt_once, "unadapting": stay_adapted}),
        Hypothesis("angiogenesis.escape", "kept", "escape lasts as long as the block, as co-opted vessels do", COOPTION,
                   laws={"unescaping": lose_escape_without_block}),
    ),
)
