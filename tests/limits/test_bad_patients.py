"""Patients that cannot exist are refused before anything runs, with what to change."""

import pytest

from tme_sim import Scenario, simulate
from tme_sim.compiler.model import BaselineError

TEXT = '[[patient.lesion]]\ndiameter = "40 mm"\n[run]\nduration = "1 day"\n'


@pytest.mark.parametrize(("change", "says"), [
    ("parameters.unseen_share=1.0", "cycling.1 would be negative before treatment.*describe cycling"),
    ("parameters.anoxic_width=0.24", "would be negative before treatment"),
    ("parameters.f_spec=1.0", "basal apoptosis .* would have to be -.*Raise cell_loss_factor"),
])  # fmt: skip
def test_a_patient_that_cannot_exist_is_refused_with_the_repair(change, says):
    with pytest.raises(BaselineError, match=says):
        simulate(Scenario.from_text(TEXT, changes=[change]))
