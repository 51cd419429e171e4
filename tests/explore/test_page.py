"""The page as a person uses it, in a browser without a window."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.explore.serving import ROOT, serving
from tme_sim.scenario import Scenario

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; where there is none the tests fail and say so, as they are part of `make verify`."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(f"make verify looks at the explorer in a browser; install Chromium (looked for {', '.join(BROWSERS)})")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def explorer():
    with serving() as one:
        yield one


class Watched:
    """A tab, with everything that it asked for and complained about."""

    def __init__(self, page, explorer):
        self.page, self.said, self.asked = page, [], []
        page.on("console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.said.append(str(e)))
        page.on("request", lambda r: self.asked.append(r.url))
        self.own = (f"http://127.0.0.1:{explorer.port}/", f"ws://127.0.0.1:{explorer.port}/", "blob:", "data:")

    def until(self, condition: str, what: str = "", seconds: float = 60.0):
        """Wait until an expression holds in the page."""
        for _ in range(int(seconds * 20)):
            found = self.page.evaluate(condition)
            if found:
                return found
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{what or condition} did not come; the page said {self.said}")

    def frames(self) -> int:
        return self.page.evaluate("window.explorer.frames")

    def after(self, act):
        """Do something and wait for curves of a later state."""
        before = self.page.evaluate("window.explorer.frame.revision")
        act()
        self.until(f"window.explorer.frame.revision > {before} && !window.explorer.busy()", "a new frame")

    def middle(self, selector: str) -> tuple[float, float]:
        box = self.page.locator(selector).first.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(self, selector: str, by: float, steps: int = 8):
        x, y = self.middle(selector)
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        for i in range(1, steps + 1):
            mouse.move(x + by * i / steps, y)
        mouse.up()

    def sessions(self):
        return self.page.evaluate("window.explorer.frame.sessions")

    def config(self) -> str:
        return self.page.evaluate("window.explorer.state.config")


@contextmanager
def tab(browser, explorer, **kwargs):
    page = browser.new_page(viewport={"width": 1366, "height": 768}, **kwargs)
    watched = Watched(page, explorer)
    page.goto(explorer.address)
    watched.until("window.explorer && window.explorer.frames > 0", "the first frame", 200)
    try:
        yield watched
        assert watched.said == []
        assert [u for u in watched.asked if not u.startswith(watched.own)] == []
        assert "token" not in page.url
    finally:
        page.close()


SESSION = '#bars [data-role="session"][data-number="1"]'


# Text that does not fit where it stands.  The title of the scenario may be shortened: it is whole on hover.
CUT = """Array.from(document.querySelectorAll(".card h3, .card .more, .control > label, .unit, .tile div"))
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).overflow !== "visible"
    || e.getBoundingClientRect().right > e.parentElement.getBoundingClientRect().right + 1).map((e) => e.textContent)"""


def curve(watched) -> str:
    return watched.page.evaluate("JSON.stringify(window.explorer.frame.panels.map(p => p.curves.map(c => c.y)))")


@pytest.mark.slow
def test_a_bar_is_dragged_the_curves_follow_and_the_downloaded_config_gives_the_same_run(browser, explorer, tmp_path):
    with tab(browser, explorer) as one:
        page = one.page
        before = curve(one)
        one.after(lambda: one.drag(SESSION, 40))
        assert page.locator("#figures canvas").count() >= 6
        moved = one.sessions()
        assert moved[0] == 0.0
        assert moved[1] > 40.0
        assert curve(one) != before
        one.after(lambda: page.locator("aside input[type=range]").first.press("ArrowRight"))
        page.locator("#pin").click()
        one.until("window.explorer.frame.pins.length == 1")
        with page.expect_download() as caught:
            page.locator("#download").select_option("config")
        caught.value.save_as(tmp_path / "again.toml")
        with page.expect_download() as caught:
            page.locator("#download").select_option("data")
        caught.value.save_as(tmp_path / "data.csv")
        from tme_sim.simulation import simulate

        again = Scenario.load(tmp_path / "again.toml")
        assert simulate(again, make=explorer.models.set_up).to_csv() == (tmp_path / "data.csv").read_text()
        one.after(lambda: page.locator("#undo").click())
        one.after(lambda: page.locator("#undo").click())
        assert one.sessions() == [0.0, 28.0]
        one.after(lambda: page.set_input_files("#file", tmp_path / "again.toml"))
        assert one.sessions() == moved
        assert Scenario.from_text(one.config()).digest == again.digest


@pytest.mark.slow
def test_a_bad_value_is_told_as_the_command_line_tells_it(browser, explorer, tmp_path):
    with tab(browser, explorer) as one:
        box = one.page.locator("aside input[type=text]").first
        box.fill("700 kg")
        box.press("Enter")
        one.until("!document.getElementById('notice').hidden")
        told = one.page.locator("#notice pre").inner_text()
        path = tmp_path / "emerald1.toml"
        path.write_text(one.config().replace("70 kg", "700 kg"))
        from click.testing import CliRunner

        from tme_sim.cli import cli

        assert told in CliRunner().invoke(cli, ["config", "check", str(path)]).output.replace(f"{tmp_path}/", "")
        assert "70 kg" in one.config()
        one.until("document.querySelector('aside input[type=text]').value === '70'", "the value as it was")


@pytest.mark.slow
def test_two_tabs_do_not_disturb_each_other(browser, explorer):
    with tab(browser, explorer) as one, tab(browser, explorer) as two:
        before = two.frames()
        one.after(lambda: one.drag(SESSION, 60))
        assert one.sessions() != [0.0, 28.0]
        two.page.wait_for_timeout(500)
        assert two.sessions() == [0.0, 28.0]
        assert two.frames() == before


@pytest.mark.slow
def test_the_copied_config_is_checked_and_gives_the_same_summary(browser, explorer, tmp_path):
    """What "Copy as config" puts into the clipboard is a file that the command line accepts, and its run is the one shown."""
    from click.testing import CliRunner

    from tme_sim.cli import cli

    with tab(browser, explorer, permissions=["clipboard-read", "clipboard-write"]) as one:
        page = one.page
        one.after(lambda: one.drag(SESSION, 40))
        assert page.locator("#inspector").is_hidden()  # a drag leaves the figures where they are
        one.after(lambda: page.locator('#bars [data-role="bar"]').last.dblclick())
        assert page.evaluate("window.explorer.frame.calendar.rows.length") == 5
        end = page.evaluate("window.explorer.frame.calendar.rows[1].end")
        one.after(lambda: one.drag('#bars [data-role="end"][data-index="1"]', 40))
        assert page.evaluate("window.explorer.frame.calendar.rows[1].end") > end + 20
        page.locator('#bars [data-role="bar"]').last.click()
        one.after(lambda: (page.locator("[name=hold_before]").fill("7"), page.locator("[name=hold_before]").press("Enter")))
        assert page.evaluate("window.explorer.frame.calendar.rows[4].holds") == [{"around": "tace", "before": 7, "after": 0}]
        one.after(lambda: page.locator("aside input[type=range]").first.press("ArrowRight"))
        page.locator("#copy").click()
        one.until("document.getElementById('status').textContent.includes('clipboard')", "the copy")
        copied = page.evaluate("navigator.clipboard.readText()")
        with page.expect_download(timeout=120_000) as caught:
            page.locator("#download").select_option("run")
        caught.value.save_as(tmp_path / "shown.zip")
    path = tmp_path / "copied.toml"
    path.write_text(copied, encoding="utf-8")
    checked = CliRunner().invoke(cli, ["config", "check", str(path)])
    assert checked.exit_code == 0, checked.output
    again = CliRunner().invoke(cli, ["run", str(path), "--out", str(tmp_path / "again"), "--no-figures"])
    assert again.exit_code == 0, again.output
    with zipfile.ZipFile(tmp_path / "shown.zip") as shown:
        (name,) = [n for n in shown.namelist() if n.endswith("/summary.json")]
        assert shown.read(name) == (tmp_path / "again/summary.json").read_bytes()


@pytest.mark.slow
def test_curves_follow_a_moving_hand_within_200_ms(browser, capsys):
    """95th percentile from a move of a slider to the curves on the screen, and the work that a move is.

    The work (processor time of the server and of the page's thread) knows nothing of others on the machine; it may take
    120 of the 200 ms.  The delay does: where others wait for the same cores the bound is wider, by twice the number of
    processes for each of them.
    """
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    busy = 1.0 if load < 0.7 else 2.0 * load + 1.0

    with served() as (alone, pid), tab(browser, alone) as one:
        line = one.page.context.new_cdp_session(one.page)
        line.send("Performance.enable", {"timeDomain": "threadTicks"})
        slider = one.page.locator("aside input[type=range]").first
        slider.focus()
        move(one, 10)
        one.page.evaluate("window.explorer.latencies.length = 0")
        frames, page, server = one.frames(), page_seconds(line), process_seconds(pid)
        move(one, 60)
        frames = one.frames() - frames
        page, server = (1000 * (now - before) / frames for now, before in
                        ((page_seconds(line), page), (process_seconds(pid), server)))  # fmt: skip
        spent = np.array(one.page.evaluate("window.explorer.latencies"))
    assert len(spent) >= 40
    late = np.percentile(spent, 95)
    with capsys.disabled():
        print(f"\nexplorer: {np.median(spent):.0f} ms, 95th percentile {late:.0f} ms, {len(spent)} moves; work of a move "
              f"{server:.0f} ms (server) + {page:.0f} ms (page); {load:.1f} processes a core")  # fmt: skip
    assert server + page <= 120
    assert late <= 200 * busy


def move(one: Watched, times: int) -> None:
    """Press the keys of a slider in focus as a hand does, to and fro, and wait for the last curves."""
    for i in range(times):
        one.page.keyboard.press("ArrowRight" if i % 20 < 10 else "ArrowLeft")
        one.page.wait_for_timeout(130)
    one.until("!window.explorer.busy()")


def page_seconds(line) -> float:
    """Processor time that the thread of the page has used."""
    (spent,) = [m["value"] for m in line.send("Performance.getMetrics")["metrics"] if m["name"] == "TaskDuration"]
    return spent


def process_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served():
    """The command itself, as a process of its own: its address, and its number."""
    command = [sys.executable, "-u", "-m", "tme_sim", "explore", "configs/emerald1.toml", "--no-browser"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = next(filter(None, (re.search(r"http://127\.0\.0\.1:(\d+)/\S+", line) for line in process.stdout)))
            yield SimpleNamespace(address=address.group(), port=int(address.group(1))), process.pid
        finally:
            process.terminate()


@pytest.mark.slow
def test_it_is_used_by_keys_alone(browser, explorer):
    with tab(browser, explorer) as one:
        page = one.page
        page.locator(SESSION).focus()
        one.after(lambda: page.keyboard.press("ArrowRight"))
        one.after(lambda: page.keyboard.press("Shift+ArrowRight"))
        assert one.sessions() == [0.0, 36.0]
        page.locator('#bars [data-role="bar"]').last.focus()
        one.after(lambda: page.keyboard.press("s"))
        assert one.page.evaluate("window.explorer.state.calendar.rows.length") == 5
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.closest('form').id") == "inspector"
        page.keyboard.press("Escape")
        page.locator("#title").click()
        page.keyboard.press("p")
        one.until("window.explorer.frame.pins.length == 1")
        page.keyboard.press("e")
        one.until("!document.getElementById('explain').hidden")
        page.keyboard.press("Enter")
        page.locator("#question button[type=submit]").press("Enter")
        one.until("window.explorer.explained && window.explorer.explained.processes.length", "an explanation")


# How many pixels of each figure have a colour; grey is of lines that every figure has.
COLOURED = """Array.from(document.querySelectorAll('.card canvas.curves'), c => {
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
  for (let i = 0; i < d.length; i += 4) n += d[i + 3] > 200 && Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 40;
  return n; })"""


@pytest.mark.slow
def test_every_figure_shows_its_run_beside_a_pin_with_another_axis(browser, explorer):
    """A course that ends early is drawn on a logarithmic axis; the pinned one, on its own, began at 0, where there is none."""
    with tab(browser, explorer) as one:
        page = one.page
        page.locator('[data-view="drugs"]').click()
        one.until("window.explorer.frame.view === 'drugs' && !window.explorer.busy()")
        page.locator("#pin").click()
        one.until("window.explorer.frame.pins.length == 1 && !window.explorer.busy()")
        assert [p["log"] for p in page.evaluate("window.explorer.frame.panels")][0] is False
        page.locator('#bars [data-role="bar"]').last.click()
        one.after(lambda: (page.locator("[name=until]").fill("day 300"), page.locator("[name=until]").press("Enter")))
        assert [p["log"] for p in page.evaluate("window.explorer.frame.panels")][0] is True
        page.wait_for_timeout(500)
        assert min(page.evaluate(COLOURED)) > 100


@pytest.mark.slow
def test_a_band_of_draws_is_shown_at_one_click(browser, explorer):
    with tab(browser, explorer) as one:
        one.page.locator("#band").click()
        one.until("window.explorer.band && window.explorer.band.over", "the band", 180)
        assert one.page.evaluate("window.explorer.band.curves.length") >= 8
        lost = one.page.evaluate("window.explorer.band.lost")
        assert one.page.locator("#bandnote").is_visible() == bool(lost)
        assert not lost or f"of {24 + lost} draws" in one.page.locator("#bandnote").inner_text()


@pytest.mark.slow
def test_a_brushed_period_is_explained(browser, explorer):
    with tab(browser, explorer) as one:
        card = one.page.locator(".card .plot").nth(4).bounding_box()
        y = card["y"] + 60
        mouse = one.page.mouse
        mouse.move(card["x"] + 80, y)
        mouse.down()
        for i in range(1, 9):
            mouse.move(card["x"] + 80 + 12 * i, y)
        mouse.up()
        told = one.until("window.explorer.explained", "an explanation")
        assert told["state"] == "CD8"
        assert told["end"] > told["start"]
        assert one.page.locator("#answer .cause").count() > 3


@pytest.mark.slow
def test_the_timing_surface_shows_the_calendar_and_moves_it(browser, explorer):
    with tab(browser, explorer) as one:
        one.page.keyboard.press("t")
        one.until("window.explorer.timing && window.explorer.timing.done === window.explorer.timing.total", "the map", 180)
        assert "Ring: the calendar shown, day 42 across" in one.page.locator("#maptext").inner_text()
        before = one.page.evaluate("window.explorer.state.calendar.rows[3].days[0]")
        box = one.page.locator("#map").bounding_box()
        one.after(lambda: one.page.mouse.click(box["x"] + box["width"] - 30, box["y"] + box["height"] / 2))
        assert one.page.evaluate("window.explorer.state.calendar.rows[3].days[0]") > before
        assert "Ring: the calendar shown" in one.page.locator("#maptext").inner_text()


@pytest.mark.slow
def test_single_cells_run_in_the_background_and_are_compared(browser):
    small = {"piece.size": "0.2 mm", "piece.settle": "1 day", "piece.snapshots": [-1, 1], "run.duration": "6 day"}
    scenario = Scenario.load(ROOT / "configs/agents_emerald1.toml", small)
    with serving(scenario) as explorer, tab(browser, explorer) as one:
        assert one.page.locator("#fidelity").is_visible()
        one.page.locator("#cellrun").click()
        one.until("window.explorer.shots >= 1", "a snapshot", 240)
        one.until("window.explorer.cells.over", "the end of the cells", 240)
        assert one.page.locator("#progress").inner_text().startswith("done")
        one.until("window.explorer.frame.pins.length === 1")
        assert "Cells" in one.page.locator("#pins").inner_text()
        assert one.page.evaluate("Array.from(document.querySelectorAll('#shots img'), i => i.naturalWidth > 300).every(Boolean)")


@pytest.mark.slow
def test_it_fits_a_laptop_in_light_and_dark(browser, explorer, tmp_path):
    for scheme in ("light", "dark"):
        with tab(browser, explorer, color_scheme=scheme) as one:
            assert one.page.evaluate("document.documentElement.dataset.theme") == scheme
            assert one.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert one.page.evaluate("document.querySelectorAll('.card').length") == 6
            assert one.page.evaluate(CUT) == [], "titles, names and units stand there whole"
            one.page.screenshot(path=Path(tmp_path) / f"{scheme}.png")


@pytest.mark.slow
def test_markup_in_a_name_stays_text(browser):
    evil = "<img src=x onerror=alert(1)>"
    scenario = Scenario.load(ROOT / "configs/emerald1.toml", {"title": evil, "run.duration": "100 day"})
    with serving(scenario) as explorer, tab(browser, explorer) as one:
        assert one.page.locator("#title").inner_text() == evil
        assert one.page.evaluate("document.querySelectorAll('img').length") == 0
