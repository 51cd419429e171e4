"""Scenarios: a text file that says what is simulated, read into a frozen, fully checked `Scenario`.

All mistakes of a file are told at once, each as ``file:line: key: what is wrong; what is allowed``.  Every value keeps
its origin (default, file and line, or ``--set``), and `Scenario.to_toml` writes the resolved scenario with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from tme_sim.biology import Biology, read_biology
from tme_sim.calibrated import Calibrated, FromPosterior, anchor_posterior, with_posterior
from tme_sim.catalogue import Catalogue, load_catalogue
from tme_sim.diagnostics import (
    InputError,
    Key,
    Places,
    Problem,
    nearest,
    parse_toml,
    quoted,
    read_text,
)
from tme_sim.foci import draw_foci, pool
from tme_sim.kinds import SCHEMA, refuse_another_kind
from tme_sim.overrides import apply_changes, locate, read_changes
from tme_sim.parameters import read_parameters
from tme_sim.patient import MAX_LESIONS, Lesion, Patient, read_patient
from tme_sim.protocol import Protocol, read_protocol, to_ticks
from tme_sim.protocol.calendar import PROCEDURES
from tme_sim.protocol.dating import name_unknown_anchors
from tme_sim.protocol.files import choose_protocol, inline_protocol
from tme_sim.protocol.giving import name_unknown_drugs
from tme_sim.quantities import Quantity, QuantityError, internal
from tme_sim.schedule import Calendar, Dated
from tme_sim.switches import check_switched_off, idle_values
from tme_sim.therapies.drug_file import DrugFileError
from tme_sim.thresholds import DETECT
from tme_sim.tissue.settings import FILES, Tissue, anchor, check_piece, kept_as
from tme_sim.validation import Model, Problems, check_table, measured, tuple_of, written

__all__ = ["Biology", "Lesion", "Outputs", "Patient", "RunSettings", "Scenario"]

OF_PATIENTS = ("patient", "parameters", "seed")  # sections that change no date
MEMBER = ("posterior.member", "posterior.share")  # nor do these
TOLD = ("title", "source", "name", "followed_by")  # of a protocol; they change no result
SECTIONS = ("patient", "imaging", "biology", "posterior", "parameters", "protocol", "piece", "run", "outputs")


class Header(Model):
    """What stands at the top of a scenario file."""

    schema_: Literal[1] = Field(SCHEMA, alias="schema", description="version of this file format")
    name: str = Field("scenario", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="short name, used for run folders")
    title: str = Field("", max_length=300, description="one line for figures and reports")
    tissue: Literal["density", "agents"] = Field("density", description="fidelity")
    seed: int = Field(1, ge=0, lt=2**63, description="of all random numbers; the clock is never used")


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


class ImagingSettings(Model):
    """How scans are read."""

    criterion: Literal["recist11", "mrecist", "recicl"] = Field(
        "recist11", description="of ttp, pfs, first_pd, depth and dor"
    )
    error: float = Field(
        0.0, ge=0, le=0.5, description="relative error of a diameter; 0.061 one reader, 0.086 changing readers"
    )
    gate: Literal["none", "LI-RADS 5"] = Field("none", description="what RECIST 1.1 asks of new liver lesions")
    targets: int = Field(5, ge=1, le=10, description="most target lesions")
    per_organ: int = Field(2, ge=1, le=10, description="most target lesions of one organ")
    detection: measured("mm", "smallest new lesion that is seen", least=1, most=50, example="10 mm") = Quantity(
        10.0, "mm"
    )


class Outputs(Model):
    """What is kept and drawn."""

    states: tuple[str, ...] = Field((), description="names kept in trajectory.npz; empty: all")
    figures: bool = Field(True, description="draw figures/*.png")


class Scenario(Header):
    """A checked scenario; see `load` and `from_text`."""

    patient: Patient = Patient()
    imaging: ImagingSettings = ImagingSettings()
    biology: Biology = Biology()
    parameters: dict[str, Quantity] = Field(
        default_factory=dict, description="model parameters, name = value with unit"
    )
    posterior: FromPosterior | None = None
    protocol: Protocol = Protocol()
    piece: Tissue | None = None
    run: RunSettings = RunSettings()
    outputs: Outputs = Outputs()

    _raw: dict = PrivateAttr(default_factory=dict)
    _places: Places = PrivateAttr(default_factory=lambda: Places("scenario"))
    _catalogue: Catalogue = PrivateAttr(default_factory=Catalogue)
    _calendar: Calendar = PrivateAttr(default_factory=Calendar)
    _dated: Dated | None = PrivateAttr(default=None)  # shared by all patients of one scenario
    _warnings: tuple[str, ...] = PrivateAttr(default=())
    _calibrated: Calibrated | None = PrivateAttr(default=None)

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
        refuse_another_kind(raw, name, "scenario")
        problems = Problems(places)
        wanted = read_changes(changes)
        catalogue = catalogue or load_catalogue(mechanisms)
        choose_protocol(raw, wanted, problems)
        inline_protocol(raw, Path(name).parent, problems, catalogue.library)
        anchor(raw, Path(name).parent)
        anchor_posterior(raw, Path(name).parent)
        apply_changes(raw, wanted, problems)
        return cls._built(raw, places, problems, catalogue)

    def changed(self, changes: Mapping[str, Any] | Iterable[str]) -> Scenario:
        """A copy with overrides, checked again.

        Raises:
            InputError: with every mistake found.
        """
        import copy

        wanted = read_changes(changes)
        mine = all(name in MEMBER or str(name).partition(".")[0] in OF_PATIENTS for name, _ in wanted)
        if mine:  # another patient of the same scenario: what is not the patient's stays as it is and was checked
            own = {name: copy.deepcopy(self._raw[name]) for name in ("posterior", "parameters") if name in self._raw}
            raw = {**self._raw, **own, "patient": copy.deepcopy(self._raw.get("patient", {}))}
        else:
            raw = copy.deepcopy(self._raw)
        of = self._places
        problems = Problems(replace(of, lines=dict(of.lines), doubled=list(of.doubled), origins=dict(of.origins)))
        if not mine and choose_protocol(raw, wanted, problems):
            inline_protocol(raw, Path(), problems, self._catalogue.library)
        apply_changes(raw, wanted, problems)
        return self._built(raw, problems.places, problems, self._catalogue, self if mine else None)

    @classmethod
    def _built(
        cls, raw: dict, places: Places, problems: Problems, catalogue: Catalogue, like: Scenario | None = None
    ) -> Scenario:
        """A scenario from its tables; `like` is one that differs from it in header and patient alone."""
        warnings: list[str] = []
        head = check_table(Header, {k: v for k, v in raw.items() if k not in SECTIONS}, (), problems, also=SECTIONS)
        patient = read_patient(raw.get("patient", {}), catalogue, problems, warnings)
        given, section, calibrated = with_posterior(raw, catalogue, problems)
        biology = like.biology if like else read_biology(given.get("biology", {}), catalogue, problems)
        parameters = read_parameters(given.get("parameters", {}), catalogue, patient, biology, problems, warnings)
        if like:
            run, imaging, outputs, protocol = like.run, like.imaging, like.outputs, like.protocol
        else:
            run = check_table(RunSettings, raw.get("run", {}), ("run",), problems)
            imaging = check_table(ImagingSettings, raw.get("imaging", {}), ("imaging",), problems)
            outputs = _outputs(raw.get("outputs", {}), catalogue, problems)
            protocol = read_protocol(
                {k: v for k, v in _table(raw.get("protocol", {})).items() if k != "file"}
                if isinstance(raw.get("protocol", {}), dict)
                else raw["protocol"],
                ("protocol",),
                problems,
            )
        piece = check_piece(raw.get("piece"), raw.get("tissue"), biology, patient, problems, warnings)
        calendar, dated = Calendar(), like._dated if like else None
        if protocol is not None and run is not None and patient is not None:
            _targets(protocol, patient, problems)
            dated = dated or _dated(protocol, run, catalogue, problems)
            calendar = _calendar(dated, patient, problems)
        elif not like:
            section = _table(raw.get("protocol"))
            name_unknown_drugs(section.get("treatment"), catalogue.library, ("protocol", "treatment"), problems)
            name_unknown_anchors(section, catalogue.library, ("protocol",), problems)
        if biology is not None and biology.off and not problems:
            check_switched_off(biology.off, biology.hypotheses, calendar, catalogue, problems)
        if problems:
            raise InputError(problems.ordered())
        scenario = cls(
            **dict(head), patient=patient, biology=biology, parameters=parameters, protocol=protocol, run=run,
            imaging=imaging, outputs=outputs, piece=piece,
            posterior=section,
        )  # fmt: skip
        scenario._calibrated = calibrated
        scenario._raw, scenario._places, scenario._catalogue = raw, places, catalogue
        for drug in calendar.drugs:
            warnings += catalogue.library.get(drug).outside(scenario.covariates())
        warnings += _liver_apart(patient, parameters, catalogue)
        pooled = scenario.foci()[1]
        scenario._calendar, scenario._dated = calendar, dated
        warnings += _treats_nothing(scenario, calendar)
        warnings += idle_values(biology.off, scenario, catalogue)
        warnings += _pictured_late(scenario, calendar)
        scenario._warnings = (*warnings, *calendar.warnings, *([pooled] if pooled else []))
        return scenario

    def __repr__(self) -> str:
        lines = [f"Scenario {self.name}" + (f": {self.title}" if self.title else "")]
        lesions = ", ".join(f"{one.name} {one.parameters.get('diameter', '')}".rstrip() for one in self.patient.lesion)
        lines.append(f"  patient: {self.patient.weight}; lesions: {lesions}")
        dated = f"{len(self.calendar.entries)} dated entries"
        ruled = ", ".join(track.name for track in self.calendar.tracks)
        lines.append(f"  protocol {self.protocol.name}: {dated}" + (f"; decided at visits: {ruled}" if ruled else ""))
        lines.append(f"  run: {self.run.duration}, tissue {self.tissue}, seed {self.seed}")
        changed = {"off": self.biology.off, **self.biology.hypotheses, **self.biology.gains, **self.parameters}
        told = {k: ", ".join(v) if k == "off" else v for k, v in changed.items() if v != ()}
        return "\n".join([*lines, *(f"  {k}: {v}" for k, v in told.items())])

    def __str__(self) -> str:
        return repr(self)

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
    def calibrated(self) -> Calibrated | None:
        """The member of a calibration whose values it follows, if any."""
        return self._calibrated

    @property
    def catalogue(self) -> Catalogue:
        """The names this scenario was checked against."""
        return self._catalogue

    def values(self) -> dict[str, float]:
        """Body parameters that differ from their defaults, in internal units; gains as ``gain_<arrow>``."""
        given = {**self.patient.parameters, **self.parameters}
        lesion, session = self._catalogue.lesion_parameters, self._catalogue.session
        own = (n for n in given if n not in lesion and n not in session and "." not in n)
        out = {n: float(internal(*given[n])) for n in own}
        return out | {f"gain_{arrow}": gain for arrow, gain in self.biology.gains.items()}

    def session_values(self) -> dict[str, float]:
        """Numbers of an embolisation in place of the declared ones, in internal units."""
        return {n: float(internal(*q)) for n, q in self.parameters.items() if n in self._catalogue.session}

    def drug_values(self) -> dict[str, float]:
        """Numbers of drugs in place of those of the library, ``lenvatinib.signalling_ic50``, in internal units."""
        return {n: float(internal(*q)) for n, q in self.parameters.items() if "." in n}

    def lesion_values(self) -> list[dict[str, float]]:
        """For each lesion its parameters that differ from their defaults, in internal units."""
        shared = {n: q for n, q in self.parameters.items() if n in self._catalogue.lesion_parameters}
        return [
            {n: float(internal(*q)) for n, q in {**shared, **one.parameters}.items()} for one in self.patient.lesion
        ] + self.foci()[0]

    def foci(self) -> tuple[list[dict[str, float]], str]:
        """Occult foci drawn for this patient, as lesion parameters; and a warning if some had to be pooled, or ""."""
        if self.patient.occult is None:
            return [], ""
        given = {**self.parameters, **(self.patient.lesion[0].parameters if self.patient.lesion else {})}
        doubling, loss = (
            float(internal(*given[name])) if name in given else self._catalogue.lesion_parameters[name].internal
            for name in ("doubling_time", "cell_loss_factor")
        )
        drawn = draw_foci(self.patient.occult, self.seed, self.patient.number, doubling, loss)
        return pool(drawn, MAX_LESIONS - len(self.patient.lesion))

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

    def path_of(self, name: str) -> str:
        """Where an override called `name` stands among the resolved values: parts joined by NUL, entries of lists by
        number from 0.

        Raises:
            InputError: an entry that a list does not have.
        """
        problems = Problems(Places("--set"))
        found = locate(self._raw, name, problems)
        if problems:
            raise InputError(problems.ordered())
        return "\0".join(str(part) for part in found)

    @property
    def stop_tick(self) -> int:
        """End of the run in minutes from day 0."""
        return to_ticks(self.run.duration, "duration")

    # --- writing -------------------------------------------------------------------------------------------------

    @property
    def data(self) -> dict[str, Any]:
        """What was given, as plain TOML data of its own: file and overrides, a protocol file put in place."""
        import copy

        return copy.deepcopy(self._raw)

    def origin(self, key: Sequence[str | int]) -> str:
        """Where the value of `key` came from: ``default``, ``file:line`` or ``--set``."""
        key = tuple(key)
        if key in self._places.origins:
            return self._places.origins[key]
        return Path(self._places.place(key)).name if _has(self._raw, key) else "default"

    def resolved(self) -> dict[str, Any]:
        """Every value of the scenario, defaults included, as plain TOML data."""
        dumped = self.model_dump(by_alias=True, exclude_none=True)
        dumped.pop("posterior", None)  # its values stand among the parameters
        patient = dumped["patient"]
        patient |= {n: written(q) for n, q in self.patient.parameters.items()}
        patient["lesion"] = [
            {"name": one.name, **{n: written(q) for n, q in one.parameters.items()}} for one in self.patient.lesion
        ]
        dumped["parameters"] = {n: written(q) for n, q in self.parameters.items() if "." not in n}
        for name, quantity in self.parameters.items():
            drug, _, number = name.partition(".")
            if number:
                dumped["parameters"].setdefault(drug, {})[number] = written(quantity)
        return _plain_data(dumped)

    @property
    def inputs(self) -> dict[str, str]:
        """Paths of the files that agent tissue is made of, by their key in `[piece]`."""
        return {} if self.piece is None else {key: path for key in FILES if (path := getattr(self.piece, key))}

    def contents(self) -> dict[str, str]:
        """Digests of what these files hold, by key."""
        import hashlib

        return {key: hashlib.sha256(Path(path).read_bytes()).hexdigest() for key, path in self.inputs.items()}

    def to_toml(self, *, origins: bool = True, in_folder: bool = False) -> str:
        """The resolved scenario as TOML, each value followed by its origin.

        With `in_folder` it is that of a run folder, which keeps its own copies of the files that it names.
        """
        from tme_sim.toml_writer import write_toml

        head = "# Resolved scenario: every value, and after #@ where it came from.\n" if origins else ""
        data = self.resolved()
        if in_folder:
            data.get("piece", {}).update({key: kept_as(key, path) for key, path in self.inputs.items()})
        return head + write_toml(data, self.origin if origins else None)

    @property
    def digest(self) -> str:
        """Digest of everything that can change results (titles, sources and figures cannot)."""
        import hashlib
        import json

        data = self.resolved()
        data.pop("title"), data.pop("outputs"), data.pop("name")
        data.get("piece", {}).update(self.contents())  # wherever they lie
        data["protocol"] = {k: v for k, v in data["protocol"].items() if k not in TOLD}
        for item in (*data["protocol"].get("treatment", []), *data["protocol"].get("scan", [])):
            item.pop("source", None)
        text = json.dumps(data, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


# --- sections --------------------------------------------------------------------------------


def _table(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _treats_nothing(scenario: Scenario, calendar: Calendar) -> list[str]:
    """A warning for dated procedures that name no lesion where no scan shows one in the liver at entry.

    Occult foci are smaller than what scans show.
    """

    def of(lesion: Lesion, name: str) -> float:
        """A parameter of a lesion, in internal units."""
        given = {**scenario.parameters, **lesion.parameters}
        return float(internal(*given[name]) if name in given else scenario.catalogue.lesion_parameters[name].internal)

    if not {"diameter", "extrahepatic"} <= set(scenario.catalogue.lesion_parameters):
        return []
    if any(of(one, "diameter") >= DETECT and of(one, "extrahepatic") == 0.0 for one in scenario.patient.lesion):
        return []
    blind = dict.fromkeys(e.treatment for e in calendar.entries if e.kind in PROCEDURES and not e.data.get("targets"))
    name = scenario.patient.lesion[0].name
    why = f"names no targets, and no lesion in the liver is as large as scans show ({DETECT:g} mm), so it treats none"
    return [f'{treatment}: {why}; write targets = ["{name}"]' for treatment in blind]


def _pictured_late(scenario: Scenario, calendar: Calendar) -> list[str]:
    """A warning when snapshots are asked for after the end of the run."""
    if scenario.piece is None:
        return []
    first = min((e.tick for e in calendar.entries if e.kind == "tace"), default=None)
    late = ", ".join(f"{day:g}" for day in scenario.piece.late(first, scenario.stop_tick))
    return [f"piece.snapshots: {late} after the end of the run; its end is pictured instead"] if late else []


def _liver_apart(patient: Patient, parameters: Mapping[str, Quantity], catalogue: Catalogue) -> list[str]:
    """A warning when covariates of clearance tell of a liver that the simulated one knows nothing of."""
    told = [k for k in ("albumin", "child_pugh") if getattr(patient, k) is not None]
    apart = "albumin_base" in catalogue.parameters and "albumin_base" not in {**patient.parameters, **parameters}
    if not told or not apart:
        return []
    return [
        f"patient.{told[0]}: is a covariate of drug clearance only; the simulated liver starts at albumin_base and "
        "bilirubin_base, so give these as well"
    ]


def _outputs(raw: Any, catalogue: Catalogue, problems: Problems) -> Outputs | None:
    if isinstance(raw, dict) and "states" in raw:
        raw = raw | {"states": tuple_of(raw["states"])}
    outputs = check_table(Outputs, raw, ("outputs",), problems)
    states = raw.get("states") if isinstance(raw, dict) else None
    for name in states if isinstance(states, tuple) else ():  # beside whatever else is wrong with the table
        if isinstance(name, str) and name not in catalogue.states:
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


def _dated(protocol: Protocol, run: RunSettings, catalogue: Catalogue, problems: Problems) -> Dated | None:
    """The protocol within the length of the run; None after noting what is wrong with that."""
    ticks = {}
    for name in ("duration", "output_every"):
        try:
            ticks[name] = to_ticks(getattr(run, name), name)
        except QuantityError as error:
            problems.add(("run", name), str(error).removeprefix(f"{name} "))
            return None
    end, every = ticks["duration"], ticks["output_every"]
    if every < 1 or end / every > 2_000_000:
        problems.add(("run", "output_every"), "would keep more than two million rows; keep values less often")
        return None
    return Dated(protocol, end=end, library=catalogue.library, key=("protocol",))


def _calendar(dated: Dated | None, patient: Patient, problems: Problems) -> Calendar:
    if dated is None:
        return Calendar()
    try:
        return dated.calendar(patient.body, problems)
    except DrugFileError as error:
        problems.found += [Problem(one.place, one.key, f"{one.problem}; {one.repair}") for one in error.all]
        return Calendar()


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
