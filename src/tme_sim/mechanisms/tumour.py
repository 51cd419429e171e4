"""Tumour cells: cycling, quiescent, dying, necrotic, cleared; a drug-resistant and an antigen-low clone.

Biology.  Hepatoma cells divide in proportion to the oxygen they get, fall quiescent when it is short and wake when it
returns; without any oxygen they die of necrosis within hours.  Apoptotic cells are cleared within a day, necrotic
tissue over weeks to months and only as fast as perfusion lets scavengers in.  Two small clones are there from the
start: one that the chemotherapy does not kill, one that shows too little antigen to be killed by T cells.

Simplified.  Three clones share one set of rates.  The antigen-low clone pays a constant cost that, untreated, just
makes up for its escape, so its share does not drift before treatment.  Cell loss untreated is drawn per patient and
division is solved from it, because net growth is a small difference of large terms.  Anoxic death is a flux into the
anoxic zone: only viable cells beyond what is already necrotic can die of it.

How fast dead tissue goes is one rate for lesions of all sizes.  Resorption starts from living tissue around it, so a
large necrosis may need longer, in proportion to its diameter: `tumour.resorption` offers that.

Not included.  Cell-cycle phases, senescence, stem-cell hierarchy, invasion of new tissue by single cells.
"""

from tme_sim.laws import inhibit, positive, saturate, sqrt
from tme_sim.network import (
    Balance,
    Held,
    Hypothesis,
    Mechanism,
    Modulation,
    Reference,
    Signal,
    Species,
    death,
    decay,
    division,
    transition,
)
from tme_sim.quantities import Parameter

CLONES = ("", "_resistant", "_unseen")
CLONE_WORDS = ("", ", drug-resistant", ", antigen-low")


# --- laws -------------------------------------------------------------------------------------------------------------


def divide(k_div, oxygen, K_div):
    """Division hazard rises with oxygen as `p / (p + K_div)` (Owen 2011; K_div 1.4-3 mmHg)."""
    return k_div * saturate(oxygen, K_div)


def fall_quiescent(k_arrest, oxygen, p_arrest, n_arrest):
    """Cycling cells arrest below about 9 mmHg (Owen 2011: quiescent below 8.9 mmHg, back above 9.8)."""
    return k_arrest * inhibit(oxygen, p_arrest, n_arrest)


def wake(k_wake):
    """Quiescent cells re-enter the cycle; taken as constant, so the quiescent share follows the arrest hazard."""
    return k_wake


def anoxic_among_viable(anoxic_share, necrotic_share, anoxic_width):
    """Anoxic share of viable tissue: anoxic and not necrotic yet, because necrosis fills the anoxic zone first."""
    return positive(anoxic_share - necrotic_share, anoxic_width) / (1 - necrotic_share)


def die_of_anoxia(k_anoxia, anoxic_viable):
    """Necrosis of viable cells in anoxic tissue, six hours on average (PhysiCell reference model)."""
    return k_anoxia * anoxic_viable


def die_by_apoptosis(k_apoptosis):
    """Basal apoptosis, solved so that the whole untreated loss is the loss drawn for the patient."""
    return k_apoptosis


def pay_for_escape(unseen_cost):
    """Fitness cost of the antigen-low clone, equal to the killing it escapes before treatment (assumed)."""
    return unseen_cost


def clear_apoptotic(k_dying_clear):
    """Apoptotic bodies are engulfed within hours (PhysiCell: 8.6 h)."""
    return k_dying_clear


def clear_necrotic(k_necrosis_clear):
    """Resorption of necrotic tissue over weeks to months."""
    return k_necrosis_clear


def clear_from_margin(k_necrosis_clear, resorption_diameter, diameter):
    """Alternative: a front that moves in from the margin, so the rate is surface over volume, `1 / diameter`."""
    return k_necrosis_clear * resorption_diameter / diameter


def clear_by_front(k_necrosis_clear, resorption_diameter, diameter):
    """Alternative: scavengers reach all of a small necrosis and the margin of a large one.

    The rate is `k_necrosis_clear` in small lesions and falls as surface over volume in large ones, half at
    `resorption_diameter`; the sizes that `clear_from_margin` lets go faster and faster keep one rate.
    """
    return k_necrosis_clear * resorption_diameter / (resorption_diameter + diameter)


def perfusion_lets_scavengers_in(perfusion):
    """Necrosis is resorbed from perfused margins: clearing falls with perfusion (coagulated cores persist)."""
    return perfusion


def count_viable(cycling, quiescent, cycling_resistant, quiescent_resistant, cycling_unseen, quiescent_unseen):
    """All living tumour cells of the lesion."""
    return cycling + quiescent + cycling_resistant + quiescent_resistant + cycling_unseen + quiescent_unseen


def count_seen(cycling, quiescent, cycling_resistant, quiescent_resistant):
    """Living tumour cells that T cells can recognise."""
    return cycling + quiescent + cycling_resistant + quiescent_resistant


def volume_of(viable_cells, dying, necrotic, rho_cell, volume_floor):
    """Lesion volume: all cells, living or not, at tissue density; a scar of `volume_floor` always remains."""
    return (viable_cells + dying + necrotic) / rho_cell + volume_floor


def per_volume(cells, lesion_volume):
    """Cells per lesion volume."""
    return cells / lesion_volume


def share_of_necrosis(necrotic, viable_cells, one_cell):
    """Necrotic share of the tissue that is, or was, viable; `one_cell` keeps it defined when nothing is left."""
    return necrotic / (necrotic + viable_cells + one_cell)


def die_untreated(cell_loss_factor, growth_rate):
    """Loss hazard of viable cells from net growth and loss factor: loss = factor / (1 - factor) * growth (Steel)."""
    return cell_loss_factor / (1 - cell_loss_factor) * growth_rate


# --- the untreated lesion -------------------------------------------------------------------------------------------


def necrosis_at_rest(anoxic_share, k_anoxia, clearing_at_start, growth_rate, anoxic_width):
    """Necrotic share at which new anoxic death just replaces clearing and keeps up with growth.

    Solves `k_anoxia * positive(anoxic - psi) = (growth + clearing) * psi` for psi; with the smooth positive part that
    is one quadratic.
    """
    c = (growth_rate + clearing_at_start) / k_anoxia
    root = sqrt(anoxic_share * anoxic_share + (1 + c) * anoxic_width * anoxic_width / c)
    return (anoxic_share + root) / (2 * (1 + c))


def viable_at_start(diameter, rho_cell, psi_start, apoptotic_ratio_start):
    """Viable cells of a sphere of the given diameter, after its necrotic and dying cells are taken off."""
    volume = 3.141592653589793 / 6 * diameter * diameter * diameter
    return rho_cell * volume / (1 + apoptotic_ratio_start + psi_start / (1 - psi_start))


def apoptotic_ratio(cell_loss, growth_rate, k_dying_clear, clearing_at_start, psi_start):
    """Dying per viable cell: all loss that is not anoxic, over clearing and growth."""
    anoxic_loss = (growth_rate + clearing_at_start) * psi_start / (1 - psi_start)
    return (cell_loss - anoxic_loss) / (k_dying_clear + growth_rate)


def share_seen(resistant_share, unseen_share):
    """Share of viable cells in the plain clone."""
    return 1 - resistant_share - unseen_share


def cycling_at_start(viable_start, quiescent_share, clone_share):
    """Cycling cells of one clone at the start."""
    return clone_share * viable_start * (1 - quiescent_share)


def quiescent_at_start(viable_start, quiescent_share, clone_share):
    """Quiescent cells of one clone at the start."""
    return clone_share * viable_start * quiescent_share


def dying_at_start(viable_start, apoptotic_ratio_start):
    """Dying cells at the start."""
    return viable_start * apoptotic_ratio_start


def necrotic_at_start(viable_start, psi_start):
    """Necrotic cells at the start."""
    return viable_start * psi_start / (1 - psi_start)


def growth_from_doubling(doubling_time):
    """Exponential rate of a volume that doubles in `doubling_time`."""
    return 0.6931471805599453 / doubling_time


def apoptosis_left_over(cell_loss, rate_killing_cycling, cycling, rate_anoxia_cycling):
    """Basal apoptosis: the loss drawn for the patient less T-cell killing and anoxic death before treatment."""
    return cell_loss - (rate_killing_cycling + rate_anoxia_cycling) / cycling


def necrosis_per_volume(k_anoxia, anoxic_viable, viable_density):
    """Cells that die of anoxia, per lesion volume and day."""
    return die_of_anoxia(k_anoxia, anoxic_viable) * viable_density


def apoptosis_per_volume(rate_clearing_dying, lesion_volume):
    """Apoptotic cells (basal, killed by T cells or drug) that are cleared, per lesion volume and day."""
    return rate_clearing_dying / lesion_volume


def escape_costs(rate_killing_cycling, cycling):
    """Cost that cancels the advantage of not being killed, so that the untreated share stays."""
    return rate_killing_cycling / cycling


# --- declaration ------------------------------------------------------------------------------------------------------

PHYSICELL = "https://github.com/MathCancer/PhysiCell (reference cell cycle and death models)"
QSP_TNBC = "https://github.com/HanwenWang95/QSPIO-TNBC (parameters/parameters_TNBC.m)"
OWEN = "Owen 2011 via https://github.com/jmsgrogan/MicrovesselChaste"

PARAMETERS = (
    Parameter("rho_cell", 2.06e8, "cell/mL", f"{QSP_TNBC}; Del Monte 2009; Barnes 2016", "medium", 1e8, 1e9,
              "cancer cells per volume of tumour tissue"),
    Parameter("volume_floor", 1.0, "mm^3", "numerical floor: a 1.2 mm scar, far below what imaging sees", "assumed",
              0.1, 10.0, "keeps densities finite when a lesion is gone"),
    Parameter("one_cell", 1.0, "cell", "unit, by construction", "high", 1.0, 1.0, ""),
    Parameter("K_div", 3.0, "mmHg", OWEN, "medium", 1.0, 10.0, "oxygen for half-maximal division"),
    Parameter("p_arrest", 8.9, "mmHg", OWEN, "medium", 5.0, 12.0, "oxygen below which cells fall quiescent"),
    Parameter("n_arrest", 4.0, "1", "steepness of a threshold with a hysteresis of 8.9 to 9.8 mmHg (Owen 2011)",
              "assumed", 2.0, 8.0, ""),
    Parameter("k_wake", 1.0, "1/day", "no source found; within one or two days of re-oxygenation", "assumed", 0.2, 4.0,
              "waking of quiescent cells; measured: a carcinoma line held in G1 by up to a day of anoxia makes DNA "
              "1.5 to 2.25 hours after, others later, see PMID 8439587"),
    Parameter("quiescent_share", 0.3, "1", "no source found for cells that oxygen holds back", "assumed", 0.1, 0.6,
              "quiescent share of viable cells before treatment; measured: Ki-67 in 13.4 +- 7.7 % of cells (0.7 to "
              "52 %, 32 HCC), BrdU in 5.6 +- 3.2 % (30 HCC), so most do not cycle, for whatever reason, see "
              "DOI 10.1002/1097-0142(19911015)68:8<1789::aid-cncr2820680823>3.0.co;2-a"),
    Parameter("k_anoxia", 4.0, "1/day", PHYSICELL, "medium", 2.0, 8.0, "anoxic survival 6 h (3-12 h)"),
    Parameter("anoxic_width", 0.01, "1", "smoothing of the edge of the anoxic zone", "assumed", 0.002, 0.05, ""),
    Parameter("k_dying_clear", 2.8, "1/day", PHYSICELL, "medium", 1.0, 4.0, "apoptosis lasts 8.6 h"),
    Parameter("k_necrosis_clear", 0.02, "1/day", f"{QSP_TNBC}: 0.1; NSCLC virtual patient: 0.0139", "medium", 0.014,
              0.2, "resorption of necrosis, before perfusion limits it"),
    Parameter("resistant_share", 0.02, "1", "cells that expel drugs (side population) are 0.9, 4.2, 14.5 and 28.7 % "
              "of four lines of human HCC (PMID 18470535), the more the more they spread; shares in patients not "
              "found", "low",
              0.0, 0.2, "share of cells that survive doxorubicin and platinum"),
    Parameter("unseen_share", 0.02, "1", "94.3 % of 70 human HCC show HLA class I, evenly (DOI 10.1038/bjc.1988.84); "
              "the share of tumours without it stands for that of cells", "low", 0.0, 0.2, "share of antigen-low "
              "cells"),
)

LESION_PARAMETERS = (
    Parameter("present", 1.0, "1", "whether this lesion exists at the start", "high", 0.0, 1.0, ""),
    Parameter("diameter", 50.0, "mm",
              "DOI 10.1002/hep.24246 and trial cohorts: a target lesion of an intermediate-stage "
              "patient", "medium", 5.0, 150.0, "longest diameter at day 0"),
    Parameter("doubling_time", 160.0, "day",
              "https://wjgnet.com/1948-5182/full/v16/i5/800.htm: median 163 d, IQR 72-302",
              "high", 11.0, 2500.0, "untreated volume doubling time"),
    Parameter("extrahepatic", 0.0, "1", "of the lesion", "high", 0.0, 1.0,
              "1: outside the liver, where it replaces none and embolisation does not reach it"),
    Parameter("arterial_share", 1.0, "1", "classical hepatoma is arterial; up to 15 mm and well differentiated, portal "
              "tracts persist, a third of those of liver (https://scilit.net/publications/"
              "d31804420751ac41bb9235037866351a, n = 50)", "low", 0.0, 1.0,
              "how far the hepatic artery feeds the lesion; scales what embolisation takes, and shows on imaging"),
    Parameter("capsule", 0.0, "1", "of the lesion", "high", 0.0, 1.0, "1: complete capsule"),
    Parameter("infiltrative", 0.0, "1", "of the lesion", "high", 0.0, 1.0,
              "1: infiltrative margin; it cannot be resected with a clear one"),
    Parameter("cell_loss_factor", 0.7, "1", "many tumours of some size have 0.8 to 0.9 by a text on radiotherapy "
              "(ozradonc.wikidot.com/rb:tumour-cell-kinetics); 15 % of cells in a cycle of a day would make 0.96 at a "
              "doubling time of 160 d; no source for HCC found", "low", 0.3, 0.97,
              "cell loss over division, before treatment", maximum=0.99),
)


def _clone_species(clone: str, share: str, words: str) -> tuple[Species, Species]:
    def start(law):
        if share == "seen_share":
            return lambda viable_start, quiescent_share, seen_share: law(viable_start, quiescent_share, seen_share)
        if share == "resistant_share":
            return lambda viable_start, quiescent_share, resistant_share: law(
                viable_start, quiescent_share, resistant_share)
        return lambda viable_start, quiescent_share, unseen_share: law(viable_start, quiescent_share, unseen_share)

    return (
        Species(f"cycling{clone}", "cell", f"cycling tumour cells{words}", initial=start(cycling_at_start), scale=1e4,
                ontology="CL:0001064"),
        Species(f"quiescent{clone}", "cell", f"quiescent tumour cells{words}", initial=start(quiescent_at_start),
                scale=1e4, ontology="CL:0001064"),
    )


SPECIES = (
    *_clone_species("", "seen_share", ""),
    *_clone_species("_resistant", "resistant_share", ", drug-resistant"),
    *_clone_species("_unseen", "unseen_share", ", antigen-low"),
    Species("dying", "cell", "dying (apoptotic) tumour cells", initial=dying_at_start, scale=1e4),
    Species("necrotic", "cell", "necrotic tumour cells", initial=necrotic_at_start, scale=1e4),
)

SIGNALS = (
    Signal("growth_rate", growth_from_doubling, "1/day", "untreated net growth"),
    Signal("cell_loss", die_untreated, "1/day", "untreated loss hazard of viable cells"),
    Signal("seen_share", share_seen, "1", "share of the plain clone at the start"),
    Signal("viable_cells", count_viable, "cell", "viable tumour cells", pivot=True),
    Signal("seen_cells", count_seen, "cell", "viable tumour cells that T cells can recognise", pivot=True),
    Signal("lesion_volume", volume_of, "mm^3", "lesion volume", pivot=True),
    Signal("viable_density", per_volume, "cell/mm^3", "viable tumour cells per lesion volume",
           bind={"cells": "viable_cells"}, pivot=True),
    Signal("necrotic_share", share_of_necrosis, "1", "necrotic share of the tissue", pivot=True),
    Signal("anoxic_viable", anoxic_among_viable, "1", "anoxic share of viable tissue"),
    Signal("necrosis_flux", necrosis_per_volume, "cell/mm^3/day", "necrotic death per lesion volume", pivot=True),
    Signal("apoptosis_flux", apoptosis_per_volume, "cell/mm^3/day", "apoptotic death per lesion volume", pivot=True),
)


def _clone_processes(clone: str, words: str):
    cycling, quiescent = f"cycling{clone}", f"quiescent{clone}"
    yield division(f"division{clone}", cycling, divide, f"division of tumour cells{words}")
    yield transition(f"arrest{clone}", cycling, quiescent, fall_quiescent, f"hypoxic arrest{words}")
    yield transition(f"wake{clone}", quiescent, cycling, wake, f"return to the cycle{words}")
    for cells in (cycling, quiescent):
        yield death(f"apoptosis_{cells}", cells, die_by_apoptosis, f"apoptosis of {cells.replace('_', ' ')} cells",
                    into="dying")
        yield death(f"anoxia_{cells}", cells, die_of_anoxia, f"anoxic death of {cells.replace('_', ' ')} cells",
                    into="necrotic")
        if clone == "_unseen":
            yield death(f"cost_{cells}", cells, pay_for_escape,
                        f"cost of antigen loss, {cells.replace('_', ' ')} cells", into="dying")


PROCESSES = (
    *(p for clone, words in zip(CLONES, CLONE_WORDS, strict=True) for p in _clone_processes(clone, words)),
    decay("clearing_dying", "dying", clear_apoptotic, "engulfment of apoptotic cells"),
    decay("clearing_necrotic", "necrotic", clear_necrotic, "resorption of necrosis"),
)

MECHANISM = Mechanism(
    name="tumour",
    text=__doc__,
    parameters=PARAMETERS,
    lesion_parameters=LESION_PARAMETERS,
    held=(Held("active", "1", "whether the lesion is there", where="lesion", initial="present"),),
    species=SPECIES,
    signals=SIGNALS,
    processes=PROCESSES,
    modulations=(
        Modulation("perfusion_on_clearing", "clearing_necrotic", perfusion_lets_scavengers_in,
                   "perfusion -> resorption of necrosis"),
    ),
    balances=(
        Balance("k_div", "cycling", "1/day", "division rate at full oxygen", grows="growth_rate"),
        Balance("k_arrest", "quiescent", "1/day", "largest arrest rate", grows="growth_rate"),
    ),
    references=(
        Reference("clearing_at_start", clear_necrotic, "1/day", "resorption of necrosis at the start"),
        Reference("psi_start", necrosis_at_rest, "1", "necrotic share at the start"),
        Reference("apoptotic_ratio_start", apoptotic_ratio, "1", "dying per viable cell at the start", minimum=0.0),
        Reference("viable_start", viable_at_start, "cell", "viable cells at the start"),
        Reference("k_apoptosis", apoptosis_left_over, "1/day", "basal apoptosis", minimum=0.0),
        Reference("unseen_cost", escape_costs, "1/day", "cost of antigen loss", minimum=0.0),
    ),
    hypotheses=(
        Hypothesis(
            "tumour.resorption", "margin", "necrosis is resorbed from its margin: the larger, the slower",
            "no source found for the rate; form: surface over volume",
            laws={"clearing_necrotic": clear_from_margin, "clearing_at_start": clear_from_margin},
            adds=Mechanism("tumour", "", parameters=(
                Parameter("resorption_diameter", 20.0, "mm", "no source found; small nodules, which halve in a month",
                          "assumed", 10.0, 40.0, "diameter of a lesion whose necrosis goes at k_necrosis_clear"),
            )),
        ),
        Hypothesis(
            "tumour.resorption", "front", "necrosis is resorbed whole in small lesions, from its margin in large ones",
            "no source found for the rate; form: surface over volume beyond a depth that scavengers reach",
            laws={"clearing_necrotic": clear_by_front, "clearing_at_start": clear_by_front},
            adds=Mechanism("tumour", "", parameters=(
                Parameter("resorption_diameter", 40.0, "mm", "no source found; within the sizes of nodules whose "
                          "shrinkage was followed", "assumed", 20.0, 80.0,
                          "diameter of a lesion whose necrosis goes at half of k_necrosis_clear"),
            )),
        ),
    ),
)
