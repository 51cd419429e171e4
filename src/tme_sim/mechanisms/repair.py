"""A rival account of the weeks after embolisation: liver in repair goes on signalling when its injury has healed.

Biology.  Injured parenchyma is not gone when it heals: it is tissue in repair, with regenerating hepatocytes, new
vessels and macrophages, until function is back.  Serum VEGF is still 170 % of its start four weeks after lipiodol TACE
(DOI 10.14218/JCTH.2016.00058), when the injury of the default model is over and the tumour that made VEGF is dead.
Interleukin-6 makes platelets and fills them with VEGF: serum VEGF follows both, and is 3.2 times higher in patients
with thrombocytosis, whose interleukin-6 is 5.8 times higher (Salgado 1999, DOI 10.1038/sj.bjc.6690437).  So plasma, the
liver's own signal, and serum, mostly platelets, need not peak on the same day.  Repair also keeps the marrow making
immature myeloid cells, which would explain why their share of blood does not fall after conventional treatment
(PMC6886785).

Simplified.  What heals becomes repair, in the same units, and ends as function recovers (`k_recL`); per unit it
secretes as much VEGF as injury does, so that no number is added for it.  Platelets fill and empty with their lifetime.

Not included.  Regrowth of liver volume, platelets used up or held in the spleen, hepatocyte growth factor.

Against it: serum VEGF of living donors does not change over five days after a right hepatectomy (Transplant Proc,
18 donors), and MDSC follow the tumour and not inflammation or fibrosis of the liver (Arihara 2013, PMC11029267).
"""

from tme_sim.laws import fold, saturate
from tme_sim.network import Hypothesis, Mechanism, Species, arrival, decay
from tme_sim.quantities import Parameter


def become_repair(k_injury, injury):
    """Injured parenchyma that heals is tissue in repair from then on."""
    return k_injury * injury


def end_repair(k_recL):
    """Repair ends as liver function recovers."""
    return k_recL


def fill_platelets(k_platelets, platelet_rise, inflammation):
    """Interleukin-6 makes more platelets, and fuller ones, up to `platelet_rise` beyond those at rest."""
    return k_platelets * platelet_rise * inflammation


def lose_platelets(k_platelets):
    """Platelets live for about nine days."""
    return k_platelets


def repair_raises_vegf(injury, repair, injury_vegf):
    """Liver in repair secretes VEGF as injured liver does."""
    return 1 + injury_vegf * (injury + repair)


def clot_with_platelets(VEGF_plasma, platelets, vegf_per_platelet, platelet_load):
    """Serum VEGF: plasma and what platelets release while blood clots, more after inflammation."""
    return VEGF_plasma + platelets * vegf_per_platelet * (1 + platelet_load)


def repair_drives_marrow(IL6, K_IL6_marrow, fold_IL6_marrow, repair, repair_marrow):
    """Interleukin-6 of injured liver, and liver in repair after it, speed the making of myeloid cells."""
    return fold(saturate(IL6 - 1, K_IL6_marrow), fold_IL6_marrow) * (1 + repair_marrow * repair)


SALGADO = "DOI 10.1038/sj.bjc.6690437 (Salgado 1999, 50 patients with advanced cancer)"

REPAIR = Hypothesis(
    "liver.repair", "weeks", "liver in repair, and platelets, go on giving VEGF and driving the marrow for weeks",
    f"{SALGADO}; DOI 10.14218/JCTH.2016.00058; against it: PMC11029267",
    laws={
        "injury_on_vegf": repair_raises_vegf, "injury_on_tissue_vegf": repair_raises_vegf,
        "VEGF_serum": clot_with_platelets, "inflammation_on_marrow": repair_drives_marrow,
    },
    adds=Mechanism(
        "liver", "",
        parameters=(
            Parameter("platelet_rise", 1.0, "1", f"{SALGADO}: serum VEGF 3.2 times higher with thrombocytosis, "
                      "interleukin-6 5.8 times; between patients, not after injury", "low", 0.2, 2.2,
                      "VEGF that clotting frees at full inflammation, beyond that at rest"),
            Parameter("k_platelets", 0.11, "1/day", "no source found; platelets live for about nine days, from memory",
                      "assumed", 0.09, 0.14, "turnover of platelets"),
            Parameter("repair_marrow", 1.0, "1", "no source found; MDSC after ablation show various changes "
                      "(PMC11029267)", "assumed", 0.3, 4.0, "relative rise of marrow output per unit of repair"),
        ),
        species=(
            Species("repair", "1", "liver in repair, in units of injury", where="body", kind="pool", initial=0.0,
                    scale=0.01),
            Species("platelet_load", "1", "VEGF of platelets beyond that at rest, relative", where="body", kind="pool",
                    initial=0.0, scale=0.01),
        ),
        processes=(
            arrival("repair_begins", "repair", become_repair, "healing injury becomes repair", where="body"),
            decay("repair_ends", "repair", end_repair, "end of repair", where="body"),
            arrival("platelets_filled", "platelet_load", fill_platelets, "IL-6 fills platelets", where="body"),
            decay("platelets_lost", "platelet_load", lose_platelets, "loss of platelets", where="body"),
        ),
    ),
)  # fmt: skip
