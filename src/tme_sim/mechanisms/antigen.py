"""From dead tumour to primed T cells: DAMP, antigen, dendritic cells, node, blood.

Biology.  As necrosis breaks up it sets danger signals (DAMP) and antigen free.  Dendritic cells of the tumour mature
when they sense danger, take antigen to the draining node and wake naive CD8 T cells, which divide about eight times
over as many days and leave through the blood.  VEGF keeps dendritic cells immature (Gabrilovich 1996, DOI
10.1038/nm1096-1096), adenosine too, while extracellular ATP pushes them on (Ghiringhelli 2009, DOI 10.1038/nm.2028).
CTLA-4 and regulatory T cells restrain priming.

Simplified.  DAMP and antigen are relative to the untreated lesion (1).  Quiet apoptosis counts for a twentieth of
necrosis: untreated death sets free in a week as many cells as one embolisation, so unless the way of dying mattered a
pulse would do nothing.  Only antigen-loaded dendritic cells count in the node, which has a limited number of niches.
Naive cells are constant.  Division is a delay and three stages.  The yield per woken cell is solved: tumour-driven
priming supplies the share `priming_share` of the untreated CD8 in blood; all else (memory, other antigens) is a
constant supply.

Not included.  CD4 help, B cells, cross-dressing, antigen spreading, several nodes, memory formation.

That antigen freed by embolisation primes useful T cells in man is a hypothesis; the date of the T-cell peak has no
source.
"""

from tme_sim.laws import fold, logistic_room, saturate
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
    exchange,
    transition,
)
from tme_sim.quantities import Parameter

STAGES = 3  # dividing stages in a row; with the delay before them the spread of leaving times is about half their mean

# --- laws -------------------------------------------------------------------------------------------------------------


def alarming_death(necrosis_flux, w_apop, apoptosis_flux, release_floor):
    """Deaths that count: necrosis fully, apoptosis hardly, and a trace from stroma that never stops."""
    return necrosis_flux + w_apop * apoptosis_flux + release_floor


def gather_debris(alarming_flux):
    """Dead cells that have not yet broken up; necrosis by coagulation keeps its shape for days."""
    return alarming_flux


def break_up(k_debris):
    """Dead cells break up and let their content go."""
    return k_debris


def debris_at_rest(alarming_flux, k_debris):
    """Debris of the untreated lesion."""
    return alarming_flux / k_debris


def release_damp(damp_per_death, breaking_up):
    """DAMP (HMGB1, nucleic acids) in proportion to dead cells that break up."""
    return damp_per_death * breaking_up


def clear_damp(k_DAMP):
    """DAMP are cleared within a day."""
    return k_DAMP


def release_antigen(antigen_per_death, breaking_up):
    """Antigen in proportion to dead cells that break up."""
    return antigen_per_death * breaking_up


def clear_antigen(k_antigen):
    """Free antigen is degraded with a half-life of 8 h."""
    return k_antigen


def dc_enter(dc_influx):
    """Immature dendritic cells arrive; solved from their density."""
    return dc_influx


def damage_draws_dc(DAMP, c50_DAMP, fold_DC_entry):
    """Danger draws monocytes that become dendritic cells."""
    return fold(saturate(DAMP, c50_DAMP), fold_DC_entry)


def die_immature(k_DC_death):
    """Immature dendritic cells last for months."""
    return k_DC_death


def mature(k_DC_mature, DAMP, c50_DAMP):
    """Maturation saturates with danger: half at five times the untreated DAMP."""
    return k_DC_mature * saturate(DAMP, c50_DAMP)


def vegf_keeps_immature(vegf_fold, K_DC_vegf):
    """VEGF holds maturation back; relative to the untreated tumour (VEGF = 1)."""
    return (1 + K_DC_vegf) / (vegf_fold + K_DC_vegf)


def adenosine_keeps_immature(adenosine, K_DC_adenosine):
    """Adenosine holds maturation back; relative to the untreated tumour."""
    return (1 + K_DC_adenosine) / (adenosine + K_DC_adenosine)


def atp_alarms(ATP, K_DC_ATP):
    """ATP opens P2X7 and pushes maturation; relative to the untreated tumour."""
    return saturate(ATP, K_DC_ATP) / saturate(1, K_DC_ATP)


def migrate(k_DC_migrate):
    """Mature dendritic cells leave for the node within 6 to 24 h."""
    return k_DC_migrate


def die_mature(k_mDC_death):
    """Mature dendritic cells live for days."""
    return k_mDC_death


def mature_at_rest(rate_dc_maturing, k_DC_migrate, k_mDC_death):
    """Mature dendritic cells of the untreated tumour."""
    return rate_dc_maturing / (k_DC_migrate + k_mDC_death)


def loaded_migrants(rate_dc_migrating, lesion_volume, dc_arrival, antigen, K_antigen):
    """Dendritic cells that reach the node with antigen: a share arrives, a share is loaded."""
    return rate_dc_migrating * lesion_volume * dc_arrival * saturate(antigen, K_antigen)


def enter_node(dc_homing, node_volume, DC_node, DC_node_max):
    """Arrival in the node, as long as it has room."""
    return dc_homing / node_volume * logistic_room(DC_node, DC_node_max)


def die_in_node(k_mDC_death):
    """Mature dendritic cells live for days in the node too."""
    return k_mDC_death


def node_at_rest(dc_homing, node_volume, DC_node_max, k_mDC_death):
    """Loaded dendritic cells in the node before treatment: arrival with limited room against death."""
    arriving = dc_homing / node_volume
    return arriving / (arriving / DC_node_max + k_mDC_death)


def wake_naive(k_prime, naive_specific, DC_node, K_DC_node):
    """Naive tumour-specific CD8 T cells are woken by dendritic cells, up to `k_prime` per cell and day."""
    return k_prime * naive_specific * saturate(DC_node, K_DC_node)


def ctla4_block_helps(ctla4_engaged, fold_CTLA4):
    """Blocking CTLA-4 raises priming up to `fold_CTLA4`."""
    return fold(ctla4_engaged, fold_CTLA4)


def treg_restrain_priming(Treg_blood, K_Treg_prime):
    """Regulatory T cells take costimulation away from naive cells; relative to before treatment."""
    return (1 + K_Treg_prime) / (Treg_blood + K_Treg_prime)


def begin_dividing(t_activation):
    """First division one to two days after waking."""
    return 1 / t_activation


def divide_on(k_pro, n_divisions):
    """Pass through one stage; all stages together take `n_divisions / k_pro`."""
    return STAGES * k_pro / n_divisions


def yield_of_priming(
    priming_share, k_CD8_blood, CD8_blood, cd8_homing, blood_volume, rate_primed_leaving, primed_floor
):
    """Blood CD8 per woken cell: what priming must supply before treatment over the cells that leave the node."""
    needed = k_CD8_blood * CD8_blood + cd8_homing / blood_volume
    return priming_share * needed / (rate_primed_leaving + primed_floor)


def burst(cd8_yield, blood_volume, node_volume):
    """Effector cells in the whole blood per woken cell."""
    return cd8_yield * blood_volume / node_volume


def supply_elsewhere(cd8_supply):
    """CD8 effectors from memory and other antigens; solved from the blood density."""
    return cd8_supply


def leave_blood(k_CD8_blood):
    """Blood effectors die or settle in other tissues."""
    return k_CD8_blood


def settle_in_tumours(cd8_homing, blood_volume):
    """Blood effectors that enter tumours."""
    return cd8_homing / blood_volume


def activated_at_rest(rate_priming, t_activation):
    """Woken cells before their first division, before treatment."""
    return rate_priming * t_activation


def dividing_at_rest(rate_priming, k_pro, n_divisions):
    """Cells of one dividing stage before treatment."""
    return rate_priming * n_divisions / (STAGES * k_pro)


# --- declaration ------------------------------------------------------------------------------------------------------

QSP_TNBC = "https://github.com/HanwenWang95/QSPIO-TNBC (parameters/parameters_TNBC.m)"
OWN_CHECK = "own ODE check: 0.02/d (source model) puts the blood peak at day 20-29, 0.25/d at day 11-18"
DIVIDING = tuple(f"T_dividing_{i + 1}" for i in range(STAGES))

PARAMETERS = (
    Parameter("w_apop", 0.05, "1", "no source found; apoptosis is quiet", "assumed", 0.0, 0.2,
              "immunogenic weight of apoptosis against necrosis", maximum=1.0),
    Parameter("release_floor", 1.0, "cell/mm^3/day", "numerical floor, a thousandth of untreated death", "assumed", 0.1,
              10.0, "release from stroma"),
    Parameter("k_debris", 1.0, "1/day", "no source found; coagulated cells keep their outline for days (models "
              "clear dead cells at 0.014-0.1/d)", "assumed", 0.1, 2.0, "dead cells break up"),
    Parameter("k_DAMP", 1.0, "1/day", "HMGB1 in serum peaks at the end of heart surgery and has fallen on the next "
              "day (78 patients, DOI 10.3892/etm.2013.1026); after embolisation of colorectal metastases it is high "
              "on day 1, low on day 30 (DOI 10.3389/fonc.2020.572418)", "low", 0.3, 3.0, "clearance of DAMP"),
    Parameter("k_antigen", 2.0, "1/day", f"{QSP_TNBC} (Palsson 2013)", "medium", 1.0, 10.0,
              "clearance of free antigen"),
    Parameter("c50_DAMP", 5.0, "1", "no source found; with absolute numbers cells are saturated before treatment",
              "assumed", 2.0, 20.0, "half-effect DAMP, untreated = 1"),
    Parameter("dc_density", 400.0, "cell/mm^3", f"{QSP_TNBC} (Lavin 2017)", "medium", 100.0, 1000.0,
              "immature dendritic cells in the untreated tumour"),
    Parameter("fold_DC_entry", 3.0, "1", "no source found", "assumed", 1.0, 8.0, "entry at plenty of DAMP over none"),
    Parameter("k_DC_death", 0.01, "1/day", f"{QSP_TNBC} (Marino and Kirschner 2004)", "medium", 0.005, 0.1,
              "death of immature cells"),
    Parameter("k_DC_mature", 1.5, "1/day", f"{QSP_TNBC} (Chen 2014, PMID 25184733)", "medium", 0.5, 3.0,
              "largest maturation"),
    Parameter("K_DC_vegf", 1.0, "1", "effect: DOI 10.1038/nm1096-1096; size not known in HCC", "assumed", 0.3, 10.0,
              "half-effect VEGF, untreated = 1"),
    Parameter("K_DC_adenosine", 2.0, "1", "no source found", "assumed", 0.3, 10.0, "half-effect adenosine, untreated "
              "= 1"),
    Parameter("K_DC_ATP", 1.0, "1", "effect: DOI 10.1038/nm.2028; size not known", "assumed", 0.2, 10.0,
              "half-effect ATP, untreated = 1"),
    Parameter("k_DC_migrate", 4.0, "1/day", f"{QSP_TNBC} (Russo Halin 2016)", "medium", 1.0, 6.0,
              "leaving for the node"),
    Parameter("k_mDC_death", 0.25, "1/day", OWN_CHECK, "low", 0.1, 0.5, "death of mature cells"),
    Parameter("dc_arrival", 0.2, "1", "no source found for cells that leave a tumour", "assumed", 0.02, 0.8,
              "share of migrants that arrive; measured: of cells injected into the skin less than 0.04, see "
              "ismrmdev.gitlab.io/2012/3012.html", maximum=1.0),
    Parameter("K_antigen", 1.0, "1", "no source found", "assumed", 0.2, 5.0, "half-loading antigen, untreated = 1"),
    Parameter("node_volume", 5.0, "mL", "nodes of the hepatoduodenal ligament by ultrasound: 2.8 +- 2.6 in 83 healthy, "
              "19.8 +- 15.7 in 44 with chronic viral hepatitis (PMID 9378062); in hepatitis C 5.8 +- 2.2 where "
              "inflammation is mild, 22.8 +- 18.8 in cirrhosis", "medium", 1.0, 20.0,
              "draining nodes together; measured in viral cirrhosis: four times as large"),
    Parameter("DC_node_max", 3600.0, "cell/mm^3", f"derived: three times the node density 1.2e6/mL of {QSP_TNBC}",
              "low", 1200.0, 12000.0, "niches of the node"),
    Parameter("k_prime", 23.0, "1/day", f"{QSP_TNBC} (De Boer 1995; Robertson-Tessi 2012)", "medium", 5.0, 30.0,
              "largest waking rate"),
    Parameter("naive_specific", 5.0, "cell/mm^3",
              "derived: 5e-5 of some 1e5 naive CD8/mm^3 of node, the latter without source; specific for one epitope "
              "are 0.6e-6 to 1.3e-4 of naive CD8 in human blood, 6 epitopes (Blood 2010;115:3718); scales out, "
              "because the yield is solved", "low", 0.1, 20.0, "naive tumour-specific CD8 in the node"),
    Parameter("K_DC_node", 1200.0, "cell/mm^3", f"derived: node density 1.2e6/mL of {QSP_TNBC}", "low", 300.0, 5000.0,
              "dendritic cells for half-maximal waking"),
    Parameter("fold_CTLA4", 2.5, "1", "no source found for the size", "assumed", 1.2, 6.0,
              "priming at full CTLA-4 block over none"),
    Parameter("K_Treg_prime", 1.0, "1", "no source found", "assumed", 0.3, 5.0, "half-effect Treg, untreated = 1"),
    Parameter("t_activation", 1.5, "day", f"{QSP_TNBC} (Marchingo 2014, PMID 25430770): first division after 1-2 d",
              "medium", 1.0, 2.0, "delay before the first division"),
    Parameter("k_pro", 1.0, "1/day", f"{QSP_TNBC} (Marchingo 2014, PMID 25430770)", "medium", 0.5, 2.0,
              "divisions per day"),
    Parameter("n_divisions", 8.0, "1", f"{QSP_TNBC} (Marchingo 2014): 2 at least, +3 costimulation, +11 IL-2", "medium",
              2.0, 14.0, "divisions before leaving"),
    Parameter("cd8_blood_density", 100.0, "cell/mm^3", "derived: CD8 in healthy blood 505 (410 to 825) per uL, "
              f"{QSP_TNBC} (Autissier 2010, PMID 20099249); that a fifth are effectors is ours", "low", 20.0, 300.0,
              "CD8 effectors in blood before treatment"),
    Parameter("k_CD8_blood", 0.2, "1/day", "no source found; effectors contract within a week", "assumed", 0.05, 0.5,
              "blood effectors die or settle elsewhere"),
    Parameter("blood_volume", 5.0, "L", "adult standard", "medium", 3.5, 7.0, ""),
    Parameter("priming_share", 0.5, "1", "no source found", "assumed", 0.1, 1.0,
              "share of untreated blood effectors that tumour antigen supplies"),
    Parameter("primed_floor", 0.5, "cell/mm^3/day", "numerical floor: keeps a body without tumour finite", "assumed",
              0.05, 2.0, ""),
)

SPECIES = (
    Species("debris", "cell/mm^3", "dead cells that still hold their content", initial=debris_at_rest, scale=10.0),
    Species("DAMP", "1", "danger signals, relative", kind="field", initial=1.0, scale=0.1, rest=1.0),
    Species("antigen", "1", "free tumour antigen, relative", kind="field", initial=1.0, scale=0.1, rest=1.0),
    Species("DC", "cell/mm^3", "immature dendritic cells in tumour", initial="dc_density", scale=10.0,
            ontology="CL:0000451"),
    Species("DC_mature", "cell/mm^3", "mature dendritic cells in tumour", initial=mature_at_rest, scale=1.0,
            ontology="CL:0000451"),
    Species("DC_node", "cell/mm^3", "antigen-loaded dendritic cells in node", where="body", initial=node_at_rest,
            scale=10.0, ontology="CL:0000451"),
    Species("T_activated", "cell/mm^3", "woken CD8 in node", where="body", initial=activated_at_rest, scale=1.0,
            ontology="CL:0000625"),
    *(Species(name, "cell/mm^3", f"dividing CD8 in node, stage {i + 1}", where="body", initial=dividing_at_rest,
              scale=0.1, ontology="CL:0000625") for i, name in enumerate(DIVIDING)),
    Species("CD8_blood", "cell/mm^3", "CD8 effectors in blood", where="body", initial="cd8_blood_density", scale=1.0,
            rest=100.0, ontology="CL:0000625"),
)

PROCESSES = (
    arrival("debris_gathering", "debris", gather_debris, "cells die"),
    decay("debris_breaking_up", "debris", break_up, "dead cells break up"),
    arrival("damp_released", "DAMP", release_damp, "DAMP from dead cells",
            bind={"breaking_up": "rate_debris_breaking_up"}),
    decay("damp_cleared", "DAMP", clear_damp, "clearance of DAMP"),
    arrival("antigen_released", "antigen", release_antigen, "antigen from dead cells",
            bind={"breaking_up": "rate_debris_breaking_up"}),
    decay("antigen_cleared", "antigen", clear_antigen, "clearance of antigen"),
    arrival("dc_entering", "DC", dc_enter, "dendritic cells into tumour"),
    death("dc_dying", "DC", die_immature, "death of immature dendritic cells"),
    transition("dc_maturing", "DC", "DC_mature", mature, "maturation of dendritic cells"),
    decay("dc_migrating", "DC_mature", migrate, "dendritic cells leave for the node"),
    death("dc_mature_dying", "DC_mature", die_mature, "death of mature dendritic cells"),
    arrival("dc_arriving", "DC_node", enter_node, "loaded dendritic cells into node", where="body"),
    death("dc_node_dying", "DC_node", die_in_node, "death of dendritic cells in node", where="body"),
    arrival("priming", "T_activated", wake_naive, "naive CD8 woken", where="body"),
    transition("primed_dividing", "T_activated", DIVIDING[0], begin_dividing, "first division", where="body"),
    *(transition(f"primed_stage_{i + 1}", DIVIDING[i], DIVIDING[i + 1], divide_on, f"division, stage {i + 1}",
      where="body")
      for i in range(STAGES - 1)),
    transition("primed_leaving", DIVIDING[-1], "CD8_blood", divide_on, "effectors leave the node", amount="cd8_yield",
               where="body"),
    arrival("cd8_supplied", "CD8_blood", supply_elsewhere, "CD8 effectors from elsewhere", where="body"),
    decay("cd8_leaving_blood", "CD8_blood", leave_blood, "CD8 effectors die or settle elsewhere", where="body"),
    exchange("cd8_settling", "CD8_blood", None, settle_in_tumours, "CD8 effectors enter tumours", where="body"),
)

MECHANISM = Mechanism(
    name="antigen",
    text=__doc__,
    parameters=PARAMETERS,
    species=SPECIES,
    signals=(
        Signal("alarming_flux", alarming_death, "cell/mm^3/day", "deaths that alarm, per lesion volume"),
        Signal("burst_size", burst, "1", "effector cells per woken cell", where="body"),
    ),
    totals=(Total("dc_homing", loaded_migrants, "cell/day", "loaded dendritic cells on their way to the node"),),
    processes=PROCESSES,
    modulations=(
        Modulation("damage_on_dc_entry", "dc_entering", damage_draws_dc, "DAMP -> entry of dendritic cells"),
        Modulation("vegf_on_dc_maturation", "dc_maturing", vegf_keeps_immature, "VEGF -> dendritic cells stay immature",
                   source="DOI 10.1038/nm1096-1096"),
        Modulation("adenosine_on_dc_maturation", "dc_maturing", adenosine_keeps_immature,
                   "adenosine -> dendritic cells stay immature"),
        Modulation("atp_on_dc_maturation", "dc_maturing", atp_alarms, "ATP -> maturation of dendritic cells",
                   source="DOI 10.1038/nm.2028"),
        Modulation("ctla4_on_priming", "priming", ctla4_block_helps, "CTLA-4 block -> priming"),
        Modulation("treg_on_priming", "priming", treg_restrain_priming, "Treg -> priming"),
    ),
    balances=(
        Balance("damp_per_death", "DAMP", "mm^3/cell", "relative DAMP per death"),
        Balance("antigen_per_death", "antigen", "mm^3/cell", "relative antigen per death"),
        Balance("dc_influx", "DC", "cell/mm^3/day", "entry of dendritic cells without danger"),
        Balance("cd8_supply", "CD8_blood", "cell/mm^3/day", "CD8 effectors from elsewhere"),
    ),
    references=(Reference("cd8_yield", yield_of_priming, "1", "blood CD8 per cell that leaves the node",
                          where="body"),),
)
