"""The record of a run: in memory, and as a folder that appears whole or not at all.

A run folder holds ``manifest.json`` (how it was made), ``scenario.toml`` (resolved), ``trajectory.npz``,
``events.csv``, ``summary.json`` and ``figures/``.  All but the manifest and the figures are the same bytes for the same
scenario, code and seed.  Files are written beside their place, flushed to disk and renamed; the manifest names the size
and digest of each, so that a cut or changed folder is recognised.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tme_sim.cells import FORMULA, no_formula
from tme_sim.definitions import headlines
from tme_sim.diagnostics import InputError, Problem, near, quoted
from tme_sim.disk import swap, sync, write_file
from tme_sim.formats import MAX_ARRAY_BYTES, array_bytes, json_text, read_arrays

if TYPE_CHECKING:
    import numpy as np

FORMAT = 1
PARTS = ("figures", "snapshots", "checkpoints", "inputs")  # folders within a run folder
DETERMINISTIC = ("scenario.toml", "trajectory.npz", "events.csv", "summary.json")


class Run:
    """What a run gave: times (days), columns in display units, events, endpoints, and how it was made.

    ``run["CD8"]`` is a column over time (with several lesions: [time, lesion]); ``run.summary["pfs"]`` an endpoint.
    """

    def __init__(
        self,
        time: np.ndarray,
        columns: Mapping[str, np.ndarray],
        units: Mapping[str, str],
        *,
        labels: Mapping[str, str] | None = None,
        events: Sequence[Mapping[str, Any]] = (),
        summary: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Any] | None = None,
        scenario_text: str = "",
        folder: Path | None = None,
        files: Mapping[str, bytes] | None = None,
    ):
        self.time = time
        self.columns = dict(columns)
        self.units = {name: units.get(name, "1") for name in columns}
        self.labels = {name: (labels or {}).get(name, name) for name in columns}
        self.events = [dict(e) for e in events]
        self.summary = dict(summary or {})
        self.manifest = dict(manifest or {})
        self.scenario_text = scenario_text
        self.folder = folder
        self.files = dict(files or {})  # more files of the folder: snapshots and checkpoints of a tissue

    def __getitem__(self, name: str) -> np.ndarray:
        """Column `name` over time; with several lesions all of them as [time, lesion].

        Raises:
            KeyError: with the nearest names.
        """
        if name in self.columns:
            return self.columns[name]
        parts = []
        while (part := f"{name}.{len(parts) + 1}") in self.columns:
            parts.append(part)
        if len(parts) == 1:
            return self.columns[parts[0]]
        if parts:
            import numpy as np

            return np.column_stack([self.columns[p] for p in parts])
        close = near(name, dict.fromkeys(re.sub(r"\.\d+$", "", c) for c in self.columns), limit=3)
        hint = f"; nearest are {', '.join(close)}" if close else ""
        raise KeyError(f"{quoted(name)} is no column of this run{hint}")

    def __contains__(self, name: str) -> bool:
        return name in self.columns or f"{name}.1" in self.columns

    def __repr__(self) -> str:
        where = f" in {self.folder}" if self.folder else ""
        name = self.manifest.get("scenario", {}).get("name", "run")
        lines = [f"Run {name}{where}: day {self.time[0]:g} to {self.time[-1]:g}, {len(self.columns)} columns"]
        told = headlines(self.summary)
        lines += [f"  {key}: {value}" for key, value in told.items()]
        if len(self.summary) > len(told):
            lines.append(f"  .summary holds {len(self.summary) - len(told)} more endpoints")
        return "\n".join(lines)

    @property
    def digest(self) -> str:
        """Digest of the trajectory, events and endpoints."""
        whole = hashlib.sha256()
        for name, content in self._files().items():
            whole.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        return whole.hexdigest()

    # --- other forms -----------------------------------------------------------------------------------------------

    def to_dataframe(self):
        """A pandas table, indexed by day; units in ``.attrs["units"]``.

        Raises:
            ImportError: pandas is not installed (extra ``[xarray]``).
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError('to_dataframe needs pandas: pip install "tme-sim[xarray]"') from error
        frame = pandas.DataFrame(self.columns, index=pandas.Index(self.time, name="day"))
        frame.attrs["units"] = dict(self.units)
        return frame

    def to_xarray(self):
        """An xarray data set with units and labels.

        Raises:
            ImportError: xarray is not installed (extra ``[xarray]``).
        """
        try:
            import xarray
        except ImportError as error:
            raise ImportError('to_xarray needs xarray: pip install "tme-sim[xarray]"') from error
        data = {
            name: ("day", values, {"units": self.units[name], "long_name": self.labels[name]})
            for name, values in self.columns.items()
        }
        coordinates = {"day": ("day", self.time, {"units": "day"})}
        plain = {k: v for k, v in self.summary.items() if isinstance(v, (int, float, str))}
        return xarray.Dataset(data, coords=coordinates, attrs=plain)

    def to_csv(self) -> str:
        """The trajectory as CSV text: a row of names, a row of units, then one row per time."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["day", *map(_cell, self.columns)])
        writer.writerow(["day", *(_cell(self.units[c]) for c in self.columns)])
        table = list(self.columns.values())
        for i, day in enumerate(self.time):
            writer.writerow([repr(float(day)), *(repr(float(c[i])) for c in table)])
        return out.getvalue()

    # --- writing -----------------------------------------------------------------------------------------------------

    def _files(self) -> dict[str, bytes]:
        return {
            "scenario.toml": self.scenario_text.encode(),
            "trajectory.npz": trajectory_bytes(self.time, self.columns, self.units, self.labels),
            "events.csv": events_text(self.events).encode(),
            "summary.json": summary_text(self.summary).encode(),
            **self.files,
        }

    def save(self, folder: str | Path, *, force: bool = False) -> Path:
        """Write the run folder; it appears by a rename when it is complete.

        Raises:
            InputError: the folder exists and `force` is false, or is no run folder.
        """
        self.folder = save_folder(folder, self._files(), self.manifest, force=force)
        return self.folder

    # --- reading -----------------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, folder: str | Path, *, max_bytes: int = MAX_ARRAY_BYTES) -> Run:
        """Read a run folder; nothing is unpickled, sizes are checked before memory is taken.

        Raises:
            InputError: no run folder, incomplete, cut, changed or of a failed run.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        if manifest.get("status") != "done":
            message = manifest.get("message", "no message was stored")
            raise InputError(Problem(str(folder), "", f"holds a failed run: {message}"))
        content = {}
        for name in DETERMINISTIC:
            content[name] = _checked(folder, name, manifest["files"].get(name), max_bytes)
        arrays = read_arrays(content["trajectory.npz"], str(folder / "trajectory.npz"), max_bytes)
        try:
            names = [str(n) for n in arrays["names"]]
            values = arrays["values"]
            if values.shape != (len(arrays["time"]), len(names)):
                raise KeyError("values")
            columns = {n: values[:, i] for i, n in enumerate(names)}
            units = dict(zip(names, map(str, arrays["units"]), strict=True))
            labels = dict(zip(names, map(str, arrays["labels"]), strict=True))
        except (KeyError, ValueError, IndexError):
            raise _broken(folder, "trajectory.npz", "does not hold a trajectory") from None
        return cls(
            arrays["time"], columns, units, labels=labels, events=_events(content["events.csv"].decode()),
            summary=json.loads(content["summary.json"]), manifest=manifest,
            scenario_text=content["scenario.toml"].decode(), folder=folder,
        )  # fmt: skip


# --- writing a folder ---------------------------------------------------------------------------------


_EXISTS = "exists; choose another --out, or replace it with --force"


def check_target(folder: str | Path, *, force: bool = False) -> Path:
    """Whether a run may be written to `folder`; to be asked before the run.

    Raises:
        InputError: it exists and may not be replaced.
    """
    folder = Path(folder)
    try:
        exists = os.path.lexists(folder)
    except ValueError:
        raise InputError(Problem(quoted(folder), "", "is not a valid path")) from None
    place = next((p for p in folder.absolute().parents if p.exists()), None)
    if place is not None and not (place.is_dir() and os.access(place, os.W_OK)):
        reason = "may not be written to" if place.is_dir() else "is no folder"
        raise InputError(Problem(str(folder), "", f"cannot be written, as {place} {reason}; choose another --out"))
    if not exists or (folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())):
        return folder
    if not folder.is_dir() or folder.is_symlink():
        raise InputError(Problem(str(folder), "", "exists and is no folder; choose another --out"))
    if not force:
        raise InputError(Problem(str(folder), "", _EXISTS))
    if not (folder / "manifest.json").is_file():
        raise InputError(
            Problem(str(folder), "", "is no run folder, so --force does not replace it; choose another --out")
        )
    if strange := _strange(folder):
        names = ", ".join(strange[:3]) + (f" and {len(strange) - 3} more" if len(strange) > 3 else "")
        told = f"holds what no run wrote ({names}), and --force would delete it; move it away, or choose another --out"
        raise InputError(Problem(str(folder), "", told))
    return folder


def _strange(folder: Path) -> list[str]:
    """Names in a run folder that are of no run; hidden ones do not count."""
    try:
        listed = json.loads((folder / "manifest.json").read_bytes()).get("files", {})
    except (OSError, ValueError, AttributeError):
        listed = {}
    own = {"manifest.json", *PARTS, *(Path(name).parts[0] for name in (*DETERMINISTIC, *listed))}
    return sorted(p.name for p in folder.iterdir() if p.name not in own and not p.name.startswith("."))


def save_folder(
    folder: str | Path, files: Mapping[str, bytes], manifest: Mapping[str, Any], *, force: bool = False
) -> Path:
    """Write `files` and the manifest (last) into a new folder that appears by a rename.

    Raises:
        InputError: the folder may not be replaced, or cannot be written (rights).
        OSError: the disk is full.
    """
    folder = check_target(folder, force=force)
    temporary = folder.parent / f".{folder.name[:40]}.{secrets.token_hex(6)}.incomplete"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        listed = {}
        for name, content in files.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            write_file(temporary / name, content)
            listed[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        whole = {"format": FORMAT, "status": "done", **manifest, "files": listed}
        write_file(temporary / "manifest.json", (json_text(whole)).encode())
        sync(temporary)
        swap(temporary, folder, force=force)
        sync(folder.parent)
    except OSError as error:
        size = sum(map(len, files.values()))
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and not force:  # another run was faster
            raise InputError(Problem(str(folder), "", _EXISTS)) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # no mistake of the input
            raise OSError(error.errno, reason, f"{folder} ({size} bytes needed)") from error
        raise InputError(Problem(str(folder), "", f"cannot be written ({size} bytes needed): {reason}")) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


# --- contents --------------------------------------------------------------------------------


def trajectory_bytes(
    time: np.ndarray, columns: Mapping[str, np.ndarray], units: Mapping[str, str], labels: Mapping[str, str]
) -> bytes:
    """The trajectory as a ``.npz`` that numpy reads: time, names, units, labels and values [time, column].

    Stored as by :func:`array_bytes`, so that equal runs are equal bytes.
    """
    import numpy as np

    names = list(columns)
    values = np.empty((len(time), len(names)))
    for i, name in enumerate(names):
        values[:, i] = columns[name]
    arrays = {
        "time": np.ascontiguousarray(time, dtype=np.float64),
        "names": np.array(names, dtype=np.str_),
        "units": np.array([units[n] for n in names], dtype=np.str_),
        "labels": np.array([labels[n] for n in names], dtype=np.str_),
        "values": values,
    }
    return array_bytes(arrays)


def summary_text(summary: Mapping[str, Any]) -> str:
    """The text of ``summary.json``: no dates, no timings."""
    return json_text(summary)


def events_text(events: Sequence[Mapping[str, Any]]) -> str:
    """The text of ``events.csv``: one row per event, columns in the order they first appear."""
    columns = list(dict.fromkeys(["day", "kind", *(k for e in events for k in e)]))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for event in events:
        writer.writerow([_cell(event.get(c)) for c in columns])
    return out.getvalue()


def _cell(value: Any) -> str:
    """A cell of a table: numbers in full, and text that a spreadsheet would take for a formula quoted."""
    if value is None:
        return ""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return _cell("; ".join(map(str, value)))
    return no_formula(value) if isinstance(value, str) else str(value)


def _events(text: str) -> list[dict[str, Any]]:
    def value(cell: str) -> Any:
        """A cell as the number it was written from, or the text it is."""
        try:
            return int(cell)
        except ValueError:
            pass
        try:
            number = float(cell)
            return number if math.isfinite(number) else cell
        except ValueError:
            return cell[1:] if cell[:1] == "'" and cell[1:2] in (*FORMULA, "\r") else cell

    rows = csv.DictReader(io.StringIO(text))
    return [{k: value(v) for k, v in row.items() if k is not None and v not in ("", None)} for row in rows]


# --- reading a folder --------------------------------------------------------------------------------


def _broken(folder: Path, name: str, reason: str) -> InputError:
    return InputError(Problem(str(folder / name), "", f"{reason}; run the scenario again (tme-sim rerun)"))


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a run folder.

    Raises:
        InputError: no such folder, no run folder, an incomplete one, or a damaged manifest.
    """
    folder = Path(folder)
    if not folder.is_dir():
        file = "is a file, not a run folder, which tme-sim run writes"
        told = file if folder.exists() else "there is no such run folder"
        raise InputError(Problem(str(folder), "", told))
    path = folder / "manifest.json"
    if not path.is_file():
        present = [n for n in (*DETERMINISTIC, "figures") if (folder / n).exists()]
        reason = "is an incomplete run folder (no manifest.json)" if present else "is no run folder (no manifest.json)"
        raise InputError(Problem(str(folder), "", reason))
    if path.stat().st_size > 50_000_000:
        raise _broken(folder, "manifest.json", "is too large to be a manifest")
    try:
        manifest = json.loads(path.read_bytes().decode())
    except (ValueError, RecursionError):
        raise _broken(folder, "manifest.json", "is damaged") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise _broken(folder, "manifest.json", "is no manifest of a run")
    if manifest.get("format") != FORMAT:
        raise InputError(Problem(str(path), "", f"is of format {manifest.get('format')}; this version reads {FORMAT}"))
    return manifest


def changed_files(folder: str | Path, manifest: Mapping[str, Any]) -> list[str]:
    """Names of the files of a run folder that are not what its manifest lists: missing, cut or changed."""
    out = []
    for name, listed in manifest["files"].items():
        try:
            _checked(Path(folder), name, listed, MAX_ARRAY_BYTES)
        except InputError:
            out.append(name)
    return out


def _checked(folder: Path, name: str, listed: Any, max_bytes: int) -> bytes:
    path = folder / name
    if not isinstance(listed, dict) or not path.is_file():
        raise _broken(folder, name, "is missing, the run folder is incomplete")
    size = path.stat().st_size
    if size > max_bytes:
        raise InputError(Problem(str(path), "", f"is larger than {max_bytes} bytes"))
    content = path.read_bytes()
    if len(content) != listed.get("bytes"):
        raise _broken(folder, name, f"has {len(content)} bytes where {listed.get('bytes')} were written")
    if hashlib.sha256(content).hexdigest() != listed.get("sha256"):
        raise _broken(folder, name, "was changed after the run")
    return content
