"""Scenario files: what is read, what is refused and how it is told, and that no bytes at all break the reader."""

import json
import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell_toys import toy_catalogue

from tme_sim.catalogue import load_catalogue
from tme_sim.diagnostics import InputError, Places, near, nearest, parse_toml, read_text
from tme_sim.plan import plan_of
from tme_sim.quantities import internal
from tme_sim.scenario import Scenario
from tme_sim.toml_writer import write_toml

ROOT = Path(__file__).parent.parent

GOOD = """schema = 1
name = "case"
title = "A case"
seed = 7

[patient]
weight = "62 kg"
albumin = "38 g/L"
share_free = 0.4

[[patient.lesion]]
name = "main"
diameter = "4 cm"
doubling_time = "5 months"

[[patient.lesion]]
diameter = "12 mm"

[biology]
hypotheses = { "vegf.loss" = "fast" }
gains = { vegf_on_itself = 0 }

[parameters]
k_loss = "0.1 1/h"

[[protocol.treatment]]
kind = "tace"
drug_load = "50 mg"
start = "day 0"
targets = ["main"]

[[protocol.treatment]]
name = "antibody"
drug = "bevacizumab"
dose = "15 mg/kg"
start = "14 day after first tace"
every = "3 weeks"
times = 3

[run]
duration = "100 day"
"""


def read(text, **options):
    return Scenario.from_text(text, "case.toml", catalogue=toy_catalogue(), **options)


def problems(text, **options):
    with pytest.raises(InputError) as caught:
        read(text, **options)
    return [str(p) for p in caught.value.problems]


# --- what is read ------------------------------------------------------------


def test_a_scenario_gives_internal_values_of_body_and_lesions():
    scenario = read(GOOD)
    assert scenario.values() == {"share_free": 0.4, "k_loss": pytest.approx(2.4), "gain_vegf_on_itself": 0.0}
    assert scenario.lesion_values() == [
        {"diameter": 40.0, "doubling_time": 5 * 30.4375},
        {"diameter": 12.0},
    ]
    assert [one.name for one in scenario.patient.lesion] == ["main", "lesion 2"]
    assert scenario.covariates() == {"weight": "62 kg", "albumin": "38 g/L"}
    assert scenario.biology.hypotheses == {"vegf.loss": "fast"}
    assert scenario.warnings == ()


def test_a_lesion_parameter_in_parameters_holds_for_every_lesion_but_its_own_wins():
    scenario = read(GOOD.replace("[parameters]\n", '[parameters]\ndoubling_time = "90 day"\n'))
    assert [v["doubling_time"] for v in scenario.lesion_values()] == [5 * 30.4375, 90.0]
    assert "doubling_time" not in scenario.values()


def test_numbers_of_an_embolisation_and_of_drugs_are_given_to_the_plan_and_drugs_not_given_are_passed_over():
    given = {"parameters.reach": 0.7, "parameters.lenvatinib.signalling_ic50": "3 nM"}
    scenario = Scenario.load("configs/emerald1.toml", given)
    assert plan_of(scenario).session == {"reach": 0.7}
    assert not {"reach", "tki_IC50", "lenvatinib.signalling_ic50"} & set(plan_of(scenario).values)
    tablets = scenario.changed({"protocol.treatment": [
        {"kind": "drug", "drug": "lenvatinib", "dose": "12 mg", "start": "day 0", "every": "1 day", "times": 9}]})
    assert plan_of(tablets).values["tki_IC50"] == pytest.approx(internal("3 nM"))
    assert Scenario.from_text(tablets.to_toml()).digest == tablets.digest != scenario.digest


@pytest.mark.parametrize(("key", "value", "says"), [
    ("parameters.reach", 1.2, "1.2 is physically impossible: reach is at most 1"),
    ("parameters.reech", 0.2, 'is no parameter of the model, did you mean "reach"?'),
    ("parameters.lenvatinib.ic50", "1 nM", "no number of lenvatinib that can be changed here"),
    ("parameters.lenvatinib.free_fraction", 2, "2 is physically impossible: lenvatinib.free_fraction is at most 1"),
    ("parameters.present", 0, "parameters.present: is no parameter of the model"),
    ("patient.lesion", [{"present": 0}], "patient.lesion[1].present: is not known here"),
    ("parameters.bevacizumab.dose", 2, "that can be changed here, which has none"),
    ("parameters", {"lenvatinib.signalling_ic50": "1 nM"}, "stands in a table of its drug: write [parameters.lenvatinib]"),
])
def test_numbers_that_cannot_be_meant_are_refused(key, value, says):
    with pytest.raises(InputError, match=re.escape(says)):
        Scenario.from_text("schema = 1", "case.toml", {key: value})


def test_nothing_given_is_a_valid_untreated_scenario():
    scenario = read("schema = 1\n")
    assert len(scenario.patient.lesion) == 1 and scenario.calendar.entries == () and scenario.seed == 1


def test_a_patient_without_any_lesion_is_refused():
    assert any("holds no lesion" in p for p in problems("[patient]\nlesion = []\n"))


def test_hypotheses_may_be_written_without_quotes():
    text = GOOD.replace('hypotheses = { "vegf.loss" = "fast" }', 'hypotheses.vegf.loss = "fast"')
    assert read(text).biology.hypotheses == {"vegf.loss": "fast"}


def test_a_parameter_of_a_hypothesis_is_known_only_while_it_is_chosen():
    given = '[parameters]\nreach_margin = 0.6\n'
    chosen = Scenario.from_text('[biology]\nhypotheses.tace.reach = "drawn"\n' + given)
    assert chosen.values()["reach_margin"] == 0.6
    with pytest.raises(InputError, match='needs the hypothesis "tace.reach" = "drawn"; choose it in .biology.hypotheses.'):
        Scenario.from_text(given)


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path):
    path = tmp_path / "case.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert Scenario.load(path, catalogue=toy_catalogue()).digest == read(GOOD).digest


# --- origins, overrides, resolved text ------------------------------------------------------------


def test_every_value_knows_its_origin():
    scenario = read(GOOD, changes=["patient.weight=80 kg"])
    assert scenario.origin(("patient", "weight")) == "--set"
    assert scenario.origin(("patient", "albumin")) == "case.toml:8"
    assert scenario.origin(("patient", "height")) == "default"
    assert scenario.origin(("protocol", "treatment", 1, "dose")) == "case.toml:35"
    assert scenario.origin(("protocol", "treatment", 1, "hold")) == "default"


def test_the_resolved_text_reads_back_as_the_same_scenario_with_the_same_bytes():
    scenario = read(GOOD, changes={"protocol.treatment.antibody.start": "day 3", "seed": 9})
    again = read(scenario.to_toml())
    assert again.to_toml() == scenario.to_toml()
    assert again.digest == scenario.digest and again.calendar == scenario.calendar
    assert again.values() == scenario.values() and again.lesion_values() == scenario.lesion_values()


def test_titles_do_not_change_the_digest_and_values_do():
    scenario = read(GOOD)
    assert scenario.changed({"title": "another"}).digest == scenario.digest
    for change in ({"seed": 8}, {"patient.weight": "63 kg"}, {"protocol.treatment.tace.start": "day 1"}):
        assert scenario.changed(change).digest != scenario.digest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("nonsense", "is not KEY=VALUE"),
        ("patient.wieght=80 kg", 'did you mean "weight"'),
        ("protocol.treatment.antibodi.start=day 3", '"antibodi" is none of tace, antibody, did you mean "antibody"?'),
        ("patient.lesion.9.diameter=5 mm", '"9" is none of'),
        ("seed.x=1", "is a value and has no keys"),
        ("a.b.c.d.e.f.g.h.i=1", "is not a key of a scenario"),
        ("run.rtol=abc", "must be a number"),
    ],
)
def test_overrides_that_cannot_be_meant_are_refused(change, says):
    with pytest.raises(InputError) as caught:
        read(GOOD.replace('kind = "tace"', 'kind = "tace"\nname = "tace"'), changes=[change])
    assert says in str(caught.value)


def test_an_override_that_finds_no_entry_names_those_without_a_name_by_kind_or_number():
    with pytest.raises(InputError, match='"tce" is none of tace, antibody, did you mean "tace"?'):
        read(GOOD, changes=["protocol.treatment.tce.start=day 1"])
    with pytest.raises(InputError, match='"x" is none of main, 2'):
        read(GOOD, changes=["patient.lesion.x.diameter=5 mm"])


def test_overrides_find_entries_by_name_kind_and_number():
    for path in ("protocol.treatment.tace.start", "protocol.treatment.1.start"):
        assert read(GOOD, changes=[f"{path}=day 2"]).calendar.of("tace")[0].day == 2


def test_an_inline_protocol_file_is_taken_over_with_its_lines(tmp_path):
    (tmp_path / "p.toml").write_text('name = "p"\n[[scan]]\nstart = "day 0"\nevry = "8 weeks"\n')
    path = tmp_path / "case.toml"
    path.write_text('[protocol]\nfile = "p.toml"\n')
    with pytest.raises(InputError) as caught:
        Scenario.load(path, catalogue=toy_catalogue())
    (problem,) = caught.value.problems
    assert problem.place == f"{tmp_path / 'p.toml'}:4" and 'did you mean "every"' in problem.message


SCENARIOS = sorted(p.name for p in (ROOT / "configs").glob("*.toml") if "[[trial]]" not in p.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_shipped_scenario_is_right_and_stands_alone_when_resolved(name, tmp_path):
    scenario = Scenario.load(ROOT / "configs" / name)
    alone = tmp_path / "alone.toml"
    alone.write_text(scenario.to_toml())
    assert Scenario.load(alone).digest == scenario.digest


# --- what is refused ------------------------------------------------------------


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines():
    text = """schema = 2
nam = "x"
[patient]
wieght = "70 kg"
height = "4 m"
[[patient.lesion]]
diamter = "5 mm"
doubling_time = 5
[biology]
off = ["signal"]
hypotheses.vegf.loss = "fats"
[biology.gains]
vegf_on_itslf = 2
[parameters]
k_loss = "-3 1/day"
share_free = "5 mm"
k_los = 3
[[protocol.treatment]]
kind = "tace"
start = "day 0"
techniqe = "beads"
[[protocol.treatment]]
drug = "durvalumab"
dose = "1500"
start = 7
[run]
duration = nan
rtol = 5
[outputs]
states = ["VEGG"]
"""
    told = problems(text)
    lines = [int(p.split(":")[1]) for p in told]
    assert lines == sorted(lines) and set(lines) == {1, 2, 4, 5, 7, 8, 10, 11, 13, 15, 16, 17, 21, 24, 25, 27, 28, 30}
    whole = "\n".join(told)
    for name in ("name", "weight", "diameter", "signals", "fast", "vegf_on_itself", "k_loss", "technique", "VEGF"):
        assert f'did you mean "{name}"?' in whole
    for repair in ('write "5 day"', 'write "1500 mg" or "1500 mg/kg"', 'write "day 7"', "must be a finite number", "at most 250 cm"):
        assert repair in whole


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('weight = "62 kg"', "weight = 62"), 'case.toml:7: patient.weight: needs a unit: write "62 kg"'),
        (('weight = "62 kg"', 'weight = "62 mm"'), "is a length, but this is a mass"),
        (('weight = "62 kg"', 'weight = "-2 kg"'), "must be at least 20 kg"),
        (("share_free = 0.4", "share_free = 1.4"), "physically impossible: share_free is at most 1"),
        (("share_free = 0.4", "share_free = inf"), "must be a finite number"),
        (("share_free = 0.4", "share_free = true"), "patient.share_free: must be a number, not true or false; write 1"),
        (('weight = "62 kg"', 'weight = ["62 kg"]'), "weight: must be a number with its unit as text, not a list"),
        (('diameter = "12 mm"', 'diameter = "90 cm"'), "physically impossible: larger than a liver; give at most 300 mm"),
        (('diameter = "12 mm"', 'diameter = "0 mm"'), "smaller than a cell; give at least 0.02 mm"),
        (('diameter = "12 mm"', 'diameter = "12 mm"\ndoubling_time = "0 day"'), "give more than 0 day"),
        (('"0.1 1/h"', '"-0.1 1/h"'), "physically impossible: k_loss is at least 0 1/day"),
        (('"0.1 1/h"', '"9**9**9**9 1/h"'), "is not a unit"),
        (("vegf_on_itself = 0", "vegf_on_itself = 1.5"), "a gain lies between 0 (cut) and 1"),
        (("[parameters]", "[parameters]\ngain_vegf_on_itself = 0.5"), "a gain stands in [biology.gains]"),
        (("[parameters]", "[parameters]\nshare_free = 0.4"), "is given in [patient] too"),
        (('targets = ["main"]', 'targets = ["mian"]'), 'did you mean "main"'),
        (('targets = ["main"]', 'targets = "main"'), "must be a list"),
        (("seed = 7", "seed = -1"), "must be at least 0"),
        (("seed = 7", "seed = 1.5"), "must be a whole number, not a number (1.5)"),
        (("seed = 7", f"seed = {10**30}"), "must be below 9223372036854775808"),
        (('name = "case"', 'name = "../case"'), "is not a plain name"),
        (('name = "case"', 'name = "my case"'), "is not a plain name (letters, digits and . _ -, without spaces"),
        (("seed = 7", 'seed = 7\ntissue = "agent"'), 'is not one of density, agents, did you mean "agents"?'),
        (("[biology]", '[biology]\noff = ["signals", 3]'), "must be text"),
        (("[run]", "[run]\noutput_every = '1 min'\n"), None),
        (('duration = "100 day"', 'duration = "100 years"\noutput_every = "1 min"'), "more than two million rows"),
        (('duration = "100 day"', 'duration = "1e9 day"'), "at most 36525 day"),
        (('[[patient.lesion]]\ndiameter = "12 mm"', '[[patient.lesion]]\nname = "main"'), "a second lesion is named"),
        (("[patient]", "[patient]\nparameters = 3"), "is not known here"),
        (("[run]", "[[run]]"), "must be a table with keys, not a list"),
    ],
)
def test_single_mistakes(change, says):
    text = GOOD.replace(*change)
    assert text != GOOD
    if says is None:
        read(text)
        return
    assert any(says in p for p in problems(text)), problems(text)


def test_a_date_that_counts_from_nothing_is_told_beside_mistakes_elsewhere():
    text = GOOD.replace('weight = "62 kg"', "weight = 62")
    wrong = text + '[[protocol.treatment]]\nkind = "tace"\nname = "late"\nstart = "7 day after last antibodi"\n'
    told = problems(wrong)
    assert any("needs a unit" in p for p in told)
    assert any('start: "antibodi" names nothing in this protocol, did you mean "antibody"' in p for p in told), told
    assert len(problems(wrong.replace("antibodi\"", "Antibody\""))) == len(problems(text))
    unsure = wrong.replace('kind = "tace"', 'kind = "taec"').replace("antibodi\"", "tace\"")
    assert not [p for p in problems(unsure) if "names nothing" in p]  # of kinds and drugs only the first mistake is told


def test_a_value_outside_its_evidence_is_a_warning():
    (warning,) = read(GOOD.replace('"0.1 1/h"', '"9 1/day"')).warnings
    assert "parameters.k_loss: 9 1/day lies outside the evidence for k_loss (1 to 4 1/day, low)" in warning


def test_a_covariate_outside_a_drugs_population_is_a_warning():
    text = GOOD.replace('"62 kg"', '"250 kg"')
    assert any("weight 250 kg is outside" in w for w in read(text).warnings), read(text).warnings


@pytest.mark.parametrize(
    ("patient", "told"),
    [('albumin = "30 g/L"', True), ('child_pugh = "B"', True), ("", False),
     ('albumin = "30 g/L"\nalbumin_base = "30 g/L"', False)],
)  # fmt: skip
def test_a_liver_told_to_the_drugs_alone_is_a_warning(patient, told):
    warnings = Scenario.from_text(f"[patient]\n{patient}\n", "p.toml").warnings
    assert any("a covariate of drug clearance only" in w for w in warnings) == told


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\x00\x01\x02", "is a binary file"),
        (b'seed = 1\nname = "\xff\xfe"\n', "case.toml:2: is not UTF-8 text"),
        (b"a = " + b"[" * 5000, "nested too deeply"),
        (b"seed = " + b"9" * 5000, "no computer can read"),
        (b"seed = 1" + b" " * 1_000_001, "is larger than 1 MB"),
        (b"x" * 30_000 + b" = 1", "longer than 20 000 characters"),
        (b"seed = 1\nseed = 2\n", "case.toml:2: seed: is given twice, first in line 1"),
        (b"[run]\n[run]\n", "case.toml:2: run: is given twice"),
        (b"[patient]\nweight = 70 kg\n", "case.toml:2: not valid TOML"),
        (b"[a" + b".b" * 300 + b"]\n", "nested too deeply"),
        (b"seed = 2026-13-45\n", "case.toml"),
    ],
)
def test_files_that_are_no_scenario(content, says, tmp_path):
    path = tmp_path / "case.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        Scenario.load(path, catalogue=toy_catalogue())
    assert says in str(caught.value) and len(str(caught.value)) < 2000


def test_missing_files_folders_and_names_that_are_no_paths(tmp_path):
    (tmp_path / "case.toml").write_text(GOOD)
    for path, says in (
        (tmp_path / "caes.toml", 'there is no such file, did you mean "case.toml"?'),
        (tmp_path, "this is a folder"),
        ("a\0b", "cannot be read"),
        ("x" * 5000, "cannot be read"),
    ):
        with pytest.raises(InputError) as caught:
            read_text(path)
        assert says in str(caught.value)


def test_the_scenario_of_a_run_folder_is_named_where_the_folder_is_given(tmp_path):
    (tmp_path / "scenario.toml").write_text(GOOD)
    with pytest.raises(InputError, match=r"give a file in it, such as .*scenario\.toml$"):
        read_text(tmp_path)


@pytest.mark.parametrize(("change", "says"), [
    ("biology.hypothesis.mdsc.loss=fast", "--set: biology.hypothesis: is not known here"),
    ("run.output_every=1 s", "--set: run.output_every: must be whole minutes"),
])  # fmt: skip
def test_a_mistake_of_the_command_line_is_told_as_one(change, says):
    with pytest.raises(InputError) as caught:
        Scenario.from_text(GOOD, "case.toml", [change], catalogue=toy_catalogue())
    assert str(caught.value).startswith(says)


def test_a_protocol_file_that_is_missing_is_told_at_the_line_that_names_it(tmp_path):
    path = tmp_path / "case.toml"
    path.write_text('seed = 1\n[protocol]\nfile = "nowhere.toml"\n')
    with pytest.raises(InputError) as caught:
        Scenario.load(path, catalogue=toy_catalogue())
    assert str(caught.value).startswith(f"{path}:3: protocol.file: ") and "no such file" in str(caught.value)


def test_a_scenario_prints_as_a_small_tree():
    shown = repr(Scenario.from_text(GOOD, "case.toml", ["biology.off=[]"], catalogue=toy_catalogue())).splitlines()
    assert shown[0].startswith("Scenario ") and len(shown) < 15 and max(map(len, shown)) < 120
    assert any(line.startswith("  patient: ") for line in shown)


def test_an_unknown_output_is_told_beside_another_mistake_of_its_table():
    with pytest.raises(InputError) as caught:
        text = GOOD + '[outputs]\nstates = ["nothing_like_it"]\nfigures = "no"\n'
        Scenario.from_text(text, "case.toml", catalogue=toy_catalogue())
    assert "outputs.states: " in str(caught.value) and "outputs.figures: " in str(caught.value)


# --- any bytes at all ------------------------------------------------------------

PIECES = [b"=", b"[", b"]", b"[[", b'"', b"'", b'"""', b"#", b"\n", b"\r", b".", b",", b"{", b"}", b"nan", b"inf", b"1e999",
          b"-", b"9" * 40, b"true", b"2026-01-01", b"\xff", b"\x00", b"\xef\xbb\xbf", b"day", b"mg/kg", b"**", b"after last",
          b"protocol", b"kind", b"lesion", b"times = 99999999", b'every = "1 min"', b'until = "day 36000"',
          b'[[protocol.treatment]]\ndrug = "lenvatinib"\nregimen = "hcc"\nstart = "day 0"\n',
          b'hold = [{ around = "tace", after = "3 day" }]\n', b"\xe2\x80\xa8", b"\\u0000", b"\\"]  # fmt: skip


def _mutated(base: bytes, edits) -> bytes:
    out = bytearray(base)
    for place, cut, piece in edits:
        at = place % (len(out) + 1)
        out[at : at + cut] = piece
    return bytes(out)


EDITS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 40), st.one_of(st.sampled_from(PIECES), st.binary(max_size=6))),
    min_size=1,
    max_size=6,
)


@given(EDITS)
@settings(max_examples=2000, deadline=None)
def test_two_thousand_mutated_files_give_a_scenario_or_messages(tmp_path_factory, edits):
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_bytes(_mutated(GOOD.encode(), edits))
    _load_or_be_told(path)


def _load_or_be_told(path):
    """Whether the file is a scenario; otherwise there must be a message of a readable size, within two seconds."""
    start = time.perf_counter()
    try:
        scenario = Scenario.load(path, catalogue=toy_catalogue())
    except InputError as error:
        assert str(error) and len(str(error)) < 40_000
        return False
    finally:
        assert time.perf_counter() - start < 2.0
    assert read(scenario.to_toml()).digest == scenario.digest
    return True


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_hundred_thousand_mutated_files_give_a_scenario_or_messages(tmp_path):
    chance, path, good = random.Random(20), tmp_path / "fuzz.toml", 0
    base = GOOD.encode()
    tokens = [(m.start(), m.end() - m.start()) for m in re.finditer(rb'"[^"]*"|[A-Za-z_]+|[0-9]+', base)]
    words = [base[at : at + n] for at, n in tokens]

    def edit():
        if chance.random() < 0.6:  # another word of the file in the place of a word: gets past the parser
            at, cut = chance.choice(tokens)
            return at, cut, chance.choice(words if chance.random() < 0.8 else PIECES)
        piece = chance.choice(PIECES) if chance.random() < 0.7 else chance.randbytes(chance.randrange(7))
        return chance.randrange(len(base)), chance.choice((0, 0, 1, 2, 30)), piece

    for _ in range(100_000):
        path.write_bytes(_mutated(base, [edit() for _ in range(chance.randrange(1, 4))]))
        good += _load_or_be_told(path)
    assert 500 < good < 99_000  # both ways are met


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_places_never_raise(text):
    assert Places.of(text, "x").place(("a", 0, "b"))


# --- small parts ------------------------------------------------------------


def test_lines_of_keys_in_every_shape_of_toml():
    text = 'a = 1\n[b]\n"c.d" = [ # x\n 1, "]", \'[\']\n[[b.e]]\nf = """\n[no]\ng = 1\n"""\nh.i = 2\n[[b.e]]\nj = 3 #@ default\n'
    data, places = parse_toml(text, "t")
    where = {k: v[1] for k, v in places.lines.items()}
    assert where == {
        ("a",): 1, ("b",): 2, ("b", "c.d"): 3, ("b", "e", 0): 5, ("b", "e", 0, "f"): 6, ("b", "e", 0, "h", "i"): 10,
        ("b", "e", 1): 11, ("b", "e", 1, "j"): 12,
    }  # fmt: skip
    assert places.origins == {("b", "e", 1, "j"): "default"}
    assert data["b"]["e"][1]["j"] == 3 and places.place(("b", "e", 1, "zz")) == "t:11"


def test_nearest_names_forgive_case_spaces_and_underscores():
    known = ["k_MDSC_loss", "VEGF", "doubling_time"]
    assert near("K MDSC loss", known) == ["k_MDSC_loss"] and near("doublingtime", known) == ["doubling_time"]
    assert nearest("vefg", known) == ', did you mean "VEGF"?' and nearest("zzz", known) == ""


@given(
    st.recursive(
        st.one_of(st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False),
                  st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
        lambda inner: st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), inner, max_size=4),
        max_leaves=12,
    ).filter(lambda v: isinstance(v, dict))
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_what_is_written_as_toml_reads_back(data):
    assert parse_toml(write_toml(data) + "\n# end\n", "t")[0] == data


def test_the_schema_for_editors_knows_parameters_choices_and_units():
    from tme_sim.schema import scenario_schema

    schema = json.loads(json.dumps(scenario_schema(toy_catalogue())))
    lesion = schema["$defs"]["Lesion"]["properties"]
    assert schema["$defs"]["Patient"]["properties"]["weight"]["default"] == "70 kg"
    assert lesion["diameter"]["type"] == "string" and "5 to 150 mm" in lesion["diameter"]["description"]
    assert schema["$defs"]["Biology"]["properties"]["off"]["items"]["enum"] == ["signals"]
    assert schema["$defs"]["Tace"]["properties"]["technique"]["enum"] == ["conventional", "beads", "bland", "starch"]
    assert schema["properties"]["parameters"]["additionalProperties"] is False
    given = scenario_schema(load_catalogue())["properties"]["parameters"]["properties"]
    assert given["reach"]["maximum"] == 1.0 and given["lenvatinib"]["properties"]["signalling_ic50"]["type"] == "string"
    assert schema["properties"]["schema"]["const"] == 1


# --- occult foci and imaging ----------------------------------------------------------------------


def test_occult_foci_follow_the_lesions_and_are_pooled_with_a_warning():
    few = Scenario.from_text('schema = 1\nseed = 4\n[patient.occult]\nliver = 3.0\n')
    values = few.lesion_values()
    assert len(values) > 1 and all(v["diameter"] < 10.0 for v in values[1:]) and few.warnings == ()
    other = few.changed({"patient.number": 1}).lesion_values()
    assert other[0] == values[0] and other[1:] != values[1:]
    many = few.changed({"patient.occult.liver": 30.0})
    assert len(many.lesion_values()) == 12 and any("pooled" in w for w in many.warnings)
    assert Scenario.from_text(few.to_toml()).lesion_values() == values


def test_imaging_is_read_and_checked():
    from tme_sim import criteria
    from tme_sim.plan import plan_of

    text = 'schema = 1\n[imaging]\ncriterion = "mrecist"\nerror = 0.061\ngate = "LI-RADS 5"\ndetection = "8 mm"\nper_organ = 5\n'
    imaging = plan_of(Scenario.from_text(text)).imaging
    assert (imaging.criterion, imaging.error) == ("mrecist", 0.061)
    assert imaging.settings[[criteria.GATE, criteria.DETECT_FLOOR, criteria.PER_ORGAN]].tolist() == [1.0, 8.0, 5.0]
    with pytest.raises(InputError, match="imaging.criterion"):
        Scenario.from_text(text.replace("mrecist", "recist2"))


def test_places_of_many_keys_are_set_as_one_by_one():
    text = "a = 1\n[b]\nc = 2 #@ default\n[b.d]\ne = 3\n[[f]]\ng = 4\n"
    one_by_one, together = Places.of(text, "t"), Places.of(text, "t")
    keys = [("b", "c"), ("b", "d"), ("f", 0, "g"), ("b", "d", "new")]
    for key in keys:
        one_by_one.set(key, "--set")
    together.set_all(keys, "--set")
    assert together.lines == one_by_one.lines and together.origins == one_by_one.origins == {}
    assert together.place(("b", "d", "e")) == "--set" and together.place(("a",)) == "t:1"
