"""Transarterial chemoembolisation: occlusion by vessel class, recanalisation, and a drug depot.

Biology.  Embolised to stasis, a hepatoma loses about 88 % of its arterial perfusion (perfusion CT, PMC9028792), short
of stasis 61 % (transcatheter MRI, PMC2885358); rabbit tumours lose 56 and 37 % of their vessels, which is kept as a
rival, and what they keep lies at the rim (PMC4698187).  Gelatin is resorbed after a lag of about three days and flow
returns within weeks; permanent beads stay, and collaterals rescue the rim slowly.  Beads release doxorubicin over a
month (5 uM at 8 h to 0.65 uM at 30 d near the beads, DOI 10.1016/j.jhep.2011.03.024), a lipiodol emulsion within hours
to days.  Drug reaches about 0.6 mm, so only a share of the cells sees it.

Simplified.  Two vessel classes, core and rim.  Tissue doxorubicin follows its depots.  A session is an instantaneous
event; its occlusion, drug load and material are properties of the session, held as inputs.  Every session to stasis
closes the same share; `tace.reach` draws it by lesion and session instead (:mod:`tme_sim.therapies.reach`).

Not included.  Extracapsular feeders as a class of their own (their share is part of the rim), systemic doxorubicin,
post-embolisation syndrome.
"""

from tme_sim.laws import hill
from tme_sim.mechanisms.tumour import CLONE_WORDS, CLONES
from tme_sim.network import Held, Mechanism, Modulation, Signal, Species, death, decay
from tme_sim.quantities import Parameter
from tme_sim.therapies import reach


def recanalise(recanalisation_rate):
    """Emboli dissolve or are bypassed; the rate is 0 until the material's lag is over, then the material's own."""
    return recanalisation_rate


def rescue_by_collaterals(recanalisation_rate, k_collateral):
    """The rim also gains collateral and portal supply."""
    return recanalisation_rate + k_collateral


def open_share_of(occluded_core, occluded_rim, core_share):
    """Share of perfused vessels that is not occluded."""
    return 1 - core_share * occluded_core - (1 - core_share) * occluded_rim


def release_fast(k_depot_fast):
    """Burst of a lipiodol emulsion."""
    return k_depot_fast


def release_slow(k_depot_slow):
    """Slow elution from beads or retained lipiodol: 5 uM at 8 h to 0.65 uM at 30 d is 0.068/d."""
    return k_depot_slow


def tissue_doxorubicin(depot_fast, depot_slow):
    """Doxorubicin near occluded vessels; depots are measured by the tissue concentration they keep up."""
    return depot_fast + depot_slow


def kill_in_reach(doxorubicin, Emax_dox, IC50_dox, n_dox):
    """Killing of sensitive cells that doxorubicin reaches."""
    return Emax_dox * hill(doxorubicin, IC50_dox, n_dox)


def kill_by_doxorubicin(dox_kill, dox_exposed):
    """Killing of sensitive cells, averaged over those in and out of reach."""
    return dox_exposed * dox_kill


def exposed_die_first(dox_kill, dox_exposed):
    """The exposed share falls as exposed cells die and the others do not."""
    return dox_kill * (1 - dox_exposed)


def hypoxia_protects(hif, hypoxic_dox):
    """Hypoxia changes sensitivity to doxorubicin; the sign differs by cell line (DOI 10.3390/cancers11071024)."""
    return 1 / (1 + hypoxic_dox * hif)


NAMUR = "DOI 10.1016/j.jhep.2011.03.024 (Namur 2011, human explants)"

MECHANISM = Mechanism(
    name="tace",
    text=__doc__,
    parameters=(
        Parameter("core_share", 0.6, "1", "no source found; the flow that remains after embolisation is at the rim "
                  "(PMC4698187)", "assumed", 0.4, 0.8, "share of perfused vessels in the core"),
        Parameter("k_collateral", 0.03, "1/day", "mechanism: PMC4698187; the rate is not measured", "low", 0.0, 0.1,
                  "collateral and portal rescue of the rim"),
        Parameter("k_depot_fast", 5.5, "1/day", "no source found; lipiodol emulsion release half-time about 3 h "
                  "(0.5-24 h)", "assumed", 0.7, 33.0, ""),
        Parameter("k_depot_slow", 0.068, "1/day", NAMUR, "medium", 0.023, 0.1, "derived: ln(5/0.65)/30 d"),
        Parameter("Emax_dox", 0.5, "1/day", "no source found", "assumed", 0.1, 2.0, "largest kill rate of doxorubicin"),
        Parameter("IC50_dox", 0.5, "umol/L", "order of magnitude from HCC lines (DOI 10.3390/cancers11071024)", "low",
                  0.1, 10.0, ""),
        Parameter("n_dox", 1.3, "1", "no source found", "assumed", 1.0, 2.0, ""),
        Parameter("hypoxic_dox", 0.5, "1", "line-dependent (DOI 10.3390/cancers11071024); sign uncertain", "low", -0.5,
                  4.0, "relative loss of kill at full HIF activity"),
    ),
    species=(
        Species("occluded_core", "1", "occluded share of core vessels", kind="trait", initial=0.0, scale=0.1),
        Species("occluded_rim", "1", "occluded share of rim vessels", kind="trait", initial=0.0, scale=0.1),
        Species("dox_exposed", "1", "share of viable cells within reach of doxorubicin", kind="trait", initial=0.0,
                scale=0.1),
        Species("depot_fast", "umol/L", "doxorubicin burst depot", kind="field", initial=0.0, scale=0.1),
        Species("depot_slow", "umol/L", "doxorubicin slow depot", kind="field", initial=0.0, scale=0.1),
    ),
    held=(
        Held("recanalisation_rate", "1/day", "recanalisation of the material in place", where="lesion"),
    ),
    signals=(
        Signal("open_share", open_share_of, "1", "share of vessels not occluded", rest=1.0),
        Signal("doxorubicin", tissue_doxorubicin, "umol/L", "tissue doxorubicin"),
        Signal("dox_kill", kill_in_reach, "1/day", "hazard of sensitive cells that doxorubicin reaches"),
    ),
    processes=(
        decay("recanalisation_core", "occluded_core", recanalise, "recanalisation of the core"),
        decay("recanalisation_rim", "occluded_rim", rescue_by_collaterals, "recanalisation and collaterals of the rim"),
        decay("exposed_loss", "dox_exposed", exposed_die_first, "exposed cells die first"),
        decay("elution_fast", "depot_fast", release_fast, "burst release"),
        decay("elution_slow", "depot_slow", release_slow, "slow release"),
        *(
            death(f"doxorubicin_{state}{clone}", f"{state}{clone}", kill_by_doxorubicin,
                  f"{state} cells killed by doxorubicin{words}", into="dying")
            for clone, words in zip(CLONES, CLONE_WORDS, strict=True)
            if clone != "_resistant"
            for state in ("cycling", "quiescent")
        ),
    ),
    modulations=(
        Modulation(
            "hypoxia_on_doxorubicin",
            tuple(f"doxorubicin_{state}{clone}" for clone in ("", "_unseen") for state in ("cycling", "quiescent")),
            hypoxia_protects,
            "HIF -> doxorubicin kill",
        ),
    ),
    hypotheses=(reach.DRAWN, reach.SIZED),
)
