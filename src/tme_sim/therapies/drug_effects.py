"""Direct effects of systemic and arterial drugs on tumour cells.

Biology.  Kinase inhibitors slow hepatoma cells themselves, beside their vessels (sorafenib through RAF, lenvatinib
through FGFR4).  Cytotoxic drugs of arterial infusion chemotherapy kill dividing and resting cells in the whole
arterial territory without closing vessels, and spare the drug-resistant clone.

Simplified.  Effects follow the concentration at the tumour without delay; killed cells die by apoptosis and are gone
within hours.  The rival `drugs.death` = `necrosis` leaves most of them as necrosis, which shrinks as slowly as that of
embolisation: after arterial FOLFOX fewer lesions shrink than cells die.

Not included.  Delivery differences within the lesion, acquired resistance by selection of mutations during treatment.
"""

from tme_sim.mechanisms.tumour import CLONES
from tme_sim.network import Hypothesis, Mechanism, Modulation, death
from tme_sim.quantities import Parameter


def die_of_cytotoxic_drugs(chemo_kill, chemo2_kill):
    """Hazard of sensitive cells at the drugs' tumour concentrations (Emax form; see the kinetics of the slots).

    Two drugs act independently, so their hazards add; synergy of platinum and fluorouracil is not in it.
    """
    return chemo_kill + chemo2_kill


def die_by_apoptosis_of_drugs(chemo_kill, chemo2_kill, drug_necrosis):
    """Hazard of sensitive cells that the drugs send into apoptosis."""
    return (1 - drug_necrosis) * (chemo_kill + chemo2_kill)


def die_by_necrosis_of_drugs(chemo_kill, chemo2_kill, drug_necrosis):
    """Hazard of sensitive cells that the drugs kill and that stay as necrosis until they are resorbed."""
    return drug_necrosis * (chemo_kill + chemo2_kill)


def kinase_block_slows_division(tki_antitumour):
    """Share of division that goes on under a kinase inhibitor."""
    return 1 - tki_antitumour


SENSITIVE = tuple(f"{state}{clone}" for clone in CLONES if clone != "_resistant" for state in ("cycling", "quiescent"))

MECHANISM = Mechanism(
    name="drug_effects",
    text=__doc__,
    processes=tuple(
        death(f"cytotoxic_{cells}", cells, die_of_cytotoxic_drugs,
              f"{cells.replace('_', ', ')} cells killed by cytotoxic drugs",
              into="dying")
        for cells in SENSITIVE
    ),
    modulations=(
        Modulation("tki_on_division", tuple(f"division{clone}" for clone in CLONES), kinase_block_slows_division,
                   "kinase inhibitor -> division of tumour cells"),
    ),
    hypotheses=(
        Hypothesis(
            "drugs.death", "necrosis", "most of what cytotoxic drugs kill stays as necrosis and is resorbed slowly",
            "no source found for the share; resected tumours are necrotic after arterial FOLFOX, from memory",
            laws={f"cytotoxic_{cells}": die_by_apoptosis_of_drugs for cells in SENSITIVE},
            adds=Mechanism(
                "drug_effects", "",
                parameters=(
                    Parameter("drug_necrosis", 0.8, "1", "no source found", "assumed", 0.0, 1.0,
                              "share of the cells killed by cytotoxic drugs that become necrosis"),
                ),
                processes=tuple(
                    death(f"cytotoxic_necrosis_{cells}", cells, die_by_necrosis_of_drugs,
                          f"{cells.replace('_', ', ')} cells that cytotoxic drugs leave as necrosis", into="necrotic")
                    for cells in SENSITIVE
                ),
            ),
        ),
    ),
)  # fmt: skip
