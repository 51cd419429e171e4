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


@pytest.mark.slow
def test_a_report_opens_in_a_browser_and_asks_for_nothing(tmp_path):
    from playwright.sync_api import sync_playwright

    page_text(tmp_path, title=EVIL, source=EVIL)
    asked, said = [], []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme="dark")
        page.on("request", lambda r: asked.append(r.url))
        page.on("console", lambda m: said.append(m.text))
        page.on("dialog", lambda d: said.append(d.message))
        page.goto((tmp_path / "page.html").as_uri())
        assert page.locator("h1").inner_text() == EVIL
        widths = page.evaluate("Array.from(document.images, i => i.complete && i.naturalWidth)")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
    assert widths
    assert all(widths)
    assert [u for u in asked if not re.match(r"file:|data:", u)] == []
    assert said == []
