"""Killing by T cells, and what holds it back: PD-1, suppressor cells, adenosine, regulatory T cells, lack of oxygen.

Biology.  A killer touches about one and a half tumour cells and, at best, kills some six a day (2-16 observed, PMID
26872694). Bonds of PD-1 with PD-L1, suppressor cells, adenosine, regulatory T cells and lack of oxygen slow it.
Killing releases interferon-gamma, which raises PD-L1 (adaptive resistance), as does HIF (PMC4010891).

Simplified.  A fixed share `f_spec` of CD8 effectors sees the tumour and a fixed share of the tumour is out of their
reach. Killing has one saturation, T cells crowding on a target.  Bonds are relative to untreated; `g0`, what PD-1
leaves of killing before treatment, is drawn per patient, because published receptor numbers would make blockade a
two-hundredfold jump.  The engaged share in plasma holds in tissue too.  Only the product of `f_spec`,
`k_kill_contact` and the untreated factors can be learnt from data.

Not included.  Killing of the antigen-low clone (`killing.bystander` offers that), NK cells, macrophages that kill,
PD-L2, other checkpoints, TGF-beta.
"""

from tme_sim.laws import fold, hill, saturate
from tme_sim.mechanisms.bystander import BYSTANDER
from tme_sim.network import (
    Balance,
    Hypothesis,
    Mechanism,
    Modulation,
    Reference,
    Signal,
    Species,
    arrival,
    contact,
    decay,
)
from tme_sim.quantities import Parameter

SEEN = ("cycling", "quiescent", "cycling_resistant", "quiescent_resistant")  # clones that show antigen
KILLING = tuple(f"killing_{clone}" for clone in SEEN)

# --- laws: killing ----------------------------------------------------------------------------------------------------


def kill_on_contact(k_kill_contact, f_spec, excluded_share, CD8, K_T_C, rho_cell):
    """Hazard of a touched tumour cell: specific killers only, in reachable tissue, less per killer when they crowd."""
    return k_kill_contact * f_spec * (1 - excluded_share) / (1 + CD8 / (K_T_C * rho_cell))


def pd1_bonds_of(PDL1, pd1_engaged):
    """PD-1:PD-L1 bonds relative to untreated: ligand level times what no antibody holds."""
    return PDL1 * (1 - pd1_engaged)


def pd1_lets(pd1_bonds, g0):
    """Share of killing that PD-1 leaves: `1 / (1 + (x/PD1_50)^2)` with `PD1_50^2 = g0 / (1 - g0)`, so `g0` "
    "untreated."""
    return g0 / (g0 + pd1_bonds * pd1_bonds * (1 - g0))


def mdsc_let(MDSC, CD8_total, s_MDSC, few_t_cells):
    """Share of killing that suppressor cells leave: half at `s_MDSC` of them per CD8."""
    return 1 / (1 + MDSC / (s_MDSC * (CD8_total + few_t_cells)))


def adenosine_lets(adenosine, K_Ado):
    """Adenosine (A2A receptor) slows killing; relative to the untreated tumour."""
    return (1 + K_Ado) / (adenosine + K_Ado)


def treg_let(Treg, CD8_total, K_T_Treg, few_t_cells):
    """Share of killing that regulatory T cells leave: half at one of them per `K_T_Treg` CD8."""
    return 1 / (1 + K_T_Treg * Treg / (CD8_total + few_t_cells))


def motility_lets(oxygen, p_mot, n_mot):
    """T cells stall below 5 mmHg and wake with oxygen (DOI 10.1186/s40425-019-0543-y): no search, no killing."""
    return hill(oxygen, p_mot, n_mot)


def oxygen_lets(oxygen, K_O2_kill):
    """Alternative: oxygen limits killing itself, hyperbolically."""
    return saturate(oxygen, K_O2_kill)


def no_effect():
    """This arrow is not part of the chosen hypothesis."""
    return 1


def kills_of(killed_1, killed_2, killed_3, killed_4, lesion_volume):
    """Tumour cells killed per lesion volume and day."""
    return (killed_1 + killed_2 + killed_3 + killed_4) / lesion_volume


def hazard_of(killing_flux, seen_cells, lesion_volume, few_cells):
    """Killing hazard of a seen tumour cell."""
    return killing_flux * lesion_volume / (seen_cells + few_cells)


# --- laws: interferon, PD-L1 ------------------------------------------------------------------------------------------


def interferon(killing_flux, killing_flux_start, killing_floor):
    """Interferon-gamma relative to untreated: lasts hours, so it follows active killing."""
    return (killing_flux + killing_floor) / (killing_flux_start + killing_floor)


def make_pdl1(pdl1_synthesis):
    """PD-L1 made without interferon and HIF; solved so that the untreated level is 1."""
    return pdl1_synthesis


def lose_pdl1(k_PDL1):
    """Turnover of PD-L1."""
    return k_PDL1


def interferon_raises_pdl1(IFNg, K_IFNg, fold_PDL1_IFNg):
    """Interferon-gamma raises PD-L1 up to sixfold (Shin 2017)."""
    return fold(saturate(IFNg, K_IFNg), fold_PDL1_IFNg)


def hif_raises_pdl1(hif, fold_PDL1_hif):
    """HIF-1 binds the PD-L1 promoter of tumour and myeloid cells (PMC4010891)."""
    return fold(hif, fold_PDL1_hif)


# --- declaration ------------------------------------------------------------------------------------------------------

QSP_TNBC = "https://github.com/HanwenWang95/QSPIO-TNBC (parameters/parameters_TNBC.m)"
STALL = "DOI 10.1186/s40425-019-0543-y (two-photon, mouse tumours)"

MECHANISM = Mechanism(
    name="killing",
    text=__doc__,
    parameters=(
        Parameter("k_kill_contact", 0.0028, "1/min", "derived: 6 kills per CTL and day (PMID 26872694: 2-16) over 1.5 "
                  "touched cells", "low", 0.0009, 0.0075, "hazard of a tumour cell touched by one specific killer"),
        Parameter("contact_volume", 7.28e-6, "mm^3/cell", "derived: 1.5 touched cells over 2.06e5 cell/mm^3", "assumed",
                  2e-6, 2e-5, "a killer in full tumour touches density times this volume"),
        Parameter("f_spec", 0.1, "1", "some 10 % of CD8 in ovarian and colorectal cancer recognise the tumour of "
                  "their own patient, none in two of four (ega-archive.org/studies/EGAS00001003119); no count in HCC "
                  "found; only its product with other factors can be learnt", "low", 0.01, 0.3,
                  "tumour-specific share of CD8 effectors", maximum=1.0),
        Parameter("excluded_share", 0.3, "1", "no source found; excluded and desert patterns are common in HCC",
                  "assumed", 0.0, 0.8, "share of tumour that T cells do not reach"),
        Parameter("K_T_C", 1.2, "1", f"{QSP_TNBC} (Robertson-Tessi 2012)", "medium", 0.5, 3.0,
                  "killers per tumour cell, in full tumour, at which crowding halves their effect"),
        Parameter("g0", 0.5, "1", "no source found; drawn per patient", "assumed", 0.2, 0.8,
                  "share of killing that PD-1 leaves before treatment", minimum=0.01, maximum=1.0),
        Parameter("s_MDSC", 1.0, "1", "no confirmed source; QSP HCC models have such a factor", "low", 0.5, 3.0,
                  "MDSC per CD8 that halve killing"),
        Parameter("K_Ado", 0.5, "1", "derived: 0.5 uM at A2A over 1 uM in tumour, both unconfirmed", "assumed", 0.05,
                  5.0, "half-effect adenosine, untreated = 1"),
        Parameter("K_T_Treg", 11.0, "1", f"{QSP_TNBC} (Robertson-Tessi 2012)", "medium", 5.0, 20.0,
                  "CD8 per Treg at which killing is halved"),
        Parameter("p_mot", 5.0, "mmHg", STALL, "high", 3.0, 7.0, "oxygen at which T cells stall"),
        Parameter("n_mot", 4.0, "1", f"steepness read from {STALL}", "low", 2.0, 8.0, ""),
        Parameter("K_O2_kill", 5.0, "mmHg", "no source found; only motility is measured; used by the alternative "
                  "hypothesis", "assumed", 3.0, 15.0, "oxygen for half-maximal killing"),
        Parameter("few_t_cells", 1.0, "cell/mm^3", "numerical floor", "assumed", 0.1, 10.0, "as good as no T cells"),
        Parameter("few_cells", 1.0, "cell", "numerical floor", "assumed", 0.1, 100.0, "as good as no tumour cells"),
        Parameter("killing_floor", 1.0, "cell/mm^3/day", "numerical floor: interferon without killing", "assumed", 0.1,
                  10.0, ""),
        Parameter("k_PDL1", 0.7, "1/day", "derived: three glycoproteins of the membrane of rat hepatoma cells have a "
                  "mean half-life of 22 h (Chu and Doyle 1985, biomaterialdatabase.com/search/publications/3972818), "
                  "so 0.76; PD-L1 itself not read", "low", 0.2, 3.0, "turnover of PD-L1"),
        Parameter("fold_PDL1_IFNg", 6.0, "1", f"{QSP_TNBC} (Shin 2017)", "medium", 3.0, 10.0,
                  "PD-L1 at plenty of interferon"),
        Parameter("K_IFNg", 2.0, "1", "no source found on this scale (half at 3 pM)", "assumed", 0.5, 10.0,
                  "half-effect interferon, untreated = 1"),
        Parameter("fold_PDL1_hif", 1.5, "1", "effect: PMC4010891, DOI 10.1158/0008-5472.CAN-13-0992; size varies",
                  "low", 1.0, 3.0, "PD-L1 at full HIF over none"),
    ),
    species=(
        Species("PDL1", "1", "PD-L1 in tumour, relative", kind="trait", initial=1.0, scale=0.1, rest=1.0,
                ontology="UniProt:Q9NZQ7"),
    ),
    signals=(
        Signal("pd1_bonds", pd1_bonds_of, "1", "PD-1:PD-L1 bonds, relative", rest=1.0),
        Signal("killing_flux", kills_of, "cell/mm^3/day", "tumour cells killed by T cells, per lesion volume",
               pivot=True, bind={f"killed_{i + 1}": f"rate_{name}" for i, name in enumerate(KILLING)}),
        Signal("kill_hazard", hazard_of, "1/day", "killing hazard of a seen tumour cell"),
        Signal("IFNg", interferon, "1", "interferon-gamma, relative", rest=1.0),
    ),
    processes=(
        arrival("pdl1_made", "PDL1", make_pdl1, "synthesis of PD-L1"),
        decay("pdl1_lost", "PDL1", lose_pdl1, "turnover of PD-L1"),
        *(contact(f"killing_{clone}", clone, "CD8", "contact_volume", kill_on_contact,
                  f"T cells kill {clone.replace('_', ' ')} cells", into="dying") for clone in SEEN),
    ),
    modulations=(
        Modulation("pd1_on_killing", KILLING, pd1_lets, "PD-1 -> killing"),
        Modulation("mdsc_on_killing", KILLING, mdsc_let, "MDSC -> killing"),
        Modulation("adenosine_on_killing", KILLING, adenosine_lets, "adenosine -> killing"),
        Modulation("treg_on_killing", KILLING, treg_let, "Treg -> killing"),
        Modulation("oxygen_on_killing", KILLING, motility_lets, "oxygen -> killing (motility)", source=STALL),
        Modulation("interferon_on_pdl1", "pdl1_made", interferon_raises_pdl1, "interferon-gamma -> PD-L1"),
        Modulation("hypoxia_on_pdl1", "pdl1_made", hif_raises_pdl1, "HIF -> PD-L1"),
    ),
    balances=(Balance("pdl1_synthesis", "PDL1", "1/day", "synthesis of PD-L1 without interferon and HIF"),),
    references=(Reference("killing_flux_start", "killing_flux", "cell/mm^3/day", "untreated killing"),),
    hypotheses=(
        Hypothesis("killing.oxygen", "none", "oxygen does not matter for killing", STALL,
                   laws={"oxygen_on_killing": no_effect}),
        Hypothesis("killing.oxygen", "direct", "oxygen limits killing itself", "no direct source",
                   laws={"oxygen_on_killing": oxygen_lets}),
        BYSTANDER,
    ),
)
