"""What `tme-sim describe` says, about everything there is."""

import pytest
from compiler.toy_network import parameter, toy

from tme_sim.describe import Describer, describe_text
from tme_sim.describe.words import WIDTH
from tme_sim.diagnostics import InputError
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import Mechanism, Species, compose, decay


@pytest.fixture(scope="module")
def network():
    return compose(all_mechanisms())


@pytest.fixture(scope="module")
def describer(network):
    return Describer(network)


def test_every_name_has_a_text_that_fits_the_terminal(describer):
    for name, found in describer.items.items():
        if any(kind == "mechanism" for kind, _ in found):
            continue
        lines = describer.about(name)
        assert len(lines) > 2, name
        # only a name or an address that has no space to break at may be longer
        assert not [line for line in lines if len(line) > WIDTH and " " in line.strip()[:WIDTH]], name


def test_overview_lists_mechanisms_counts_hypotheses_phases_and_units(network):
    text = describe_text(network=network)
    for m in network.mechanisms:
        assert f"\n{m.name} " in f"\n{text}"
    assert f"{len(network.processes)} processes" in text
    for m in network.mechanisms:
        for h in m.hypotheses:
            assert f"{h.slot} (now default)" in text and h.choice in text
    assert "integrate" in text and "checked in dimension and size: all consistent" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_mechanism_tells_text_equations_parameters_links_and_units(network):
    text = describe_text("tumour", network=network)
    for part in ("Biology.", "Simplified.", "Not included.", "File: tme_sim/mechanisms/tumour.py"):
        assert part in text
    mechanism = next(m for m in network.mechanisms if m.name == "tumour")
    for p in (*mechanism.parameters, *mechanism.lesion_parameters):
        assert f"\n{p.name} = {p.value:g}" in text and p.grade in text
    assert "k_div*oxygen/(K_div + oxygen) * cycling" in " ".join(text.split())
    assert "Reads oxygen:" in text and "Read by" in text
    assert "laws checked in dimension and size: all consistent" in text


def test_parameter_tells_value_source_readers_and_where_to_change_it(network):
    text = " ".join(describe_text("k_anoxia", network=network).split())
    for part in ("Value 4 1/day", "Evidence 2 to 8 1/day", "Grade medium", "Source https://github.com/MathCancer/PhysiCell",
                 "process anoxia_cycling", "tme_sim/mechanisms/tumour.py", 'k_anoxia = "4 1/day" in a scenario'):  # fmt: skip
        assert part in text
    lesion = describe_text("diameter", network=network)
    assert "a parameter of each lesion" in lesion and "[[patient.lesion]]" in lesion


def test_readers_are_those_whose_law_has_the_argument():
    describer = Describer(toy())
    assert describer.read_by("k_kill") == ["process kill"]
    assert describer.read_by("touch") == ["process kill"]  # the contact volume is a factor of the rate
    assert describer.read_by("leak_volume") == ["process leak"]  # an amount
    assert describer.read_by("gain_alarm_on_kill") == ["arrow alarm_on_kill"]
    assert describer.read_by("rate") == ["solved parameter k_grow", "solved parameter k_rise"]
    assert "untreated value of awake" in describer.read_by("cells_start")


def test_species_tells_what_moves_it_with_sign_and_amount():
    text = describe_text("plasma", network=toy())
    lines = " ".join(text.split())
    assert "leak, leak: + leak_volume * leak_rate*signal" in lines
    assert "clear, clearance: - k_clear * plasma" in lines
    assert "Unit nmol/mm^3" in lines


def test_process_tells_its_arrows_and_law():
    text = " ".join(describe_text("kill", network=toy()).split())
    assert "rate = k_kill * awake * guard * touch * [alarm_on_kill]" in text
    assert "= 1 + gain_alarm_on_kill * (f - 1), f = alarm + 1" in text
    assert describe_text("rate_kill", network=toy()) == describe_text("kill", network=toy())


def test_hypotheses_show_their_law_and_the_choice_made():
    text = " ".join(describe_text("kill.law", network=toy(hypotheses={"kill.law": "double"})).split())
    assert (
        "Now: double." in text and "double (chosen): killing twice as fast" in text and "law of kill: 2*k_kill" in text
    )


def test_a_hypothesis_tells_what_it_adds(network):
    text = " ".join(describe_text("liver.repair", network=network).split())
    assert text == " ".join(describe_text("platelet_rise", network=network).split())  # found though it is not chosen
    assert "platelet_rise = 1 1, low" in text and "adds repair_begins: healing injury becomes repair" in text


def test_a_name_that_means_two_things_tells_both(network):
    text = describe_text("antigen", network=network)
    assert "antigen, a mechanism" in text and "antigen, a state of the lesion" in text


def test_case_does_not_matter_where_nothing_fits_exactly(network):
    assert describe_text("mdsc", network=network) == describe_text("MDSC", network=network)


def test_parts_of_a_family_are_found(network):
    assert "oxygen_share, a signal of the lesion" in describe_text("oxygen_share_3", network=network)


def test_unknown_name_is_refused_with_the_nearest(network):
    with pytest.raises(InputError, match='"k_anoxi" is no name of the network; near it are k_anoxia'):
        describe_text("k_anoxi", network=network)


def test_units_that_do_not_fit_are_reported_not_hidden():
    bad = Mechanism("bad", "toy", species=(Species("x", "cell", "x"),), parameters=(parameter("k", 1.0, "1/day"),),
                    processes=(decay("d", "x", lambda k: k * k, "loss"),))  # fmt: skip
    text = " ".join(describe_text(network=compose([bad])).split())
    assert "1 of 1 laws are inconsistent" in text and 'process "d"' in text


def test_scenario_describes_its_own_network(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\n[biology]\noff = ["markers"]\nhypotheses = { "mdsc.loss" = "slow_turnover" }\n'
        'gains = { mdsc_on_killing = 0.0 }\n[parameters]\nk_wake = "2 1/day"\n'
    )
    text = describe_text(str(file))
    assert text.startswith("Scenario mine") and "Switched off: markers" in text
    assert "mdsc_on_killing at 0" in text and "Set: k_wake = 2 1/day (mine.toml:" in text
    assert "mdsc.loss (now slow_turnover)" in text
    assert "\nmarkers " not in text


def test_a_drug_is_told_with_every_value_its_grade_and_source():
    from tme_sim.catalogue import load_catalogue
    from tme_sim.describe.drug import drug_lines

    library = load_catalogue(()).library
    for name in library.names():
        drug = library.get(name)
        lines = drug_lines(drug)
        text = "".join("".join(lines).split())  # a long address may be broken
        for value in drug.parameters():
            assert f"{value.value:g}" in text and "".join(value.source.split()) in text, value.name
        assert all("".join(r.name.split()) in text for r in drug.dosing)
        assert not [line for line in lines if len(line) > WIDTH and " " in line.strip()[:WIDTH]], name
    text = describe_text("avastin")
    assert "bevacizumab, a drug" in text and "CL = 0.2064 L/day [0.14 to 0.33] high, source 2" in text
    both = describe_text("doxorubicin")
    assert "a signal of the lesion" in both and "doxorubicin, a drug" in both
    with pytest.raises(InputError, match="bevacizumab"):
        describe_text("bevacizumap")
    assert "durvalumab" in describe_text()


def test_a_number_of_embolisation_is_told_with_where_to_change_it(network):
    text = describe_text("reach", network=network)
    assert "share of viable cells within reach of the drug" in text and "[parameters] reach = 0.3" in text


def test_words_that_are_no_name_lead_to_the_names_that_tell_of_them():
    for words, name in (("PD-1", "pd1_on_stem"), ("suppressor cells", "MDSC_blood")):
        with pytest.raises(InputError, match=f"{words}.*; the words stand in the description of .*{name}"):
            describe_text(words)


def test_an_endpoint_is_described_with_its_unit():
    told = describe_text("ttp")
    assert told.startswith("ttp, an endpoint of a run\n") and "first progression" in told and "Unit        day" in told
    assert describe_text("albi_d90").startswith("albi_d90, an endpoint of a run\n")


def test_cross_references_of_the_documentation_are_told_as_names():
    assert ":mod:" not in describe_text("oxygen") and "closure of tme_sim.mechanisms.closure," in describe_text("oxygen")
