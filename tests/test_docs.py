"""What the pages say is true: their files are written, their commands and Python run, and their output is compared.

In a page, ``` ```toml NAME ``` and ``` ```python NAME ``` are files, ``` ```python ``` is run, and in ``` ```console ```
lines that begin with ``$`` are commands and the others their output: shortened where a line is ``...``, in any order,
numbers apart (`test_numbers_shown_are_todays` compares those, in the slower pack).

``python tests/test_docs.py --refresh`` writes today's numbers and tables into the pages.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md", "CONTRIBUTING.md", "docs/files.md", "docs/protocols.md", "docs/tutorials/own_protocol.md",
    "docs/tutorials/mechanism.md", "docs/tutorials/drug.md",
)  # fmt: skip
TUTORIALS = (
    "docs/tutorials/first_run.md", "docs/tutorials/timing_study.md", "docs/tutorials/virtual_trial.md",
    "docs/tutorials/agent_snapshots.md",
)  # fmt: skip
ALL_PAGES = (
    *PAGES,
    *TUTORIALS,
    "docs/credibility.md",
    "docs/decisions.md",
    "docs/index.md",
    "CHANGELOG.md",
    "docs/endpoints.md",
    "docs/evidence.md",
    "docs/gallery.md",
    "docs/report.md",
    *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs/adr").glob("*.md")),
)
BLOCK = re.compile(r"^```(\w+)(?: +([^\n]+))?\n(.*?)^```$", re.M | re.S)
OUTSIDE = re.compile(r"(git clone|cd|\. \.venv/bin/activate)\b")  # commands of the shell, not of this project
COMPILING = "writing and compiling the model"


@dataclass
class Shown:
    """A command of a page, what the page shows of its output, and what it printed."""

    command: str
    lines: list[str]
    output: str = ""
    code: int = 0
    ran: bool = False


@dataclass
class Page:
    """A page that was executed: its commands, and what its Python blocks printed and left behind."""

    name: str
    folder: Path
    commands: list[Shown] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    names: dict = field(default_factory=dict)


def commands_of(text):
    """Commands of a console block with the output lines that follow each."""
    out = []
    for line in text.splitlines():
        if line.startswith("$ "):
            out.append(Shown(line[2:].partition("   #")[0].strip(), []))
        elif line.strip() and line.strip() != "...":
            out[-1].lines.append(line)
    return out


def call(shown):
    """Run a `tme-sim` command as a user would."""
    from click.testing import CliRunner

    from tme_sim.cli import cli

    done = CliRunner().invoke(cli, shlex.split(shown.command)[1:])
    shown.ran, shown.code, shown.output = True, done.exit_code, done.output


def execute(name, folder):
    """Do what a page shows, in order, in `folder`."""
    shutil.copytree(ROOT / "configs", folder / "configs", dirs_exist_ok=True)
    page = Page(name, folder)
    for language, info, body in BLOCK.findall((ROOT / name).read_text()):
        if language in ("toml", "python") and info:
            target = folder / info
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body)
        elif language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(body, f"{name}: python", "exec"), page.names)
            page.printed.append(printed.getvalue())
        elif language == "console":
            for shown in commands_of(body):
                if shown.command.startswith("tme-sim "):
                    call(shown)
                page.commands.append(shown)
    return page


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages executed once, when first asked for."""
    done: dict[str, Page] = {}

    def get(name):
        if name not in done:
            folder, before = tmp_path_factory.mktemp(Path(name).stem), os.getcwd()
            os.chdir(folder)
            try:
                done[name] = execute(name, folder)
            finally:
                os.chdir(before)
        return done[name]

    return get


def masked(line):
    """A line without the width of its columns and its numbers, those in names apart."""
    return " ".join(re.sub(r"(?<![\w.])[-+]?\d[\d.,]*(?:e[-+]?\d+)?", "#", line).split())


def squeezed(line):
    """A line without the width of its columns."""
    return " ".join(line.split())


def missing(shown, form):
    """Lines of a page that the command did not print, compared by `form`; a trailing ``...`` stands for the rest."""
    real = [form(line) for line in shown.output.splitlines() if COMPILING not in line]
    out = []
    for line in shown.lines:
        start, cut, _ = line.partition(" ...")
        found = any(r.startswith(form(start)) if cut else r == form(line) for r in real)
        if not found:
            out.append(line)
    return out


@pytest.mark.parametrize("name", [*PAGES, *(pytest.param(n, marks=pytest.mark.slow) for n in TUTORIALS)])
def test_commands_do_what_the_page_shows(name, pages):
    for shown in pages(name).commands:
        if shown.ran:
            meant = 2 if any("is not known here" in line for line in shown.lines) else 0
            assert shown.code == meant, f"{name}: {shown.command}\n{shown.output}"
            assert not missing(shown, masked), f"{name}: {shown.command}\n{shown.output}"


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_of_this_project_and_understood(name, pages):
    from tme_sim.cli import cli

    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for shown in pages(name).commands:
        words = shlex.split(shown.command)
        if words[0] == "make":
            assert set(words[1:]) <= targets, shown.command
        elif words[0] == "tme-sim":
            command, rest = cli, words[1:]
            while rest and hasattr(command, "commands"):
                command, rest = command.get_command(None, rest[0]), rest[1:]
            command.make_context("tme-sim", rest)
        else:
            assert OUTSIDE.match(shown.command), shown.command


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_numbers_shown_are_todays(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = [line for shown in execute(name, tmp_path).commands if shown.ran for line in missing(shown, squeezed)]
    wrong += [] if counts_in((ROOT / "README.md").read_text()) == counts() else ["counts of parameters in README.md"]
    assert not wrong, "python tests/test_docs.py --refresh writes today's numbers"


def counts():
    """Parameters of the model and how many of them are assumed."""
    from tme_sim.catalogue import load_catalogue

    grades = [p.grade for p in load_catalogue().names().values()]
    return len(grades), grades.count("assumed")


def counts_in(text):
    found = re.search(r"Of (\d+) parameters (\d+) are graded `assumed`", text)
    return int(found[1]), int(found[2])


# --- the worked examples --------------------------------------------------------------------------------------------


def test_five_lines_of_python(pages):
    page = pages("README.md")
    body = next(b for lang, info, b in BLOCK.findall((ROOT / "README.md").read_text()) if lang == "python")
    assert len([line for line in body.splitlines() if line]) <= 5
    table, data = page.names["table"], page.names["data"]
    assert table.attrs["units"]["MDSC.1"] == "cell/mm^3" and table.index[-1] == 730.0
    assert data["MDSC.1"].attrs == {"units": "cell/mm^3", "long_name": "suppressor cells in tumour"}
    assert "cell/mm^3" in page.printed[0]


def test_a_mechanism_in_one_file(pages):
    """The file of the page adds a state, processes and an arrow, changes a run, and does nothing once its arrow is cut."""
    import numpy as np

    from tme_sim.results import Run
    from tme_sim.scenario import Scenario

    page = pages("docs/tutorials/mechanism.md")
    with_, without = Run.load(page.folder / "runs/lactate"), Run.load(page.folder / "runs/no_effect")
    alone = page.names["simulate"](Scenario.load(page.folder / "configs/emerald1.toml"))
    assert "lactate" in with_ and "lactate" not in alone and with_.units["lactate.1"] == "mmol/L"
    first, rise = with_["lactate"][0], with_["lactate"].max()
    assert rise > 1.1 * first  # occlusion: more is made, less washed away; but few cells are left to make it
    reach = {
        name: np.abs(without[name] - alone[name]).max() / np.abs(alone[name]).max() for name in ("CD8", "viable_cells")
    }
    assert max(reach.values()) < 1e-3  # another grid of steps, the same biology
    assert abs(with_["viable_cells"][-1] / without["viable_cells"][-1] - 1) > 0.02
    assert with_.manifest["model_digest"] == without.manifest["model_digest"]  # a gain is no new structure
    assert {"name": "K_lactate", "grade": "low"}.items() <= next(
        s for s in with_.manifest["sources"] if s["name"] == "K_lactate"
    ).items()


def test_a_mechanism_of_ones_own_rests_untreated(pages):
    from tme_sim.scenario import Scenario

    page = pages("docs/tutorials/mechanism.md")
    changes = {"run.duration": "1 day"}
    quiet = Scenario.load(page.folder / "configs/untreated.toml", changes, mechanisms=[page.folder / "my_mechanisms"])
    run = page.names["simulate"](quiet)
    assert run["lactate"][0] == pytest.approx(8.0, rel=1e-12) and run["lactate"][-1] == pytest.approx(8.0, rel=2e-3)


def test_a_mechanism_with_a_mistake_is_refused_with_the_repair(pages, tmp_path):
    from tme_sim.catalogue import discover_mechanisms
    from tme_sim.compiler.unitcheck import check
    from tme_sim.network import NetworkError, compose

    text = (pages("docs/tutorials/mechanism.md").folder / "my_mechanisms/lactate.py").read_text()
    for i, (old, new, told) in enumerate(
        (
            ("k_lactate, perfusion)", "k_lactate, perfusoin)", 'did you mean "perfusion"'),
            ('"nmol/cell/day"', '"nmol/day"', "make_lactate"),
        )
    ):
        folder = tmp_path / str(i)
        folder.mkdir()
        (folder / "lactate.py").write_text(
            text.replace(old, new).replace("* perfusion\n", f"* {'perfusoin' if i == 0 else 'perfusion'}\n")
        )
        with pytest.raises(NetworkError, match=re.escape(told)):
            check(compose(discover_mechanisms([folder])))


def test_a_drug_in_one_file(pages):
    from dataclasses import replace

    from tme_sim.results import Run
    from tme_sim.scenario import Scenario
    from tme_sim.therapies.exposure import computed
    from tme_sim.therapies.library import Library

    page = pages("docs/tutorials/drug.md")
    drug, run = page.names["drug"], page.names["run"]
    assert "tislelizumab" not in Library().names() and drug.slot == "pd1"
    for row in drug.published:
        assert abs(computed(drug, row) / row.value.value - 1) <= row.tolerance, row.quantity
    for factor in (1 / 1.6, 1.6):
        clearance = replace(drug.disposition["CL"], value=factor * drug.disposition["CL"].value, low=0.0, high=1.0)
        wrong = replace(drug, disposition={**drug.disposition, "CL": clearance})
        assert any(abs(computed(wrong, row) / row.value.value - 1) > row.tolerance for row in drug.published)
    before, after = (run["pd1_plasma"][abs(run.time - day).argmin()] for day in (6, 8))
    assert before == 0.0 and 50 < after < 78  # mg/L; the first dose is on day 7
    assert run["pd1_engaged"].max() > 0.9
    text = (page.folder / "tace_tislelizumab.toml").read_text()
    other = Scenario.from_text(re.sub(r'drug = "tislelizumab"', 'drug = "pembrolizumab"', text))
    assert (
        run.manifest["model_digest"] == page.names["simulate"](other).manifest["model_digest"]
    )  # a drug is no structure
    assert isinstance(run, Run)


def test_a_scenario_with_an_unknown_drug_names_the_library():
    from tme_sim.diagnostics import InputError
    from tme_sim.scenario import Scenario

    page = (ROOT / "docs/tutorials/drug.md").read_text()
    text = next(b for _, i, b in BLOCK.findall(page) if i == "tace_tislelizumab.toml")
    with pytest.raises(InputError, match="tislelizumab"):
        Scenario.from_text(text)


# --- tables and links ----------------------------------------------------------------------------------------------------


def endpoint_names(days):
    """Names of the table in docs/endpoints.md, `_dN` written out for `days`."""
    names = set()
    for line in (ROOT / "docs/endpoints.md").read_text().splitlines():
        if line.startswith("| `"):
            for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
                names |= {name[:-1] + str(day) for day in days} if name.endswith("_dN") else {name}
    return names


@pytest.mark.parametrize("months", [24, 4])
def test_the_table_of_endpoints_is_that_of_a_real_run(months, pages):
    from tme_sim.observe import LANDMARKS
    from tme_sim.results import Run
    from tme_sim.scenario import Scenario

    page = pages("README.md")
    if months == 24:
        summary = json.loads((page.folder / "runs/trial_order/summary.json").read_text())
    else:
        summary = page.names["simulate"](
            Scenario.load(page.folder / "configs/emerald1.toml", {"run.duration": f"{months} months"})
        ).summary
    covered = [day for day in LANDMARKS if day <= months * 30.4375]
    assert set(summary) == endpoint_names(covered)
    assert Run.load(page.folder / "runs/trial_order").summary["n_tace"] == 2


def test_the_readme_lists_every_mechanism():
    from tme_sim.catalogue import load_catalogue

    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), re.M)
    assert rows == list(load_catalogue().mechanisms)


def test_the_run_folder_is_as_described(pages):
    page = pages("README.md")
    rows = re.findall(r"^\| `([^`]+)` \| .* \| (yes|no) \|$", (ROOT / "docs/files.md").read_text(), re.M)
    from tme_sim.results import DETERMINISTIC

    assert {n for n, same in rows if same == "yes"} == set(DETERMINISTIC)
    assert {p.name for p in (page.folder / "runs/trial_order").iterdir()} == {n for n, _ in rows if "/" not in n}


def key_table():
    """The tables and keys of a scenario from its JSON schema, as Markdown."""
    from tme_sim.catalogue import Catalogue, load_catalogue
    from tme_sim.schema import scenario_schema

    schema = scenario_schema(Catalogue())
    tables = schema["$defs"]
    for name, parameter in load_catalogue().lesion_parameters.items():
        unit = "" if parameter.unit == "1" else parameter.unit
        told = {"x-unit": unit, "examples": [f"{parameter.value:g} {unit}"]} if unit else {"type": "number"}
        usual = f"{parameter.value:g} {unit}" if unit else parameter.value
        tables["Lesion"]["properties"][name] = told | {"default": usual, "description": parameter.note or f"see `tme-sim describe {name}`"}
    places = [
        ("top", schema),
        ("[patient]", tables["Patient"]),
        ("[[patient.lesion]]", tables["Lesion"]),
        ("[patient.occult]", tables["Occult"]),
        ("[imaging]", tables["ImagingSettings"]),
        ("[biology]", tables["Biology"]),
        ("[run]", tables["RunSettings"]),
        ("[outputs]", tables["Outputs"]),
        ("[protocol]", tables["Protocol"]),
        ("[[protocol.phase]]", tables["Phase"]),
        ('[[protocol.treatment]], kind = "tace"', tables["Tace"]),
        ('[[protocol.treatment]], kind = "drug"', tables["DrugTreatment"]),
        ('[[protocol.treatment]], kind = "ablation"', tables["Ablation"]),
        ('[[protocol.treatment]], kind = "sbrt"', tables["Sbrt"]),
        ('[[protocol.treatment]], kind = "radioembolisation"', tables["Radioembolisation"]),
        ("loading", tables["Loading"]),
        ("hold", tables["Hold"]),
        ("rule", tables["Rule"]),
        ("on_demand", tables["OnDemand"]),
        ("[[protocol.scan]]", tables["Scan"]),
        ("[[protocol.visit]]", tables["Visit"]),
    ]
    out = []
    for place, table in places:
        rows = [(k, v) for k, v in table["properties"].items() if not (place == "top" and "type" not in v)]
        rows = [
            (k, v)
            for k, v in rows
            if k
            not in ("patient", "biology", "parameters", "protocol", "run", "outputs", "lesion", "treatment", "scan", "phase",
                    "visit")
            or place not in ("top", "[patient]", "[protocol]")
        ]
        heading = (
            "At the top" if place == "top" else f"`{place}`" if place.startswith("[") else f"`{place}` of a treatment"
        )
        out += ["", heading, "", "| key | value | default | meaning |", "|---|---|---|---|"]
        for key, value in rows:
            needed = key in table.get("required", ())
            out.append(
                f"| `{key}` | {kind_of(value)} | {'required' if needed else default_of(value)} | {meaning_of(value)} |"
            )
    return "\n".join(out[1:]) + "\n"


def variants(value):
    """The alternatives of a schema entry but for "not given"."""
    found = []
    for one in value.get("anyOf", [value]):
        found += variants(one) if "anyOf" in one and one is not value else [one]
    return [v for v in found if v.get("type") != "null"]


def kind_of(value):
    """What may be written, in words."""
    words = []
    for one in variants(value):
        if "const" in one:
            words.append(f"`{json.dumps(one['const'])}`")
        elif "enum" in one:
            words.append(", ".join(f"`{json.dumps(e)}`" for e in one["enum"]))
        elif "x-unit" in one:
            words.append(f'a quantity like `"{one.get("examples", [one["x-unit"]])[0]}"`')
        elif one.get("examples"):
            words.append(f'like `"{one["examples"][0]}"`')
        elif one.get("type") == "array":
            inner = kind_of(one.get("items", {})) or "the name of a mechanism"
            words.append("tables" if "$ref" in one.get("items", {}) else f"a list, each {inner}")
        elif one.get("type") == "object":
            words.append("a table")
        else:
            words.append(
                {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "`true`, `false`"}.get(
                    one.get("type"), "a table"
                )
            )
    return " or ".join(dict.fromkeys(words))


def default_of(value):
    default = value.get("default")
    if (
        isinstance(default, list)
        and len(default) == 2
        and isinstance(default[1], str)
        and not isinstance(default[0], str)
    ):
        return f'`"{default[0]:g} {default[1]}"`'
    return "" if default in (None, "", [], {}) else f"`{json.dumps(default)}`"


def meaning_of(value):
    found = [v["description"] for v in (value, *value.get("anyOf", ()), *variants(value)) if v.get("description")]
    return re.sub(r" \[[^]]+\]$", "", found[0]) if found else ""


def keys_in(text):
    start, end = re.search(r"<!-- keys: [^>]*-->\n", text).end(), text.index("<!-- end of keys -->")
    return start, end


def test_the_table_of_scenario_keys_is_that_of_the_schema():
    text = (ROOT / "docs/files.md").read_text()
    start, end = keys_in(text)
    assert text[start:end] == key_table(), "python tests/test_docs.py --refresh"


@pytest.mark.parametrize("name", ALL_PAGES)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text()):
        if not target.startswith(("http", "#", "model/")):  # docs/conf.py writes model/
            assert ((ROOT / name).parent / target.partition("#")[0]).exists(), target


def test_paths_named_in_tables_exist():
    for name in ("README.md", "CONTRIBUTING.md"):
        for path in re.findall(
            r"`((?:src|configs|docs|tests|experiments|requirements)/[\w./]*)`", (ROOT / name).read_text()
        ):
            if "NAME" not in path:
                assert (ROOT / path).exists(), path


def test_pictures_are_small():
    for picture in (ROOT / "docs/images").iterdir():
        assert picture.suffix == ".png" and picture.stat().st_size < 300_000, picture


@pytest.fixture(scope="module")
def pictures():
    """docs/pictures, which makes the pictures of the gallery."""
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs/pictures/__main__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def test_one_command_makes_every_picture_of_the_gallery_again(pictures):
    page = (ROOT / "docs/gallery.md").read_text()
    made = [name for step in pictures.STEPS.values() for name in step.shown]
    assert sorted(made) == sorted(set(re.findall(r"\]\(images/(\w+)\.png\)", page)))
    for name in made:
        width = int.from_bytes((ROOT / f"docs/images/{name}.png").read_bytes()[16:20], "big")
        assert width == pictures.NARROWER.get(name, pictures.WIDE) or name == "trial_conversion", name
    for step in pictures.STEPS.values():
        for word in (word for command in step.commands for word in command if word.startswith(str(ROOT))):
            assert Path(word).exists(), word
    for line in re.findall(r"^tme-sim (.*)$", page, re.M):
        alike = [c for s in pictures.STEPS.values() for c in s.commands if c[0] == line.split()[0]]
        assert alike or line.split()[0] in ("explore", "surface"), line


@pytest.mark.slow
def test_a_picture_is_made_again_within_its_size(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "IMAGES", tmp_path)
    pictures.make("calendar", tmp_path / "work")
    one = (tmp_path / "calendar.png").read_bytes()
    assert int.from_bytes(one[16:20], "big") == 1200 and len(one) < pictures.LARGEST


def test_all_seven_tutorials_are_executed():
    asked = {"first_run", "own_protocol", "mechanism", "drug", "timing_study", "virtual_trial", "agent_snapshots"}
    assert {path.stem for path in (ROOT / "docs/tutorials").glob("*.md")} == asked
    assert {Path(name).stem for name in (*PAGES, *TUTORIALS) if "tutorials" in name} == asked
    for name in (*PAGES, *TUTORIALS):
        if "tutorials" in name:
            text = (ROOT / name).read_text()
            assert re.search(r"^\$ tme-sim ", text, re.M) or "```python\n" in text, name


def test_the_site_lists_every_page_that_is_written_by_hand():
    """A page that no table of contents names would be built and never found."""
    listed = set()
    for page in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs/tutorials").glob("*.md")]:
        for block in re.findall(r"^```{toctree}\n(.*?)^```", page.read_text(), re.M | re.S):
            listed |= {line for line in block.splitlines() if line and not line.startswith(":")}
    made = {"contributing", "changes", "model/index"}  # by docs/conf.py
    by_hand = {str(p.relative_to(ROOT / "docs").with_suffix("")) for p in (ROOT / "docs").rglob("*.md")}
    by_hand = {p for p in by_hand if not p.startswith(("_build/", "adr/", "model/")) and p != "index"}
    assert by_hand - made == listed - made - {"adr/*"}, "docs/index.md"


def test_every_decision_has_its_four_parts_and_a_number():
    pages_ = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [p.name[:4] for p in pages_] == [f"{i:04d}" for i in range(1, len(pages_) + 1)]
    for page in pages_:
        assert re.findall(r"^## (.*)$", page.read_text(), re.M) == [
            "Context",
            "Decision",
            "Consequences",
            "Measured",
        ], page


def test_the_numerics_version_is_explained():
    import tme_sim

    text = (ROOT / "CHANGELOG.md").read_text()
    assert f"Numerics version {tme_sim.__numerics__}:" in text and "### Changes results" in text


def refresh():
    """Write today's numbers and tables into the pages."""
    import tempfile

    for name in PAGES:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            text = (ROOT / name).read_text()
            for shown in execute(name, Path(folder)).commands:
                real = {masked(line): line.rstrip() for line in shown.output.splitlines()}
                for line in shown.lines:
                    text = text.replace(f"\n{line}\n", f"\n{real.get(masked(line), line)}\n")
            if "<!-- keys:" in text:
                start, end = keys_in(text)
                text = text[:start] + key_table() + text[end:]
            total, assumed = counts()
            text = re.sub(r"Of \d+ parameters \d+ are", f"Of {total} parameters {assumed} are", text)
            (ROOT / name).write_text(text)


if __name__ == "__main__" and "--refresh" in sys.argv:
    refresh()


def test_the_gallery_shows_every_kind_of_figure():
    """A figure that is added to a trial, a finding or a run has to be shown, and what is shown is there."""
    page = (ROOT / "docs/gallery.md").read_text()
    shown = set(re.findall(r"\]\(images/(\w+)\.png\)", page))
    assert all((ROOT / f"docs/images/{name}.png").is_file() for name in shown)
    source = ROOT / "src/tme_sim"
    trial = re.findall(r'out\["(\w+)"\] = |^ +"(\w+)": \w+_figure\(', (source / "plots/trial.py").read_text(), re.M)
    assert {f"trial_{one or other}" for one, other in trial} == {n for n in shown if n.startswith("trial_")}
    kinds = {"surface": "surface", "bars": "prcc", "tornado": "tornado", "morris": "morris", "scan": "scans", "flips": "flips",
             "knockouts": "arrows", "arms": "card_arms", "differences": "card_differences"}  # fmt: skip
    assert set(re.findall(r"^def (\w+)_figure\(", (source / "findings/draw.py").read_text(), re.M)) == set(kinds)
    assert set(kinds.values()) <= shown
    forms = {"_maps": "sweep", "_lines": "study_line", "_ranked": "study_ranked", "_strips": "study_strips"}
    assert set(re.findall(r"return (_\w+), ", (source / "plots/study.py").read_text())) == set(forms)
    assert set(forms.values()) <= shown
    from tme_sim.plots.figures import FIGURES

    runs = {"calendar_and_lesion": "emerald1_lesion", "oxygen_hif_vegf_vessels": "run_oxygen", "drugs": "run_drugs",
            "mdsc_and_suppression": "run_suppression", "priming_and_tcells": "run_tcells",
            "liver_and_markers": "run_liver"}  # fmt: skip
    assert {f.name for f in FIGURES} == set(runs)
    assert set(runs.values()) <= shown
