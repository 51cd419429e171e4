"""Treatments as data: procedures, drugs and scans whose dates are fixed, relative, repeated, held, or up to a rule."""

from tme_sim.protocol.conditions import Condition, parse_condition
from tme_sim.protocol.dates import TICKS_PER_DAY, When, parse_when, to_ticks
from tme_sim.protocol.doses import Dose, dose_basis
from tme_sim.protocol.reading import read_protocol
from tme_sim.protocol.tables import (
    Ablation,
    DrugTreatment,
    Given,
    Hold,
    Loading,
    OnDemand,
    Phase,
    Procedure,
    Protocol,
    Radioembolisation,
    Rule,
    Sbrt,
    Scan,
    Tace,
    Timed,
    Visit,
)

__all__ = [
    "TICKS_PER_DAY", "Ablation", "Condition", "Dose", "DrugTreatment", "Given", "Hold", "Loading", "OnDemand", "Phase",
    "Procedure", "Protocol", "Radioembolisation", "Rule", "Sbrt", "Scan", "Tace", "Timed", "Visit", "When",
    "dose_basis", "parse_condition", "parse_when", "read_protocol", "to_ticks",
]  # fmt: skip
