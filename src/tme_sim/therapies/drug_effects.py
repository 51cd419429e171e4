"""Direct effects of systemic and arterial drugs on tumour cells.

Biology.  Kinase inhibitors slow hepatoma cells themselves, beside their vessels (sorafenib through RAF, lenvatinib
through FGFR4).  Cytotoxic drugs of arterial infusion chemotherapy kill dividing and resting cells in the whole
arterial territory without closing vessels, and spare the drug-resistant clone.

Simplified.  Effects follow the concentration at the tumour without delay; killed cells die by apoptosis.

Not included.  Delivery differences within the lesion, acquired resistance by selection of mutations during treatment.
"""

from tme_sim.mechanisms.tumour import CLONES
from tme_sim.network import Mechanism, Modulation, death


def die_of_cytotoxic_drug(chemo_kill):
    """Hazard of sensitive cells at the drug's tumour concentration (Emax form; see the kinetics of the slot)."""
    return chemo_kill


def kinase_block_slows_division(tki_antitumour):
    """Share of division that goes on under a kinase inhibitor."""
    return 1 - tki_antitumour


SENSITIVE = tuple(f"{state}{clone}" for clone in CLONES if clone != "_resistant" for state in ("cycling", "quiescent"))

MECHANISM = Mechanism(
    name="drug_effects",
    text=__doc__,
    processes=tuple(
        death(f"cytotoxic_{cells}", cells, die_of_cytotoxic_drug,
              f"{cells.replace('_', ', ')} cells killed by a cytotoxic drug",
              into="dying")
        for cells in SENSITIVE
    ),
    modulations=(
        Modulation("tki_on_division", tuple(f"division{clone}" for clone in CLONES), kinase_block_slows_division,
                   "kinase inhibitor -> division of tumour cells"),
    ),
)
