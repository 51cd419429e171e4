"""The drug library: contents, strict reading, doses and the effect of covariates."""

import math
import re
from pathlib import Path

import pytest

from tme_sim.catalogue import load_catalogue
from tme_sim.diagnostics import InputError
from tme_sim.quantities import internal
from tme_sim.scenario import Scenario
from tme_sim.therapies import library
from tme_sim.therapies.drug_file import SLOTS
from tme_sim.therapies.library import SHIPPED, DrugFileError, Library, read_drug

EXPECTED = {
    "bevacizumab": "trap", "lenvatinib": "tki", "sorafenib": "tki", "apatinib": "tki", "brivanib": "tki",
    "orantinib": "tki", "pembrolizumab": "pd1", "nivolumab": "pd1", "sintilimab": "pd1", "camrelizumab": "pd1",
    "toripalimab": "pd1", "atezolizumab": "pd1", "durvalumab": "pd1", "ipilimumab": "ctla4", "tremelimumab": "ctla4",
    "oxaliplatin": "chemo", "fluorouracil": "chemo", "doxorubicin": "chemo",
}  # fmt: skip
ATOMS = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999, "F": 18.998, "Cl": 35.45, "Pt": 195.084}


@pytest.fixture(scope="module")
def drugs():
    """All shipped drugs by name."""
    shelf = Library()
    return {name: shelf.get(name) for name in shelf.names()}


def test_every_expected_drug_is_shipped_and_fits_its_slot(drugs):
    """The shipped set and the slot of each."""
    assert {name: drug.slot for name, drug in drugs.items()} == EXPECTED
    assert set(EXPECTED.values()) == set(SLOTS.values())


def test_names_and_aliases_point_to_one_drug(drugs):
    """No alias is shared, and each finds its drug in any case."""
    words = [word for drug in drugs.values() for word in (drug.name, *drug.aliases)]
    assert len(words) == len(set(words))
    assert Library().get("Rivoceranib").name == "apatinib"
    assert Library().get("  5-FU ").name == "fluorouracil"


def test_molar_mass_follows_from_the_formula(drugs):
    """Small molecules: the mass given is the sum of its atoms."""
    for drug in drugs.values():
        assert (drug.formula is not None) == (drug.kind == "small molecule")
        if drug.formula:
            parts = re.findall(r"([A-Z][a-z]?)(\d*)", drug.formula)
            mass = sum(ATOMS[symbol] * int(count or 1) for symbol, count in parts)
            followed = {"oxaliplatin": ATOMS["Pt"]}.get(drug.name, mass)  # its kinetics are those of platinum
            assert drug.molar_mass.value == pytest.approx(followed, abs=0.02), drug.name
        else:
            assert 140 <= drug.molar_mass.value <= 152


def test_grades_follow_the_kind_of_source(drugs):
    """What is recalled is assumed; what is judged is at best low; what is graded high or medium names a place."""
    place = re.compile(r"doi:|https?://|PMID|PMC\d|NCT\d|label|atomic masses|J Clin Pharmacol")
    for drug in drugs.values():
        for parameter in drug.parameters():
            if parameter.source.startswith("recalled"):
                assert parameter.grade == "assumed", parameter.name
            elif parameter.source.startswith("modelling judgement"):
                assert parameter.grade in ("assumed", "low"), parameter.name
            elif parameter.grade in ("high", "medium"):
                assert place.search(parameter.source), f"{parameter.name}: {parameter.source}"


def test_recalled_regimens_are_assumed(drugs):
    """A regimen that was not read in a source says so."""
    for drug in drugs.values():
        for regimen in drug.dosing:
            if regimen.source.startswith(("recalled", "modelling judgement")):
                assert regimen.grade == "assumed", (drug.name, regimen.name)


def test_values_without_measurement_carry_a_range(drugs):
    """An assumed half-value, block or kinetic value spans a range, so that predictions can draw from it."""
    for drug in drugs.values():
        for group in (drug.disposition, drug.effect, drug.binding):
            for parameter in group.values():
                if parameter.grade == "assumed" and parameter.name != f"{drug.name}.disposition.F":
                    assert parameter.low < parameter.high, parameter.name


def test_kinetics_are_in_internal_units(drugs):
    """Bevacizumab's published 0.2064 L/day and 2.678 L become mm^3; an absent compartment is inert."""
    kinetics = drugs["bevacizumab"].kinetics({})
    assert pytest.approx(206400.0) == kinetics.CL
    assert pytest.approx(2.678e6) == kinetics.V1
    assert (kinetics.Q2, kinetics.Vmax, kinetics.ka, kinetics.Emax) == (0.0, 0.0, 0.0, 0.0)
    assert drugs["camrelizumab"].kinetics({}).Km == pytest.approx(1.38e-6)


def test_covariates_act_as_published(drugs):
    """Powers, factors, thresholds and shifts; a covariate left out stands at its reference."""
    bevacizumab = drugs["bevacizumab"]
    assert bevacizumab.kinetics({"weight": "70 kg", "albumin": "39 g/L", "sex": "female"}) == bevacizumab.kinetics({})
    heavy = bevacizumab.kinetics({"weight": "100 kg", "albumin": "30 g/L", "sex": "male"})
    assert pytest.approx(206400.0 * (10 / 7) ** 0.589 * (30 / 39) ** -0.473 * 1.14, rel=1e-12) == heavy.CL
    assert pytest.approx(446400.0 * (10 / 7) ** 0.589, rel=1e-12) == heavy.Q1
    lenvatinib = drugs["lenvatinib"]
    base = lenvatinib.kinetics({}).CL
    assert pytest.approx(0.872 * base) == lenvatinib.kinetics({"child_pugh": "B"}).CL
    assert base == lenvatinib.kinetics({"alkaline_phosphatase": "119 U/L"}).CL
    assert pytest.approx(0.852 * base) == lenvatinib.kinetics({"alkaline_phosphatase": "121 U/L"}).CL
    assert drugs["tremelimumab"].kinetics({"partner": "none"}).Emax == pytest.approx(0.151)
    assert drugs["tremelimumab"].kinetics({"partner": "durvalumab"}).Emax == pytest.approx(-0.187)


def test_covariates_may_come_in_internal_units(drugs):
    """A number is taken as an internal value: 60 kg is 6e7 mg."""
    assert drugs["lenvatinib"].kinetics({"weight": 6e7}) == drugs["lenvatinib"].kinetics({"weight": "60 kg"})


def test_patient_deviations_scale_kinetics(drugs):
    """A deviation multiplies by its exponential, is added to Emax, and needs a published spread."""
    nivolumab = drugs["nivolumab"]
    typical, drawn = nivolumab.kinetics({}), nivolumab.kinetics({}, {"CL": 0.396, "Emax": -0.1})
    assert pytest.approx(typical.CL * math.exp(0.396)) == drawn.CL
    assert drawn.Emax == pytest.approx(-0.34)
    with pytest.raises(KeyError, match="no published spread of 'ka'"):
        nivolumab.kinetics({}, {"ka": 0.1})


@pytest.mark.parametrize(("covariates", "words"), [
    ({"wieght": "70 kg"}, "did you mean 'weight'"),
    ({"weight": "70 cm"}, "weight"),
    ({"weight": "-3 kg"}, "positive"),
    ({"child_pugh": "D"}, "known are A, B, C"),
])  # fmt: skip
def test_impossible_covariates_are_refused(drugs, covariates, words):
    """The message names the nearest covariate, the unit or the levels."""
    with pytest.raises(ValueError, match=words):
        drugs["lenvatinib"].kinetics(covariates)


def test_covariates_outside_the_source_are_warned_of(drugs):
    """Bevacizumab was studied from 38.6 to 195 kg; one warning per covariate, none inside."""
    assert drugs["bevacizumab"].outside({"weight": "80 kg"}) == []
    warnings = drugs["bevacizumab"].outside({"weight": "30 kg", "albumin": "20 g/L"})
    assert len(warnings) == 1
    assert "weight 30 kg is outside the 38.6 to 195 kg" in warnings[0]


def test_doses_follow_weight_bands_and_label_reductions(drugs):
    """Lenvatinib: 8 mg below 60 kg, 12 mg from 60 kg; 12, 8, 4 mg daily and 4 mg every other day."""
    hcc = drugs["lenvatinib"].regimen("hcc")
    assert hcc.band(internal("59.9 kg")).start.amount == 8.0
    band = hcc.band(internal("60 kg"))
    assert band.start.amount == 12.0
    assert [(step.amount, step.interval) for step in band.reduced] == [(8.0, 1.0), (4.0, 1.0), (4.0, 2.0)]
    assert hcc.infusion == 0.0 and hcc.route == "oral"
    with pytest.raises(ValueError, match="positive weight"):
        hcc.band(-1.0)


def test_doses_per_weight_and_surface(drugs):
    """15 mg/kg at 60 kg is 900 mg; 130 mg/m^2 at 1.7 m^2 is 221 mg; the missing size is asked for."""
    trap = drugs["bevacizumab"].regimen("15 mg/kg every 3 weeks")
    dose = trap.band(internal("60 kg")).start
    assert dose.milligrams(weight=internal("60 kg")) == pytest.approx(900.0)
    assert dose.interval == 21.0 and trap.infusion == pytest.approx(90 / 1440)
    platinum = drugs["oxaliplatin"].regimen("hepatic arterial FOLFOX")
    assert platinum.bands[0].start.milligrams(surface=internal("1.7 m^2")) == pytest.approx(221.0)
    assert platinum.route == "hepatic_artery" and platinum.max_doses == 6
    with pytest.raises(ValueError, match="body surface"):
        platinum.bands[0].start.milligrams(weight=7e7)
    with pytest.raises(KeyError, match="did you mean 'hcc'"):
        drugs["lenvatinib"].regimen("hc")


def test_unknown_drug_names_the_nearest():
    """A slip in a name is repaired in the message."""
    with pytest.raises(KeyError, match="did you mean 'lenvatinib'"):
        Library().get("lenvatinb")


def test_user_folder_comes_first_and_is_read_only_when_asked(tmp_path, monkeypatch):
    """A user's file hides the shipped one of the same name; other files are not opened."""
    mine = (SHIPPED / "bevacizumab.toml").read_text(encoding="utf-8").replace("value = 0.2064", "value = 0.3000")
    (tmp_path / "bevacizumab.toml").write_text(mine, encoding="utf-8")
    (tmp_path / "broken.toml").write_text("name = ", encoding="utf-8")
    opened = []
    real = library.read_drug
    monkeypatch.setattr(library, "read_drug", lambda path: opened.append(Path(path).name) or real(path))
    shelf = Library([tmp_path])
    assert "broken" in shelf.names() and opened == []
    assert shelf.get("bevacizumab").disposition["CL"].value == 0.3
    assert shelf.get("bevacizumab").path == tmp_path / "bevacizumab.toml"
    assert opened == ["bevacizumab.toml"]
    with pytest.raises(DrugFileError, match=r"broken.toml:1: \[file\] is not TOML"):
        shelf.get("broken")
    with pytest.raises(FileNotFoundError, match="create it or leave it out"):
        Library([tmp_path / "absent"])


MISTAKES = [  # drug, text, its replacement, key in the message, words in the message
    ("bevacizumab", "[variability]", "[variabilty]", "variabilty", "did you mean 'variability'"),
    ("bevacizumab", 'CL = { value = 0.2064, unit = "L/day"', 'CL = { value = 0.2064, unit = "L"', "disposition.CL.unit",
     "another dimension"),
    ("bevacizumab", 'CL = { value = 0.2064, unit = "L/day"', 'CL = { value = 0.2064, unit = "L/dya"',
     "disposition.CL.unit", "dya"),
    ("bevacizumab", "CL = { value = 0.2064", "CL = { value = -0.2064", "disposition.CL", "not between low"),
    ("bevacizumab", "CL = { value = 0.2064", "CL = { value = 2.064", "disposition.CL", "not between low 0.14 and high"),
    ("bevacizumab", "CL = { value = 0.2064", "CL = { vlaue = 0.2064", "disposition.CL.vlaue", "did you mean 'value'"),
    ("bevacizumab", 'source = "lu2008", grade = "high", note', 'source = "lu2009", grade = "high", note',
     "published[1].value.source", "did you mean 'lu2008'"),
    ("bevacizumab", 'source = "han2016", grade = "high", note = "woman of 70 kg, 8.6', 'source = "han2016", grade = '
     '"hihg", note = "woman of 70 kg, 8.6', "disposition.CL.grade", "did you mean 'high'"),
    ("bevacizumab", "Q1 = { value = 0.4464", "Q2 = { value = 0.4464", "disposition.Q1", "is missing for 2 comp"),
    ("bevacizumab", 'role = "vegf_trap"', 'role = "vegf-trp"', "role", "did you mean 'vegf_trap'"),
    ("bevacizumab", 'name = "bevacizumab"', 'name = "avastin"', "name", "name the file avastin.toml"),
    ("bevacizumab", 'covariate = "albumin"', 'covariate = "albumen"', "covariates[3].covariate",
     "did you mean 'albumin'"),
    ("bevacizumab", 'level = "male"', 'level = "man"', "covariates[5].level", "known are female, male"),
    ("bevacizumab", 'on = ["CL", "Q1"]', 'on = ["CL", "ka"]', "covariates[1].on", "'ka' is not known"),
    ("bevacizumab", 'reference = "39 g/L"', 'reference = "39"', "covariates[3].reference", "needs a unit"),
    ("bevacizumab", 'amount = "15 mg/kg"', 'amount = "15 mL/kg"', "dosing[1].bands[1].amount", "volume"),
    ("bevacizumab", "maximal_vegf_block = { value = 0.6", "maximal_occupancy = { value = 0.6",
     "effect.maximal_occupancy", "known are maximal_vegf_block"),
    ("bevacizumab", "tolerance = 0.15", "tolerance = 15", "published[1].tolerance", "not a share"),
    ("lenvatinib", 'weight_below = "60 kg"', 'weight_below = "55 kg"', "dosing[1].bands", "every body weight once"),
    ("lenvatinib", 'weight_at_least = "60 kg"', 'weight_at_least = "60 kg"\nweight_below = "90 kg"', "dosing[1].bands",
     "every body weight once"),
    ("lenvatinib", "free_fraction = { value = 0.015, unit = \"1\", low = 0.01, high = 0.02",
     "free_fraction = { value = 1.5, unit = \"1\", low = 1.0, high = 2.0", "binding.free_fraction.value",
     "outside 0 to 1"),
    ("lenvatinib", '{ amount = "8 mg", interval = "1 day" }', '{ amount = "16 mg", interval = "1 day" }',
     "dosing[1].bands[1].reduced", "does not lower"),
    ("lenvatinib", 'conditions = { weight = "40 kg" }', 'conditions = { wait = "40 kg" }', "published[1].conditions",
     "not a covariate"),
    ("camrelizumab", "Km = {", "Q2 = {", "disposition.Q2", "does not belong"),
    ("pembrolizumab", 'target = "PD-1"', 'target = "PD-2"', "target", "PD-1"),
    ("sorafenib", "ka = {", "Vmax = {", "disposition.ka", "is missing for 2 compartments by route oral"),
]  # fmt: skip


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path):
    text = (SHIPPED / "bevacizumab.toml").read_text(encoding="utf-8")
    for right, wrong in (('unit = "L/day"', 'unit = "L/dya"'), ("value = 2.678", "value = 26.78"),
                         ('kind = "antibody"', 'kind = "body"'), ('covariate = "albumin"', 'covariate = "albumen"'), ("tolerance = 0.15", "tolerance = 15"),
                         ('amount = "15 mg/kg"', 'amount = "15 mL/kg"')):
        assert right in text
        text = text.replace(right, wrong, 1)
    (tmp_path / "bevacizumab.toml").write_text(text + "[foo]\n", encoding="utf-8")
    with pytest.raises(DrugFileError) as caught:
        read_drug(tmp_path / "bevacizumab.toml")
    told = [error.key for error in caught.value.all]
    assert told == ["kind", "disposition.CL.unit", "disposition.V1", "published[1].tolerance", "foo"]
    assert len(str(caught.value).splitlines()) == len(told)
    text = text.replace('"L/dya"', '"L/day"').replace("value = 26.78", "value = 2.678")  # what counts on the kinetics
    (tmp_path / "bevacizumab.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DrugFileError) as caught:
        read_drug(tmp_path / "bevacizumab.toml")
    assert {"covariates[3].covariate", "dosing[1].bands[1].amount"} < {error.key for error in caught.value.all}


@pytest.mark.parametrize(("drug", "text", "instead", "key", "words"), MISTAKES, ids=lambda x: str(x)[:24])
def test_a_faulty_file_is_told_with_place_and_repair(tmp_path, drug, text, instead, key, words):
    """Each mistake is refused with the file, the key, the nearest known name and a repair."""
    original = (SHIPPED / f"{drug}.toml").read_text(encoding="utf-8")
    assert text in original
    path = tmp_path / f"{drug}.toml"
    path.write_text(original, encoding="utf-8")
    assert read_drug(path).name == drug
    path.write_text(original.replace(text, instead, 1), encoding="utf-8")
    with pytest.raises(DrugFileError) as caught:
        read_drug(path)
    assert caught.value.file == f"{drug}.toml"
    changed = next(i for i, (a, b) in enumerate(zip(original.split("\n"), path.read_text(encoding="utf-8").split("\n"),
                                                    strict=False), 1) if a != b)  # fmt: skip
    assert caught.value.line and abs(caught.value.line - changed) <= 12, "the line of the key, or of its table"
    assert key in [one.key for one in caught.value.all]
    assert words in str(caught.value)
    assert caught.value.repair


def test_drugs_in_a_folder_of_the_user_are_known_to_scenarios_and_stand_in_the_record(tmp_path):
    """A file beside scenarios is enough: nothing is moved into the package, and a mistake in it is told at its line."""
    text = (SHIPPED / "pembrolizumab.toml").read_text(encoding="utf-8").replace("pembrolizumab", "mylimab", 1)
    (tmp_path / "mylimab.toml").write_text(text.replace('name = "pembrolizumab"', 'name = "mylimab"'))
    case = '[[protocol.treatment]]\ndrug = "mylimab"\ndose = "200 mg"\nstart = "day 0"\n'
    (tmp_path / "case.toml").write_text("schema = 1\n" + case)
    catalogue = load_catalogue([tmp_path])
    assert set(catalogue.own) == {"mylimab.toml"} and "case" not in catalogue.library.names()
    assert Scenario.from_text(case, "case.toml", mechanisms=[tmp_path]).calendar.drugs == ("mylimab",)
    with pytest.raises(InputError, match="a file of your own lies in a folder given by --mechanisms"):
        Scenario.from_text(case, "case.toml")
    (tmp_path / "Thatimab.toml").write_text(text.replace('name = "mylimab"', 'name = "Thatimab"'))
    assert Library([tmp_path]).get("thatimab").name == Library([tmp_path]).get("Thatimab").name == "Thatimab"
    broken = (tmp_path / "mylimab.toml").read_text().replace("molar_mass = {", "molar_mas = {")
    (tmp_path / "mylimab.toml").write_text(broken)
    line = broken[: broken.index("molar_mas =")].count("\n") + 1
    with pytest.raises(InputError, match=f"mylimab.toml:{line}: molar_mas: is not a known key; did you mean 'molar_mass'"):
        Scenario.from_text(case, "case.toml", mechanisms=[tmp_path])
