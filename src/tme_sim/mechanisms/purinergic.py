"""ENTPD2, extracellular ATP, AMP and adenosine: the purine arm of hypoxia.

Biology.  HIF-1 induces the ecto-enzyme ENTPD2 on hepatoma cells; it takes phosphate off extracellular ATP, AMP builds
up, and AMP keeps myeloid-derived suppressor cells from maturing (Chiu 2017, DOI 10.1038/s41467-017-00530-7).  ATP
comes from cells that break and from living cells under stress; it alarms dendritic cells, while AMP and the adenosine
that CD73 makes from it quieten the immune response.  So blocking ENTPD2 has two effects: more alarm and less calm.

Simplified.  Levels are those of living tissue, relative to the untreated lesion (1): tumours hold hundreds of uM of
ATP (DOI 10.1371/journal.pone.0002599), which lysis alone cannot explain, so absolute release is not modelled.  A cell
that dies of ischaemia has burnt most of its ATP first and releases a tenth.  ADP is passed over: the share of the
ENTPD2 product that other enzymes finish is part of one yield.  Adenosine lives for seconds and follows the CD73 flux
at once.

Not included.  ADP as a state, induction of CD73 or CD39 by hypoxia, adenosine kinase, export and flow of purines.
"""

from tme_sim.laws import fold, saturate
from tme_sim.network import Balance, Mechanism, Modulation, Signal, Species, arrival, decay
from tme_sim.quantities import Parameter

# --- laws -------------------------------------------------------------------------------------------------------------


def make_entpd2(entpd2_synthesis):
    """ENTPD2 protein made without HIF; solved so that the untreated level is 1."""
    return entpd2_synthesis


def lose_entpd2(k_ENTPD2):
    """Turnover of a membrane protein, about a day."""
    return k_ENTPD2


def hif_induces_entpd2(hif, fold_ENTPD2):
    """HIF-1 binds the ENTPD2 promoter and raises the enzyme up to `fold_ENTPD2` (Chiu 2017; the fold is not known)."""
    return fold(hif, fold_ENTPD2)


def spill_atp(atp_per_cell, ischaemic_atp, necrosis_flux, apoptotic_atp, apoptosis_flux):
    """ATP spilled by dying cells: a tenth of it after ischaemia, little through the channels of apoptotic cells."""
    return atp_per_cell * (ischaemic_atp * necrosis_flux + apoptotic_atp * apoptosis_flux)


def leak_atp(atp_per_cell, atp_leak, rho_cell, viable_density, K_living):
    """ATP let out by living cells through pannexin channels, as a share of their content per day.

    Levels are those of living tissue, where cells stay dense whatever share of the lesion is dead, until few are left.
    """
    return atp_per_cell * atp_leak * rho_cell * saturate(viable_density, K_living)


def hypoxia_opens_atp_channels(hif, fold_ATP_leak):
    """Hypoxic stress raises the leak of living cells."""
    return fold(hif, fold_ATP_leak)


def split_atp(k_ATP_ENTPD2, ENTPD2, ATP, K_ENTPD2):
    """Loss of ATP to ENTPD2: Michaelis-Menten, written so that `k_ATP_ENTPD2` is the untreated rate."""
    return k_ATP_ENTPD2 * ENTPD2 * (1 + K_ENTPD2) / (ATP + K_ENTPD2)


def lose_atp(k_ATP_other):
    """Loss of ATP to all other ecto-enzymes and to flow."""
    return k_ATP_other


def make_amp(amp_yield, flux_of_entpd2, other_amp_yield, flux_of_others):
    """AMP from split ATP: the whole ENTPD2 flux once others have finished it, and a share of what others split."""
    return amp_yield * (flux_of_entpd2 + other_amp_yield * flux_of_others)


def split_amp(k_AMP_CD73, AMP, K_CD73):
    """Loss of AMP to CD73: Michaelis-Menten, written so that `k_AMP_CD73` is the untreated rate."""
    return k_AMP_CD73 * (1 + K_CD73) / (AMP + K_CD73)


def lose_amp(k_AMP_other):
    """Loss of AMP to other enzymes and to flow."""
    return k_AMP_other


def adenosine_level(AMP, K_CD73):
    """Adenosine relative to untreated: gone within seconds, so it follows the CD73 flux."""
    return AMP * (1 + K_CD73) / (AMP + K_CD73)


# --- declaration ------------------------------------------------------------------------------------------------------

CHIU = "DOI 10.1038/s41467-017-00530-7 (Chiu 2017, HCC)"

MECHANISM = Mechanism(
    name="purinergic",
    text=__doc__,
    parameters=(
        Parameter("fold_ENTPD2", 3.0, "1", f"induction: {CHIU}; the fold is a placeholder", "low", 1.5, 8.0,
                  "ENTPD2 at full HIF over none"),
        Parameter("k_ENTPD2", 0.7, "1/day", "derived: three glycoproteins of the membrane of rat hepatoma cells have a "
                  "mean half-life of 22 h (Chu and Doyle 1985, biomaterialdatabase.com/search/publications/3972818), "
                  "so 0.76; ENTPD2 itself not measured", "low", 0.2, 2.0, "turnover of ENTPD2"),
        Parameter("K_ENTPD2", 0.5, "1", "derived: Km about 100 uM (DOI 10.1007/s11302-005-6217-x: micromolar) over "
                  "200 uM "
                  "tumour ATP (DOI 10.1371/journal.pone.0002599)", "low", 0.1, 3.0, "half-saturation, untreated ATP = "
                  "1"),
        Parameter("k_ATP_ENTPD2", 12.0, "1/day", "no source found; extracellular ATP lasts minutes to an hour",
                  "assumed", 4.0, 100.0, "untreated loss of ATP to ENTPD2"),
        Parameter("k_ATP_other", 12.0, "1/day", "no source found; half of the ATP loss", "assumed", 4.0, 100.0,
                  "loss of ATP to everything else"),
        Parameter("ischaemic_atp", 0.1, "1", "no source found; starved cells burn their ATP before they break",
                  "assumed", 0.02, 0.5, "share of its ATP that a necrotic cell releases", maximum=1.0),
        Parameter("apoptotic_atp", 0.02, "1", "no source found; caspase-opened pannexin channels release a few percent",
                  "assumed", 0.0, 0.1, "share of its ATP that an apoptotic cell releases", maximum=1.0),
        Parameter("atp_leak", 0.005, "1/day", "no source found; chosen so that living cells supply most ATP, since "
                  "lysis "
                  "cannot reach hundreds of uM", "assumed", 0.001, 0.05, "share of its ATP a living cell lets out"),
        Parameter("K_living", 2e4, "cell/mm^3", "no source found; a tenth of full tumour", "assumed", 2e3, 1e5,
                  "viable density at which living tissue becomes too scattered to hold its own levels"),
        Parameter("fold_ATP_leak", 3.0, "1", "no source found", "assumed", 1.0, 6.0, "ATP leak at full HIF over none"),
        Parameter("other_amp_yield", 0.3, "1", "no source found; CD39 goes all the way to AMP", "assumed", 0.0, 1.0,
                  "AMP per ATP lost otherwise, relative to ENTPD2"),
        Parameter("K_CD73", 1.0, "1", "derived: Km about 20 uM, no confirmed source, over AMP of the same order",
                  "assumed", 0.1, 5.0, "half-saturation, untreated AMP = 1"),
        Parameter("k_AMP_CD73", 12.0, "1/day", "no source found", "assumed", 4.0, 100.0, "untreated loss of AMP to "
                  "CD73"),
        Parameter("k_AMP_other", 6.0, "1/day", "no source found", "assumed", 1.0, 50.0, "other loss of AMP"),
    ),
    species=(
        Species("ENTPD2", "1", "ENTPD2 on tumour cells, relative", kind="trait", initial=1.0, scale=0.1, rest=1.0,
                ontology="UniProt:Q9Y5L3"),
        Species("ATP", "1", "extracellular ATP, relative", kind="field", initial=1.0, scale=0.1, rest=1.0,
                ontology="CHEBI:15422"),
        Species("AMP", "1", "extracellular AMP, relative", kind="field", initial=1.0, scale=0.1, rest=1.0,
                ontology="CHEBI:16027"),
    ),
    signals=(
        Signal("adenosine", adenosine_level, "1", "extracellular adenosine, relative", rest=1.0),
    ),
    processes=(
        arrival("entpd2_made", "ENTPD2", make_entpd2, "synthesis of ENTPD2"),
        decay("entpd2_lost", "ENTPD2", lose_entpd2, "turnover of ENTPD2"),
        arrival("atp_spilled", "ATP", spill_atp, "ATP from dying cells"),
        arrival("atp_leaked", "ATP", leak_atp, "ATP from living cells"),
        decay("atp_split", "ATP", split_atp, "ATP split by ENTPD2"),
        decay("atp_lost", "ATP", lose_atp, "ATP lost otherwise"),
        arrival("amp_made", "AMP", make_amp, "AMP from ATP",
                bind={"flux_of_entpd2": "rate_atp_split", "flux_of_others": "rate_atp_lost"}),
        decay("amp_split", "AMP", split_amp, "AMP split by CD73 into adenosine"),
        decay("amp_lost", "AMP", lose_amp, "AMP lost otherwise"),
    ),
    modulations=(
        Modulation("hypoxia_on_entpd2", "entpd2_made", hif_induces_entpd2, "HIF -> ENTPD2", source=CHIU),
        Modulation("hypoxia_on_atp", "atp_leaked", hypoxia_opens_atp_channels, "HIF -> ATP leak of living cells"),
    ),
    balances=(
        Balance("entpd2_synthesis", "ENTPD2", "1/day", "synthesis of ENTPD2 without HIF"),
        Balance("atp_per_cell", "ATP", "mm^3/cell", "relative ATP content of a cell"),
        Balance("amp_yield", "AMP", "1", "relative AMP per relative ATP split"),
    ),
)
