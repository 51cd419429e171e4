"""What a scenario asks of mechanisms that it has switched off is told by the check, not by a run that breaks."""

import pytest

from tme_sim.diagnostics import InputError
from tme_sim.scenario import Scenario

TREATED = """
schema = 1
[biology]
off = {off}
{more}
[[protocol.treatment]]
kind = "tace"
drug_load = "50 mg"
start = "day 0"
[[protocol.treatment]]
drug = "durvalumab"
dose = "1500 mg"
start = "day 7"
until = "{until}"
every = "4 weeks"
[[protocol.scan]]
start = "day 0"
every = "8 weeks"
"""


def read(off, more="", until="day 90"):
    """The scenario with mechanisms off; its doses are dated, or decided at visits."""
    return Scenario.from_text(TREATED.format(off=off, more=more, until=until), "case.toml")


@pytest.mark.parametrize("until", ["day 90", "progression"])
@pytest.mark.parametrize(("off", "says"), [
    ('["kinetics"]', 'case.toml:4: biology.off: "kinetics" cannot be off while the protocol gives "durvalumab"'),
    ('["tace"]', 'case.toml:4: biology.off: "tace" cannot be off while the protocol gives "tace"'),
    ('["tumour"]', 'case.toml:4: biology.off: "tumour" cannot be off, as others stand on it'),
])  # fmt: skip
def test_a_mechanism_that_treatments_or_others_stand_on_is_not_switched_off(off, says, until):
    with pytest.raises(InputError) as error:
        read(off, until=until)
    assert str(error.value).startswith(says)


def test_a_hypothesis_of_a_mechanism_that_is_off_is_refused():
    with pytest.raises(InputError, match='"mdsc.loss": belongs to "myeloid", which is switched off'):
        read('["myeloid"]', 'hypotheses = { "mdsc.loss" = "slow_turnover" }')
    assert not read('["myeloid"]', 'hypotheses = { "mdsc.loss" = "default" }').warnings


def test_values_arrows_and_outputs_of_a_mechanism_that_is_off_are_told():
    more = 'gains = { mdsc_on_killing = 0.5 }\n[parameters]\nk_PDL1 = "0.3 1/day"\n[outputs]\nstates = ["PDL1", "CD8"]'
    told = [w for w in read('["killing"]', more).warnings if "killing" in w]
    assert told == ['parameters.k_PDL1: changes nothing, as "killing" is switched off',
                    'biology.gains.mdsc_on_killing: changes nothing, as "killing" is switched off',
                    'outputs.states: "PDL1" is not there, as "killing" is switched off']  # fmt: skip
    assert not [w for w in read("[]", more).warnings if "changes nothing" in w]


def test_without_such_treatments_kinetics_and_embolisation_can_be_off():
    assert Scenario.from_text('schema = 1\n[biology]\noff = ["kinetics", "tace"]', "case.toml").biology.off
