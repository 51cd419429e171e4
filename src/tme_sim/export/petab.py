"""A calibration as a PEtab problem (version 1): the regressions that its sampler uses, as SBML with tables around it.

Targets of a calibration are means over virtual patients, and PEtab's observables are of one simulated system, so the
model here is not the tumour: it is what each target's mean is at a parameter vector, by the regressions over all runs
of the fit.  Its likelihood and priors are those of the sampler, up to constants, so that another tool can draw from the
same posterior.  Observables are `share_<target>` or `mean_<target>`, and their noise, which holds the doubt of the
regression, is `sd_<target>`; both are assignment rules of the fitted parameters.  There is one condition and one time,
0.

Format: Schmiester et al. 2021 (doi 10.1371/journal.pcbi.1008646), https://petab.readthedocs.io.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from tme_sim.diagnostics import InputError, Problem

__all__ = ["petab_files", "write_petab"]

MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">'
DISCLAIMER = "A research model. Not a medical device; not for decisions about patients."


def write_petab(folder: str | Path, out: str | Path) -> Path:
    """Write the problem of the calibration in `folder` into the new folder `out`, which appears whole or not at all.

    Raises:
        InputError: no finished calibration, or an `out` that exists.
    """
    import secrets
    import shutil

    from tme_sim.disk import write_file
    from tme_sim.fit.regressions import load_regressions

    files, out = petab_files(load_regressions(folder)), Path(out)
    if out.exists():
        raise InputError(Problem(str(out), "", "exists; choose another --out, a folder that is not there yet"))
    if not out.parent.is_dir():
        raise InputError(Problem(str(out.parent), "", "there is no such folder"))
    half = out.with_name(f".{out.name[:40]}.{secrets.token_hex(6)}.incomplete")
    try:
        half.mkdir()
        for name, text in files.items():
            write_file(half / name, text.encode())
        half.rename(out)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return out


def petab_files(data: Mapping[str, Any]) -> dict[str, str]:
    """Text of each file of a problem from :func:`tme_sim.fit.regressions.load_regressions`."""
    ids = _identifiers([p["name"] for p in data["parameters"]])
    targets = _identifiers([t["name"] for t in data["targets"]])
    kinds = ["share" if t["logit"] else "mean" for t in data["targets"]]
    observed = [f"{k}_{i}" for k, i in zip(kinds, targets, strict=True)]
    parameters = [["parameterId", "parameterName", "parameterScale", "lowerBound", "upperBound", "nominalValue",
                   "estimate", "objectivePriorType", "objectivePriorParameters", "initializationPriorType",
                   "initializationPriorParameters"]]  # fmt: skip
    for i, p in zip(ids, data["parameters"], strict=True):
        centre = float(np.log(p["centre"])) if p["log"] else p["centre"]
        prior = ["parameterScaleNormal", f"{centre!r};{p['spread']!r}"]
        parameters.append([i, p["name"], "log" if p["log"] else "lin", repr(p["low"]), repr(p["high"]),
                           repr(p["centre"]), "1", *prior, *prior])  # fmt: skip
    observables = [["observableId", "observableName", "observableFormula", "noiseFormula", "noiseDistribution"]]
    measurements = [["observableId", "simulationConditionId", "measurement", "time"]]
    for name, i, t in zip(observed, targets, data["targets"], strict=True):
        observables.append([f"obs_{i}", f"{t['name']} ({t['arm']})", name, f"sd_{i}", "normal"])
        measurements.append([f"obs_{i}", "all", repr(t["value"]), "0"])
    return {
        "problem.yaml": _yaml(),
        "model.xml": _sbml(data, ids, targets, observed),
        "parameters.tsv": _table(parameters),
        "observables.tsv": _table(observables),
        "measurements.tsv": _table(measurements),
        "conditions.tsv": _table([["conditionId", "conditionName"], ["all", "every arm of the calibration"]]),
        "README.md": _readme(data),
    }  # fmt: skip


def _yaml() -> str:
    return ("format_version: 1\nparameter_file: parameters.tsv\nproblems:\n- condition_files:\n  - conditions.tsv\n"
            "  measurement_files:\n  - measurements.tsv\n  observable_files:\n  - observables.tsv\n"
            "  sbml_files:\n  - model.xml\n")  # fmt: skip


def _readme(data: Mapping[str, Any]) -> str:
    units = "\n".join(f"- `{p['name']}`: {p['unit']}" for p in data["parameters"])
    return (f"# {data['name']} as a PEtab problem\n\nModel {data['model_digest']}. {DISCLAIMER}\n\nThe SBML model "
            "holds what each target's mean over virtual patients is at a parameter vector, by regressions over all "
            "runs of the calibration, and the noise of each target; `tme-sim export sbml` writes the tumour itself. "
            f"Values are in tme-sim's internal units:\n\n{units}\n")  # fmt: skip


def _identifiers(names: Sequence[str]) -> list[str]:
    """Names as identifiers of SBML and PEtab, different from each other."""
    out: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        plain = plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"
        while plain in out:
            plain += "_"
        out.append(plain)
    return out


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "".join("\t".join(re.sub(r"[\t\r\n]", " ", cell) for cell in row) + "\n" for row in rows)


# --- SBML: scores of the parameters, then mean and noise of every target, as assignment rules ----------------------


def _sbml(data: Mapping[str, Any], ids: Sequence[str], targets: Sequence[str], observed: Sequence[str]) -> str:
    scores = [f"score_{i}" for i in ids]
    squares = [f"square_{i}" for i in ids]
    constants = [(i, repr(p["centre"]), "true") for i, p in zip(ids, data["parameters"], strict=True)]
    rules = []
    for i, score, square, p in zip(ids, scores, squares, data["parameters"], strict=True):
        centre = float(np.log(p["centre"])) if p["log"] else p["centre"]
        value = _call("ln", _name(i)) if p["log"] else _name(i)
        rules.append((score, _call("divide", _call("minus", value, _number(centre)), _number(p["spread"]))))
        rules.append((square, _call("minus", _call("times", _name(score), _name(score)), _number(1.0))))
    for i, shown, t in zip(targets, observed, data["targets"], strict=True):
        terms = [*scores, *squares][: len(t["weights"]) - 1]
        eta, made = f"linear_{i}", _sum(t["weights"], terms)
        rules.append((eta, made))
        share = _call("divide", _number(1.0), _call("plus", _number(1.0), _call("exp", _call("minus", _name(eta)))))
        rules.append((shown, share if t["logit"] else _name(eta)))
        if not t["doubted"]:
            rules.append((f"sd_{i}", _number(t["sd"])))
            continue
        # variance of the regression x' C x as a sum of squares: C = L L'
        covariance = np.array(t["covariance"])
        factor = np.linalg.cholesky(covariance + 1e-12 * np.trace(covariance) * np.eye(len(covariance)))
        parts = [_call("power", _sum(column, terms), "<cn> 2 </cn>") for column in factor.T]
        variance = _call("plus", *parts)
        if t["logit"]:
            slope = _call("times", _name(shown), _call("minus", _number(1.0), _name(shown)))
            variance = _call("times", variance, _call("power", slope, "<cn> 2 </cn>"))
        rules.append((f"sd_{i}", _call("root", _call("plus", _number(t["sd"] ** 2), variance))))
    listed = [*constants, *((name, "", "false") for name, _ in rules)]
    title = quoteattr(str(data["name"]))
    lines = ['<?xml version="1.0" encoding="UTF-8"?>',
             '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">',
             f'<model id="calibration" name={title}>', "<listOfParameters>"]  # fmt: skip
    for name, value, constant in listed:
        given = f' value="{value}"' if value else ""
        lines.append(f'<parameter id="{name}"{given} constant="{constant}"/>')
    lines += ["</listOfParameters>", "<listOfRules>"]
    lines += [f'<assignmentRule variable="{name}">{MATH}{math}</math></assignmentRule>' for name, math in rules]
    return "\n".join([*lines, "</listOfRules>", "</model>", "</sbml>", ""])


def _name(identifier: str) -> str:
    return f"<ci> {identifier} </ci>"


def _number(value: float) -> str:
    mantissa, _, exponent = repr(float(value)).partition("e")
    if exponent:
        return f'<cn type="e-notation"> {mantissa} <sep/> {int(exponent)} </cn>'
    return f"<cn> {mantissa} </cn>"


def _call(function: str, *arguments: str) -> str:
    return f"<apply><{function}/>{''.join(arguments)}</apply>"


def _sum(weights: Sequence[float], terms: Sequence[str]) -> str:
    """weights[0] + weights[1] * terms[0] + ..., what is exactly zero left out."""
    parts = [_number(weights[0])] if weights[0] else []
    parts += [_call("times", _number(w), _name(t)) for w, t in zip(weights[1:], terms, strict=True) if w]
    return _call("plus", *parts) if len(parts) > 1 else parts[0] if parts else _number(0.0)
