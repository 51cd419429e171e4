"""A rival account of antigen-low tumour cells: those beside a cell that T cells kill may die with it.

Biology.  A T cell that meets its antigen shows Fas ligand and gives off interferon-gamma and TNF; neighbours without
the antigen die of it (Upadhyay 2021, DOI 10.1158/2159-8290.CD-20-0756; in mice antigen-loss variants are eliminated
with the rest, Spiotto 2004, DOI 10.1038/nm999, from memory).  Under CAR T cells mice with lymphoma of which a twentieth
lacked the antigen lived as long as those whose lymphoma all had it (41 and 42 days, 25 without T cells); with Fas
ligand blocked they did not (30.5 and 34).

Simplified.  Each kill also kills `bystander_kills` neighbours, of which as many lack the antigen as do of all living
cells.  So it needs cells that are seen, and ends with them.  The cost of antigen loss is what is left to balance: the
killing escaped before treatment less that by neighbours, so the clone still rests.  Neighbours that show the antigen
count as killed by contact.

Not included.  Cells that lose Fas, new answers against further antigens (epitope spreading), natural killer cells.
"""

from tme_sim.network import Hypothesis, Mechanism, death
from tme_sim.quantities import Parameter

FAS = "DOI 10.1158/2159-8290.CD-20-0756 (Upadhyay 2021)"


def die_as_neighbour(bystander_kills, killing_flux, lesion_volume, viable_cells, few_cells):
    """Hazard of an antigen-low cell by kills beside it: their number per living cell and day."""
    return bystander_kills * killing_flux * lesion_volume / (viable_cells + few_cells)


def escape_costs_beside(rate_killing_cycling, cycling, rate_bystander_cycling_unseen, cycling_unseen):
    """Cost that cancels what the antigen-low clone gains: the killing it escapes less that by its neighbours."""
    return rate_killing_cycling / cycling - rate_bystander_cycling_unseen / cycling_unseen


BYSTANDER = Hypothesis(
    "killing.bystander", "fas", "antigen-low cells die beside cells that T cells kill", FAS,
    laws={"unseen_cost": escape_costs_beside},
    adds=Mechanism(
        "killing", "",
        parameters=(
            Parameter("bystander_kills", 0.5, "1", f"effect: {FAS}, where a twentieth without antigen was kept "
                      "down; number not given", "assumed", 0.0, 0.9,
                      "neighbours, of any kind, that die of the kill of one cell", maximum=1.0),
        ),
        processes=tuple(
            death(f"bystander_{cells}", cells, die_as_neighbour,
                  f"{cells.replace('_', ' ')} cells die beside killed ones", into="dying")
            for cells in ("cycling_unseen", "quiescent_unseen")
        ),
    ),
)  # fmt: skip
