"""Oxygen of the tissue: a distribution over fixed classes, from the density and quality of perfused vessels.

Biology.  Hepatoma lives on arterial blood; oxygen reaches a cell only if an open vessel is within about 140 um, so a
tissue with a decent mean still has anoxic corners.  Embolisation removes vessels and moves the whole distribution down.

Simplified.  Oxygen settles within seconds and is taken as steady.  The distribution comes from the closure of
:mod:`tme_sim.mechanisms.closure`, fitted to solved oxygen fields.  Necrotic tissue fills the lowest-oxygen part, so
viable cells live in the rest of the distribution.  The arterial share scales inflow only through the open vessels.

Not included.  Acute (fluctuating) hypoxia, haematocrit and saturation along vessels, portal supply as a field of its
own.
"""

from tme_sim.laws import positive
from tme_sim.mechanisms.closure import (
    OXYGEN_CLASSES,
    OXYGEN_EDGES,
    headroom,
    isolation,
    share_below,
    supply_ratio,
    vessel_conductance,
    vessels_in_reach,
)
from tme_sim.network import Hypothesis, Mechanism, Signal
from tme_sim.quantities import Parameter

ANOXIC_EDGE = OXYGEN_EDGES.index(2.5)  # tissue below this edge is anoxic
NORMOXIC = (0.0,) * (len(OXYGEN_CLASSES) - 1) + (1.0,)  # what others read while this mechanism is off


def supply_of(perfused_density, vessel_quality, g_wall, D_O2, p_v, Vmax_tum):
    """Oxygen supply over demand of the tissue."""
    return supply_ratio(perfused_density, vessel_quality, vessel_conductance(g_wall, D_O2), p_v, Vmax_tum)


def vessels_near(perfused_density, p_v, Vmax_tum, Km_tum, D_O2):
    """Perfused vessels within the area that oxygen can diffuse over."""
    return vessels_in_reach(perfused_density, p_v, Vmax_tum, Km_tum, D_O2)


def vessel_isolation(vessel_quality, g_wall, p_v, Km_tum, D_O2):
    """Spread of oxygen in tissue over conductance of vessels."""
    return isolation(vessel_quality, vessel_conductance(g_wall, D_O2), p_v, Km_tum, D_O2)


def tissue_below_edges(oxygen_supply, vessels_reached, isolation_of_vessels, p_v, Km_tum, mmHg):
    """Share of all tissue below each class edge."""
    return tuple(
        share_below(headroom(edge * mmHg, p_v, Km_tum), oxygen_supply, vessels_reached, isolation_of_vessels)
        for edge in OXYGEN_EDGES
    )


def viable_below_edges(
    tissue_below_0, tissue_below_1, tissue_below_2, tissue_below_3, tissue_below_4, necrotic_share, anoxic_width
):
    """Share of viable tissue below each edge; divided by the same smooth part of 1, so that none exceeds 1."""
    whole = positive(1 - necrotic_share, anoxic_width)
    edges = (tissue_below_0, tissue_below_1, tissue_below_2, tissue_below_3, tissue_below_4)
    return tuple(positive(below - necrotic_share, anoxic_width) / whole for below in edges)


def viable_classes(viable_below_0, viable_below_1, viable_below_2, viable_below_3, viable_below_4):
    """Shares of the viable tissue in the oxygen classes; they sum to 1."""
    below = (viable_below_0, viable_below_1, viable_below_2, viable_below_3, viable_below_4)
    inner = [upper - lower for lower, upper in zip(below[:-1], below[1:], strict=True)]
    return (below[0], *inner, 1 - below[-1])


def between(start, now, share):
    """From the untreated value to that of now, by a share."""
    return start + share * (now - start)


def supply_held(
    perfused_density, vessel_quality, perfusion_start, vessels_on_oxygen, g_wall, D_O2, p_v, Vmax_tum
):  # fmt: skip
    """Oxygen supply over demand, where vessels count by a share of what they changed."""
    perfusion = between(perfusion_start, perfused_density * vessel_quality, vessels_on_oxygen)
    return supply_ratio(perfusion, 1, vessel_conductance(g_wall, D_O2), p_v, Vmax_tum)


def vessels_near_held(
    perfused_density, vessel_density, perfused_share, vessels_on_oxygen, p_v, Vmax_tum, Km_tum, D_O2
):  # fmt: skip
    """Perfused vessels within reach of oxygen, where vessels count by a share of what they changed."""
    density = between(vessel_density * perfused_share, perfused_density, vessels_on_oxygen)
    return vessels_in_reach(density, p_v, Vmax_tum, Km_tum, D_O2)


def isolation_held(
    vessel_quality, perfusion_start, vessel_density, perfused_share, vessels_on_oxygen, g_wall, p_v, Km_tum, D_O2
):  # fmt: skip
    """Spread of oxygen in tissue over conductance of vessels, where these count by a share of what they changed."""
    quality = between(perfusion_start / (vessel_density * perfused_share), vessel_quality, vessels_on_oxygen)
    return isolation(quality, vessel_conductance(g_wall, D_O2), p_v, Km_tum, D_O2)


def mean_of(oxygen):
    """Oxygen itself; its tissue mean is the mean oxygen of viable tissue."""
    return oxygen


PO2 = "https://pmc.ncbi.nlm.nih.gov/articles/PMC4064601/table/tbl2"

MECHANISM = Mechanism(
    name="oxygen",
    text=__doc__,
    parameters=(
        Parameter("D_O2", 2.0e-9, "m^2/s", "https://doi.org/10.1038/srep42113; PhysiCell 1.67e-9; water 3e-9", "medium",
                  1.5e-9, 3e-9, "oxygen diffusivity in tissue"),
        Parameter("Vmax_tum", 6.5, "mmHg/s",
                  "chosen within derived bounds so that 6 % of tissue is anoxic untreated: 2*D*p0/L^2 with the 140 um "
                  "limit of Cancer Res 66:4219; a Krogh cylinder gives 2.9", "medium", 2.9, 15.0,
                  "largest oxygen uptake of the tissue"),
        Parameter("Km_tum", 2.5, "mmHg", "form: PMC4448765 (Grimes 2015); value unconfirmed, low sensitivity", "low",
                  0.5, 5.0, "oxygen for half-maximal uptake"),
        Parameter("p_v", 40.0, "mmHg", "effect: blood in mammary carcinomas of rats that breathe air has the oxygen of "
                  "venous blood (fluorine MRI, scilit.net/publications/73b1bcde4db18a22dcd9a673c0ae67c2); 40 for that "
                  "is from memory, 38 is PhysiCell's far field; no source for HCC", "assumed", 30.0, 60.0,
                  "oxygen in tumour vessels; above the top class edge", minimum=26.0),
        Parameter("g_wall", 3300.0, "um^2/s", "derived: scan of solved 2-D fields", "low", 2000.0, 10000.0,
                  "wall conductance per vessel length"),
        Parameter("mmHg", 1.0, "mmHg", "unit of the class edges, by construction", "high", 1.0, 1.0, ""),
    ),
    signals=(
        Signal("oxygen_supply", supply_of, "1", "oxygen supply over demand"),
        Signal("vessels_reached", vessels_near, "1", "vessels in reach"),
        Signal("isolation_of_vessels", vessel_isolation, "1", "isolation of vessels"),
        Signal("tissue_below", tissue_below_edges, "1", "share of tissue below an oxygen edge",
               parts=len(OXYGEN_EDGES)),
        Signal("viable_below", viable_below_edges, "1", "share of viable tissue below an oxygen edge",
               parts=len(OXYGEN_EDGES)),
        Signal("oxygen_share", viable_classes, "1", "share of viable tissue in an oxygen class",
               parts=len(OXYGEN_CLASSES),
               rest=NORMOXIC),
        Signal("anoxic_share", lambda below: below, "1", "share of tissue below 2.5 mmHg",
               bind={"below": f"tissue_below_{ANOXIC_EDGE}"}),
        Signal("hypoxic_share", lambda below: below, "1", "share of viable tissue below 12 mmHg",
               bind={"below": f"viable_below_{OXYGEN_EDGES.index(12.0)}"}),
        Signal("oxygen_mean", mean_of, "mmHg", "mean oxygen of viable tissue", rest=40.0),
    ),
    hypotheses=(
        Hypothesis(
            "oxygen.vessels", "held", "oxygen does not feel what vessels do: an arrow that is cut, no biology",
            "no source: a knock-out of vessels -> oxygen, for asking which arrow matters",
            laws={"oxygen_supply": supply_held, "vessels_reached": vessels_near_held,
                  "isolation_of_vessels": isolation_held},
            adds=Mechanism("oxygen", "", parameters=(
                Parameter("vessels_on_oxygen", 0.0, "1", "gain of a link that is cut, by construction", "high", 0.0,
                          1.0, "share of a change of vessels that oxygen feels", maximum=1.0),
            )),
        ),
    ),
)
