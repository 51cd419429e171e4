"""Predictions of trials from a posterior, in files that are never changed afterwards.

`configs/predictions.toml` says which arms a trial has, from which cohort its patients come, how many there were and how
they were read.  Every member of the ensemble meets its own patients; arms of a trial share both, and arms that several
trials share are simulated once.  No outcome of these trials stands anywhere in the package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tme_sim.cohort.running import entry_of
from tme_sim.definitions import DAYS_PER_MONTH
from tme_sim.diagnostics import InputError, Problem, nearest, parse_toml, quoted, read_text
from tme_sim.disk import write_file
from tme_sim.fit.design import run_redrawn, values_of
from tme_sim.fit.summaries import ENDPOINTS, Table, hazard_ratio, replicates, spans
from tme_sim.formats import json_text
from tme_sim.kinds import refuse_another_kind
from tme_sim.posterior import Posterior
from tme_sim.protocol.after import KEY, NOTHING, After, follows, scenario_text
from tme_sim.validation import Model, Problems, check_table

__all__ = ["ArmOf", "Settings", "TrialOf", "load_trials", "predict", "predict_sequences"]

SEQUENCES = "sequences"
COUNTED = "entry"
"""What times count from; a part of a file's name, as earlier files of the same model count from the first session."""
HORIZON = "24.5 month"
GAP = 21  # days between the steps of an order
STEPS = {
    "T": """[[treatment]]
kind = "tace"
name = "tace"
start = "day {day}"
until = ["untaceable"]
technique = "conventional"
selectivity = "segmental"
endpoint = "stasis"
drug = "doxorubicin"
drug_load = "50 mg"
rule = [{{ when = "child-pugh at least 8", then = "skip" }}]
[treatment.on_demand]
when = ["viable diameter above 10 mm", "new lesion above 10 mm"]
delay = "14 day"
minimum_interval = "28 day"
maximum = 4
""",
    "A": """[[treatment]]
kind = "drug"
drug = "bevacizumab"
dose = "15 mg/kg"
start = "day {day}"
every = "3 weeks"
until = "progression"
""",
    "I": """[[treatment]]
kind = "drug"
drug = "durvalumab"
dose = "1500 mg"
start = "day {day}"
every = "4 weeks"
until = "progression"
""",
}  # fmt: skip
ORDERS = ("TAI", "TIA", "ATI", "AIT", "ITA", "IAT")


class Settings(Model):
    """How many runs stand behind a prediction."""

    draws: int = Field(12, ge=2, le=10_000, description="members of the ensemble")
    patients: int = Field(4, ge=1, le=10_000, description="patients of each member in each arm")
    replicates: int = Field(400, ge=20, le=100_000, description="trials drawn from the runs")
    seed: int = Field(1, ge=0, lt=2**31)
    rtol: float = Field(1e-4, ge=1e-10, le=1e-2)
    max_steps: int = Field(3000, ge=100, le=10_000_000)


class ArmOf(Model):
    """An arm: a protocol file, whose name it bears, and its patients."""

    protocol: str = Field(min_length=1, max_length=300)
    n: int = Field(ge=1, le=100_000)
    after_progression: After | None = None  # by default that of the trial

    @property
    def name(self) -> str:
        """Name of the arm: of its protocol file."""
        return Path(self.protocol).stem


class TrialOf(Model):
    """A trial to be predicted; the first arm is the control."""

    name: str = Field(pattern=r"^[a-z0-9_]{1,48}$")
    cohort: str = Field(min_length=1, max_length=300)
    criterion: str = Field("recist11", pattern="^(recist11|mrecist|recicl)$")
    gate: str = Field("none", pattern="^(none|LI-RADS 5)$")
    after_progression: After = NOTHING
    arm: tuple[ArmOf, ...] = Field((), description="arms")
    notes: tuple[str, ...] = ()
    source: str = Field("", max_length=600)


@dataclass(frozen=True)
class _Runs:
    """Simulates arms, keeps them in a folder, and knows those it has done."""

    posterior: Posterior
    settings: Settings
    folder: Path
    cache: Path | None
    catalogue: Any
    announce: Callable[[str], None] | None

    def cohort(self, path: str) -> Any:
        """The cohort of a file; its patients must follow the hypotheses of the posterior.

        Raises:
            InputError: what is wrong with the file, or hypotheses that are not those of the posterior.
        """
        from tme_sim.cohort import load_cohort

        cohort = load_cohort(self.folder / path, catalogue=self.catalogue)
        if told := self.posterior.apart(cohort.hypotheses):
            raise InputError(Problem(str(path), "biology", (
                f"its patients follow {told}; calibrate again, or change [hypotheses] of the biology "
                "file")))  # fmt: skip
        return cohort

    def rows(self, label: str, trial: TrialOf, text: str) -> tuple[list[dict], list[int], str, float]:
        """Rows of an arm, given as the text of a scenario, the member of each, what follows progression ("" for
        nothing), and the day of entry that times count from."""
        s = self.settings
        members = self.posterior.members(s.draws, s.seed)
        scores = np.repeat(members, s.patients, axis=0)
        at = np.repeat(np.arange(s.draws), s.patients).tolist()
        cohort = self.cohort(trial.cohort)
        scenario = _scenario(text, trial, cohort, self)
        after = scenario.protocol.followed_by or ""
        entry = entry_of(scenario)
        if after:
            label += "-after-" + re.sub(r"[^a-z0-9]+", "_", after.lower())[:60]
        key = {"posterior": self.posterior.digest, "settings": s.model_dump(exclude={"replicates"}),
               "cohort": cohort.digest, "scenario": scenario.digest}  # fmt: skip
        path = None if self.cache is None else self.cache / f"{label}.json"
        if path is not None and path.exists():
            kept = self._kept(path, key)
            if kept is not None:
                return kept, at, after, entry
        vectors = values_of(self.posterior.priors, scores)
        rows = run_redrawn(cohort, scenario, vectors, range(len(vectors)), s)
        for row in rows:
            row["summary"] = {k: v for k, v in row["summary"].items() if k in NEEDED}
            del row["values"]
        if path is not None:
            self.cache.mkdir(parents=True, exist_ok=True)
            write_file(path, json_text({"key": key, "rows": rows}).encode())
        if self.announce is not None:
            self.announce(f"{label}: {len(rows)} runs")
        return rows, at, after, entry

    def _kept(self, path: Path, key: Mapping[str, Any]) -> list[dict] | None:
        """Rows of a file that were made for the same `key`; None where they were not, or the file is damaged."""
        try:
            found = json.loads(path.read_bytes())
            same = found["key"] == json.loads(json_text(key))
            return found["rows"] if same else None
        except (ValueError, TypeError, KeyError):
            if self.announce is not None:
                self.announce(f"{path} is damaged, its runs are made again")
            return None


NEEDED = ("pfs", "pfs_event", "ttp", "ttp_event", "os", "os_event", "first_pd", "n_tace",
          *(f"{k}_{c}" for k in ("orr", "cr") for c in ("recist11", "mrecist", "recicl")))  # fmt: skip


def load_trials(path: str | Path) -> dict[str, TrialOf]:
    """Trials of a predictions file, by name.

    Raises:
        InputError: with every mistake found.
    """
    raw, places = parse_toml(read_text(path), str(path))
    refuse_another_kind(raw, str(path), "table of trials")
    problems = Problems(places)
    if not isinstance(raw.get("trial"), list) or not raw["trial"]:
        raise InputError(Problem(str(path), "trial", "there is no [[trial]] in it, so nothing to predict"))
    if raw.get("schema") != 1:
        problems.add(("schema",), "must be 1")
    out = {}
    for i, table in enumerate(raw["trial"]):
        if isinstance(table, dict):
            table = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
        one = check_table(TrialOf, table, ("trial", i), problems)
        if one is None:
            continue
        if not one.arm:
            problems.add(("trial", i), f"{one.name} has no [[trial.arm]]")
        if one.name in out:
            problems.add(("trial", i), f"{quoted(one.name)} stands here twice")
        out[one.name] = one
    if problems:
        raise InputError(problems.ordered())
    return out


def predict(
    name: str,
    trials: Mapping[str, TrialOf],
    posterior: Posterior,
    *,
    folder: Path,
    settings: Settings | None = None,
    cache: Path | None = None,
    catalogue: Any = None,
    announce: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """The content of a prediction file.

    Args:
        folder: what paths in the trials are relative to.
        cache: a folder that keeps runs of arms, so that trials share them.

    Raises:
        InputError: a trial that is not there, or an arm none of whose patients could be simulated.
    """
    if name not in trials:
        raise InputError(Problem("trial", name, f"is not known{nearest(name, trials)}; there are {', '.join(trials)}"))
    trial, settings = trials[name], settings or Settings()
    runs = _Runs(posterior, settings, folder, cache, catalogue or _catalogue(), announce)
    tables: dict[str, Table] = {}
    failures: list[str] = []
    after: dict[str, str] = {}
    entries: dict[str, float] = {}
    for arm in trial.arm:
        label = f"{Path(trial.cohort).stem}-{arm.name}-{trial.criterion}" + ("-gated" if trial.gate != "none" else "")
        text = scenario_text(arm.name, arm.protocol, arm.after_progression or trial.after_progression)
        rows, members, after[arm.name], entries[arm.name] = runs.rows(label, trial, text)
        tables[arm.name] = Table(rows, members, trial.criterion, entries[arm.name])
        _told(arm.name, rows, tables[arm.name], failures)
    sizes = {arm.name: arm.n for arm in trial.arm}
    found, share = replicates(tables, sizes, n=settings.replicates, seed=settings.seed)
    per_arm = {arm: [tables[arm].endpoints(r[arm]) for r in found] for arm in tables}
    control, *others = tables
    return {
        "trial": name,
        "created_by": _created_by(posterior),
        "cohort": trial.cohort,
        "n_draws": settings.draws,
        "arms": {arm: _arm(values, trial.criterion) | {"n": sizes[arm], "runs": len(tables[arm])}
                 for arm, values in per_arm.items()},
        "contrasts": {f"{arm} vs {control}": _contrast(tables, found, arm, control, per_arm) for arm in others},
        "notes": [*trial.notes, _entries_told(entries), *_notes(posterior, settings, share, after), *failures],
    }  # fmt: skip


def _catalogue():
    from tme_sim.catalogue import load_catalogue

    return load_catalogue()


def _scenario(text: str, trial: TrialOf, cohort: Any, runs: _Runs):
    from tme_sim.scenario import Scenario

    changes = {"run": {"duration": HORIZON}, "outputs": {"figures": False},
               "biology": cohort.biology(),
               "imaging": {"criterion": trial.criterion, "gate": trial.gate, "error": 0.061}}  # fmt: skip
    return Scenario.from_text(text, str(runs.folder / "prediction.toml"), changes, catalogue=runs.catalogue)


def _told(arm: str, rows: Sequence[Mapping[str, Any]], table: Table, failures: list[str]) -> None:
    if not len(table):
        raise InputError(Problem(arm, "", f"no patient could be simulated; the first reason: {rows[0]['message']}"))
    if table.failed:
        message = next(r["message"] for r in rows if not r["summary"])
        failures.append(f"{arm}: {table.failed} of {table.total} runs gave no row ({message[:120]})")
    others = sum(row["number"] != i for i, row in enumerate(rows))
    if others:
        failures.append(f"{arm}: {others} of {len(rows)} patients are others, as the first draws could not be given "
                        "the protocol")


def _created_by(posterior: Posterior) -> dict[str, str]:
    from tme_sim import __version__

    return {"version": __version__, "model_digest": posterior.model_digest, "posterior_digest": posterior.digest}


def _arm(values: Sequence[Mapping[str, float]], criterion: str) -> dict[str, Any]:
    return {name: spans([v[name] for v in values]) | {"unit": unit, "criterion": criterion if read else None}
            for name, (unit, read) in ENDPOINTS.items()}  # fmt: skip


def _contrast(tables, found, arm, control, per_arm) -> dict[str, Any]:
    a, b = tables[arm], tables[control]
    out: dict[str, Any] = {}
    for endpoint in ("pfs", "os"):
        values = [
            hazard_ratio(np.concatenate([a.time[endpoint][r[arm]], b.time[endpoint][r[control]]]),
                         np.concatenate([a.event[endpoint][r[arm]], b.event[endpoint][r[control]]]),
                         np.repeat([1, 0], [len(r[arm]), len(r[control])])) for r in found
        ]  # fmt: skip
        out[f"{endpoint}_hr"] = spans(values) | {
            "unit": "1", "probability_below_1": round(float(np.nanmean(np.array(values) < 1.0)), 3)}  # fmt: skip
    for endpoint in ("orr", "cr"):
        values = [x[endpoint] - y[endpoint] for x, y in zip(per_arm[arm], per_arm[control], strict=True)]
        out[f"{endpoint}_difference"] = spans(values) | {"unit": "1"}
    return out


def _notes(posterior: Posterior, settings: Settings, share: float, after: Mapping[str, str] | None = None) -> list[str]:
    total = settings.draws * settings.patients
    misfit = [t["name"] for t in posterior.data.get("targets", ()) if t.get("role") == "fit" and not t.get("within_2")]
    title, name = posterior.data.get("title", ""), posterior.data.get("name", "")
    fitted = sum(bool(p.get("fitted")) for p in posterior.data.get("parameters", ()))
    out = [
        f"calibration {name}{f' ({title})' if title else ''}: {fitted} parameter{'' if fitted == 1 else 's'} fitted",
        f"{settings.draws} draws of the posterior with {settings.patients} patient"
        f"{'' if settings.patients == 1 else 's'} each, {total} runs per arm; "
        "sampling at the trial's own n; the error of simulating few patients is in the intervals, but for shares that "
        "none or all of the runs have, which have no width",
        f"share of variance between parameter draws used: {share:.3f} (never below 0.05)",
        f"{_after_told(after or {})}; dropout and administrative censoring are not simulated; runs end at 24.5 "
        "months, and a median that is not reached by then stands as null",
        "of a patient who cannot rest before treatment under a draw the balance of growth and killing is drawn again; "
        "one who cannot be given the protocol is another",
    ]
    told = posterior.data.get("diagnostics", {}).get("converged")
    if told is not None and not told["all"]:
        out.append("the calibration has not converged: " + "; ".join(told["against"]))
    if misfit:
        out.append("targets of the calibration that the model misses by more than 2 sd: " + ", ".join(misfit))
    return out


def _entries_told(entries: Mapping[str, float]) -> str:
    """What times of each arm count from, in words."""
    early = [f"{arm} {-day:g} days" for arm, day in entries.items() if day < 0.0]
    told = f", or before it where drugs lead in ({', '.join(early)})" if early else ""
    return f"times count from entry: day 0{told}"


def _after_told(after: Mapping[str, str]) -> str:
    """What patients of each arm get after progression, in words."""
    if not any(after.values()):
        return "no therapy after progression"
    if len(set(after.values())) == 1:
        return f"after progression in every arm: {next(iter(after.values()))}"
    return "after progression: " + "; ".join(f"{arm}: {what or 'none'}" for arm, what in after.items())


def predict_sequences(
    trial: TrialOf,
    posterior: Posterior,
    *,
    folder: Path,
    settings: Settings | None = None,
    cache: Path | None = None,
    catalogue: Any = None,
    announce: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Ranks of the six orders of embolisation (T), anti-VEGF (A) and checkpoint blockade (I), on identical patients."""
    if follows(trial.after_progression):
        raise InputError(Problem(trial.name, KEY, (
            "embolisation goes on after progression here, so nothing follows it; leave this out")))  # fmt: skip
    settings = settings or Settings()
    runs = _Runs(posterior, settings, folder, cache, catalogue or _catalogue(), announce)
    found: dict[str, tuple[list[dict], list[int], str, float]] = {}
    for order in ORDERS:
        text = f'schema = 1\nname = "order_{order}"\n' + _order_text(order)
        found[order] = runs.rows(f"{Path(trial.cohort).stem}-order-{order}", trial, text)
    good = [i for i in range(len(found["TAI"][0])) if all(found[o][0][i]["summary"] for o in ORDERS)]
    if not good:
        raise InputError(Problem(SEQUENCES, "", "no patient could be simulated in all orders"))
    tables = {o: Table([found[o][0][i] for i in good], [found[o][1][i] for i in good], trial.criterion, found[o][3])
              for o in ORDERS}  # fmt: skip
    n = trial.arm[0].n if trial.arm else 200
    picks, share = replicates(tables, dict.fromkeys(ORDERS, n), n=settings.replicates, seed=settings.seed, paired=True)
    horizon = 24.0 * DAYS_PER_MONTH
    ranks: dict[str, Any] = {}
    for endpoint in ("pfs", "os", "cr", "orr"):
        values = np.array([[_mean_of(tables[o], endpoint, r[o], horizon) for o in ORDERS] for r in picks])
        ranks[endpoint] = _ranks(values)
    return {
        "trial": SEQUENCES, "created_by": _created_by(posterior), "cohort": trial.cohort, "n_draws": settings.draws,
        "orders": list(ORDERS), "ranks": ranks,
        "arms": {o: _arm([tables[o].endpoints(r[o]) for r in picks], trial.criterion) | {"n": n, "runs": len(good)}
                 for o in ORDERS},
        "contrasts": {},
        "notes": [*trial.notes,
                  f"steps {GAP} days apart from day 0; T conventional TACE, repeated by need up to four sessions; A "
                  "bevacizumab 15 mg/kg every 3 weeks; I durvalumab 1500 mg every 4 weeks; both to progression",
                  "rank 1 is best; pfs and os by mean time within 24 months; equal values share their mean rank; "
                  "identical patients in all orders",
                  *_notes(posterior, settings, share)],
    }  # fmt: skip


def _order_text(order: str) -> str:
    steps = "".join(STEPS[letter].format(day=GAP * i) for i, letter in enumerate(order))
    text = 'name = "order"\n' + steps + '[[scan]]\nstart = "day 0"\nevery = "8 weeks"\n'
    return "[protocol]\n" + text.replace("[[treatment]]", "[[protocol.treatment]]").replace(
        "[treatment.on_demand]", "[protocol.treatment.on_demand]").replace("[[scan]]", "[[protocol.scan]]").replace(
        'name = "order"\n', "", 1)  # fmt: skip


def _mean_of(table: Table, endpoint: str, at: np.ndarray, horizon: float) -> float:
    if endpoint in ("orr", "cr"):
        return float(table.share[endpoint][at].mean())
    time, event = table.time[endpoint][at], table.event[endpoint][at]
    return float(np.where(event, np.minimum(time, horizon), horizon).mean())


def _ranks(values: np.ndarray) -> dict[str, Any]:
    """Mean rank and 80 % interval of each order from values [replicate, order], larger better."""
    from scipy.stats import rankdata

    ranked = rankdata(-values, axis=1)
    best = (values == values.max(axis=1, keepdims=True)) / (values == values.max(axis=1, keepdims=True)).sum(
        axis=1, keepdims=True)  # fmt: skip
    return {
        order: {"mean_rank": round(float(ranked[:, i].mean()), 3),
                "ci80": [float(v) for v in np.quantile(ranked[:, i], [0.1, 0.9]).round(2)],
                "probability_best": round(float(best[:, i].mean()), 3)}
        for i, order in enumerate(ORDERS)
    }  # fmt: skip
