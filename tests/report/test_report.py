"""A report says what the run says, escapes what users wrote, and needs nothing but itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tme_sim.definitions import definition_of, table_text
from tme_sim.report import page_of, write_report
from tme_sim.report.words import course, day_text, days_text, value_text

ROOT = Path(__file__).parents[2]
EVIL = "<script>alert('x')</script>\"'&"
CHROMIUM = "/usr/bin/chromium"


class Reader(HTMLParser):
    """Tags with their attributes, and the text that a reader sees."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def small_run(title="A question", drug="durvalumab", warning="mind the gap", source="no source found"):
    """A run of three columns with one session, one drug and a scan, made by hand."""
    from tme_sim.results import Run

    time = np.arange(0.0, 101.0)
    columns = {"CD8.1": 100 + time, "albi": np.full(101, -2.5), "oxygen_mean.1": 12 - 8 * np.exp(-time / 9)}
    units = {"CD8.1": "cell/mm^3", "albi": "1", "oxygen_mean.1": "mmHg"}
    events = [
        {"day": 0.0, "kind": "tace", "treatment": "tace", "what": "conventional TACE"},
        *({"day": 7.0 + 21 * i, "kind": "drug", "treatment": "pd1", "what": f"{drug} 1500 mg", "drug": drug,
           "slot": "pd1"} for i in range(4)),
        {"day": 56.0, "kind": "scan", "treatment": "scan", "what": "mri", "sum_recist11": 41.4, "sum_mrecist": 30.0,
         "recist11": "SD", "mrecist": "PR", "recicl": "PR"},
    ]  # fmt: skip
    sources = [
        {"name": "k_sure", "value": 2.0, "unit": "1/day", "grade": "high", "source": "doi 10.1000/abc.12: table 2"},
        {"name": "k_guess", "value": 0.5, "unit": "1", "grade": "assumed", "source": source},
    ]
    manifest = {
        "scenario": {"name": "small", "digest": "d" * 64}, "model_digest": "m" * 32, "seed": 7,
        "versions": {"tme_sim": "0.1.0"}, "warnings": [warning] if warning else [], "sources": sources,
    }  # fmt: skip
    summary = {"ttp": 56.0, "ttp_event": 0, "albi_d90": -2.5, "best_response_mrecist": "PR", "resectable_day": None}
    text = f'schema = 1\nname = "small"\ntitle = {title!r}\n' if "'" not in title else f'title = """{title}"""'
    return Run(time, columns, units, events=events, summary=summary, manifest=manifest, scenario_text=text)


def page_text(tmp_path, **words) -> str:
    folder = small_run(**words).save(tmp_path / "run")
    return write_report(folder, tmp_path / "page.html").read_text()


def test_a_report_says_question_calendar_endpoints_sources_warnings_and_how_to_repeat(tmp_path):
    text = page_text(tmp_path)
    seen = Reader(text)
    for words in ("A question", "TACE on day 0", "durvalumab from day 7 (4 doses)", "day 7 to 70, every 21 days", "41.4",
                  "PR by mRECIST", "first progression; otherwise the last visit", "mind the gap", "k_guess",
                  "tme-sim rerun run/manifest.json", "d" * 64, "from 100\N{NO-BREAK SPACE}cells/mm³ to 200"):  # fmt: skip
        assert words in seen.text, words
    assert seen.text.index("k_guess") < seen.text.index("k_sure"), "the weakest grade comes first"
    assert ("a", {"href": "https://doi.org/10.1000/abc.12", "rel": "noreferrer"}) in seen.tags


def test_what_users_wrote_is_escaped(tmp_path):
    text = page_text(tmp_path, title=EVIL, drug="<script>d</script>", warning=EVIL, source=EVIL)
    seen = Reader(text)
    assert "<script" not in text.lower()
    assert "script" not in [tag for tag, _ in seen.tags]
    assert seen.text.count("<script>alert('x')</script>\"'&") >= 4
    assert not [a for _, attrs in seen.tags for a in attrs if a.startswith("on")]


def test_a_report_needs_nothing_but_itself(tmp_path):
    seen = Reader(page_text(tmp_path))
    loaded = [a.get("src") or a.get("href", "") for tag, a in seen.tags if tag in ("img", "link", "script", "iframe")]
    assert loaded
    assert all(address.startswith("data:image/png;base64,") for address in loaded)
    policy = next(a["content"] for tag, a in seen.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_a_run_without_sources_warnings_or_events_is_reported(tmp_path):
    run = small_run(warning="")
    run.events, run.summary, run.manifest["sources"] = [], {}, []
    run.save(tmp_path / "run")
    text = Reader(write_report(tmp_path / "run", tmp_path / "page.html").read_text()).text
    assert "the untreated course" in text
    assert "gave no warning" in text


def test_values_of_slots_without_a_drug_are_left_out_and_values_of_one_source_share_a_row():
    from tme_sim.mechanisms.kinetics import EMPTY
    from tme_sim.report.sources import source_tables, sources_used

    def row(name, source="a paper", grade="high", value=1.0):
        return {"name": name, "value": value, "unit": "1/day", "grade": grade, "source": source}

    given = [row("trap_V1"), row("trap_Vmax", EMPTY), row("trap_V1", EMPTY), row("Bmax_trap", "none", "assumed"),
             row("tki_V1", EMPTY), row("Bmax_tki", "none", "assumed"), row("k_on", "none", "assumed", 2.0)]  # fmt: skip
    assert [r["name"] for r in sources_used(given)] == ["trap_V1", "Bmax_trap", "k_on"], "tki holds no drug, trap does"
    prose, table = source_tables(given)
    assert "3 values decided the result: 2 assumed, 1 high" in prose.text
    assert "4 values of drugs that are not given here are left out" in prose.text
    nbsp = "\N{NO-BREAK SPACE}"
    assert table.rows == [
        ("assumed", f"Bmax_trap{nbsp}1{nbsp}1/day; k_on{nbsp}2{nbsp}1/day", "none"),
        ("high", f"trap_V1{nbsp}1{nbsp}1/day", "a paper"),
    ]


def test_endpoints_stand_by_criterion_and_by_landmark_day():
    from tme_sim.report.run import endpoint_tables

    found = endpoint_tables({"ttp": 56.0, "albi_d90": -2.5, "albi_d7": -2.4, "burden_d7": 3.0,
                             "orr_recist11": 0, "orr_mrecist": 1, "resectable_day": None})  # fmt: skip
    single, criteria, days = found
    assert [r[:3] for r in single.rows] == [("ttp", "56", "day"), ("resectable_day", "none", "day")]
    assert (criteria.heads[1:3], criteria.rows[0][:3]) == (("RECIST 1.1", "mRECIST"), ("orr", "0", "1"))
    assert [r[:4] for r in days.rows] == [("albi", "−2.4", "−2.5", ""), ("burden", "3", "", "mL")]
    assert all(row[-1] for table in found for row in table.rows), "every endpoint has its definition"


def test_arms_of_different_drugs_all_show_their_sources():
    from tme_sim.mechanisms.kinetics import EMPTY
    from tme_sim.record import given_of
    from tme_sim.report.sources import sources_used
    from tme_sim.scenario import Scenario

    arms = {name: Scenario.load(ROOT / f"configs/{name}.toml") for name in ("tace_only", "emerald1")}
    used = [row for row in sources_used(given_of(arms)["sources"]) if row["name"] == "trap_V1"]
    assert len(used) == 1, "the first arm gives no antibody; the second does"
    assert used[0]["source"] != EMPTY


def test_bad_input_is_told_and_nothing_is_written(tmp_path):
    from tme_sim.cli import cli

    (tmp_path / "empty").mkdir()
    folder = small_run().save(tmp_path / "run")
    there = tmp_path / "there.html"
    there.write_text("mine")
    cases = {
        (tmp_path / "gone", tmp_path / "a.html"): "there is no such folder",
        (tmp_path / "empty", tmp_path / "a.html"): "nothing that can be reported",
        (folder, tmp_path / "a.pdf"): "name it like report.html",
        (folder, there): "--force",
    }
    for (source, out), words in cases.items():
        done = CliRunner().invoke(cli, ["report", str(source), "--out", str(out)])
        assert done.exit_code == 2, done.output
        assert words in done.output
    (folder / "summary.json").write_text("{}")
    done = CliRunner().invoke(cli, ["report", str(folder), "--out", str(tmp_path / "a.html")])
    assert done.exit_code == 2
    assert "summary.json" in done.output
    assert there.read_text() == "mine"
    assert not (tmp_path / "a.html").exists()


def test_a_manifest_stands_for_its_folder(tmp_path):
    folder = small_run().save(tmp_path / "run")
    assert page_of(folder / "manifest.json").title == "A question"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 1, 1.001], "stays near 1 mL"),
        ([10, 5, 2], "from 10 mL to 2 mL at the end"),
        ([10, 20, 12], "from 10 mL, through a peak of 20 mL on day 1, to 12 mL at the end"),
        ([10, 1, 9], "from 10 mL, through a low of 1 mL on day 1, to 9 mL at the end"),
        ([5, 0, 1e-12], "from 5 mL to 0 mL at the end"),
        ([np.nan, 2, 1], "from 2 mL to 1 mL at the end"),
        ([np.nan] * 3, ""),
    ],
)
def test_a_curve_in_words(values, words):
    assert course([0, 1, 2], values, "mL").replace("\N{NO-BREAK SPACE}", " ") == words


def test_numbers_and_days_in_words():
    assert [value_text(v) for v in (0, -2.514, 12345.6, 1e-9)] == ["0", "−2.51", "12\N{THIN SPACE}346", "1.00e−09"]
    assert [day_text(d) for d in (-1e-4, 12.0, 365.25)] == ["day 0", "day 12", "month 12.0"]
    assert days_text([0]) == "day 0"
    assert days_text([0, 28, 70]) == "days 0, 28, 70"


def test_the_page_of_endpoints_shows_the_definitions():
    rows = [r for r in (ROOT / "docs/endpoints.md").read_text().splitlines(keepends=True) if r.startswith("| `")]
    assert "".join(rows) == table_text()
    assert definition_of("albi_d90").names == ("albi_dN",)
    assert definition_of("nothing") is None


# --- a study and a trial ----------------------------------------------------------------------------------------------


def resolved() -> str:
    """A resolved scenario, as a store or a trial keeps it."""
    from tme_sim.scenario import Scenario

    return Scenario.load(ROOT / "configs/tace_only.toml").to_toml(origins=False)


def small_store(folder, design="grid", failed=True, question="Does it matter?", text=""):
    """A store of two arms, a factor with three values, two patients, made by hand; one run crashed."""
    from tme_sim.ensemble import Row
    from tme_sim.study.plan_table import PlanTable
    from tme_sim.study.store import open_store

    points = [(x, arm, n) for x in (0.0, 14.0, 28.0) for arm in ("early", "late") for n in (0, 1)]
    spread = [7.0 * (i % 5) for i in range(len(points))]
    plan = PlanTable(
        {"name": "toy", "title": "A toy", "question": question, "design": design},
        (("start", "day", "first bevacizumab", False), ("k_T_exh", "1/day", "exhaustion", False)),
        [[p[0] for p in points], spread], [p[1] for p in points], [p[2] for p in points],
        ("viable_fraction_d90", "burden_d90"), tuple(bytes([i]) * 16 for i in range(len(points))),
    )  # fmt: skip
    rows = [Row("ok", "", {"viable_fraction_d90": 0.2 + 0.01 * x, "burden_d90": 5.0 - 0.1 * x + n, "n_tace": 2})
            for x, _, n in points]  # fmt: skip
    if failed:
        rows[3] = Row("crashed", f"step too small {EVIL}", {})
    scenario = resolved()
    given = {"arms": {"early": scenario, "late": "nonsense = 1\n"},
             "sources": [{"name": "k_guess", "value": 0.5, "unit": "1", "grade": "assumed", "source": "no source found"}],
             "warnings": ["mind the gap"], "versions": {"tme_sim": "0.1.0"}}  # fmt: skip
    with open_store(folder, create=True, digest="") as store:
        store.add_plan(plan, text or 'schema = 1\nname = "toy"\n')
        store.note_given(plan.digest, given)
        store.put(zip(plan.keys, rows, strict=True))
    return folder


def test_a_store_is_reported_with_question_design_endpoints_failures_and_how_to_repeat(tmp_path):
    text = write_report(small_store(tmp_path / "store"), tmp_path / "page.html").read_text()
    seen = Reader(text)
    for words in ("Report of a study", "Does it matter?", "11 of 12 with a result", "first bevacizumab", "0, 14, 28",
                  "viable tumour on day 90", "1 of 12: 1 crashed", "never read as zero", "step too small", "mind the gap",
                  "k_guess", "tme-sim sweep study.toml", 'name = "toy"', "needs mechanisms or drugs"):  # fmt: skip
        assert words in seen.text, words
    assert 'more of it with more of "first bevacizumab" (rank correlation +1.00)' in seen.text
    assert "<script" not in text.lower()
    pictures = [a["src"] for tag, a in seen.tags if tag == "img"]
    assert len(pictures) == 3  # the calendar of one arm, an endpoint each
    assert all(p.startswith("data:image/png;base64,") for p in pictures)


def test_a_scattered_study_is_reported_with_what_decides_the_outcome(tmp_path):
    text = write_report(small_store(tmp_path / "store", design="latin_hypercube", failed=False), tmp_path / "p.html")
    seen = Reader(text.read_text()).text
    assert "What decides the outcome" in seen
    assert "start+1.00" in "".join(seen.split())
    assert "Every run of the plan has a result." in seen


def small_trial(folder, figures=True):
    """The folder of a trial of two arms and three patients, made by hand, with the files that tme-sim trial writes."""
    import json

    arm = {"pfs_median": 4.5, "pfs_median_ci95": [1.8, None], "orr": 0.5, "orr_ci95": [0.2, 0.8], "criterion": "recist11",
           "os_rate_24": 0.5, "os_rate_24_ci95": [None, None]}  # fmt: skip
    contrast = {"pfs_hr": 0.6, "pfs_hr_ci95": [0.2, 1.9], "os_hr": 0.9, "os_hr_ci95": [0.2, 4.0], "orr_difference": 0.1,
                "pfs_nonproportional_p": 0.4}  # fmt: skip
    scenario = resolved()
    about = {
        "status": "done", "name": "toy", "title": f"A trial {EVIL}", "source": ["registry NCT01234567"], "n": 3,
        "repeats": 1, "seed": 7, "digest": "d" * 64, "after_progression": "nothing", "follow_up": {"accrual": "12 month"},
        "versions": {"tme_sim": "0.1.0"}, "cohort": {"name": "people", "digest": "c" * 64, "source": ["made up"]},
        "arms": {n: {"title": t, "protocol": n, "digest": "a" * 64, "scenario": scenario}
                 for n, t in (("zzz", "TACE"), ("aaa", "TACE and more"))},
        "failures": [{"patient": 4, "arm": "zzz", "message": "no baseline"}],
        "draws": [{"name": "diameter", "value": "lognormal", "unit": "mm", "grade": "low", "source": "a table"}],
        "sources": [{"name": "k_guess", "value": 0.5, "unit": "1", "grade": "assumed", "source": "no source found"}],
        "warnings": ["mind the gap"],
    }  # fmt: skip
    gain = {"pfs": {"mean_gain": 1.5, "mean_gain_ci95": [0.1, 2.9], "better": 0.67, "worse": 0.0}}
    summary = {"trial": "toy", "patients": 3, "arms": {"aaa": arm, "zzz": arm | {"pfs_median": None}},
               "contrasts": {"aaa vs zzz": contrast}, "paired": {"aaa vs zzz": gain}}  # fmt: skip
    (folder / "chunks").mkdir(parents=True)
    (folder / "trial.json").write_text(json.dumps(about))
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "rows.csv").write_text("arm,repeat,patient\nzzz,0,0\naaa,0,0\n")
    (folder / "patients.csv").write_text("patient,diameter,sex\n0,30,male\n1,40,male\n2,50,female\n")
    if figures:
        (folder / "figures").mkdir()
        (folder / "figures" / "survival.png").write_bytes((ROOT / "docs/images/flips.png").read_bytes())
    return folder


def test_a_trial_is_reported_with_arms_contrasts_patients_and_sources(tmp_path):
    text = write_report(small_trial(tmp_path / "trial"), tmp_path / "page.html").read_text()
    seen = Reader(text)
    for words in ("Report of a virtual trial", "TACE and more against TACE", "0.6 (0.2 to 1.9)", "cannot be told apart",
                  "median PFS not reached", "4.5 (1.8 to not reached)", "male: 67 %", "no baseline", "mind the gap",
                  "3 patients are few", "k_guess", "--seed 7", "How long until progression or death",
                  "Share of patients without progression"):  # fmt: skip
        assert words in seen.text, words
    assert seen.text.index("TACE: median PFS") < seen.text.index("TACE and more: median PFS"), "the reference arm first"
    assert "<script" not in text.lower()
    assert ("a", {"href": "https://clinicaltrials.gov/study/NCT01234567", "rel": "noreferrer"}) in seen.tags


def test_a_trial_that_has_not_ended_or_drew_nothing_is_told(tmp_path):
    from tme_sim.diagnostics import InputError

    folder = small_trial(tmp_path / "trial", figures=False)
    assert "--no-figures" in Reader(write_report(folder, tmp_path / "a.html").read_text()).text
    (folder / "trial.json").unlink()
    with pytest.raises(InputError, match="has not ended"):
        write_report(folder, tmp_path / "b.html")


@pytest.mark.parametrize("name", ["trial.json", "summary.json"])
@pytest.mark.parametrize("text", ["{}", '{"arms": 3}', '{"arms": {"zzz": 1}}'])
def test_a_folder_whose_files_tell_of_no_arms_is_refused(tmp_path, name, text):
    from tme_sim.diagnostics import InputError

    folder = small_trial(tmp_path / "trial", figures=False)
    (folder / name).write_text(text)
    with pytest.raises(InputError, match="tells of no arms"):
        write_report(folder, tmp_path / "b.html")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "study", "trial"])
def test_a_report_opens_in_a_browser_and_asks_for_nothing(kind, tmp_path):
    from playwright.sync_api import sync_playwright

    make = {"run": lambda: small_run(title=EVIL, source=EVIL).save(tmp_path / "run"),
            "study": lambda: small_store(tmp_path / "store", question=EVIL),
            "trial": lambda: small_trial(tmp_path / "trial")}  # fmt: skip
    write_report(make[kind](), tmp_path / "page.html")
    title = {"run": EVIL, "study": "A toy", "trial": f"A trial {EVIL}"}[kind]
    asked, said = [], []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme="dark")
        page.on("request", lambda r: asked.append(r.url))
        page.on("console", lambda m: said.append(m.text))
        page.on("dialog", lambda d: said.append(d.message))
        page.goto((tmp_path / "page.html").as_uri())
        assert page.locator("h1").inner_text() == title
        widths = page.evaluate("Array.from(document.images, i => i.complete && i.naturalWidth)")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.pdf(format="A4", print_background=True).startswith(b"%PDF")
        browser.close()
    assert widths
    assert all(widths)
    assert [u for u in asked if not re.match(r"file:|data:", u)] == []
    assert said == []


def test_a_run_that_follows_a_calibration_says_which_member():
    from tme_sim.report.run import _calibration

    assert _calibration({}) == []
    told = _calibration({"posterior": {"name": "default", "digest": "0123456789abcdef", "member": 7}})
    assert told == [("calibration", "default (0123456789ab), member 7")]
