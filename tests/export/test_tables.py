"""The parameter table, the equations document, the archive, and the command that writes them."""

import csv
import io
import re
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import sympy
from compiler.toy_network import parameter, toy

from export.sources import toy_model, toy_source
from tme_sim.compiler.symbolic import build
from tme_sim.engine import queue as queue_module
from tme_sim.engine.run import Jumps
from tme_sim.export import export
from tme_sim.export.equations import equations_document
from tme_sim.export.notation import expression, latex, plain, symbol
from tme_sim.export.omex import omex_archive
from tme_sim.export.parameters import cell, parameter_table
from tme_sim.export.sbml import sbml_document
from tme_sim.export.source import ExportError, Trajectory, jumps_of
from tme_sim.laws import hill, power
from tme_sim.network import Mechanism, Species, arrival, compose
from tme_sim.quantities import parse_unit


@pytest.fixture(scope="module")
def model():
    return toy_model(3)


@pytest.fixture(scope="module")
def source(model):
    run = Trajectory(
        np.array([0.0, 0.5]), ("plasma", "awake__1"), ("nmol/mm^3", "cell"), np.array([[0.0, 1e6], [0.1, 2e6]])
    )
    return replace(toy_source(model), trajectory=run)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


# --- parameters -------------------------------------------------------------------------------------------------------


def test_table_has_every_parameter_once_per_lesion_with_the_value_used(model, source):
    rows = rows_of(parameter_table(source))
    assert [(r["name"], r["lesion"]) for r in rows if r["lesion"]] == [
        (n, str(k)) for k in (1, 2, 3) for n in model.layout.parameters["lesion"]
    ]
    assert [r["name"] for r in rows if not r["lesion"]] == model.layout.parameters["body"]
    rates = [float(r["value"]) for r in rows if r["name"] == "rate"]
    assert rates == [0.01, 0.01 / 2, 0.01 / 3]
    assert {r["declared"] for r in rows if r["name"] == "rate"} == {"0.01"}
    assert {r["mechanism"] for r in rows} == {"toy_tumour", "toy_body"}


def test_values_read_back_in_their_own_unit():
    """The table of the real network: number and unit of each row give the internal value again."""
    from tme_sim.compiler.emit import write
    from tme_sim.export.source import Source
    from tme_sim.mechanisms.registry import all_mechanisms

    network = compose(all_mechanisms())
    layout = write(build(network), 1)[1]
    declared = {p.name: p for p in network.parameters()}
    th = np.zeros(layout.size(layout.theta))
    for i, name in enumerate(layout.labels(layout.theta)):
        base = name.split(".")[0]
        th[i] = declared[base].internal * 1.1 if base in declared else 0.0
    blank = Source(network, layout, th, th, th, th)
    for row in rows_of(parameter_table(blank)):
        wanted = 1.1 * declared[row["name"]].internal
        assert float(row["value"]) * parse_unit(row["unit"]).factor == pytest.approx(wanted, rel=1e-12)
        assert float(row["declared"]) == declared[row["name"]].value


def test_origin_and_a_drugs_own_declaration_are_told(source):
    own = parameter("k_clear", 0.5, "1/day")
    rows = rows_of(
        parameter_table(replace(source, origins={"rate.2": "my.toml:4", "k_die": "--set"}, resolved={"k_clear": own}))
    )
    told = {(r["name"], r["lesion"]): r["origin"] for r in rows}
    assert told[("rate", "2")] == "my.toml:4" and told[("rate", "1")] == "declared"
    assert told[("k_die", "")] == "'--set" and told[("k_clear", "")] == "drug library"


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-cmd|' /C calc'!A0", "@SUM(A1)", "  =1", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text):
    assert cell(text)[0] == "'"


@pytest.mark.parametrize("text", ["-0.5", "+3e-7", "1e6", "", "cell/mm^3", "DOI 10.1/x"])
def test_numbers_and_words_stay_as_they_are(text):
    assert cell(text) == text


def test_a_hostile_note_stays_one_cell():
    note = '=HYPERLINK("http://x")\n,"'
    hostile = Mechanism("m", "toy", species=(Species("x", "1", "x"),), processes=(arrival("a", "x", lambda k: k, "a"),),
                        parameters=(replace(parameter("k", 1.0, "1/day"), note=note),))  # fmt: skip
    from tme_sim.compiler.model import compile_model
    from tme_sim.export.source import Source

    rows = rows_of(parameter_table(Source.of(compile_model(compose([hostile]), 1))))
    assert len(rows) == 1 and rows[0]["note"] == '\'=HYPERLINK("http://x") ,"'


# --- equations --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book():
    from tme_sim.mechanisms.registry import all_mechanisms

    network = compose(all_mechanisms())
    return network, equations_document(network)


def test_every_part_of_the_network_has_its_equation(book):
    network, text = book
    for m in network.mechanisms:
        assert f"\n## {m.name}\n" in text
    for s in network.species:
        assert f"\\frac{{d\\,{symbol(s.name)}}}{{dt}} = " in text
    for p in network.processes:
        assert f"\n{symbol('rate_' + p.name)} = " in text, p.name
    for p in network.parameters():
        assert f"| `{p.name}` |" in text or p.name.startswith("gain_")
    for m in network.modulations:
        assert f"(`{m.name}`)" in text


def test_latex_is_balanced_and_tables_are_whole(book):
    text = book[1]
    blocks = re.findall(r"\$\$\n(.*?)\n\$\$", text, re.S)
    assert len(blocks) > 100
    for block in blocks:
        assert block.count("{") == block.count("}") and block.count(r"\left") == block.count(r"\right")
        assert "\n" not in block and "$" not in block
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1
    assert text.count("`") % 2 == 0


def test_equations_are_the_same_text_again(book):
    assert equations_document(book[0]) == book[1]


def test_values_of_the_patient_stand_in_the_tables(source):
    assert "| `K_grow` | 0.5 | mmHg |" in equations_document(source.network, source)
    assert "| `K_grow` | 3 | mmHg |" in equations_document(source.network)


def test_lesion_flows_into_the_body_are_summed():
    text = equations_document(toy())
    start = text.index(r"\frac{d\,\mathrm{plasma}}{dt}")
    assert r"\mathrm{leak\,volume}\,\textstyle\sum_{\mathrm{lesions}} r_{\mathrm{leak}}" in text[start : start + 300]


def test_symbols_and_laws_in_two_notations():
    assert symbol("k_div") == r"k_{\mathrm{div}}"
    assert symbol("rho_cell") == r"\rho_{\mathrm{cell}}"
    assert symbol("CD8_blood") == r"\mathrm{CD8\,blood}"
    assert symbol("rate_kill") == r"r_{\mathrm{kill}}"
    law = expression(lambda x, K_x, n_x: 2e-7 * hill(x, K_x, n_x), {})
    names = {s.name: s for s in law.free_symbols}
    text = plain(law)
    assert "(x/K_x)^n_x" in text and "2e-7" in text
    again = eval(
        text.replace("^", "**"), {n: float(v) for n, v in zip(("x", "K_x", "n_x"), (3.0, 2.0, 1.5), strict=True)}
    )
    assert again == pytest.approx(2e-7 * 1.5**1.5 / (1 + 1.5**1.5))
    assert r"2\cdot 10^{-7}" in latex(law) and set(names) == {"x", "K_x", "n_x"}
    assert plain(power(sympy.Symbol("a") - 1, sympy.Symbol("n"))) == "(a - 1)^n"


# --- archive ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(source):
    with zipfile.ZipFile(io.BytesIO(omex_archive(source))) as stream:
        assert all(i.date_time == (1980, 1, 1, 0, 0, 0) for i in stream.infolist())
        return {i.filename: stream.read(i).decode() for i in stream.infolist()}


def test_archive_is_the_same_bytes_again(source):
    assert omex_archive(source) == omex_archive(source)


def test_manifest_lists_exactly_what_is_there(files):
    listed = [e.attrib["location"] for e in ET.fromstring(files["manifest.xml"])]
    assert sorted(listed) == sorted([".", *(f"./{name}" for name in files)])
    masters = [e.attrib["location"] for e in ET.fromstring(files["manifest.xml"]) if e.attrib.get("master") == "true"]
    assert masters == ["./experiment.sedml"]


def test_model_in_the_archive_is_the_sbml_document(files, source):
    assert files["model.xml"] == sbml_document(source)


def test_experiment_asks_for_variables_that_the_model_has(files):
    sedml = ET.fromstring(files["experiment.sedml"])
    ns = {"e": "http://sed-ml.org/sed-ml/level1/version4", "sbml": "http://www.sbml.org/sbml/level3/version2/core"}
    root = ET.fromstring(files["model.xml"])
    targets = [v.attrib["target"] for v in sedml.iterfind(".//e:variable[@target]", ns)]
    assert len(targets) > 20
    for target in targets:
        found = root.findall(target.replace("/sbml:sbml/", "./"), ns)
        assert len([f for f in found if f.tag.rsplit("}")[-1] in ("species", "parameter")]) == 1, target
    generators = {g.attrib["id"] for g in sedml.iterfind(".//e:dataGenerator", ns)}
    assert {d.attrib["dataReference"] for d in sedml.iterfind(".//e:dataSet", ns)} == generators
    course = sedml.find(".//e:uniformTimeCourse", ns)
    assert (course.attrib["outputEndTime"], course.attrib["numberOfSteps"]) == ("60", "60")


def test_our_run_stands_beside_the_model(files):
    assert files["trajectory.csv"].split("\r\n")[:3] == [
        "day,plasma [nmol/mm^3],awake__1 [cell]", "0,0,1000000", "0.5,0.1,2000000",
    ]  # fmt: skip
    assert rows_of(files["parameters.csv"])[0]["name"]


def test_metadata_is_rdf_that_names_the_model(files, source):
    text = "".join(ET.fromstring(files["metadata.rdf"]).itertext())
    assert source.title in text and "Not a medical device" in text


# --- the calendar of the engine, and writing --------------------------------------------------------------------------


def test_engine_calendar_is_read_in_the_order_it_runs():
    jumps, queue = Jumps(), queue_module.new_queue(8)
    groups = [jumps.group([(i, -1, 0.0, float(i))]) for i in range(3)]
    for tick, order, group in ((20, 0, 0), (10, 2, 1), (10, 1, 2)):
        queue_module.append(queue, tick, order, queue_module.JUMP, groups[group])
    queue_module.append(queue, 30, 0, queue_module.STOP, 0)
    assert jumps_of(jumps, queue) == (
        (10, ((2, -1, 0.0, 2.0),)), (10, ((1, -1, 0.0, 1.0),)), (20, ((0, -1, 0.0, 0.0),)),
    )  # fmt: skip
    queue_module.append(queue, 40, 0, queue_module.DECISION, 1)
    with pytest.raises(ExportError, match="decides at scans"):
        jumps_of(jumps, queue)


@pytest.mark.parametrize("kind", ["sbml", "omex", "equations", "parameters"])
def test_each_kind_is_written_whole(kind, source, tmp_path):
    export(kind, source, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").stat().st_size > 1000


def test_unknown_kind_is_refused_and_nothing_written(source, tmp_path):
    with pytest.raises(ExportError, match='as "petab"; choose one of sbml, omex'):
        export("petab", source, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["sbml", "parameters"])
def test_the_command_writes_a_scenario_and_refuses_what_it_cannot(kind, tmp_path, monkeypatch):
    """Through the command line, on the toy network, so that nothing large is compiled."""
    from click.testing import CliRunner

    from tme_sim import cli
    from tme_sim.export import source as module

    model = toy_model(3)
    monkeypatch.setattr(module, "source_of_scenario", lambda scenario, **_: toy_source(model))
    config = tmp_path / "s.toml"
    config.write_text('name = "s"\n')
    out = tmp_path / "out"
    done = CliRunner().invoke(cli.cli, ["export", kind, str(config), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.stat().st_size > 1000

    def refused(scenario, **_):
        raise ExportError("this calendar decides at scans")

    monkeypatch.setattr(module, "source_of_scenario", refused)
    done = CliRunner().invoke(cli.cli, ["export", kind, str(config), "--out", str(tmp_path / "other")])
    assert done.exit_code == 2 and "decides at scans" in done.output and not (tmp_path / "other").exists()


def test_a_document_is_not_passed_off_as_tex_and_cells_are_not_passed_off_as_equations(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from tme_sim import cli
    from tme_sim.export import source as module

    monkeypatch.setattr(module, "source_of_scenario", lambda scenario, **_: toy_source(toy_model(3)))
    config = tmp_path / "s.toml"
    config.write_text('tissue = "agents"\n')
    for name, code, said in (("x.tex", 2, 'must end in .md, like "x.md"'), ("x.md", 0, "well-mixed form")):
        done = CliRunner().invoke(cli.cli, ["export", "equations", str(config), "--out", str(tmp_path / name)])
        assert done.exit_code == code and said in done.output, done.output
        assert (tmp_path / name).exists() == (code == 0)
