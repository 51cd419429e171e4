"""Messages for people: reading a file safely, where each key stands, nearest known names, all mistakes at once.

A message reads ``file:line: key: what is wrong; what is allowed, did you mean "..."?``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["InputError", "Places", "Problem", "nearest", "near", "quoted", "read_text", "read_toml"]

MAX_BYTES = 1_000_000
MAX_DEPTH = 20  # tables inside tables; a scenario needs five
MAX_SHOWN = 50

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is and what to do about it."""

    place: str  # "file:line", "file" or "--set"
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.message) if part)


class InputError(ValueError):
    """Input that cannot be used.  `problems` holds every mistake found; nothing has been written."""

    def __init__(self, problems: Problem | Sequence[Problem]):
        self.problems = [problems] if isinstance(problems, Problem) else list(dict.fromkeys(problems))
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [str(p) for p in self.problems[:MAX_SHOWN]]
        more = len(self.problems) - len(lines)
        return "\n".join([*lines, *([f"... and {more} more"] if more > 0 else [])])


def nearest(name: str, known: Iterable[str], *, limit: int = 1) -> str:
    """A tail for a message: ``, did you mean "VEGF"?`` or nothing when no known name is near."""
    found = near(name, known, limit=limit)
    return f", did you mean {' or '.join(quoted(n) for n in found)}?" if found else ""


def near(name: str, known: Iterable[str], *, limit: int = 1) -> list[str]:
    """Up to `limit` known names close to `name`, best first; case, spaces and underscores do not count."""
    import difflib

    by_folded: dict[str, str] = {}
    for candidate in known:
        by_folded.setdefault(_folded(str(candidate)), str(candidate))
    hits = difflib.get_close_matches(_folded(str(name)[:80]), list(by_folded), n=limit, cutoff=0.6)
    return [by_folded[h] for h in hits]


def quoted(text: object, limit: int = 60) -> str:
    """Text in double quotes, with unprintable characters replaced and long text cut."""
    return f'"{plain(text, limit)}"'


def plain(text: object, limit: int = 60) -> str:
    """Text with unprintable characters replaced and cut at `limit` characters."""
    if isinstance(text, int) and not isinstance(text, bool) and abs(text) >= 10**15:
        return "a very large whole number"  # printing thousands of digits is slow, and Python refuses beyond 4300
    shown = "".join(c if c.isprintable() else "?" for c in str(text)[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def dotted(key: Sequence[str | int]) -> str:
    """``("patient", "lesion", 0, "diameter")`` as people write it: ``patient.lesion[1].diameter`` (counted from 1)."""
    out = ""
    for part in key:
        if isinstance(part, int):
            out += f"[{part + 1}]"
        else:
            name = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else quoted(part, 40)
            out += f".{name}" if out else name
    return out


def read_text(path: str | Path, *, max_bytes: int = MAX_BYTES) -> str:
    """The text of a small UTF-8 file (a byte-order mark is allowed).

    Raises:
        InputError: missing, a folder, unreadable, too large, empty or not text; with the repair.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            raw = stream.read(max_bytes + 1)
    except IsADirectoryError:
        raise InputError(Problem(str(path), "", f"this is a folder; give a file in it{_file_within(path)}")) from None
    except FileNotFoundError:
        raise InputError(Problem(str(path), "", f"there is no such file{_nearest_file(path)}")) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is not a valid path"
        raise InputError(Problem(plain(path, 200), "", f"cannot be read: {reason}")) from None
    if len(raw) > max_bytes:
        told = f"is larger than {max_bytes / 1e6:g} MB, the most of such a file; is it another one?"
        raise InputError(Problem(str(path), "", told))
    if b"\0" in raw:
        raise InputError(Problem(str(path), "", "is a binary file, not text"))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(Problem(f"{path}:{line}", "", "is not UTF-8 text; save the file as UTF-8")) from None
    if not text.strip():
        raise InputError(Problem(str(path), "", "is empty"))
    return text


def _file_within(folder: Path) -> str:
    """The scenario of a run folder, as an example of what may be given."""
    return f", such as {folder / 'scenario.toml'}" if (folder / "scenario.toml").is_file() else ""


def _nearest_file(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir()][:1000]
    except OSError:
        return ""
    return nearest(path.name, names)


def read_toml(path: str | Path) -> tuple[dict[str, Any], Places]:
    """Parse a TOML file and find where each key stands.

    Raises:
        InputError: as `read_text`, or not TOML; with file and line.
    """
    text = read_text(path)
    return parse_toml(text, str(path))


def parse_toml(text: str, name: str) -> tuple[dict[str, Any], Places]:
    """Parse TOML text that came from a file called `name`.

    Raises:
        InputError: not TOML, tables nested too deeply, or numbers beyond reason; with file and line.
    """
    import tomllib

    # A number of thousands of digits and thousands of nested brackets are legal TOML, but break the parser.
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > 20_000:
            raise InputError(Problem(f"{name}:{number}", "", "this line is longer than 20 000 characters"))
        if line.count(".") > 200 and re.match(r"\s*\[{0,2}\s*[A-Za-z0-9_\"'-]+\s*\.", line):
            raise InputError(Problem(f"{name}:{number}", "", "tables are nested too deeply"))
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(_toml_problem(str(error), text, name)) from None
    except RecursionError:
        raise InputError(Problem(name, "", "brackets are nested too deeply")) from None
    except ValueError:  # whole numbers beyond 4300 digits, impossible dates
        raise InputError(Problem(name, "", "holds a number or a date that no computer can read")) from None
    places = Places.of(text, name)
    deep = _too_deep(data)
    if deep is not None:
        raise InputError(Problem(places.place(deep), dotted(deep[:3]) + "...", "tables are nested too deeply"))
    return data, places


def _toml_problem(message: str, text: str, name: str) -> Problem:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    reason = re.sub(r"\s*\(at .*\)$", "", message)
    reason = reason[:1].lower() + reason[1:]
    if "overwrite" in reason or "twice" in reason or "redefine" in reason:
        again = Places.of(text, name).doubled
        if again:
            key, line, first = again[0]
            return Problem(f"{name}:{line}", dotted(key), f"is given twice, first in line {first}; keep one")
    line = int(found[1]) if found else len(text.split("\n"))
    where = f"{name}:{line}"
    column = f" (column {found[2]})" if found else " (at the end of the file)"
    hint = ""
    lines = text.split("\n")
    if 0 < line <= len(lines) and ("invalid value" in reason or "after a statement" in reason):
        value = lines[line - 1].partition("=")[2].strip()
        if value and value[0] not in "\"'[{+-.0123456789tfin":
            hint = '; text stands in double quotes, like name = "case"'
        elif re.match(r"[0-9.+-]+\s*[A-Za-z%]", value):
            hint = '; a quantity with a unit stands in double quotes, like "5 mg"'
    return Problem(where, "", f"not valid TOML: {plain(reason, 160)}{column}{hint}")


def _too_deep(data: Any) -> Key | None:
    stack: list[tuple[Key, Any]] = [((), data)]
    while stack:
        key, value = stack.pop()
        if len(key) > MAX_DEPTH:
            return key
        if isinstance(value, dict):
            stack += [((*key, k), v) for k, v in value.items()]
        elif isinstance(value, list):
            stack += [((*key, i), v) for i, v in enumerate(value)]
    return None


_PART = r"(?:[A-Za-z0-9_-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*')"
_DOTTED = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED})\s*=")
_TOKEN = re.compile(r"\"\"\"|'''|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[\[\]{}#]")
ORIGIN_MARK = "#@ "


@dataclass
class Places:
    """Where the keys of a TOML text stand: a map from key to (file, line), and keys given twice."""

    name: str
    lines: dict[Key, tuple[str, int]] = field(default_factory=dict)
    doubled: list[tuple[Key, int, int]] = field(default_factory=list)
    origins: dict[Key, str] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, name: str) -> Places:
        """Find the keys of `text`; never raises, whatever the text."""
        places = cls(name)
        table: Key = ()
        counts: dict[Key, int] = {}
        depth, closing = 0, ""
        for number, line in enumerate(text.split("\n"), 1):
            rest = line
            if not closing and depth == 0:
                header = _HEADER.match(line)
                pair = None if header else _ASSIGNMENT.match(line)
                if header:
                    table = places._enter(_parts(header[2]), header[1] == "[[", counts, number)
                    continue
                if pair is None:
                    continue
                key = (*table, *_parts(pair[1]))
                places._note(key, number)
                if ORIGIN_MARK in line:
                    places.origins[key] = line.rsplit(ORIGIN_MARK, 1)[1].strip()[:200]
                rest = line[pair.end() :]
            depth, closing = _scan(rest, depth, closing)
        return places

    def _enter(self, parts: Key, is_list: bool, counts: dict[Key, int], number: int) -> Key:
        key: Key = ()
        for i, part in enumerate(parts):
            key = (*key, part)
            last = i == len(parts) - 1
            if last and is_list:
                counts[key] = counts.get(key, -1) + 1
            if key in counts:
                key = (*key, counts[key])
        self._note(key, number, header=True)
        return key

    def _note(self, key: Key, number: int, header: bool = False) -> None:
        if key in self.lines:
            self.doubled.append((key, number, self.lines[key][1]))
        self.lines.setdefault(key, (self.name, number))

    def place(self, key: Sequence[str | int]) -> str:
        """``file:line`` of `key`, or of the nearest enclosing table that has a line, or the file.

        A table that only the command line holds stands where it came from.
        """
        key = tuple(key)
        if key and key not in self.lines:
            below = {place for known, place in self.lines.items() if known[: len(key)] == key}
            if len(below) == 1 and not next(iter(below))[1]:
                return next(iter(below))[0]
        while key:
            if key in self.lines:
                name, line = self.lines[key]
                return f"{name}:{line}" if line else name
            key = key[:-1]
        return self.name

    def graft(self, at: Key, other: Places) -> None:
        """Take over the places of another file whose content now stands under the key `at`."""
        for key, place in other.lines.items():
            self.lines[(*at, *key)] = place
        for key, origin in other.origins.items():
            self.origins[(*at, *key)] = origin

    def join(self, at: Key) -> None:
        """Let a nested key under `at` be found by its dotted name as well: ``mdsc.loss`` and ``"mdsc.loss"``."""
        for table in (self.lines, self.origins):
            for key, place in list(table.items()):
                if key[: len(at)] == at and len(key) > len(at) + 1:
                    table.setdefault((*at, ".".join(str(p) for p in key[len(at) :])), place)

    def set(self, key: Key, name: str) -> None:
        """Say that `key` came from elsewhere, such as the command line."""
        self.set_all([key], name)

    def set_all(self, keys: Iterable[Key], name: str) -> None:
        """Say so of many keys, in one walk through all that are known."""
        wanted = dict.fromkeys(keys)
        lengths = {len(key) for key in wanted}
        for known in [k for k in self.lines if any(k[:n] in wanted for n in lengths)]:
            del self.lines[known]
        for key in wanted:
            self.lines[key] = (name, 0)
            self.origins.pop(key, None)


def _parts(text: str) -> Key:
    out = []
    for part in re.findall(_PART, text):
        if part[0] == '"':
            part = re.sub(r"\\(.)", r"\1", part[1:-1])
        elif part[0] == "'":
            part = part[1:-1]
        out.append(part)
    return tuple(out)


def _scan(text: str, depth: int, closing: str) -> tuple[int, str]:
    """Follow brackets and multi-line strings over one line; returns the state at its end."""
    at = 0
    while True:
        if closing:
            end = text.find(closing, at)
            if end < 0:
                return depth, closing
            at, closing = end + 3, ""
        found = _TOKEN.search(text, at)
        if found is None:
            return depth, closing
        token, at = found[0], found.end()
        if token == "#":
            return depth, closing
        if token in ('"""', "'''"):
            closing = token
        elif token in "[{":
            depth += 1
        elif token in "]}":
            depth = max(0, depth - 1)


def known_key(name: str, allowed: Mapping[str, Any] | Iterable[str]) -> str:
    """The message for a key that is not known, with the nearest and, if they are few, all allowed names."""
    allowed = sorted(allowed)
    tail = nearest(name, allowed)
    listed = f"; allowed here: {', '.join(allowed)}" if len(allowed) <= 24 else ""
    return f"is not known here{tail}{listed}"
