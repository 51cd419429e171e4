"""Blood markers as their assays read them: alpha-fetoprotein, serum VEGF, shares of suppressor cells.

Biology.  Many hepatomas secrete alpha-fetoprotein, others none at all; secretion per cell spreads over orders of
magnitude.  In blood it falls with a half-life of five days, so a slower fall after treatment means that viable tumour
is left.  A small background comes from the liver.  Clotting empties platelets of their VEGF, so serum reads more than
plasma. Assays see free and antibody-bound VEGF alike.

Simplified.  Every viable cell of a patient secretes the same; one distribution volume; the untreated level follows
the growing lesions from the start, each at its own rate.  Platelets and what each releases stay as at entry.

Not included.  Secretion by regenerating liver (`afp.liver` offers that), glycoforms, PIVKA-II.
"""

from tme_sim.mechanisms.regeneration import REGENERATING
from tme_sim.network import Mechanism, Reference, Signal, Species, Total, arrival, decay
from tme_sim.quantities import Parameter


def secrete(afp_secretion, viable_total, V_AFP):
    """Viable cells of all lesions secrete AFP into its distribution volume."""
    return afp_secretion * viable_total / V_AFP


def secrete_background(k_AFP, afp_background):
    """Liver and other tissue keep up a small level."""
    return k_AFP * afp_background


def lose(k_AFP):
    """Loss from blood, half-life five days (https://www.oncology.ox.ac.uk/publications/975497)."""
    return k_AFP


def count(viable_cells):
    """Viable cells of a lesion."""
    return viable_cells


def cells_over_turnover(viable_cells, k_AFP, growth_rate):
    """Viable cells over loss and growth: the level each lesion holds while it grows exponentially."""
    return viable_cells / (k_AFP + growth_rate)


def afp_at_start(afp_background, afp_secretion, afp_load, V_AFP):
    """AFP that the untreated lesions have built up."""
    return afp_background + afp_secretion * afp_load / V_AFP


def relative(AFP, AFP_base):
    """AFP relative to entry; a response is a fall by more than 20 %."""
    return AFP / AFP_base


def secretion_behind(afp: float, background: float, load: float, volume: float) -> float:
    """Secretion per cell that explains an untreated AFP level; 0 for a level no higher than the background.

    All in one coherent unit system; `load` is the total `afp_load` (viable cells over loss and growth rate).

    Raises:
        ValueError: a level above the background without any viable cell.
    """
    if afp <= background:
        return 0.0
    if load <= 0.0:
        raise ValueError("AFP above its background needs viable tumour cells; lower the level or add a lesion")
    return (afp - background) * volume / load


def clot(VEGF_plasma, platelets, vegf_per_platelet):
    """Serum VEGF: plasma and what platelets release while blood clots."""
    return VEGF_plasma + platelets * vegf_per_platelet


def share_of_mononuclear(MDSC_blood, lymphocytes):
    """Suppressor cells among them and lymphocytes, close to the share of mononuclear cells that cytometry reports."""
    return MDSC_blood / (MDSC_blood + lymphocytes)


def share_of_helpers(treg_share_base, Treg_blood):
    """Regulatory share of CD4 cells, which moves with their blood level."""
    return treg_share_base * Treg_blood


MECHANISM = Mechanism(
    name="markers",
    text=__doc__,
    parameters=(
        Parameter(name="afp_secretion", value=1e-5, unit="ng/cell/day", grade="low", low=0.0, high=3e-4,
                  source="no source found; log-normal by patient, zero-inflated",
                  note="set from a patient's AFP where it is known"),
        Parameter(name="k_AFP", value=0.1386, unit="1/day", source="https://www.oncology.ox.ac.uk/publications/975497",
                  grade="high", low=0.099, high=0.198, note="half-life 5 d (3.5-7)"),
        Parameter(name="V_AFP", value=4.0, unit="L", source="no source found; plasma and part of the interstitium",
                  grade="low", low=3.0, high=6.0, note="distribution volume"),
        Parameter("platelets", 150000.0, "cell/mm^3", "378 of 626 patients with cirrhosis and unresectable HCC have "
                  "fewer (PMC6547277), so that the median lies somewhat below", "medium", 30000.0, 450000.0,
                  "platelets in blood"),
        Parameter("vegf_per_platelet", 8.7e-7, "pg/cell",
                  "derived: serum median 285 pg/mL (PMID 23359473, n = 60) less "
                  "plasma 154 (n = 30) over platelets; healthy adults 249 and 76 pg/mL (PMID 9640345)", "low", 3e-7,
                  3e-6,
                  "VEGF released by clotting"),
        Parameter("treg_share_base", 0.11, "1", "11.1 +- 3.6 % of CD4 cells before TACE (Liao 2015)", "medium", 0.05,
                  0.2,
                  "regulatory share of blood CD4 cells at entry"),
        Parameter(name="afp_background", value=4.0, unit="ng/mL", source="adults are below 6.0 by the range "
                  "of the Mayo Clinic (www.reference.com/health/estimated-range-afp-tumor-markers-2c16957c1ca9e114)",
                  grade="low", low=1.0, high=20.0,
                  note="AFP without tumour; measured in cirrhosis without HCC: 88 % below 20, the mean 117, see "
                  "kjim.org/journal/view.php?number=169532 (three hospitals in Korea)"),
    ),
    species=(
        Species("AFP", "ng/mL", "alpha-fetoprotein in blood", where="body", kind="pool", initial=afp_at_start,
                scale=0.1, ontology="UniProt:P02771"),
    ),
    signals=(
        Signal("AFP_relative", relative, "1", "alpha-fetoprotein relative to entry", where="body", rest=1.0),
        Signal("VEGF_serum", clot, "pg/mL", "serum VEGF, free and bound", where="body"),
        Signal("MDSC_share", share_of_mononuclear, "1", "MDSC among blood mononuclear cells", where="body"),
        Signal("Treg_share", share_of_helpers, "1", "Treg among blood CD4 cells", where="body"),
    ),
    totals=(
        Total("viable_total", count, "cell", "viable cells of all lesions"),
        Total("afp_load", cells_over_turnover, "cell*day", "viable cells over AFP loss and growth"),
    ),
    processes=(
        arrival("AFP_secretion", "AFP", secrete, "AFP from tumour cells", where="body"),
        arrival("AFP_background", "AFP", secrete_background, "AFP from elsewhere", where="body"),
        decay("AFP_loss", "AFP", lose, "loss of AFP", where="body"),
    ),
    references=(Reference("AFP_base", "AFP", "ng/mL", "AFP at entry", where="body"),),
    hypotheses=(REGENERATING,),
)
