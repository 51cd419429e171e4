"""Myeloid-derived suppressor cells in marrow, blood and tumour, and tumour macrophages.

Biology.  Tumour-derived factors drive the marrow to release immature myeloid cells; their share of blood is linear in
tumour volume and falls after resection (PMC6381172), but not after conventional treatment including TACE
(PMC6886785).  Hypoxic tumours draw them in by chemokines (CCL2, CCL26) and keep them immature: AMP holds back their
differentiation (Chiu 2017, DOI 10.1038/s41467-017-00530-7).  Those that do differentiate become mostly macrophages,
which secrete VEGF.

Simplified.  One class of suppressor cells, with one influx, solved from loss times density.  Densities are per lesion
volume and dilution by growth is ignored.  Blood is not depleted by the tumour, which draws a tenth of the turnover at
5 cm.  The drive of the marrow follows viable tumour cells, more so when hypoxic; it saturates, and a healthy part
needs no tumour.  One macrophage pool, without polarisation.

Not included.  Granulocytic and monocytic subsets, spleen, Kupffer cells, the cytokines themselves.

How fast suppressor cells turn over is disputed: 0.015/d in fitted models against at least 0.055/d from the fall after
resection.  The default is 0.1/d; `mdsc.loss` offers slow and fast turnover.  What AMP does is the slot `mdsc.amp`.
"""

from tme_sim.laws import fold, saturate
from tme_sim.network import (
    Balance,
    Hypothesis,
    Mechanism,
    Modulation,
    Reference,
    Species,
    Total,
    arrival,
    death,
    decay,
    transition,
)
from tme_sim.quantities import Parameter

# --- laws -------------------------------------------------------------------------------------------------------------


def tumour_drive(viable_cells, hif, fold_myelopoiesis):
    """Tumour-derived marrow factors (G-CSF, GM-CSF, VEGF): per viable cell, more from hypoxic ones."""
    return viable_cells * fold(hif, fold_myelopoiesis)


def marrow_response(
    marrow_supply, mdsc_healthy, tumour_signal, tumour_signal_start, tumour_signal_floor, K_marrow
):
    """Marrow output: a healthy part and one that rises with the tumour signal and saturates; 1 before treatment.

    Saturation reconciles the fall after resection with the lack of one after treatments that leave much tumour.
    """
    relative = tumour_signal / (tumour_signal_start + tumour_signal_floor)
    return marrow_supply * (mdsc_healthy + (1 - mdsc_healthy) * relative * (1 + K_marrow) / (relative + K_marrow))


def inflammation_drives_marrow(IL6, K_IL6_marrow, fold_IL6_marrow):
    """Interleukin-6 of injured liver speeds the making of myeloid cells (emergency myelopoiesis)."""
    return fold(saturate(IL6 - 1, K_IL6_marrow), fold_IL6_marrow)


def leave_marrow(k_MDSC_marrow):
    """Precursors mature and leave within days."""
    return k_MDSC_marrow


def enter_blood(mdsc_release, MDSC_marrow):
    """Release into blood in proportion to marrow precursors; solved from the blood density."""
    return mdsc_release * MDSC_marrow


def leave_blood(k_MDSC_blood):
    """Suppressor cells leave the blood for tissues or die."""
    return k_MDSC_blood


def enter_tumour(mdsc_entry, MDSC_blood):
    """Entry from blood, solved from loss times density in the tumour."""
    return mdsc_entry * MDSC_blood


def flow_limits_entry(perfusion):
    """Cells come with the blood: entry follows perfusion, relative to untreated."""
    return perfusion


def hypoxia_recruits(hif, fold_MDSC_hypoxia):
    """Hypoxic tumour cells secrete CCL2 and CCL26 and draw suppressor cells in."""
    return fold(hif, fold_MDSC_hypoxia)


def vegf_recruits(vegf_fold, fold_MDSC_vegf, K_MDSC_vegf):
    """VEGF recruits and expands suppressor cells directly (review: DOI 10.3389/fimmu.2018.00978)."""
    return fold(saturate(vegf_fold, K_MDSC_vegf), fold_MDSC_vegf)


def differentiate(k_MDSC_diff):
    """Differentiation in the untreated tumour, where AMP already holds it back."""
    return k_MDSC_diff


def amp_holds_back(AMP, K_AMP, amp_block):
    """AMP lowers differentiation by up to `amp_block`; relative to the untreated tumour (AMP = 1)."""
    return (1 - amp_block * saturate(AMP, K_AMP)) / (1 - amp_block * saturate(1, K_AMP))


def amp_recruits(AMP, K_AMP, fold_MDSC_amp):
    """Alternative: AMP raises entry up to `fold_MDSC_amp`; relative to the untreated tumour."""
    return fold(saturate(AMP, K_AMP), fold_MDSC_amp) / fold(saturate(1, K_AMP), fold_MDSC_amp)


def no_effect():
    """This arrow is not part of the chosen hypothesis."""
    return 1


def die_in_tumour(k_MDSC_death):
    """Death without differentiation."""
    return k_MDSC_death


def macrophages_of(tam_yield, k_TAM, TAM, rate_mdsc_differentiating):
    """Macrophages per differentiated MDSC: less than `tam_yield` where MDSC alone would overfill the untreated pool."""
    return tam_yield * saturate(k_TAM * TAM, tam_yield * rate_mdsc_differentiating)


def monocytes_enter(tam_influx):
    """Blood monocytes that become macrophages, solved from loss times density."""
    return tam_influx


def damage_draws_monocytes(DAMP, K_DAMP_monocyte, fold_monocyte):
    """Danger signals of dead tissue draw monocytes in, which clear it."""
    return fold(saturate(DAMP, K_DAMP_monocyte), fold_monocyte)


def lose_macrophages(k_TAM):
    """Turnover of macrophages, weeks."""
    return k_TAM


# --- declaration ------------------------------------------------------------------------------------------------------

CHIU = "DOI 10.1038/s41467-017-00530-7 (Chiu 2017, HCC)"
RESECTION = "https://pmc.ncbi.nlm.nih.gov/articles/PMC6381172 (blood MDSC 7.75 -> 1.51 % one month after resection)"
BLOOD = "https://www.oncotarget.com/article/15456/text/ (10.33 % of PBMC in HCC against 1.54 % in health)"
QSP_TNBC = "https://github.com/HanwenWang95/QSPIO-TNBC (parameters/parameters_TNBC.m; Lai 2018)"


def _turnover(choice, label, source, differentiation, loss):
    values = {
        "k_MDSC_diff": Parameter("k_MDSC_diff", differentiation, "1/day", source, "low", differentiation / 3,
                                 3 * differentiation, "differentiation in the untreated tumour"),
        "k_MDSC_death": Parameter("k_MDSC_death", loss, "1/day", source, "low", loss / 3, 3 * loss,
                                  "death in the tumour"),
    }
    return Hypothesis("mdsc.loss", choice, label, source, values=values)


MECHANISM = Mechanism(
    name="myeloid",
    text=__doc__,
    parameters=(
        Parameter("mdsc_density", 3000.0, "cell/mm^3", "no count in human HCC found; an order at which suppression is "
                  "not "
                  "inert", "assumed", 500.0, 10000.0, "MDSC in the untreated tumour"),
        Parameter("mdsc_blood_density", 185.0, "cell/mm^3", f"derived: {BLOOD} times 1 800 PBMC/uL", "medium", 30.0,
                  400.0, "MDSC in blood before treatment"),
        Parameter("mdsc_healthy", 0.15, "1", f"derived: {BLOOD}", "high", 0.05, 0.5, "share of blood MDSC without "
                  "tumour", maximum=1.0),
        Parameter("tumour_signal_floor", 1e6, "cell", "numerical floor: keeps a body without tumour finite", "assumed",
                  1e5, 1e7, ""),
        Parameter("K_marrow", 1.0, "1", f"derived: {RESECTION}; no fall after conventional treatment "
                  "(https://pmc.ncbi.nlm.nih.gov/articles/PMC6886785)", "low", 0.2, 20.0,
                  "half-effect tumour signal, untreated = 1"),
        Parameter("fold_IL6_marrow", 1.5, "1", "no source found", "assumed", 1.0, 4.0, "marrow output at plenty of "
                  "IL-6"),
        Parameter("K_IL6_marrow", 7.0, "1", "no source found; the eightfold level seen after embolisation", "assumed",
                  2.0, 20.0, "half-effect rise of IL-6, untreated = 1"),
        Parameter("fold_myelopoiesis", 2.0, "1", "no source found; TACE does not lower blood MDSC "
                  "(https://pmc.ncbi.nlm.nih.gov/articles/PMC6886785) although viable cells fall", "assumed", 1.0, 5.0,
                  "marrow drive of an anoxic over a normoxic tumour cell"),
        Parameter("k_MDSC_marrow", 0.2, "1/day", f"derived: two steps that fit the fall in {RESECTION}", "low", 0.1,
                  0.5, "maturation in marrow"),
        Parameter("k_MDSC_blood", 0.2, "1/day", f"derived: two steps that fit the fall in {RESECTION}", "low", 0.055,
                  0.5, "loss from blood"),
        Parameter("k_MDSC_diff", 0.08, "1/day", f"derived: total loss 0.1, within 0.03-0.3 implied by {RESECTION}",
                  "low", 0.02, 0.25, "differentiation in the untreated tumour"),
        Parameter("k_MDSC_death", 0.02, "1/day", f"{QSP_TNBC}: 0.015", "medium", 0.01, 0.06, "death in the tumour"),
        Parameter("tam_yield", 0.5, "1", "no source found; the rest become granulocytes and dendritic cells", "assumed",
                  0.1, 1.0, "macrophages per differentiated MDSC, where niches are free"),
        Parameter("K_AMP", 1.0, "1", f"effect: {CHIU}; size not known", "assumed", 0.2, 5.0,
                  "half-effect level, untreated AMP = 1"),
        Parameter("amp_block", 0.6, "1", f"effect: {CHIU}; size not known", "assumed", 0.1, 0.95,
                  "largest share of differentiation that AMP prevents", maximum=1.0),
        Parameter("fold_MDSC_amp", 3.0, "1", "no source found; used by the alternative hypothesis only", "assumed", 1.0,
                  6.0, "entry at plenty of AMP over none"),
        Parameter("fold_MDSC_hypoxia", 2.5, "1", "no size found; mechanism: HIF raises chemokines of hepatoma cells "
                  "(CCL26, "
                  "CCL2)", "assumed", 1.0, 6.0, "entry at full HIF over none"),
        Parameter("fold_MDSC_vegf", 2.0, "1", "no size found; mechanism: DOI 10.3389/fimmu.2018.00978 (review)",
                  "assumed", 1.0, 4.0, "entry at plenty of VEGF over none"),
        Parameter("K_MDSC_vegf", 1.0, "1", "no source found", "assumed", 0.3, 3.0, "half-effect VEGF, untreated = 1"),
        Parameter("tam_density", 8000.0, "cell/mm^3", "no count found; of the order of CD8 (CD68/CD8 near 1, "
                  "HPB 2021, HBV-related HCC)", "assumed", 2000.0, 30000.0, "macrophages in the untreated tumour"),
        Parameter("k_TAM", 0.05, "1/day", "no source found; weeks", "assumed", 0.02, 0.2, "turnover of macrophages"),
        Parameter("K_DAMP_monocyte", 10.0, "1", "no source found", "assumed", 2.0, 40.0, "half-effect DAMP, untreated "
                  "= 1"),
        Parameter("fold_monocyte", 4.0, "1", "no source found", "assumed", 1.0, 10.0,
                  "monocyte entry at plenty of DAMP over none"),
    ),
    species=(
        Species("MDSC", "cell/mm^3", "suppressor cells in tumour", initial="mdsc_density", scale=100.0, rest=3000.0,
                ontology="CL:0000889"),
        Species("TAM", "cell/mm^3", "tumour macrophages", initial="tam_density", scale=100.0, rest=8000.0,
                ontology="CL:0000235"),
        Species("MDSC_marrow", "1", "suppressor-cell precursors in marrow, relative", where="body", kind="pool",
                initial=1.0, scale=0.1, rest=1.0),
        Species("MDSC_blood", "cell/mm^3", "suppressor cells in blood", where="body", initial="mdsc_blood_density",
                scale=1.0, rest=185.0, ontology="CL:0000889"),
    ),
    totals=(Total("tumour_signal", tumour_drive, "cell", "marrow-driving signal, in normoxic tumour cells"),),
    processes=(
        arrival("marrow_making", "MDSC_marrow", marrow_response, "marrow output", where="body"),
        decay("marrow_leaving", "MDSC_marrow", leave_marrow, "precursors leave the marrow", where="body"),
        arrival("mdsc_released", "MDSC_blood", enter_blood, "MDSC into blood", where="body"),
        decay("mdsc_leaving_blood", "MDSC_blood", leave_blood, "MDSC out of blood", where="body"),
        arrival("mdsc_entering", "MDSC", enter_tumour, "MDSC into tumour"),
        transition("mdsc_differentiating", "MDSC", "TAM", differentiate, "MDSC become macrophages",
                   amount="tam_per_mdsc"),
        death("mdsc_dying", "MDSC", die_in_tumour, "death of MDSC"),
        arrival("monocytes_entering", "TAM", monocytes_enter, "monocytes become macrophages"),
        decay("tam_lost", "TAM", lose_macrophages, "turnover of macrophages"),
    ),
    modulations=(
        Modulation("inflammation_on_marrow", "marrow_making", inflammation_drives_marrow, "IL-6 -> marrow output"),
        Modulation("perfusion_on_myeloid_entry", ("mdsc_entering", "monocytes_entering"), flow_limits_entry,
                   "perfusion -> entry of myeloid cells"),
        Modulation("hypoxia_on_mdsc_entry", "mdsc_entering", hypoxia_recruits, "HIF -> entry of MDSC"),
        Modulation("vegf_on_mdsc_entry", "mdsc_entering", vegf_recruits, "VEGF -> entry of MDSC"),
        Modulation("amp_on_mdsc_entry", "mdsc_entering", no_effect, "AMP -> entry of MDSC (alternative)"),
        Modulation("amp_on_mdsc_differentiation", "mdsc_differentiating", amp_holds_back, "AMP -> MDSC stay immature",
                   source=CHIU),
        Modulation("damage_on_monocytes", "monocytes_entering", damage_draws_monocytes, "DAMP -> entry of monocytes"),
    ),
    balances=(
        Balance("marrow_supply", "MDSC_marrow", "1/day", "marrow output before treatment"),
        Balance("mdsc_release", "MDSC_blood", "cell/mm^3/day", "MDSC release into blood"),
        Balance("mdsc_entry", "MDSC", "1/day", "MDSC entry per MDSC in blood"),
        Balance("tam_influx", "TAM", "cell/mm^3/day", "monocyte entry"),
    ),
    references=(
        Reference("tumour_signal_start", "tumour_signal", "cell", "untreated tumour signal", where="body"),
        Reference("tam_per_mdsc", macrophages_of, "1", "macrophages per differentiated MDSC"),
    ),
    hypotheses=(
        Hypothesis("mdsc.amp", "recruitment", "AMP draws MDSC in instead of keeping them immature", CHIU,
                   laws={"amp_on_mdsc_differentiation": no_effect, "amp_on_mdsc_entry": amp_recruits}),
        Hypothesis("mdsc.amp", "both", "AMP draws MDSC in and keeps them immature", CHIU,
                   laws={"amp_on_mdsc_entry": amp_recruits}),
        _turnover("slow_turnover", "MDSC last 46 days (0.015/d)", QSP_TNBC, 0.01, 0.005),
        _turnover("fast_turnover", "MDSC last 3 days (0.3/d)", RESECTION, 0.25, 0.05),
    ),
)
