"""T cells in the tumour: entry, exhaustion, stem-like reserve and regulatory T cells.

Biology.  CD8 effectors come with the blood, through vessels whose wall must let them; under antigen and VEGF they
exhaust (Voron 2015, DOI 10.1084/jem.20140559).  A small stem-like pool renews itself and feeds effectors, and is what
answers to PD-1 blockade (DOI 10.1038/nature19330); exhausted cells do not come back.  VEGF makes regulatory T cells
proliferate (Terme 2013, DOI 10.1158/0008-5472.CAN-12-2325); their share in blood falls within a month of TACE (DOI
10.3892/mmr.2015.4171).

Simplified.  Densities are per lesion volume; dilution by growth is ignored.  Entry, renewal and loss of exhausted
cells are solved from the untreated densities.  Regulatory T cells of blood are one level that follows viable tumour
above a healthy part; blood is not depleted by those that enter the tumour.

Not included.  CD4 helpers, tertiary lymphoid structures, tissue-resident memory, clonal replacement, position within
the lesion (T cells are twice as dense in stroma as in parenchyma, DOI 10.3892/ol.2014.2516).
"""

from tme_sim.laws import blend, fold, logistic_room, saturate
from tme_sim.network import (
    Balance,
    Mechanism,
    Modulation,
    Reference,
    Signal,
    Species,
    Total,
    arrival,
    death,
    decay,
    division,
    transition,
)
from tme_sim.quantities import Parameter

# --- laws: CD8 --------------------------------------------------------------------------------------------------------


def all_cd8(CD8, CD8_exhausted, CD8_stem):
    """All CD8 T cells of the lesion."""
    return CD8 + CD8_exhausted + CD8_stem


def effectors_at_start(cd8_density, exhausted_share, stem_share):
    """Effectors before treatment."""
    return cd8_density * (1 - exhausted_share - stem_share)


def exhausted_at_start(cd8_density, exhausted_share):
    """Exhausted cells before treatment."""
    return cd8_density * exhausted_share


def stem_at_start(cd8_density, stem_share):
    """Stem-like cells before treatment."""
    return cd8_density * stem_share


def enter_tumour(cd8_entry, CD8_blood):
    """Entry from blood, solved from loss times density in the tumour."""
    return cd8_entry * CD8_blood


def stem_enter_tumour(cd8_entry, CD8_blood, stem_per_entry):
    """A few of those that enter are stem-like."""
    return cd8_entry * CD8_blood * stem_per_entry


def stem_among_entering(stem_entry_share, rate_cd8_stem_feeding, rate_cd8_entering):
    """Stem-like cells per entering effector: the share of the untreated turnover of the pool that they supply."""
    return stem_entry_share * rate_cd8_stem_feeding / rate_cd8_entering


def flow_limits_entry(perfusion):
    """T cells come with the blood: entry follows perfusion, relative to untreated."""
    return perfusion


def vessel_wall_lets(vessel_quality, adhesion_floor):
    """Abnormal endothelium has few adhesion molecules: `adhesion_floor` at quality 0, all at quality 1."""
    return blend(vessel_quality, adhesion_floor, 1)


def leave_blood(rate_cd8_entering, rate_cd8_stem_entering, lesion_volume):
    """CD8 that leave the blood for this lesion, per day."""
    return (rate_cd8_entering + rate_cd8_stem_entering) * lesion_volume


def effectors_die(k_CD8_death):
    """Effectors die or leave."""
    return k_CD8_death


def exhaust(k_T_exh, viable_density, K_exh):
    """Antigen on living tumour cells exhausts effectors."""
    return k_T_exh * saturate(viable_density, K_exh)


def vegf_exhausts(vegf_fold, K_exh_vegf, fold_exh_vegf):
    """VEGF raises inhibitory receptors of CD8 cells; relative to the untreated tumour."""
    return fold(saturate(vegf_fold, K_exh_vegf), fold_exh_vegf) / fold(saturate(1, K_exh_vegf), fold_exh_vegf)


def blockade_spares(pd1_engaged, pd1_sparing):
    """PD-1 blockade slows exhaustion."""
    return 1 - pd1_sparing * pd1_engaged


def exhausted_die(k_exhausted_loss):
    """Exhausted cells are lost; solved from their share."""
    return k_exhausted_loss


def stem_renew(k_stem_renew, CD8_stem, cd8_density, stem_share, stem_room):
    """Stem-like cells renew themselves until their niches are full; solved from their share."""
    return k_stem_renew * logistic_room(CD8_stem, stem_room * cd8_density * stem_share)


def stem_feed(k_stem_feed):
    """Stem-like cells differentiate into effectors, `stem_burst` each."""
    return k_stem_feed


def effectors_per_stem(stem_supply, rate_cd8_dying, rate_cd8_exhausting, rate_cd8_stem_feeding):
    """Effectors per differentiated stem-like cell: the share of the untreated effector turnover that they supply."""
    return stem_supply * (rate_cd8_dying + rate_cd8_exhausting) / rate_cd8_stem_feeding


def blockade_wakes_stem(pd1_engaged, fold_stem_PD1):
    """The burst of proliferation after PD-1 blockade comes from stem-like cells alone."""
    return fold(pd1_engaged, fold_stem_PD1)


# --- laws: Treg -------------------------------------------------------------------------------------------------------


def treg_signal_of(viable_cells):
    """Signal that raises regulatory T cells in blood: viable tumour cells."""
    return viable_cells


def make_treg(treg_supply, treg_healthy, treg_signal, treg_signal_start, treg_signal_floor):
    """Regulatory T cells of blood: a healthy part and one in proportion to viable tumour."""
    return treg_supply * (treg_healthy + (1 - treg_healthy) * treg_signal / (treg_signal_start + treg_signal_floor))


def lose_blood_treg(k_Treg_blood):
    """Turnover of regulatory T cells in blood."""
    return k_Treg_blood


def treg_enter(treg_influx, Treg_blood):
    """Regulatory T cells enter from blood, solved from loss times density."""
    return treg_influx * Treg_blood


def vegf_expands_treg(vegf_fold, K_Treg_vegf, fold_Treg_vegf):
    """VEGF makes regulatory T cells proliferate (Terme 2013)."""
    return fold(saturate(vegf_fold, K_Treg_vegf), fold_Treg_vegf)


def lose_treg(k_Treg):
    """Loss of regulatory T cells in the tumour."""
    return k_Treg


# --- declaration ------------------------------------------------------------------------------------------------------

QSP_TNBC = "https://github.com/HanwenWang95/QSPIO-TNBC (parameters/parameters_TNBC.m)"
LIAO = "DOI 10.3892/mmr.2015.4171 (Treg share of CD4: HCC 11.1, one month after TACE 7.6, healthy 5.0 %)"
VORON = "DOI 10.1084/jem.20140559 (Voron 2015)"

PARAMETERS = (
    Parameter("cd8_density", 8500.0, "cell/mm^3", "derived: 93/mm^2 in tumour centre (PMID 26415232), 4 um section, 7 "
              "um cell", "medium", 1500.0, 50000.0, "CD8 in the untreated tumour"),
    Parameter("exhausted_share", 0.3, "1", "effect: DOI 10.1186/s40425-019-0814-7 (PD-1 high CD8 in HCC); share "
              "assumed", "low", 0.1, 0.6, "exhausted share of CD8"),
    Parameter("stem_share", 0.1, "1", "no count in HCC found", "assumed", 0.02, 0.3, "stem-like share of CD8"),
    Parameter("adhesion_floor", 0.3, "1", "no source found", "assumed", 0.05, 1.0, "entry at vessel quality 0"),
    Parameter("stem_entry_share", 0.2, "1", "no source found", "assumed", 0.0, 0.9,
              "share of untreated stem-like turnover that comes from blood"),
    Parameter("k_CD8_death", 0.05, "1/day", f"{QSP_TNBC} (De Boer 1995): 0.01, death alone", "low", 0.005, 0.2,
              "effectors die or leave"),
    Parameter("k_T_exh", 0.1, "1/day", f"{QSP_TNBC} (Robertson-Tessi 2012)", "medium", 0.02, 1.0, "exhaustion"),
    Parameter("K_exh", 1e5, "cell/mm^3", "no source found; half of full tumour", "assumed", 2e4, 4e5,
              "tumour cells for half-maximal exhaustion"),
    Parameter("K_exh_vegf", 1.0, "1", "no source found", "assumed", 0.3, 3.0, "half-effect VEGF, untreated = 1"),
    Parameter("fold_exh_vegf", 3.0, "1", f"effect: {VORON}; size not known", "assumed", 1.0, 6.0,
              "exhaustion at plenty of VEGF over none"),
    Parameter("pd1_sparing", 0.25, "1", "no source found", "assumed", 0.0, 0.8, "exhaustion prevented by full PD-1 "
              "blockade", maximum=1.0),
    Parameter("k_stem_feed", 0.04, "1/day", "no source found", "assumed", 0.01, 0.2, "stem-like cells differentiate"),
    Parameter("stem_supply", 0.3, "1", "no source found", "assumed", 0.05, 0.9,
              "share of untreated effector turnover that stem-like cells feed", maximum=0.99),
    Parameter("stem_room", 2.0, "1", "no source found", "assumed", 1.2, 5.0, "niches per stem-like cell before "
              "treatment"),
    Parameter("fold_stem_PD1", 1.5, "1", "effect: stem-like cells give the burst (DOI 10.1038/nature19330); in blood "
              "of patients with thymic or lung cancer the dividing share of PD-1+ CD8 rises within a week, and a "
              "rise by 2.8 tells lasting benefit from none (PMID 30647082)", "low", 1.0, 5.0,
              "feeding and renewal at full PD-1 blockade over none; measured in those who benefit: above 2.8"),
    Parameter("treg_density", 1200.0, "cell/mm^3", "derived: 29 FOXP3 cells per 10 high-power fields (Sasaki 2008, "
              "HCC), about "
              "14/mm^2", "low", 300.0, 5000.0, "Treg in the untreated tumour"),
    Parameter("k_Treg", 0.1, "1/day", "derived: CD25hi FOXP3+ memory cells of healthy human blood double in 8 days, "
              "at rest (deuterium, DOI 10.1172/JCI28941), so 0.087; in tumour not measured", "low", 0.03, 0.3,
              "loss of Treg in tumour"),
    Parameter("treg_healthy", 0.45, "1", f"derived: {LIAO}", "high", 0.3, 0.8, "share of blood Treg without tumour",
              maximum=1.0),
    Parameter("k_Treg_blood", 0.1, "1/day", f"derived: most of the fall within a month ({LIAO})", "low", 0.03, 0.3,
              "turnover of Treg in blood"),
    Parameter("treg_signal_floor", 1e6, "cell", "numerical floor: keeps a body without tumour finite", "assumed", 1e5,
              1e7, ""),
    Parameter("K_Treg_vegf", 1.0, "1", "no source found", "assumed", 0.3, 3.0, "half-effect VEGF, untreated = 1"),
    Parameter("fold_Treg_vegf", 2.0, "1", "effect: DOI 10.1158/0008-5472.CAN-12-2325 (Terme 2013); size not known",
              "assumed", 1.0, 4.0, "Treg influx at plenty of VEGF over none"),
)

SPECIES = (
    Species("CD8", "cell/mm^3", "CD8 effectors in tumour", initial=effectors_at_start, scale=100.0, rest=5100.0,
            ontology="CL:0000625"),
    Species("CD8_exhausted", "cell/mm^3", "exhausted CD8 in tumour", initial=exhausted_at_start, scale=100.0,
            rest=2550.0, ontology="CL:0011025"),
    Species("CD8_stem", "cell/mm^3", "stem-like CD8 in tumour", initial=stem_at_start, scale=10.0, rest=850.0,
            ontology="CL:0000625"),
    Species("Treg", "cell/mm^3", "regulatory T cells in tumour", initial="treg_density", scale=100.0, rest=1200.0,
            ontology="CL:0000815"),
    Species("Treg_blood", "1", "regulatory T cells in blood, relative", where="body", kind="pool", initial=1.0,
            scale=0.1, rest=1.0, ontology="CL:0000815"),
)

SIGNALS = (
    Signal("CD8_total", all_cd8, "cell/mm^3", "all CD8 in tumour", rest=8500.0),
)

PROCESSES = (
    arrival("cd8_entering", "CD8", enter_tumour, "CD8 into tumour"),
    death("cd8_dying", "CD8", effectors_die, "CD8 effectors die or leave"),
    transition("cd8_exhausting", "CD8", "CD8_exhausted", exhaust, "exhaustion of CD8"),
    death("cd8_exhausted_dying", "CD8_exhausted", exhausted_die, "loss of exhausted CD8"),
    arrival("cd8_stem_entering", "CD8_stem", stem_enter_tumour, "stem-like CD8 into tumour"),
    division("cd8_stem_renewing", "CD8_stem", stem_renew, "self-renewal of stem-like CD8"),
    transition("cd8_stem_feeding", "CD8_stem", "CD8", stem_feed, "stem-like CD8 become effectors", amount="stem_burst"),
    arrival("treg_made", "Treg_blood", make_treg, "Treg into blood", where="body"),
    decay("treg_lost_blood", "Treg_blood", lose_blood_treg, "Treg out of blood", where="body"),
    arrival("treg_entering", "Treg", treg_enter, "Treg into tumour"),
    death("treg_lost", "Treg", lose_treg, "loss of Treg in tumour"),
)

MODULATIONS = (
    Modulation("perfusion_on_t_cell_entry", ("cd8_entering", "cd8_stem_entering", "treg_entering"), flow_limits_entry,
               "perfusion -> entry of T cells"),
    Modulation("vessels_on_cd8_entry", ("cd8_entering", "cd8_stem_entering"), vessel_wall_lets,
               "vessel quality -> entry of CD8"),
    Modulation("vegf_on_exhaustion", "cd8_exhausting", vegf_exhausts, "VEGF -> exhaustion of CD8", source=VORON),
    Modulation("pd1_on_exhaustion", "cd8_exhausting", blockade_spares, "PD-1 block -> exhaustion of CD8"),
    Modulation("pd1_on_stem", ("cd8_stem_renewing", "cd8_stem_feeding"), blockade_wakes_stem,
               "PD-1 block -> stem-like CD8"),
    Modulation("vegf_on_treg", "treg_entering", vegf_expands_treg, "VEGF -> Treg"),
)

MECHANISM = Mechanism(
    name="tcells",
    text=__doc__,
    parameters=PARAMETERS,
    species=SPECIES,
    signals=SIGNALS,
    totals=(
        Total("cd8_homing", leave_blood, "cell/day", "CD8 that leave the blood for tumours"),
        Total("treg_signal", treg_signal_of, "cell", "viable tumour cells that raise Treg"),
    ),
    processes=PROCESSES,
    modulations=MODULATIONS,
    balances=(
        Balance("cd8_entry", "CD8", "1/day", "CD8 entry per CD8 in blood"),
        Balance("k_exhausted_loss", "CD8_exhausted", "1/day", "loss of exhausted CD8"),
        Balance("k_stem_renew", "CD8_stem", "1/day", "largest self-renewal of stem-like CD8"),
        Balance("treg_supply", "Treg_blood", "1/day", "Treg into blood before treatment"),
        Balance("treg_influx", "Treg", "cell/mm^3/day", "Treg entry before treatment"),
    ),
    references=(
        Reference("stem_per_entry", stem_among_entering, "1", "stem-like CD8 per entering effector"),
        Reference("stem_burst", effectors_per_stem, "1", "effectors per differentiated stem-like cell"),
        Reference("treg_signal_start", "treg_signal", "cell", "untreated Treg signal", where="body"),
    ),
)
