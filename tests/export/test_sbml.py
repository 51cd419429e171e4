"""The SBML document: sound for libSBML with units, the same bytes, exact numbers, events and annotations."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compiler.toy_network import parameter, toy
from hypothesis import given
from hypothesis import strategies as st

from export.sources import toy_model, toy_source
from tme_sim.compiler.model import compile_model
from tme_sim.compiler.symbolic import build
from tme_sim.export.dimension import Dimensions, dim_of
from tme_sim.export.mathml import number
from tme_sim.export.sbml import annotation, check, checked, document_values, sbml_document
from tme_sim.export.source import ExportError, Source, apply_jump, compose_rows
from tme_sim.laws import exp, log, power, sqrt
from tme_sim.network import Mechanism, Signal, Species, arrival, compose, decay

SBML = {"s": "http://www.sbml.org/sbml/level3/version2/core", "m": "http://www.w3.org/1998/Math/MathML"}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=[1, 3], ids=["one lesion", "three lesions"])
def model(request):
    return toy_model(request.param)


@pytest.fixture(scope="module")
def source(model):
    return toy_source(model)


@pytest.fixture(scope="module")
def text(source):
    return sbml_document(source)


def tree(text):
    return ET.fromstring(text).find("s:model", SBML)


def test_libsbml_finds_no_error_and_no_warning(text):
    assert check(text) == []


def test_libsbml_would_find_a_wrong_unit(text):
    start = text.index('<parameter id="k_rest"')
    wrong = text[:start] + text[start:].replace('units="per_day"', 'units="mm"', 1)
    assert any("rate_rest" in line for line in check(wrong))
    with pytest.raises(ExportError, match="not sound"):
        checked(wrong)


def test_libsbml_would_find_a_number_without_unit(text):
    assert check(text.replace(' sbml:units="dimensionless"', "", 1)) != []


@pytest.mark.parametrize("off", [(), ("liver", "markers"), ("vegf",), ("tcells", "killing", "antigen")])
def test_whole_network_is_sound_with_any_mechanism_switched_off(off):
    """Resting values of what is off are numbers with units; needs no compiled code."""
    from tme_sim.compiler.emit import write
    from tme_sim.mechanisms.registry import all_mechanisms

    network = compose(all_mechanisms(), off=off)
    symbolic = build(network)
    layout = write(symbolic, 1)[1]
    fill = lambda table: np.linspace(0.5, 1.5, layout.size(table))  # noqa: E731
    blank = Source(network, layout, fill(layout.parameters), fill(layout.states), fill(layout.held), fill(layout.theta))
    assert check(sbml_document(blank, symbolic)) == []


def test_every_function_of_the_vocabulary_has_its_form_and_value():
    import roadrunner

    def all_of_them(x, k, n):
        return (
            exp(-x / k)
            + log(1 + x / k)
            + power(x / k, n)
            + sqrt(x * x + k * k) / k
            + power((x - k) / k, n) / (1 + power(x / k, 2))
        )

    mechanism = Mechanism(
        "vocabulary", "toy", parameters=(parameter("k", 0.7, "mm"), parameter("n", 1.7, "1"), parameter("k_x", 0.2, "1/day")),
        species=(Species("x", "mm", "x", initial="k"),), signals=(Signal("mix", all_of_them, "1", "mix"),),
        processes=(decay("d", "x", lambda k_x, mix: k_x * mix, "loss"),),
    )  # fmt: skip
    model = compile_model(compose([mechanism]), 1)
    text = sbml_document(Source.of(model))
    assert check(text) == []
    runner = roadrunner.RoadRunner(text)
    for x in (0.0, 0.3, 0.7, 2.0):  # below k the last power has a negative base and counts as 0, here as in our laws
        runner.setValue("x", x)
        assert runner.getValue("mix") == pytest.approx(all_of_them(x, 0.7, 1.7), rel=1e-14)


def test_same_bytes_in_another_process(source, text):
    assert sbml_document(source) == text
    script = (
        "import sys; sys.path[:0] = ['tests', 'src']\n"
        "from export.sources import toy_model, toy_source\n"
        "from tme_sim.export.sbml import sbml_document\n"
        f"sys.stdout.write(sbml_document(toy_source(toy_model({source.layout.n_lesions}))))"
    )
    out = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout == text


def test_numbers_keep_every_digit(source, text):
    values = document_values(source)
    found = 0
    for kind, attribute in (("parameter", "value"), ("species", "initialConcentration"), ("species", "initialAmount")):
        for element in tree(text).iter(f"{{{SBML['s']}}}{kind}"):
            if attribute in element.attrib:
                assert float(element.attrib[attribute]) == values[element.attrib["id"]]
                found += 1
    assert found == len(values)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_literals_read_back_to_the_same_float(value):
    cn = ET.fromstring(number(value, "day").replace("sbml:", ""))
    if len(cn):
        assert float(f"{cn.text.strip()}e{cn[0].tail.strip()}") == value
    else:
        assert float(cn.text) == value


def test_states_are_species_of_their_compartment_or_parameters(model, text):
    species = {e.attrib["id"]: e.attrib for e in tree(text).iter(f"{{{SBML['s']}}}species")}
    suffix = "" if model.layout.n_lesions == 1 else "__1"
    assert species[f"awake{suffix}"]["hasOnlySubstanceUnits"] == "true"  # cells
    assert species[f"guard{suffix}"]["hasOnlySubstanceUnits"] == "false"  # cells per volume
    assert species[f"guard{suffix}"]["compartment"] == f"lesion{suffix}"
    assert species["plasma"]["compartment"] == "body"
    assert {e.attrib["variable"] for e in tree(text).iter(f"{{{SBML['s']}}}rateRule")} >= set(species)


def test_calendar_becomes_events_and_day_0_the_initial_state(model, source, text):
    events = list(tree(text).iter(f"{{{SBML['s']}}}event"))
    assert [e.attrib["name"] for e in events] == ["day 10", "day 20", "day 30.05347222"]  # two jumps on day 20 are one
    for event in events:
        trigger = event.find("s:trigger", SBML)
        assert trigger.attrib == {"initialValue": "false", "persistent": "true"}
        assert trigger.find(".//m:geq", SBML) is not None
    values = document_values(source)
    guard = "guard" if model.layout.n_lesions == 1 else "guard__1"
    assert values["infusion"] == 0.01
    assert values[guard] == 1.5 * source.y0[model.index("states", "guard")]


def test_a_run_that_starts_before_day_0_keeps_its_distances(source):
    shifted = replace(source, start=-1440, jumps=tuple((t - 1440, r) for t, r in source.jumps))
    same = [line for line in sbml_document(source).splitlines() if "<event" in line]
    assert [line.replace('name="day 9"', 'name="day 10"').replace('name="day 19"', 'name="day 20"')
            .replace("day 29.05347222", "day 30.05347222") for line in sbml_document(shifted).splitlines()
            if "<event" in line] == same  # fmt: skip


def test_a_dose_before_the_start_is_refused(source):
    with pytest.raises(ExportError, match="day -1, before the start on day 0"):
        sbml_document(replace(source, jumps=((-1440, ((0, -1, 0.0, 1.0),)),)))


rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-1, 3), st.floats(-2, 2), st.floats(-2, 2)), min_size=0, max_size=4
)


@given(st.lists(rows, max_size=4), st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_composed_jumps_are_the_jumps_one_after_the_other(groups, start):
    z = np.array(start)
    for group in groups:
        old = z.copy()
        for dest, src, coef, const in group:
            z[dest] += (coef * old[src] if src >= 0 else 0.0) + const
    np.testing.assert_allclose(apply_jump(compose_rows(groups), np.array(start)), z, rtol=1e-9, atol=1e-9)


def test_titles_and_labels_are_escaped(source, text):
    assert tree(text).attrib["name"] == source.title
    assert tree(text).attrib["id"] == "Toy_of_a_tumour_a_drug"


def test_ontology_terms_link_to_identifiers_org():
    mechanism = Mechanism(
        "cells", "toy", species=(Species("CD8", "cell/mm^3", "T cells", ontology="CL:0000625"),
                                 Species("VEGF", "1", "VEGF", ontology="UniProt:P15692")),
        processes=(arrival("come", "CD8", lambda q: q, "come"),), parameters=(parameter("q", 1.0, "cell/mm^3/day"),),
    )  # fmt: skip
    text = sbml_document(Source.of(compile_model(compose([mechanism]), 1)))
    assert check(text) == []
    assert 'rdf:resource="https://identifiers.org/CL:0000625"' in text
    assert 'rdf:resource="https://identifiers.org/uniprot:P15692"' in text
    import libsbml

    document = libsbml.readSBMLFromString(text)
    term = document.getModel().getSpecies("CD8").getCVTerm(0)
    assert term.getResourceURI(0) == "https://identifiers.org/CL:0000625"
    assert term.getBiologicalQualifierType() == libsbml.BQB_IS_VERSION_OF
    with pytest.raises(ExportError, match="not PREFIX:ACCESSION"):
        annotation("meta_x", 'CL:"><x/>')


def test_parameters_carry_range_grade_source_and_origin(model, source):
    text = sbml_document(replace(source, origins={"k_die": "my.toml:7"}))
    notes = "".join(
        next(e for e in tree(text).iter(f"{{{SBML['s']}}}parameter") if e.attrib["id"] == "k_die").itertext()
    )
    assert "range 0 to 1e+12; grade assumed. Source: toy." in notes and "Value from my.toml:7" in notes
    unread = "".join(
        next(e for e in tree(text).iter(f"{{{SBML['s']}}}parameter") if e.attrib["id"] == "one_density").itertext()
    )
    assert "baseline" not in unread


def test_hidden_dimensions_are_worked_out():
    """A tissue mean and a constant have no declared unit; the rate they stand in tells it."""
    symbolic = build(toy())
    known = Dimensions(symbolic).known
    means = [n for n, node in symbolic.nodes.items() if node.kind == "mean"]
    assert means and all(known[n] == dim_of("1") for n in means)
    density = next(n for n, e in symbolic.constants.items() if str(e) == "1/volume")
    assert known[density] == dim_of("1/mm^3")
    of_class = [n for n, e in symbolic.constants.items() if str(e).startswith("0.0") and "K_grow" in str(e)]
    assert of_class and all(known[n] == dim_of("1") for n in of_class)  # oxygen over oxygen; the number is in mmHg


def test_checking_without_libsbml_says_what_to_install(monkeypatch, text):
    monkeypatch.setitem(sys.modules, "libsbml", None)
    with pytest.raises(ExportError, match=r"pip install 'tme-sim\[sbml\]'"):
        check(text)
    assert checked(text) == text
