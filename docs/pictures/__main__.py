"""Every picture of the gallery, made again by the model of today.

    python docs/pictures                 # all of them, about a quarter of an hour; needs all extras and Chromium
    python docs/pictures run explore     # those of some steps
    python docs/pictures --list          # which step makes which

What a command writes stays in build/pictures. The step `experiments` copies pictures that stand beside the README of
an experiment, which tells of them; run that experiment again first.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE, IMAGES = ROOT / "docs/pictures", ROOT / "docs/images"
ENV = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH")))))
LARGEST = 280_000  # bytes; tests/docs/test_gallery.py refuses 300 000
WIDE = 1417  # pixels of 180 mm at 200 dpi, as the commands draw
NARROWER = {"calendar": 1200, "explore": 1366, "tissue": 1050, "film": 960}
FLIPS, MDSC = f"{ROOT}/experiments/what_flips_the_order", ["--arm", "both before", "--parameters", "k_MDSC_*"]
CARD = f"{ROOT}/experiments/hypotheses/lai_friedman2019_overlap"
TRIAL, HAIC = f"{ROOT}/configs/trials/emerald1_like.toml", f"{ROOT}/experiments/tace_or_haic/trial.toml"


@dataclass(frozen=True)
class Step:
    """Commands that run in a folder of their own, and what of it is shown: picture -> file there."""

    commands: tuple[list[str], ...]
    shown: dict[str, str]


def sweep(study: str) -> list[str]:
    """Run a study into the folder `store`."""
    return ["sweep", study, "--out", "store", "--jobs", "0", "--yes"]


def search(method: str, *more: str) -> list[str]:
    """Run a search over the four orders into the folder `out`."""
    return ["sensitivity", FLIPS, "--method", method, *more, "--out", "out", "--store", "store", "--jobs", "0", "--yes"]


STEPS = {
    "run": Step(
        (
            ["run", f"{ROOT}/configs/emerald1.toml", "--out", "emerald1-1"],
            ["run", f"{ROOT}/configs/tace_only.toml", "--out", "tace_only-1"],
            ["compare", "emerald1-1", "tace_only-1", "--out", "compare.png"],
        ),
        {
            "emerald1_lesion": "emerald1-1/figures/calendar_and_lesion.png",
            "run_oxygen": "emerald1-1/figures/oxygen_hif_vegf_vessels.png",
            "run_suppression": "emerald1-1/figures/mdsc_and_suppression.png",
            "run_tcells": "emerald1-1/figures/priming_and_tcells.png",
            "run_drugs": "emerald1-1/figures/drugs.png",
            "run_liver": "emerald1-1/figures/liver_and_markers.png",
            "compare": "compare.png",
        },
    ),
    "lesions": Step(
        (["run", f"{HERE}/lesions.toml", "--out", "lesions"],),
        {"run_lesions": "lesions/figures/calendar_and_lesion.png"},
    ),
    "calendar": Step(
        (["protocol", "show", f"{ROOT}/configs/protocols/emerald1_durva_bev.toml", "--out", "calendar.png"],),
        {"calendar": "calendar.png"},
    ),
    "attribute": Step(
        (
            [
                "attribute",
                f"{ROOT}/configs/emerald1.toml",
                "MDSC",
                "--from",
                "day 0",
                "--to",
                "day 28",
                "--out",
                "mdsc.png",
            ],
        ),
        {"attribution": "mdsc.png"},
    ),
    "explore": Step((), {"explore": "explore.png"}),
    "tissue": Step(
        (
            ["run", f"{ROOT}/configs/agents_emerald1.toml", "--out", "agents"],
            ["snapshot", "agents"],
            ["movie", "agents", "--out", "film.gif"],
        ),
        {
            "tissue": "agents/figures/tissue.png",
            "tissue_measures": "agents/figures/tissue_measures.png",
            "film": "film.png",
        },
    ),
    "sweep": Step((sweep(f"{ROOT}/experiments/mdsc_loss"),), {"sweep": "store/figures/mdsc_loss.png"}),
    "line": Step((sweep(f"{HERE}/when.toml"),), {"study_line": "store/figures/when.png"}),
    "strips": Step((sweep(f"{HERE}/spread.toml"),), {"study_strips": "store/figures/spread.png"}),
    "ranked": Step((sweep(FLIPS),), {"study_ranked": "store/figures/what_flips_the_order.png"}),
    "morris": Step((search("morris", *MDSC, "-n", "8"),), {"morris": "out/morris_both_before.png"}),
    "tornado": Step((search("tornado", *MDSC),), {"tornado": "out/tornado_both_before.png"}),
    "prcc": Step((search("prcc", *MDSC, "-n", "80"),), {"prcc": "out/prcc_both_before.png"}),
    "scans": Step((search("flips"),), {"scans": "out/scans.png"}),
    "card": Step(
        (["hypothesis", "run", CARD, "--out", "card.html", "--jobs", "0", "--yes"],),
        {"card_arms": "card_0.png", "card_differences": "card_2.png"},
    ),
    "cohort": Step(
        (["cohort", "describe", f"{ROOT}/configs/cohorts/emerald1_like.toml", "--n", "300", "--out", "cohort.png"],),
        {"cohort": "cohort.png"},
    ),
    "trial": Step(
        (["trial", TRIAL, "--n", "16", "--out", "trial"],),
        {
            f"trial_{name}": f"trial/figures/{name}.png"
            for name in ("survival", "waterfall", "spider", "swimmer", "progression", "paired")
        },
    ),
    "haic": Step(
        (["trial", HAIC, "--n", "80", "--out", "trial"],),
        {"trial_benefit": "trial/figures/benefit.png", "trial_choice": "trial/figures/choice.png"},
    ),
    "choice": Step(
        (["trial", TRIAL, "--n", "80", "--out", "trial"],), {"choice_of_arms": "trial/figures/choice.png"}
    ),
    "experiments": Step(
        (),
        {
            "surface": f"{ROOT}/experiments/timing_window/surface.png",
            "flips": f"{FLIPS}/flips.png",
            "arrows": f"{ROOT}/experiments/which_arrow_matters/arrows.png",
            "trial_conversion": f"{ROOT}/experiments/conversion_by_order/conversion.png",
        },
    ),
}


def film(folder: Path) -> None:
    """film.png: the frame of film.gif six days after the first session, which is on day 0."""
    import numpy as np
    from PIL import Image

    with np.load(folder / "agents/snapshots/film.npz") as kept:
        number = int(np.argmin(np.abs(kept["day"] - 6)))
    with Image.open(folder / "film.gif") as frames:
        frames.seek(number)
        frames.convert("RGB").save(folder / "film.png")


def card(folder: Path) -> None:
    """card_0.png and so on: the pictures inside card.html, in their order."""
    page = (folder / "card.html").read_text(encoding="utf-8")
    for number, text in enumerate(re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)):
        (folder / f"card_{number}.png").write_bytes(base64.b64decode(text))


def explore(folder: Path) -> None:
    """explore.png: a run pinned, bevacizumab dragged to before the first session, the pointer at rest in a figure."""
    from playwright.sync_api import sync_playwright

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))))
    command = [sys.executable, "-u", "-m", "tme_sim", "explore", str(ROOT / "configs/emerald1.toml"), "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENV)
    try:
        address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+token=\S+", line)))
        with sync_playwright() as play:
            page = play.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"]).new_page(
                viewport={"width": 1366, "height": 768}
            )
            page.goto(address)

            def until(
                condition: str, seconds: int = 60
            ) -> None:  # the policy of the page forbids what Playwright has for it
                for _ in range(20 * seconds):
                    if page.evaluate(condition):
                        return
                    page.wait_for_timeout(50)
                raise SystemExit(f"explore: {condition} did not come within {seconds} s")

            def calm() -> None:
                page.wait_for_timeout(400)
                until("!window.explorer.busy()")
                page.wait_for_timeout(400)

            until("window.explorer && window.explorer.frames > 0", 300)
            calm()
            page.locator("#pin").click()
            until("window.explorer.frame.pins.length == 1")
            calm()
            bar = page.locator('#bars [data-role="bar"]').last.bounding_box()
            x, y = bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2
            page.mouse.move(x, y)
            page.mouse.down()
            for moved in range(9):
                page.mouse.move(x - 18 * moved, y)
                page.wait_for_timeout(40)
            page.mouse.up()
            calm()
            page.mouse.move(760, 430)
            page.wait_for_timeout(400)
            page.screenshot(path=folder / "explore.png")
    finally:
        server.terminate()
        server.wait()


AFTER = {"tissue": film, "card": card, "explore": explore}


def shrink(source: Path, target: Path, width: int) -> None:
    """Write a picture `width` pixels wide in as many colours as fit into `LARGEST` bytes."""
    from PIL import Image

    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    if picture.width != width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    for colours in (256, 128, 64):
        few = picture.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
        few.save(target, optimize=True)
        if target.stat().st_size < LARGEST:
            return
    raise SystemExit(f"{target}: larger than {LARGEST} bytes")


def make(name: str, work: Path) -> None:
    """Run a step in `work`/`name` and put its pictures into docs/images."""
    step, folder = STEPS[name], work / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in step.commands:
        print("$ tme-sim", *command, flush=True)
        with (folder / "told.txt").open("a") as told:
            code = subprocess.run([sys.executable, "-m", "tme_sim", *command], cwd=folder, env=ENV, stdout=told,
                                  stderr=told, check=False).returncode  # fmt: skip
        if code:
            raise SystemExit(f"exit code {code}; {folder / 'told.txt'} says why")
    if name in AFTER:
        AFTER[name](folder)
    for picture, source in step.shown.items():
        target = IMAGES / f"{picture}.png"
        if name == "experiments":
            shutil.copyfile(source, target)
        else:
            shrink(folder / source, target, NARROWER.get(picture, WIDE))
        print(f"  docs/images/{picture}.png", flush=True)


def main() -> None:
    """Make the pictures of the steps that are named, or of all."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("steps", nargs="*", metavar="STEP")
    ask.add_argument("--list", action="store_true", help="say which step makes which pictures")
    ask.add_argument("--work", type=Path, default=ROOT / "build/pictures", help="where commands write")
    given = ask.parse_args()
    unknown = sorted(set(given.steps) - set(STEPS))
    if unknown:
        ask.error(f"no step {', '.join(unknown)}; there are {', '.join(STEPS)}")
    for name in given.steps or STEPS:
        if given.list:
            print(f"{name:12} {', '.join(STEPS[name].shown)}")
        else:
            make(name, given.work.resolve())


if __name__ == "__main__":
    main()
