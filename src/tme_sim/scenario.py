"""Scenarios: a text file that says what is simulated, read into a frozen, fully checked `Scenario`.

All mistakes of a file are told at once, each as ``file:line: key: what is wrong; what is allowed``.  Every value keeps
its origin (default, file and line, or ``--set``), and `Scenario.to_toml` writes the resolved scenario with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from tme_sim.catalogue import Catalogue, load_catalogue
from tme_sim.diagnostics import (
    InputError,
    Key,
    Places,
    Problem,
    dotted,
    known_key,
    nearest,
    parse_toml,
    quoted,
    read_text,
)
from tme_sim.overrides import apply_changes, read_changes
from tme_sim.protocol import Protocol, read_protocol, to_ticks
from tme_sim.quantities import Parameter, Quantity, QuantityError, convert, internal, parse_number_or_quantity
from tme_sim.schedule import Body, Calendar, resolve
from tme_sim.therapies.drug_file import DrugFileError
from tme_sim.validation import NAME_PATTERN, Model, Problems, check_table, measured, written

__all__ = ["Biology", "Lesion", "Outputs", "Patient", "RunSettings", "Scenario"]

SCHEMA = 1
MAX_LESIONS = 12
SECTIONS = ("patient", "biology", "parameters", "protocol", "run", "outputs")


class Header(Model):
    """What stands at the top of a scenario file."""

    schema_: Literal[1] = Field(SCHEMA, alias="schema", description="version of this file format")
    name: str = Field("scenario", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="short name, used for run folders")
    title: str = Field("", max_length=300, description="one line for figures and reports")
    tissue: Literal["density", "agents"] = Field("density", description="fidelity")
    seed: int = Field(1, ge=0, lt=2**63, description="of all random numbers; the clock is never used")


class Lesion(Model):
    """One lesion; its keys besides `name` are the lesion parameters of the mechanisms."""

    name: str = Field("", pattern=NAME_PATTERN + "|^$", description="a name to refer to")
    parameters: dict[str, Quantity] = Field(default_factory=dict, exclude=True)


class Patient(Model):
    """Covariates of dosing and kinetics; further keys are parameters of the mechanisms.

    A covariate that is not given stands at the reference of each drug's own population model.
    """

    weight: measured("kg", "body weight", least=20, most=300, example="70 kg") = Quantity(70.0, "kg")
    height: measured("cm", "body height", least=100, most=250, example="170 cm") = Quantity(170.0, "cm")
    age: measured("year", "age", least=18, most=110, example="65 years") | None = None
    sex: Literal["female", "male"] | None = None
    albumin: measured("g/L", "serum albumin", least=10, most=70, example="40 g/L") | None = None
    alkaline_phosphatase: measured("U/L", "in serum", above=0, most=5000, example="109 U/L") | None = None
    aspartate_aminotransferase: measured("U/L", "in serum", above=0, most=10000, example="40 U/L") | None = None
    child_pugh: Literal["A", "B", "C"] | None = None
    ecog: Literal["0", "1"] | None = None
    line: Literal["first", "later"] | None = Field(None, description="line of systemic therapy")
    lesion: tuple[Lesion, ...] = (Lesion(name="lesion 1"),)
    parameters: dict[str, Quantity] = Field(default_factory=dict, exclude=True)

    @property
    def body(self) -> Body:
        """Weight and height for dosing."""
        return Body(convert(*self.weight, "kg"), convert(*self.height, "cm"))


_Scalars = {"weight", "height", "age", "sex", "albumin", "alkaline_phosphatase", "aspartate_aminotransferase",
            "child_pugh", "ecog", "line"}  # fmt: skip


class Biology(Model):
    """Which mechanisms, hypotheses and arrows are on."""

    off: tuple[str, ...] = Field((), description="mechanisms switched off")
    hypotheses: dict[str, str] = Field(default_factory=dict, description='registered alternatives, "slot" = "choice"')
    gains: dict[str, float] = Field(default_factory=dict, description="arrows: 1 as it is, 0 cut")


class RunSettings(Model):
    """How long, how exactly, and how often values are kept."""

    duration: measured("day", "end of the run, from day 0", above=0, most=36525, example="24 months") = Quantity(
        730.0, "day"
    )
    rtol: float = Field(1e-5, ge=1e-12, le=1e-2, description="relative tolerance of the integrator")
    output_every: measured("day", "interval of kept values", above=0, most=365, example="1 day") = Quantity(1.0, "day")
    max_steps: int = Field(200_000, ge=10, le=100_000_000, description="the run is given up after so many steps")
    wall_limit: measured("s", "the run is given up after this time", above=0, most=1e7, example="10 min") = Quantity(
        600.0, "s"
    )
    oral: Literal["averaged", "resolved"] = Field(
        "averaged", description="daily tablets as a steady intake, or dose by dose (slower)"
    )


class Outputs(Model):
    """What is kept and drawn."""

    states: tuple[str, ...] = Field((), description="names kept in trajectory.npz; empty: all")
    figures: bool = Field(True, description="draw figures/*.png")


class Scenario(Header):
    """A checked scenario; see `load` and `from_text`."""

    patient: Patient = Patient()
    biology: Biology = Biology()
    parameters: dict[str, Quantity] = Field(
        default_factory=dict, description="model parameters, name = value with unit"
    )
    protocol: Protocol = Protocol()
    run: RunSettings = RunSettings()
    outputs: Outputs = Outputs()

    _raw: dict = PrivateAttr(default_factory=dict)
    _places: Places = PrivateAttr(default_factory=lambda: Places("scenario"))
    _catalogue: Catalogue = PrivateAttr(default_factory=Catalogue)
    _calendar: Calendar = PrivateAttr(default_factory=Calendar)
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    # --- reading ---------------------------------------------------------------------------------------------

    @classmethod
    def load(
        cls,
        path: str | Path,
        changes: Mapping[str, Any] | Iterable[str] = (),
        *,
        catalogue: Catalogue | None = None,
        mechanisms: Iterable[str | Path] = (),
    ) -> Scenario:
        """Read a scenario file.

        `changes` are overrides as with ``--set``: ``{"patient.weight": "80 kg"}`` or ``["seed=5"]``.  `mechanisms` are
        folders of mechanism files.

        Raises:
            InputError: with every mistake found.
        """
        text = read_text(path)
        return cls.from_text(text, str(path), changes, catalogue=catalogue, mechanisms=mechanisms)

    @classmethod
    def from_text(
        cls,
        text: str,
        name: str = "scenario.toml",
        changes: Mapping[str, Any] | Iterable[str] = (),
        *,
        catalogue: Catalogue | None = None,
        mechanisms: Iterable[str | Path] = (),
    ) -> Scenario:
        """Read a scenario from text; `name` stands for the file in messages and for relative paths.

        Raises:
            InputError: with every mistake found.
        """
        raw, places = parse_toml(text, name)
        problems = Problems(places)
        _inline_protocol(raw, Path(name).parent, problems)
        apply_changes(raw, read_changes(changes), problems)
        return cls._built(raw, places, problems, catalogue or load_catalogue(mechanisms))

    def changed(self, changes: Mapping[str, Any] | Iterable[str]) -> Scenario:
        """A copy with overrides, checked again.

        Raises:
            InputError: with every mistake found.
        """
        import copy

        raw, places = copy.deepcopy(self._raw), copy.deepcopy(self._places)
        problems = Problems(places)
        apply_changes(raw, read_changes(changes), problems)
        return self._built(raw, places, problems, self._catalogue)

    @classmethod
    def _built(cls, raw: dict, places: Places, problems: Problems, catalogue: Catalogue) -> Scenario:
        warnings: list[str] = []
        head = check_table(Header, {k: v for k, v in raw.items() if k not in SECTIONS}, (), problems, also=SECTIONS)
        patient = _patient(raw.get("patient", {}), catalogue, problems, warnings)
        biology = _biology(raw.get("biology", {}), catalogue, problems)
        parameters = _parameters(raw.get("parameters", {}), catalogue, patient, problems, warnings)
        run = check_table(RunSettings, raw.get("run", {}), ("run",), problems)
        outputs = _outputs(raw.get("outputs", {}), catalogue, problems)
        protocol = read_protocol(
            {k: v for k, v in _table(raw.get("protocol", {})).items() if k != "file"}
            if isinstance(raw.get("protocol", {}), dict)
            else raw["protocol"],
            ("protocol",),
            problems,
        )
        calendar = Calendar()
        if protocol is not None and run is not None and patient is not None:
            _targets(protocol, patient, problems)
            calendar = _calendar(protocol, run, patient, catalogue, problems)
        if problems:
            raise InputError(problems.ordered())
        scenario = cls(
            **dict(head), patient=patient, biology=biology, parameters=parameters, protocol=protocol, run=run,
            outputs=outputs,
        )  # fmt: skip
        scenario._raw, scenario._places, scenario._catalogue = raw, places, catalogue
        drugs = dict.fromkeys(e.data["drug"] for e in calendar.entries if e.kind == "drug")
        for drug in drugs:
            warnings += catalogue.library.get(drug).outside(scenario.covariates())
        scenario._calendar, scenario._warnings = calendar, (*warnings, *calendar.warnings)
        return scenario

    # --- what the simulation needs -----------------------------------------------------------------------------

    @property
    def calendar(self) -> Calendar:
        """Dated entries of the protocol."""
        return self._calendar

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know: values outside their evidence, dates left out."""
        return self._warnings

    @property
    def catalogue(self) -> Catalogue:
        """The names this scenario was checked against."""
        return self._catalogue

    def values(self) -> dict[str, float]:
        """Body parameters that differ from their defaults, in internal units; gains as ``gain_<arrow>``."""
        given = {**self.patient.parameters, **self.parameters}
        lesion = self._catalogue.lesion_parameters
        out = {n: float(internal(*q)) for n, q in given.items() if n not in lesion}
        return out | {f"gain_{arrow}": gain for arrow, gain in self.biology.gains.items()}

    def lesion_values(self) -> list[dict[str, float]]:
        """For each lesion its parameters that differ from their defaults, in internal units."""
        shared = {n: q for n, q in self.parameters.items() if n in self._catalogue.lesion_parameters}
        return [
            {n: float(internal(*q)) for n, q in {**shared, **one.parameters}.items()} for one in self.patient.lesion
        ]

    def covariates(self) -> dict[str, str]:
        """The patient's covariates for drug kinetics, as text with units; only those given, and the weight."""
        out: dict[str, str] = {}
        for key in (
            "weight",
            "sex",
            "albumin",
            "alkaline_phosphatase",
            "aspartate_aminotransferase",
            "child_pugh",
            "ecog",
            "line",
        ):
            value = getattr(self.patient, key)
            if value is not None:
                out[key] = str(written(value)) if isinstance(value, Quantity) else value
        return out

    @property
    def stop_tick(self) -> int:
        """End of the run in minutes from day 0."""
        return to_ticks(self.run.duration, "duration")

    # --- writing -------------------------------------------------------------------------------------------------

    def origin(self, key: Sequence[str | int]) -> str:
        """Where the value of `key` came from: ``default``, ``file:line`` or ``--set``."""
        key = tuple(key)
        if key in self._places.origins:
            return self._places.origins[key]
        return Path(self._places.place(key)).name if _has(self._raw, key) else "default"

    def resolved(self) -> dict[str, Any]:
        """Every value of the scenario, defaults included, as plain TOML data."""
        dumped = self.model_dump(by_alias=True, exclude_none=True)
        patient = dumped["patient"]
        patient |= {n: written(q) for n, q in self.patient.parameters.items()}
        patient["lesion"] = [
            {"name": one.name, **{n: written(q) for n, q in one.parameters.items()}} for one in self.patient.lesion
        ]
        dumped["parameters"] = {n: written(q) for n, q in self.parameters.items()}
        return _plain_data(dumped)

    def to_toml(self, *, origins: bool = True) -> str:
        """The resolved scenario as TOML, each value followed by its origin."""
        from tme_sim.toml_writer import write_toml

        head = "# Resolved scenario: every value, and after #@ where it came from.\n" if origins else ""
        return head + write_toml(self.resolved(), self.origin if origins else None)

    @property
    def digest(self) -> str:
        """Digest of everything that can change results (titles, sources and figures cannot)."""
        import hashlib
        import json

        data = self.resolved()
        data.pop("title"), data.pop("outputs"), data.pop("name")
        data["protocol"] = {k: v for k, v in data["protocol"].items() if k not in ("title", "source", "name")}
        for item in (*data["protocol"].get("treatment", []), *data["protocol"].get("scan", [])):
            item.pop("source", None)
        text = json.dumps(data, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


# --- sections --------------------------------------------------------------------------------


def _table(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def read_parameter(
    value: Any, parameter: Parameter, key: Key, problems: Problems, warnings: list[str]
) -> Quantity | None:
    """Check an override of a model parameter: unit, physical bounds (an error), evidence range (a warning)."""
    try:
        quantity = parse_number_or_quantity(value, parameter.unit, parameter.name)
    except QuantityError as error:
        problems.add(key, str(error))
        return None
    number = convert(quantity.value, quantity.unit, parameter.unit)
    low, high = parameter.physical
    unit = "" if parameter.unit == "1" else f" {parameter.unit}"
    if not low <= number <= high:
        bound = f"at least {low:g}{unit}" if number < low else f"at most {high:g}{unit}"
        problems.add(key, f"{quantity} is physically impossible: {parameter.name} is {bound}")
        return None
    if not parameter.low <= number <= parameter.high:
        warnings.append(
            f"{dotted(key)}: {quantity} lies outside the evidence for {parameter.name} "
            f"({parameter.low:g} to {parameter.high:g}{unit}, {parameter.grade})"
        )
    return quantity


def _patient(raw: Any, catalogue: Catalogue, problems: Problems, warnings: list[str]) -> Patient | None:
    before = len(problems.found)
    if not isinstance(raw, dict):
        problems.add(("patient",), "must be a table with keys")
        return None
    extra = {k: v for k, v in raw.items() if k not in _Scalars and k != "lesion" and k in catalogue.parameters}
    fixed = {k: v for k, v in raw.items() if k not in extra and k != "lesion"}
    allowed = {"lesion", *catalogue.parameters}
    model = check_table(
        Patient, {k: v for k, v in fixed.items() if k != "parameters"}, ("patient",), problems, also=allowed
    )
    if "parameters" in fixed:
        problems.add(
            ("patient", "parameters"), "is not known here; parameters stand in [parameters] or directly in [patient]"
        )
    read = {k: read_parameter(v, catalogue.parameters[k], ("patient", k), problems, warnings) for k, v in extra.items()}
    lesions = _lesions(raw.get("lesion"), catalogue, problems, warnings)
    if len(problems.found) > before or model is None:
        return None
    return model.model_copy(update={"parameters": read, "lesion": lesions})


def _lesions(raw: Any, catalogue: Catalogue, problems: Problems, warnings: list[str]) -> tuple[Lesion, ...]:
    if raw is None:
        return (Lesion(name="lesion 1"),)
    if not isinstance(raw, list):
        problems.add(("patient", "lesion"), "must be a list of tables: write [[patient.lesion]] with double brackets")
        return ()
    if len(raw) > MAX_LESIONS:
        problems.add(("patient", "lesion"), f"has {len(raw)} lesions; at most {MAX_LESIONS} are followed one by one")
        return ()
    out, seen = [], set()
    for i, item in enumerate(raw):
        key: Key = ("patient", "lesion", i)
        if not isinstance(item, dict):
            problems.add(key, "must be a table with keys")
            continue
        name = item.get("name", f"lesion {i + 1}")
        checked = check_table(Lesion, {"name": name}, key, problems)
        values = {}
        for k, v in item.items():
            if k == "name":
                continue
            if k not in catalogue.lesion_parameters:
                problems.add((*key, k), known_key(k, {"name", *catalogue.lesion_parameters}))
                continue
            values[k] = read_parameter(v, catalogue.lesion_parameters[k], (*key, k), problems, warnings)
        if checked is not None and str(name).lower() in seen:
            problems.add((*key, "name"), f"a second lesion is named {quoted(name)}")
        seen.add(str(name).lower())
        if checked is not None:
            out.append(checked.model_copy(update={"parameters": values}))
    return tuple(out)


def _biology(raw: Any, catalogue: Catalogue, problems: Problems) -> Biology | None:
    if not isinstance(raw, dict):
        problems.add(("biology",), "must be a table with keys")
        return None
    table = dict(raw)
    table["off"] = _tuple(table.get("off", []))
    if isinstance(table.get("hypotheses"), dict):
        table["hypotheses"] = _flat(table["hypotheses"])
        problems.places.join(("biology", "hypotheses"))
    if isinstance(table.get("gains"), dict):
        table["gains"] = {k: float(v) if type(v) is int and abs(v) < 2**53 else v for k, v in table["gains"].items()}
    biology = check_table(Biology, table, ("biology",), problems)
    if biology is None:
        return None
    for name in biology.off:
        if name not in catalogue.mechanisms:
            listed = ", ".join(catalogue.mechanisms)
            problems.add(
                ("biology", "off"),
                f"{quoted(name)} is no mechanism{nearest(name, catalogue.mechanisms)}; there are {listed}",
            )
    for slot, choice in biology.hypotheses.items():
        key: Key = ("biology", "hypotheses", slot)
        if slot not in catalogue.hypotheses:
            listed = ", ".join(catalogue.hypotheses) or "none"
            problems.add(key, f"is no registered hypothesis{nearest(slot, catalogue.hypotheses)}; there are {listed}")
        elif choice not in catalogue.hypotheses[slot]:
            choices = catalogue.hypotheses[slot]
            problems.add(key, f"{quoted(choice)} is no choice{nearest(choice, choices)}; choose {', '.join(choices)}")
    for arrow, gain in biology.gains.items():
        key = ("biology", "gains", arrow)
        if arrow not in catalogue.arrows:
            problems.add(key, f"is no arrow of the network{nearest(arrow, catalogue.arrows)}")
        elif not 0.0 <= gain <= 1.0:
            problems.add(key, f"a gain lies between 0 (cut) and 1 (as it is), not {gain:g}")
    return biology


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``mdsc.loss = "x"`` without quotes is a nested table; names of hypotheses hold dots."""
    out: dict[str, Any] = {}
    for key, value in table.items():
        out |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return out


def _parameters(
    raw: Any, catalogue: Catalogue, patient: Patient | None, problems: Problems, warnings: list[str]
) -> dict[str, Quantity]:
    if not isinstance(raw, dict):
        problems.add(("parameters",), "must be a table with keys")
        return {}
    known = catalogue.names()
    out: dict[str, Quantity] = {}
    for name, value in raw.items():
        key: Key = ("parameters", name)
        if name.startswith("gain_") and name[5:] in catalogue.arrows:
            problems.add(key, f"a gain stands in [biology.gains]: {name[5:]} = {value}")
        elif name not in known:
            problems.add(key, f"is no parameter of the model{nearest(name, known)}; see tme-sim describe")
        elif patient is not None and name in patient.parameters:
            problems.add(key, "is given in [patient] too; keep one")
        else:
            quantity = read_parameter(value, known[name], key, problems, warnings)
            if quantity is not None:
                out[name] = quantity
    return out


def _outputs(raw: Any, catalogue: Catalogue, problems: Problems) -> Outputs | None:
    if isinstance(raw, dict) and "states" in raw:
        raw = raw | {"states": _tuple(raw["states"])}
    outputs = check_table(Outputs, raw, ("outputs",), problems)
    for name in outputs.states if outputs is not None else ():
        if name not in catalogue.states:
            tail = nearest(name, catalogue.states)
            problems.add(("outputs", "states"), f"{quoted(name)} is no state or signal of the model{tail}")
    return outputs


def _targets(protocol: Protocol, patient: Patient, problems: Problems) -> None:
    names = [lesion.name for lesion in patient.lesion]
    for i, treatment in enumerate(protocol.treatment):
        for name in getattr(treatment, "targets", ()):
            if name not in names:
                problems.add(
                    ("protocol", "treatment", i, "targets"),
                    f"{quoted(name)} is no lesion of this patient{nearest(name, names)}; "
                    f"there are {', '.join(names) or 'none'}",
                )


def _calendar(
    protocol: Protocol, run: RunSettings, patient: Patient, catalogue: Catalogue, problems: Problems
) -> Calendar:
    try:
        end = to_ticks(run.duration, "duration")
        every = to_ticks(run.output_every, "output_every")
    except QuantityError as error:
        problems.add(("run",), str(error))
        return Calendar()
    if every < 1 or end / every > 2_000_000:
        problems.add(("run", "output_every"), "would keep more than two million rows; keep values less often")
        return Calendar()
    try:
        return resolve(
            protocol, end=end, body=patient.body, library=catalogue.library, problems=problems, key=("protocol",)
        )
    except DrugFileError as error:
        problems.found.append(Problem(error.file, error.key, f"{error.problem}; {error.repair}"))
        return Calendar()


# --- protocol files --------------------------------------------------------------------------------


def _inline_protocol(raw: dict, folder: Path, problems: Problems) -> None:
    """Replace ``protocol.file`` by what the file holds, so that a resolved scenario stands alone."""
    section = raw.get("protocol")
    if not isinstance(section, dict) or "file" not in section:
        return
    key: Key = ("protocol", "file")
    if not isinstance(section["file"], str) or not section["file"].strip() or "\0" in section["file"]:
        problems.add(key, 'must be the path of a protocol file, like "protocols/tace_only.toml"')
        raw["protocol"] = {}
        return
    others = [k for k in section if k != "file"]
    if others:
        problems.add(
            ("protocol", others[0]), 'stands beside "file"; change single values with --set, or write all inline'
        )
    path = folder / section["file"]
    try:
        data, places = parse_toml(read_text(path), str(path))
    except InputError as error:
        for problem in error.problems:
            place = problems.places.place(key)
            problems.found.append(Problem(place, dotted(key), str(problem)))
        raw["protocol"] = {}
        return
    if data.pop("schema", SCHEMA) != SCHEMA:
        problems.found.append(Problem(places.place(("schema",)), "schema", f"must be {SCHEMA}"))
    raw["protocol"] = data
    problems.places.graft(("protocol",), places)


def _has(raw: Any, key: Key) -> bool:
    at = raw
    for part in key:
        try:
            at = at[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _plain_data(value: Any) -> Any:
    """Tuples to lists, quantities to text, so that the data are what a TOML parser would give."""
    if isinstance(value, Quantity):
        return written(value)
    if isinstance(value, dict):
        return {k: _plain_data(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_data(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a scenario holds no infinite value")
    return value
