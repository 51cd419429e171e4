"""What a scenario may name: mechanisms, parameters, arrows, hypotheses and drugs.

Mechanisms are code: they come from the package, from an entry point of the group ``tme_sim.mechanisms`` or from a
folder that the user names on the command line, never because a scenario names a path.  Drugs are data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from tme_sim.diagnostics import InputError, Problem
from tme_sim.network import NetworkError
from tme_sim.quantities import Parameter, QuantityError

__all__ = ["Catalogue", "catalogue_of", "choices_text", "discover_mechanisms", "load_catalogue"]


OF_SLOTS = ("present",)  # says which slots of a model hold a lesion: the program's own, and nothing to be set


@dataclass(frozen=True)
class Catalogue:
    """Known names.  `parameters` belong to the body, `lesion_parameters` to each lesion; those in `under` belong to the
    body too, but only while the hypothesis is chosen that adds them."""

    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    lesion_parameters: Mapping[str, Parameter] = field(default_factory=dict)
    mechanisms: Mapping[str, str] = field(default_factory=dict)  # name -> one line
    hypotheses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # slot -> choice -> label
    arrows: Mapping[str, str] = field(default_factory=dict)  # name -> label
    states: Mapping[str, str] = field(default_factory=dict)  # species and signals: name -> unit
    library: Any = None  # drugs: `tme_sim.therapies.library.Library`
    sources: tuple[Any, ...] = ()  # the mechanisms themselves, for the compiler
    under: Mapping[tuple[str, str], Mapping[str, Parameter]] = field(default_factory=dict)  # added by (slot, choice)
    own: Mapping[str, str] = field(default_factory=dict)  # file name -> digest of the user's mechanism files

    def names(self) -> dict[str, Parameter]:
        """All parameters by name, of the body and of lesions."""
        return {**self.parameters, **self.lesion_parameters}

    @cached_property
    def session(self) -> dict[str, Parameter]:
        """Numbers of an embolisation by name: what it closes and how far its drug reaches."""
        from tme_sim.therapies.session import FIXED

        return {p.name: p for p in FIXED}

    def of_drug(self, name: str) -> Parameter | None:
        """A number of what a drug does at its target, called ``lenvatinib.signalling_ic50``; None if there is none."""
        from tme_sim.therapies.dosing import effect_numbers

        drug, _, number = name.partition(".")
        if not number or drug not in self.library.names():
            return None
        return effect_numbers(self.library.get(drug)).get(number)

    def under_choices(self, chosen: Iterable[tuple[str, str]]) -> dict[str, Parameter]:
        """Parameters of the body by name, with those that the `chosen` hypotheses (slot, choice) add."""
        return {**self.parameters, **{n: p for way in chosen for n, p in self.under.get(way, {}).items()}}

    def settable(self, chosen: Iterable[tuple[str, str]]) -> dict[str, Parameter]:
        """What a scenario may set under its `chosen` hypotheses, by name: parameters, numbers of an embolisation."""
        return {**self.names(), **self.under_choices(chosen), **self.session}


def choices_text(hypotheses: Mapping[str, str]) -> str:
    """Chosen hypotheses as people write them, ``slot = choice, slot = choice``, in order of the slots."""
    return ", ".join(f"{slot} = {choice}" for slot, choice in sorted(hypotheses.items()))


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n", 1)[0]


def catalogue_of(mechanisms: Iterable[Any], library: Any = None) -> Catalogue:
    """The catalogue of some mechanisms (`tme_sim.network.Mechanism`) and drugs."""
    mechanisms = tuple(mechanisms)
    hypotheses: dict[str, dict[str, str]] = {}
    parameters: dict[str, Parameter] = {}
    lesion: dict[str, Parameter] = {}
    arrows, states = {}, {}
    under: dict[tuple[str, str], dict[str, Parameter]] = {}
    for mechanism in mechanisms:
        parameters |= {p.name: p for p in mechanism.parameters}
        lesion |= {p.name: p for p in mechanism.lesion_parameters if p.name not in OF_SLOTS}
        arrows |= {m.name: m.label for m in mechanism.modulations}
        states |= {s.name: s.unit for s in (*mechanism.species, *mechanism.signals, *mechanism.totals)}
        for h in mechanism.hypotheses:
            hypotheses.setdefault(h.slot, {"default": "as the mechanism is written"})[h.choice] = h.label
            if h.adds is not None:
                under[h.slot, h.choice] = {p.name: p for p in h.adds.parameters}
    named = {m.name: _first_line(m.text) for m in mechanisms}
    return Catalogue(parameters, lesion, named, hypotheses, arrows, states, library, mechanisms, under)


def discover_mechanisms(folders: Iterable[str | Path] = ()) -> tuple[Any, ...]:
    """All mechanisms: of the package, of installed entry points, and of `folders`, each file giving ``MECHANISM``.

    Raises:
        InputError: a folder that is missing or holds a file that does not load, or two mechanisms of one name.
    """
    from importlib.metadata import entry_points

    from tme_sim.mechanisms.registry import all_mechanisms

    found: dict[str, tuple[Any, str]] = {}

    def add(mechanism: Any, place: str) -> None:
        if mechanism is None:
            return
        if mechanism.name in found:
            first = found[mechanism.name][1]
            raise InputError(Problem(place, mechanism.name, f"a mechanism of this name stands already in {first}"))
        found[mechanism.name] = (mechanism, place)

    for mechanism in all_mechanisms():
        add(mechanism, "the package")
    for point in sorted(entry_points(group="tme_sim.mechanisms"), key=lambda p: p.name):
        add(point.load(), f"entry point {point.name}")
    for folder in folders:
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(Problem(str(folder), "", "there is no such folder of mechanisms"))
        for path in sorted(folder.glob("*.py")):
            add(getattr(_load_file(path), "MECHANISM", None), str(path))
    return tuple(mechanism for mechanism, _ in found.values())


def _load_file(path: Path) -> Any:
    import importlib.util
    import sys

    name = f"tme_sim_user_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(Problem(str(path), "", "is not a Python file that can be loaded"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # laws are looked up by module when their source is printed
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        told = isinstance(error, (QuantityError, NetworkError))  # of this project, and written for people
        said = str(error) if told else f"{type(error).__name__}: {error}"
        raise InputError(Problem(str(path), "", f"does not load: {said}")) from error
    return module


@lru_cache(maxsize=1)
def _installed() -> Catalogue:
    return _read(())


def _read(folders: tuple[str | Path, ...]) -> Catalogue:
    from tme_sim.therapies.library import Library, drug_files

    mechanisms = discover_mechanisms(folders)
    paths = [Path(folder) for folder in folders]
    files = [file for folder in paths for file in (*sorted(folder.glob("*.py")), *drug_files(folder))]
    own = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files}
    return replace(catalogue_of(mechanisms, Library(paths)), own=own)


def load_catalogue(folders: Iterable[str | Path] = ()) -> Catalogue:
    """Everything that is installed, and what `folders` of mechanisms (Python) and drugs (TOML) add.

    Raises:
        InputError: as `discover_mechanisms`.
    """
    folders = tuple(folders)
    return _read(folders) if folders else _installed()  # a folder may change while a session goes on
