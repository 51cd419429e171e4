"""A calibration in words and tables (Markdown), for readers of a posterior file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tme_sim.catalogue import choices_text

__all__ = ["ORDERS", "number", "report_text"]

ORDERS = {1: "natural history", 2: "TACE kill", 3: "TACE-alone trials", 4: "drugs alone", 5: "VEGF", 6: "liver"}


def number(value: Any) -> str:
    """A number in three digits, a dash for none."""
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _span(target: Mapping[str, Any]) -> str:
    return " to ".join(number(v) for v in target.get("predictive_5_95", (None, None)))


def _verdict(d: Mapping[str, Any]) -> str:
    """Whether the fit has converged, in a sentence."""
    told = d.get("converged")
    if told is None:
        return "Convergence was not judged."
    if told["all"]:
        return ("**Converged**: samplers agree, regressions foretold the members' own runs, synthetic data are "
                "recovered.")  # fmt: skip
    return "**Not converged**: " + "; ".join(told["against"]) + "."


def report_text(data: Mapping[str, Any]) -> str:
    """The report of a posterior file's content."""
    size, d = data["size"], data["diagnostics"]
    fitted = [p for p in data["parameters"] if p["fitted"]]
    followed = choices_text(data.get("hypotheses", {}))
    after = "; ".join(f"{arm}: {what}" for arm, what in data.get("after_progression", {}).items()) or "nothing"
    lines = [
        f"# Calibration {data['name']}",
        "",
        *([f"{data['title']}.", ""] if data.get("title") else []),
        f"Model {data['model_digest']}, version {data['version']}. {size['runs']} runs over "
        f"{len(size['runs_per_arm'])} arms ({next(iter(size['runs_per_arm'].values()))} per arm) in {size['waves']} "
        f"waves; the ensemble has {size['members']} members, each simulated on {size['patients_per_member']} patients "
        "of every arm. "
        f"{len(fitted)} of {len(data['parameters'])} candidates are fitted, the rest keep their priors."
        + (f" Patients follow {followed}." if followed else "") + f" After progression: {after}.",
        "",
        _verdict(d),
        "",
        "## Targets",
        "",
        "Shares, or logarithms for VEGF. `posterior` is the mean over the members' own runs, not of a regression; z is "
        "the gap over all its uncertainty (observation, discrepancy, simulation, parameters); `nine of ten` is where "
        "nine of ten trials of that size would lie.",
        "",
        "| block | target | observed | prior | posterior | error of simulation | nine of ten | z | role |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for t in data["targets"]:
        mark = "" if t["within_2"] else " **missed**"
        lines.append(
            f"| {ORDERS.get(t['order'], t['order'])} | {t['name']} | {number(t['observed'])} ± "
            f"{number(t['observed_sd'])} | {number(t['prior'])} | {number(t['posterior'])} | "
            f"{number(t['simulation_error'])} | {_span(t)} | {number(t['z'])}{mark} | {t['role']} |"
        )
    shared = [t for t in data["targets"] if t.get("board") and t["role"] == "fit"]
    if shared:
        lines += ["", "The evidence board holds these observations too, against the declared values, where some count "
                  "as predicted. **Under this posterior they are fitted, and agreement is no evidence**: "
                  + ", ".join(f"{t['board']} ({t['name']})" for t in shared) + "."]  # fmt: skip
    lines += ["", "## Parameters fitted", "",
              "| parameter | unit | prior 5, 50, 95 % | posterior 5, 50, 95 % | sd over prior's | recovery |",
              "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    follow = d["recovery"]["correlation"]
    for p in fitted:
        spans = (", ".join(number(v) for v in p[k]) for k in ("prior_5_50_95", "posterior_5_50_95"))
        told = f"{p['sd_over_prior']} | {follow[p['name']]}"
        lines.append(f"| {p['name']} | {p['unit']} | {' | '.join(spans)} | {told} |")
    lines += ["", "Recovery is the correlation of posterior means with the truth over "
              f"{d['recovery']['synthetic_sets']} synthetic data sets, through the regressions; 80 % intervals held "
              f"{100 * d['recovery']['held_by_80']:.0f} % of the truths.", "",
              "## Which target informed which parameter", "",
              "Information is (slope over noise) squared, per prior standard deviation, less what chance alone would "
              "give.", "", "| target | parameters, most informed first |", "| --- | --- |"]  # fmt: skip
    for name, told in data["information"].items():
        words = ", ".join(f"{p} {v:.2g}" for p, v in sorted(told.items(), key=lambda i: -i[1])) or "none"
        lines.append(f"| {name} | {words} |")
    lines += ["", "## Convergence", "",
              f"Largest R-hat over independent samplers {max(d['r_hat'].values()):.3f}; smallest effective size before "
              f"resampling {d['smallest_effective_size']}; {d['temperatures']} temperatures; log evidence "
              f"{', '.join(number(v) for v in d['log_evidence'])}; effective number of members after their own runs "
              f"mended the regressions {d['members_effective_size_untempered']} of {size['members']}, flattened to "
              f"{d['members_effective_size']}.", "",
              "## Runs that failed", ""]  # fmt: skip
    for arm, told in data["failed"].items():
        if told["share"] > 0:
            lines.append(f"- {arm}: {100 * told['share']:.1f} % ({str(told['example'])[:140]})")
    return "\n".join(lines) + "\n"
