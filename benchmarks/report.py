"""Writes what was measured: JSON with every figure, a Markdown page, and the work-precision plots."""

from __future__ import annotations

import json
import math
from pathlib import Path

COLOURS = {
    "ours": "#000000",
    "lsoda": "#0072B2",
    "odeint": "#56B4E9",
    "radau": "#009E73",
    "radau_dense": "#009E73",
    "cvode": "#D55E00",
    "cvode_jac": "#E69F00",
    "cvode_sparse": "#7A4A00",
    "numbalsoda": "#CC79A7",
    "roadrunner": "#882255",
    "roadrunner_events": "#882255",
}
MARKS = {
    "ours": "o",
    "lsoda": "s",
    "odeint": "D",
    "radau": "^",
    "radau_dense": "v",
    "cvode": "<",
    "cvode_jac": ">",
    "cvode_sparse": "P",
    "numbalsoda": "X",
    "roadrunner": "*",
    "roadrunner_events": "h",
}
LISTS = {
    "Left out": "left_out",
    "Agreement of the reference": "agreement",
    "Problem": "problem",
    "Facts": "facts",
    "Throughput": "throughput",
    "Nanoseconds per call": "nanoseconds",
    "Share of a run at rtol 1e-6": "shares_of_a_run_at_1e-6",
    "gcc": "gcc",
    "Processes": "processes",
    "Repeated expressions in the generated code": "repeated_expressions",
}
DASHED = ("radau_dense", "roadrunner_events")


def write(results: dict, folder: Path) -> list[Path]:
    """Write the files of every section in `results` to `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, section in results["sections"].items():
        path = folder / f"{name.replace('-', '_')}.json"
        text = json.dumps(finite({"machine": results["machine"], "quick": results["quick"], name: section}), indent=1)
        path.write_text(text + "\n", encoding="utf-8")
        written.append(path)
        if "curves" in section:
            written.append(plot(name, section, folder))
        page = folder / f"{name.replace('-', '_')}.md"
        page.write_text("\n".join(markdown(name, section, results)) + "\n", encoding="utf-8")
        written.append(page)
    return written


def finite(value):
    """The same data with numbers JSON cannot hold replaced by null, and numpy numbers by plain ones."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(name: str, section: dict, results: dict) -> list[str]:
    """A page for one section."""
    machine = results["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    out = [f"# {name}", "", f"{section['what'][0].upper()}{section['what'][1:]}.", ""]
    if results["quick"]:
        out += ["**Quick look: shortened problem, few repeats. Not for quoting.**", ""]
    out += [f"{machine['processor']}, {machine['cores']} cores; {versions}.", "", "## Goals", ""]
    out += [f"* {line}" for line in section["lines"]] or ["* none for this section"]
    for title, key in LISTS.items():
        if section.get(key):
            out += ["", f"## {title}", "", *listed(section[key])]
    if "curves" in section:
        out += ["", "## Every point", "", *table(section), "", "## Cost at equal error", "", *ratio_table(section), ""]
        out += [f"![work and precision]({name.replace('-', '_')}.png)"]
    return out


def listed(value, depth: int = 0) -> list[str]:
    """A nested list of names and figures."""
    pad = "  " * depth
    out = []
    for key, item in value.items():
        if isinstance(item, dict):
            out += [f"{pad}* {key}", *listed(item, depth + 1)]
        else:
            out.append(f"{pad}* {key}: {shown(item)}")
    return out


def shown(value) -> str:
    """A number with four digits, anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, float):
        return ", ".join(shown(v) for v in value) if isinstance(value, (list, tuple)) else str(value)
    return f"{value:.4g}"


def table(section: dict) -> list[str]:
    """Time, spread, error and counts of every solver at every tolerance."""
    out = ["| solver | rtol | median ms | range ms | error | work |", "| --- | --- | --- | --- | --- | --- |"]
    for key, points in section["curves"].items():
        for p in points:
            seconds = p["seconds"]
            spread = f"{1e3 * min(seconds):.2f}-{1e3 * max(seconds):.2f}" if seconds else "-"
            median = f"{1e3 * p['median']:.2f}" if seconds else "-"
            work = ", ".join(f"{v} {k}" for k, v in p["counts"].items()) or "-"
            out.append(
                f"| {section['labels'][key]} | {p['rtol']:.0e} | {median} | {spread} | {p['error']:.1e} | "
                f"{p['note'] or work} |"
            )
    return out


def ratio_table(section: dict) -> list[str]:
    """Peer over ours at every error that both reach."""
    errors = sorted({float(e) for t in section["ratios"].values() for e in t}, reverse=True)
    out = ["Ratio peer/ours, interpolated on the front of each curve (never extrapolated).", ""]
    out += ["| peer | " + " | ".join(f"{e:.1e}" for e in errors) + " |", "| --- |" + " --- |" * len(errors)]
    for key, found in section["ratios"].items():
        cells = [f"{found[f'{e:.3g}'][2]:.1f}" if f"{e:.3g}" in found else "" for e in errors]
        out.append(f"| {section['labels'][key]} | " + " | ".join(cells) + " |")
    return out


def plot(name: str, section: dict, folder: Path) -> Path:
    """Work against precision on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8.6, 5.4), layout="constrained")
    for key, points in section["curves"].items():
        usable = [p for p in points if p["seconds"] and p["error"] > 0.0 and math.isfinite(p["error"])]
        usable.sort(key=lambda p: p["rtol"], reverse=True)
        if not usable:
            continue
        x, y = [p["error"] for p in usable], [1e3 * p["median"] for p in usable]
        low = [v - 1e3 * min(p["seconds"]) for v, p in zip(y, usable, strict=True)]
        high = [1e3 * max(p["seconds"]) - v for v, p in zip(y, usable, strict=True)]
        style = {"color": COLOURS.get(key, "#555555"), "marker": MARKS.get(key, "o"), "ms": 6, "capsize": 2}
        style |= {"lw": 2.4 if key == "ours" else 1.2, "ls": "--" if key in DASHED else "-"}
        axes.errorbar(x, y, yerr=[low, high], label=section["labels"][key], **style)
    axes.set_xscale("log"), axes.set_yscale("log")
    axes.invert_xaxis()
    axes.set_xlabel("largest relative error over all states and segment ends (smaller to the right)")
    axes.set_ylabel("CPU time per patient, ms (median; bars: range)")
    days = section.get("problem", {}).get("days")
    axes.set_title(f"{name}: {section['what']}" + (f", {days:.0f} days" if days else ""), fontsize=9, wrap=True)
    axes.grid(True, which="major", lw=0.5, color="#cccccc")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    path = folder / f"{name.replace('-', '_')}.png"
    figure.savefig(path, dpi=160)
    plt.close(figure)
    return path
