"""All mechanisms of the package, in the order in which a reader should meet them."""

from __future__ import annotations

from tme_sim.network import Mechanism

ORDER = (
    *"tumour oxygen hypoxia angiogenesis vegf purinergic myeloid antigen tcells killing".split(),
    *"kinetics liver markers fate".split(),
)


def all_mechanisms() -> tuple[Mechanism, ...]:
    """Mechanisms of the package: biology first, then embolisation."""
    from importlib import import_module

    biology = [import_module(f"tme_sim.mechanisms.{name}").MECHANISM for name in ORDER]
    from tme_sim.therapies.drug_effects import MECHANISM as drug_effects
    from tme_sim.therapies.tace import MECHANISM as tace

    return (*biology, tace, drug_effects)
