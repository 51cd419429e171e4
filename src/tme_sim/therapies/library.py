"""The drug library: one TOML file per drug, read on demand and checked strictly.

A drug file states what is measured, with unit, source and grade for every value; nothing in it is code.  All drugs
share one generic shape, so that any of them fits the kinetic slot of its role without a new model structure: a depot,
a central and up to two peripheral compartments, linear and Michaelis-Menten elimination, and a clearance that may
drift with time on treatment as ``CL * exp(Emax * t^hill / (T50^hill + t^hill))``.

| table of a drug file | content                                                                                |
|----------------------|----------------------------------------------------------------------------------------|
| (top)                | `name`, `aliases`, `role`, `kind`, `target`, `summary`, `molar_mass`, maybe `formula`   |
| `[sources]`          | short key = full citation; every value names one of these keys                         |
| `[disposition]`      | `route`, `compartments`, CL V1 Q1 V2 Q2 V3 Vmax Km ka F, zero-order release, moiety     |
| `[[covariates]]`     | what changes a disposition value: `on`, `covariate`, `form` and the size of the effect  |
| `[variability]`      | spread between patients: sd of the logarithm (of Emax: plain sd)                       |
| `[binding]`          | affinity, half-values, free fraction, half-values per kinase                           |
| `[effect]`           | maximal block, direct effect on tumour cells, killing                                  |
| `[regional]`         | gain and extraction of hepatic arterial infusion                                       |
| `[[depot]]`          | release of a drug from beads or oil                                                    |
| `[[dosing]]`         | standard regimens with weight bands and label reductions                               |
| `[[published]]`      | figures that the kinetics must reproduce, with a tolerance                             |

A value is ``{ value, unit, source, grade, low, high, note }``; a plain reference is a quantity string (``"70 kg"``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tme_sim.diagnostics import InputError, parse_toml
from tme_sim.quantities import Parameter
from tme_sim.therapies import drug_file as rules
from tme_sim.therapies.drug import Band, CovariateEffect, Depot, Dose, Drug, Kinetics, Published, Regimen
from tme_sim.therapies.drug_file import DrugFileError, Reader, nearest

__all__ = [
    "Band",
    "CovariateEffect",
    "Depot",
    "Dose",
    "Drug",
    "DrugFileError",
    "Kinetics",
    "Library",
    "Published",
    "Regimen",
    "read_drug",
]

SHIPPED = Path(__file__).with_name("drugs")
_TOP = (
    "schema_version",
    "name",
    "aliases",
    "role",
    "kind",
    "target",
    "formula",
    "summary",
    "molar_mass",
    "sources",
    "disposition",
    "covariates",
    "variability",
    "binding",
    "effect",
    "regional",
    "depot",
    "dosing",
    "published",
)


def _disposition(read: Reader, raw: Any) -> tuple[str, int, dict[str, Parameter], str]:
    """Read [disposition]: route, number of compartments, values (time-varying ones included), zero-order target."""
    key = "disposition"
    table = dict(
        read.table(
            raw,
            key,
            (*rules.DISPOSITION, "route", "compartments", "zero_order_into", "time_varying"),
            ("route", "compartments", "CL", "V1"),
        )
    )
    route = read.choice(table.pop("route"), f"{key}.route", rules.ROUTES)
    count = read.count(table.pop("compartments"), f"{key}.compartments")
    into = read.choice(table.pop("zero_order_into", "depot"), f"{key}.zero_order_into", ("depot", "central"))
    drift = table.pop("time_varying", None)
    if count > 3:
        raise read.fail(f"{key}.compartments", f"{count} compartments do not fit a slot", "lump them to at most 3")
    needed = {1: (), 2: ("Q1", "V2"), 3: ("Q1", "V2", "Q2", "V3")}[count]
    if route == "oral":
        needed += ("ka", "F")
    for name in needed:
        if name not in table:
            raise read.fail(f"{key}.{name}", f"is missing for {count} compartments by route {route}", f"add {name}")
    spare = {"Q1", "V2", "Q2", "V3"} - set(needed)
    spare |= set() if route == "oral" else {"ka", "zero_order_duration", "zero_order_share"}
    for name in sorted(spare & set(table)):
        raise read.fail(f"{key}.{name}", f"does not belong to {count} compartments by route {route}", "remove it")
    for first, second in (("Vmax", "Km"), ("zero_order_duration", "zero_order_share")):
        if (first in table) != (second in table):
            raise read.fail(key, f"has only one of {first} and {second}", "give both or neither")
    values = read.values(table, key, rules.DISPOSITION)
    for name in ("CL", "V1", "V2", "V3", "Km", "ka", "F", "moiety_share"):
        if name in values and values[name].value <= 0.0:
            raise read.fail(f"{key}.{name}", "is zero", "give a positive value")
    if drift is not None:
        values.update(read.values(drift, f"{key}.time_varying", rules.TIME_VARYING, rules.TIME_VARYING))
    return route, count, values, into


def _covariate(read: Reader, raw: Any, key: str, disposition: Mapping[str, Parameter]) -> CovariateEffect:
    """Read one [[covariates]] entry; its targets must be values that the drug has."""
    table = read.table(
        raw,
        key,
        ("on", "covariate", "form", "reference", "threshold", "level", "exponent", "factor", "shift", "range"),
        ("on", "covariate", "form"),
    )
    on = tuple(read.choice(name, f"{key}.on", disposition) for name in read.texts(table["on"], f"{key}.on"))
    covariate = read.choice(table["covariate"], f"{key}.covariate", rules.COVARIATES)
    form = read.choice(table["form"], f"{key}.form", rules.FORMS)
    place = {"power": "reference", "factor_above": "threshold", "factor_below": "threshold"}.get(form, "level")
    size = rules.FORMS[form]
    read.table(table, key, ("on", "covariate", "form", "range", place, size), (place, size))
    known = rules.COVARIATES[covariate]
    if (place == "level") == isinstance(known, str):
        raise read.fail(
            f"{key}.form",
            f"'{form}' does not fit the covariate '{covariate}'",
            "use power or factor_above for a measured covariate, factor or shift for a level",
        )
    if form == "shift" and set(on) != {"Emax"}:
        raise read.fail(f"{key}.on", "a shift is defined for Emax only", "use a factor")
    limits = ("1", -5.0, 5.0) if size != "factor" else ("1", 1e-3, 1e3)
    effect = CovariateEffect(on, covariate, form, read.value(table[size], f"{key}.{size}", limits))
    if isinstance(known, str):
        covered = None
        if "range" in table:
            ends = read.texts(table["range"], f"{key}.range")
            if len(ends) != 2:
                raise read.fail(f"{key}.range", f"has {len(ends)} ends", 'write ["lowest", "highest"]')
            covered = tuple(read.quantity(end, f"{key}.range", known) for end in ends)
        return replace(effect, reference=read.quantity(table[place], f"{key}.{place}", known), covered=covered)
    if "range" in table:
        raise read.fail(f"{key}.range", "belongs to a measured covariate", "remove it")
    level = read.text(table[place], f"{key}.level")
    return replace(effect, level=level if known is None else read.choice(level, f"{key}.level", known))


def _variability(read: Reader, raw: Any, disposition: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Read [variability]: spreads of values that the drug has, and correlations between two of them."""
    spread = dict.fromkeys(disposition, ("1", 0.0, 3.0))
    pairs = {f"correlation_{a}_{b}": ("1", -1.0, 1.0) for a in spread for b in spread if a != b}
    return read.values(raw, "variability", {**spread, **pairs})


def _dose(read: Reader, amount: Any, interval: float, key: str) -> Dose:
    """Read an amount such as "12 mg", "15 mg/kg" or "130 mg/m^2"."""
    text = read.text(amount, key).replace(" ", "")
    basis = "fixed"
    for ending, name in (("/kg", "weight"), ("/m^2", "surface")):
        if text.endswith(ending):
            text, basis = text[: -len(ending)], name
    milligrams = read.quantity(text, key, "mg")
    if milligrams <= 0.0:
        raise read.fail(key, "is not a positive dose", 'write, for example, "12 mg"')
    return Dose(milligrams, basis, interval)


def _regimen(read: Reader, raw: Any, key: str, drug_route: str) -> Regimen:
    """Read one [[dosing]] entry; its weight bands must cover every weight once."""
    table = read.table(
        raw,
        key,
        ("name", "interval", "infusion", "max_doses", "route", "bands", "source", "grade", "note"),
        ("name", "interval", "bands", "source", "grade"),
    )
    interval = read.quantity(table["interval"], f"{key}.interval", "day")
    if interval <= 0.0:
        raise read.fail(f"{key}.interval", "is not positive", "write the time between two doses")
    bands = []
    for i, item in enumerate(read.tables(table["bands"], f"{key}.bands")):
        place = f"{key}.bands[{i}]"
        band = read.table(item, place, ("weight_at_least", "weight_below", "amount", "reduced"), ("amount",))
        low = read.quantity(band.get("weight_at_least", "0 kg"), f"{place}.weight_at_least", "kg")
        high = math.inf
        if "weight_below" in band:
            high = read.quantity(band["weight_below"], f"{place}.weight_below", "kg")
        steps = []
        for j, step in enumerate(read.tables(band.get("reduced", []), f"{place}.reduced")):
            read.table(step, f"{place}.reduced[{j}]", ("amount", "interval"), ("amount", "interval"))
            steps.append(
                _dose(
                    read,
                    step["amount"],
                    read.quantity(step["interval"], f"{place}.reduced[{j}]", "day"),
                    f"{place}.reduced[{j}].amount",
                )
            )
        start = _dose(read, band["amount"], interval, f"{place}.amount")
        for before, after in zip([start, *steps], steps, strict=False):
            if after.amount / after.interval >= before.amount / before.interval:
                raise read.fail(f"{place}.reduced", "a step does not lower the dose per day", "order steps downwards")
        bands.append(Band(low, high, start, tuple(steps)))
    bands.sort(key=lambda band: band.weight_from)
    edges = [0.0] + [band.weight_to for band in bands]
    if [band.weight_from for band in bands] != edges[:-1] or edges[-1] != math.inf:
        raise read.fail(
            f"{key}.bands",
            "do not cover every body weight once",
            "let each weight_below be the weight_at_least of the next band",
        )
    default = {"oral": "oral", "intravenous": "intravenous", "intra_arterial": "hepatic_artery"}[drug_route]
    return Regimen(
        name=read.text(table["name"], f"{key}.name"),
        bands=tuple(bands),
        infusion=read.quantity(table.get("infusion", "0 h"), f"{key}.infusion", "h"),
        route=read.choice(table.get("route", default), f"{key}.route", rules.DOSE_ROUTES),
        source=read.source(table["source"], f"{key}.source"),
        grade=read.grade(table["grade"], f"{key}.grade"),
        max_doses=read.count(table["max_doses"], f"{key}.max_doses") if "max_doses" in table else None,
        note=read.text(table["note"], f"{key}.note") if "note" in table else "",
    )


def _published(read: Reader, raw: Any, key: str) -> Published:
    """Read one [[published]] entry."""
    table = read.table(
        raw,
        key,
        (
            "quantity",
            "value",
            "tolerance",
            "amount",
            "interval",
            "doses",
            "infusion",
            "at",
            "phase",
            "from",
            "to",
            "statistic",
            "relative_bioavailability",
            "conditions",
        ),
        ("quantity", "value", "tolerance"),
    )
    quantity = read.choice(table["quantity"], f"{key}.quantity", rules.QUANTITIES)
    tolerance = table["tolerance"]
    if not isinstance(tolerance, float) or not 0.0 < tolerance <= 0.5:
        raise read.fail(f"{key}.tolerance", f"{tolerance!r} is not a share from 0 to 0.5", "write, for example, 0.15")
    needed = {"half_life_between": ("amount", "from", "to")}
    needed.update(dict.fromkeys(rules.MULTIPLE_DOSES, ("amount", "interval", "doses")))
    read.table(table, key, table, needed.get(quantity, ()))
    dose = window = None
    if "amount" in table:
        interval = read.quantity(table["interval"], f"{key}.interval", "day") if "interval" in table else math.inf
        dose = _dose(read, table["amount"], interval, f"{key}.amount")
    if "from" in table:
        window = (read.quantity(table["from"], f"{key}.from", "day"), read.quantity(table["to"], f"{key}.to", "day"))
    unit = rules.QUANTITIES[quantity]
    return Published(
        quantity=quantity,
        value=read.value(table["value"], f"{key}.value", (unit, 0.0, math.inf)),
        tolerance=tolerance,
        dose=dose,
        doses=read.count(table.get("doses", 1), f"{key}.doses"),
        window=window,
        infusion=read.quantity(table.get("infusion", "0 h"), f"{key}.infusion", "h"),
        at=read.choice(table.get("at", "start"), f"{key}.at", ("start", "end")),
        phase=read.count(table["phase"], f"{key}.phase") if "phase" in table else None,
        statistic=read.choice(table.get("statistic", "typical"), f"{key}.statistic", ("typical", "mean")),
        relative_bioavailability=table.get("relative_bioavailability"),
        conditions=dict(table.get("conditions", {})),
    )


def read_drug(path: Path | str) -> Drug:
    """Read and check one drug file.

    Raises :class:`DrugFileError` naming file, key, nearest known name and repair of every mistake; OSError when it
    cannot be opened.
    """
    path = Path(path)
    read = Reader(path.name)
    try:
        raw, read.places = parse_toml(path.read_text(encoding="utf-8"), path.name)
    except UnicodeDecodeError as error:
        raise read.fail("file", "is not UTF-8 text", "save the file as UTF-8") from error
    except InputError as error:
        wrong = error.problems[0]
        said, line = wrong.message.removeprefix("not valid TOML: "), rules.line_of(wrong.place)
        raise DrugFileError(path.name, "file", f"is not TOML: {said}", "correct this line", line) from error
    read.table(
        raw,
        "",
        _TOP,
        (
            "schema_version",
            "name",
            "role",
            "kind",
            "target",
            "summary",
            "molar_mass",
            "sources",
            "disposition",
            "effect",
            "dosing",
        ),
    )
    if raw["schema_version"] != 1:
        raise read.fail("schema_version", f"{raw['schema_version']!r} is not supported", "write schema_version = 1")
    cited = read.table(raw["sources"], "sources", raw["sources"])
    read.sources = {key: read.text(text, f"sources.{key}") for key, text in cited.items()}
    drug = _assembled(read, raw, path)
    for i, row in enumerate(drug.published if drug is not None else ()):
        try:
            drug.patient(row.conditions)
        except ValueError as error:
            read.found.append(read.fail(f"published[{i}].conditions", str(error), "correct the condition"))
    if drug is None or read.found:
        raise rules.joined(read.found)
    return drug


def _assembled(read: Reader, raw: Mapping[str, Any], path: Path) -> Drug | None:
    """The drug of a file whose keys and sources were read; None where a part of it is wrong, noted in `read`."""
    part = read.part
    name = part(_name, read, raw["name"], path)
    role = part(read.choice, raw["role"], "role", rules.SLOTS)
    target = part(_target, read, raw["target"], role)
    body = part(_disposition, read, raw["disposition"])
    parts: dict[str, Any] = {
        "aliases": part(read.texts, raw.get("aliases", []), "aliases"),
        "kind": part(read.choice, raw["kind"], "kind", rules.KINDS),
        "summary": part(read.text, raw["summary"], "summary"),
        "molar_mass": part(read.value, raw["molar_mass"], "molar_mass", ("g/mol", 1.0, 1e6)),
        "regional": part(read.values, raw.get("regional", {}), "regional", rules.REGIONAL),
        "depots": part(lambda: tuple(_depots(read, raw.get("depot", [])))),
        "published": _each(read, raw.get("published", []), "published", _published),
    }
    if role is not None:
        effects = rules.EFFECT[role]
        parts["binding"], parts["kinases"] = part(_binding, read, raw.get("binding", {}), role) or (None, None)
        needed = set(effects) - rules.OPTIONAL_EFFECT
        parts["effect"] = part(read.values, raw["effect"], "effect", effects, needed)
    if body is not None:
        route, compartments, disposition, into = body
        parts |= {"route": route, "compartments": compartments, "disposition": disposition, "zero_order_into": into}
        parts["covariates"] = _each(read, raw.get("covariates", []), "covariates", _covariate, disposition)
        parts["variability"] = part(_variability, read, raw.get("variability", {}), disposition)
        parts["dosing"] = _each(read, raw["dosing"], "dosing", _regimen, route)
    formula = part(read.text, raw["formula"], "formula") if "formula" in raw else None
    if read.found:
        return None
    return Drug(name=name, role=role, target=target, path=path, formula=formula, **parts)


def _each(read: Reader, raw: Any, key: str, work: Callable[..., Any], *given: Any) -> tuple[Any, ...]:
    """What `work` reads of each entry of an array of tables; mistakes are noted entry by entry."""
    entries = read.part(read.tables, raw, key) or []
    return tuple(read.part(work, read, item, f"{key}[{i}]", *given) for i, item in enumerate(entries))


def _name(read: Reader, raw: Any, path: Path) -> str:
    name = read.text(raw, "name")
    if name != path.stem:
        raise read.fail("name", f"'{name}' differs from the file name", f"name the file {name}.toml")
    return name


def _target(read: Reader, raw: Any, role: str | None) -> str:
    return read.choice(raw, "target", ("PD-1", "PD-L1")) if role == "pd1_axis" else read.text(raw, "target")


def _binding(read: Reader, raw: Any, role: str) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
    """Read [binding]: its values, and the potency at each kinase."""
    binding = read.table(raw, "binding", (*rules.BINDING, "kinases"), rules.REQUIRED_BINDING[role])
    kinases = {}
    for i, item in enumerate(read.tables(binding.pop("kinases", []), "binding.kinases")):
        table = read.table(item, f"binding.kinases[{i}]", ("kinase", "ic50"), ("kinase", "ic50"))
        kinase = read.text(table["kinase"], f"binding.kinases[{i}].kinase")
        kinases[kinase] = read.value(table["ic50"], f"binding.kinases.{kinase}", ("nM", 0.0, math.inf))
    return read.values(binding, "binding", rules.BINDING), kinases


def _depots(read: Reader, raw: Any) -> Iterator[Depot]:
    for i, item in enumerate(read.tables(raw, "depot")):
        table = read.table(item, f"depot[{i}]", (*rules.DEPOT, "name"), ("name", "burst_share", "slow_half_time"))
        label = read.text(table.pop("name"), f"depot[{i}].name")
        yield Depot(label, read.values(table, f"depot[{i}]", rules.DEPOT))


def drug_files(folder: Path) -> list[Path]:
    """The drug files of a folder in order of their names: TOML without the top key ``schema`` of other files."""
    found = sorted(folder.glob("*.toml"))
    if folder == SHIPPED:
        return found
    return [path for path in found if not re.search(rb"^schema\s*=", path.read_bytes()[:100_000], re.M)]


class Library:
    """Drugs found in folders: those given by the user first, then the shipped ones; files are read when asked for."""

    def __init__(self, folders: Iterable[Path | str] = ()) -> None:
        """Search `folders` before the shipped drugs; raises FileNotFoundError for a folder that does not exist.

        Scenarios, protocols and studies may lie in the same folder: they are told by their top key ``schema``.
        """
        self.folders = [Path(folder) for folder in folders] + [SHIPPED]
        for folder in self.folders:
            if not folder.is_dir():
                raise FileNotFoundError(f"drug folder {folder} does not exist; create it or leave it out")
        self._files: dict[str, Path] = {}  # by name in lower case
        for folder in self.folders:
            for path in drug_files(folder):
                self._files.setdefault(path.stem.lower(), path)
        self._read: dict[str, Drug] = {}

    def names(self) -> list[str]:
        """Return the names of all drugs in order, without reading their files."""
        return sorted(path.stem for path in self._files.values())

    def __contains__(self, name: str) -> bool:
        """Whether there is a drug of this name or alias; mistakes of its file are told when it is asked for."""
        try:
            self.get(name)
        except KeyError:
            return False
        except DrugFileError:
            return True
        return True

    def get(self, name: str) -> Drug:
        """Return the drug called `name`, or known by that alias (upper and lower case alike).

        Raises KeyError naming the nearest known drug, and :class:`DrugFileError` for a faulty file.
        """
        word = name.strip().lower()
        if word not in self._files:
            for known in self._files:
                if word in (alias.lower() for alias in self._load(known).aliases):
                    word = known
                    break
            else:
                raise KeyError(
                    f"no drug '{name}' in {', '.join(str(f) for f in self.folders)}; {nearest(word, self._files)}"
                )
        return self._load(word)

    def _load(self, name: str) -> Drug:
        """Return the drug of a file name, reading it once."""
        if name not in self._read:
            self._read[name] = read_drug(self._files[name])
        return self._read[name]
