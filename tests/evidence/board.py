"""The board: experiments run once, every row set against its figure, kept as a file and told as a page.

`board.json` holds figure, range over the priors (10 to 90 % of the draws) and met or not of every row, as last written.
Finished experiments are kept in the cache under a digest of all sources they rest on.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tests.evidence import body, clinic, tissue
from tests.evidence.rival_rows import DIFFERING, RIMS, RIVALS, SATELLITES
from tests.evidence.rows import ROLES, ROWS, Row
from tme_sim.engine.cache import cache_root, private_folder

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BOARD = HERE / "board.json"
PAGE = ROOT / "docs" / "evidence.md"
CHANGELOG = ROOT / "CHANGELOG.md"
CHEAP = ("kinetics", "emboli", "beads", "embolised", "hypoxia", "bevacizumab", "pruning", "resection", "liver", "zones", "mdsc_turnover")
LINE = re.compile(r"^\* Evidence board: (\d+) met, (\d+) not met \((\w+)\): \S")


@dataclass(frozen=True)
class Entry:
    """A row with what the model gives: `figure` (None: could not be formed) and its `range` over the priors."""

    row: Row
    figure: float | None
    range: tuple[float, float] | None

    @property
    def met(self) -> bool:
        """Whether the figure lies within the tolerance."""
        return self.figure is not None and self.row.met(self.figure)


@cache
def sources(fidelity: str) -> str:
    """Digest of every source that a figure rests on; agent tissue is nothing to densities."""
    h = hashlib.blake2b(digest_size=12)
    package, agents = ROOT / "src" / "tme_sim", fidelity == "agents"
    own = ("world", "body", "clinic", *(("tissue",) if agents else ()))
    files = [*package.rglob("*.py"), *package.rglob("*.toml"), *(HERE / f"{name}.py" for name in own)]
    for path in sorted(files):
        if not agents and package / "tissue" in path.parents:
            continue
        h.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return h.hexdigest()


def run(row: Row, announce: Callable[[str], None] | None = None, known: bool = True) -> dict[str, list[float]]:
    """Quantities of the experiment of a row, from the cache where `known`."""
    key = json.dumps([row.experiment, row.argument, sorted(row.hypotheses.items())])
    name = hashlib.blake2b(f"{sources(row.fidelity)}{key}".encode(), digest_size=12).hexdigest()
    kept = cache_root() / "evidence" / f"{name}.json"
    if known and kept.is_file():
        try:
            return json.loads(kept.read_text())
        except ValueError:
            pass  # damaged: made again
    if announce is not None:
        announce(f"{row.experiment} {row.argument} {dict(row.hypotheses) or ''}".rstrip())
    function = next(getattr(m, row.experiment) for m in (body, clinic, tissue) if hasattr(m, row.experiment))
    arguments = [row.argument] if row.argument else []
    choices = {"hypotheses": dict(row.hypotheses)} if row.hypotheses else {}
    found = {name: [float(v) for v in values] for name, values in function(*arguments, **choices).items()}
    private_folder(kept.parent)
    kept.write_text(json.dumps(found))
    return found


def entries(rows: Iterable[Row] = ROWS, announce=None, known: bool = True) -> list[Entry]:
    """Every row with its figure; each experiment runs once."""
    done: dict[str, dict] = {}
    out = []
    for row in rows:
        key = json.dumps([row.experiment, row.argument, sorted(row.hypotheses.items())])
        if key not in done:
            done[key] = run(row, announce, known)
        values = np.array(done[key].get(row.quantity, [math.nan]))
        spread = values[1:][np.isfinite(values[1:])]
        figure = float(f"{values[0]:.6g}") if np.isfinite(values[0]) else None
        ends = tuple(float(f"{v:.6g}") for v in np.percentile(spread, [10, 90])) if len(spread) else None
        out.append(Entry(row, figure, ends))
    return out


def as_record(found: list[Entry]) -> dict:
    """What board.json holds."""
    return {"rows": [{"name": e.row.name, "figure": e.figure, "range": e.range, "met": e.met} for e in found]}


def stored() -> list[Entry]:
    """The committed board."""
    kept = {one["name"]: one for one in json.loads(BOARD.read_text(encoding="utf-8"))["rows"]}
    return [Entry(row, kept[row.name]["figure"], tuple(kept[row.name]["range"] or ()) or None)
            for row in ROWS if row.name in kept]  # fmt: skip


def counts(found: Iterable[Entry], role: str = "predicted") -> tuple[int, int]:
    """Rows of a role that are met, and that are not."""
    flags = [e.met for e in found if e.row.role == role]
    return sum(flags), len(flags) - sum(flags)


def mark_of(found: Iterable[Entry]) -> str:
    """Short digest of which rows are met: a changed set has another one."""
    text = "\n".join(sorted(e.row.name for e in found if e.met))
    return hashlib.blake2b(text.encode(), digest_size=3).hexdigest()


def told(text: str) -> list[tuple[int, int, str]]:
    """(met, not met, mark) of every line about the board in the changelog."""
    return [(int(m[1]), int(m[2]), m[3]) for line in text.splitlines() if (m := LINE.match(line))]


# --- what people read ------------------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """A figure in three digits; a dash where there is none."""
    return "-" if value is None else f"{value:.3g}"


def lines(found: list[Entry]) -> list[str]:
    """The board as text: input checks, fitted rows, predicted rows, and how many of the last are met."""
    out = []
    for role in ROLES:
        group = [e for e in found if e.row.role == role]
        out += ["", f"{role}: {sum(e.met for e in group)} of {len(group)} met"]
        for e in group:
            ends = "" if e.range is None else f"{number(e.range[0])} to {number(e.range[1])}"
            out.append(f"  {'met    ' if e.met else 'not met'}  {e.row.name:<34.34} {number(e.figure):>7} {ends:<18}"
                       f" {e.row.low:g} to {e.row.high:g} {e.row.unit}")  # fmt: skip
    met, missed = counts(found)
    return [*out[1:], "", f"{met} met, {missed} not met"]


INTRO = """# The evidence board

Published observations beside what the model gives. `make evidence` runs it; this page shows the board as last written (by
`python -m tests.evidence --write`). It is not tuned: a row that is not met stays, and a change of the set of met rows needs a
line in the [changelog](../CHANGELOG.md).

* **Figure**: what the model gives with the values it ships with. A dash: the figure could not be formed, such as recurrence
  where no tumour came to complete response.
* **Range**: 10 to 90 % over draws of everything that is not known, each parameter within its evidence
  (`tests/evidence/world.py`): {draws} draws for single patients, {biologies} for cohorts, which leaves the ends of the range rough.
* **Role**: an input check shows that a number which went in comes out again; fitted rows shaped a value of the model, so
  agreement is no evidence; predicted rows shaped none, and only they count.
* **Tolerance**: that of the source (interval, spread, range) where it gives one; otherwise as said.
* Rows of the same observation under two hypotheses are rivals: not both sources can be right. "Met" at the head of a part
  counts them all, the default and its rivals.

* **Fidelity**: densities, or agent tissue (`tests/evidence/tissue.py`). For the latter the range is over pieces: other vessels by
  chance, or other patients; a single figure has none.

Follow-up times that a source does not give are assumed (`tests/evidence/clinic.py`).
Outcomes of trials that combine embolisation with drugs are withheld: they never appear here.

"""


def is_rival(row: Row) -> bool:
    """Whether a row stands under a hypothesis, or has patients who differ in more than by default."""
    return bool(row.hypotheses) or row.experiment in (*DIFFERING, SATELLITES, RIMS)


def changed_by(found: Iterable[Entry]) -> list[tuple[str, int, int, list[str], list[str]]]:
    """For each rival: its words and slots, predicted rows met without it and under it, those newly and no longer met."""
    by_name = {e.row.name: e for e in found}
    out = []
    for rival in RIVALS:
        tail = f", {rival.short}"
        pairs = [(by_name[e.row.name.removesuffix(tail)], e) for e in by_name.values()
                 if e.row.name.endswith(tail) and e.row.hypotheses == rival.hypotheses and e.row.role == "predicted"
                 and e.row.experiment not in (SATELLITES, RIMS)]
        gained = [a.row.observation for a, b in pairs if b.met and not a.met]
        spoilt = [a.row.observation for a, b in pairs if a.met and not b.met]
        slots = ", ".join(f"`{slot}` = `{choice}`" for slot, choice in rival.hypotheses.items())
        out.append((f"{rival.words} ({slots}; {len(pairs)} row{'s' * (len(pairs) > 1)})", sum(a.met for a, _ in pairs),
                    sum(b.met for _, b in pairs), gained, spoilt))  # fmt: skip
    return out


def page(found: list[Entry]) -> str:
    """docs/evidence.md."""
    from tests.evidence.world import BIOLOGIES, DRAWS

    out = [INTRO.format(draws=DRAWS, biologies=BIOLOGIES)]
    plain = [e for e in found if e.row.role == "predicted" and not is_rival(e.row)]
    out.append(f"Of the predicted rows, {sum(e.met for e in plain)} of {len(plain)} are met by default, without any rival.\n\n"
               "## What a hypothesis changes\n\n[The misses, and what was tried](misses.md) tells why each was tried. Predicted rows only;\n"
               "those of patients who differ more than by default are compared with the same patients without the hypothesis.\n\n"
               "| if | met without | met then | newly met | no longer met |\n|---|---|---|---|---|\n")  # fmt: skip
    for words, before, then, gained, spoilt in changed_by(found):
        out.append(f"| {words} | {before} | {then} | {'; '.join(gained) or '-'} | {'; '.join(spoilt) or '-'} |\n")
    out.append("\n")
    for role in reversed(ROLES):
        group = [e for e in found if e.row.role == role]
        out.append(f"## {role.capitalize()}: {sum(e.met for e in group)} of {len(group)} met\n\n")
        out.append("| observation | fidelity | observed | tolerance | figure | range | unit | met | source |\n|---|---|---|---|---|---|---|---|---|\n")
        for e in group:
            r = e.row
            choice = "".join(f" ({slot} = {c})" for slot, c in r.hypotheses.items())
            ends = "-" if e.range is None else f"{number(e.range[0])} to {number(e.range[1])}"
            out.append(f"| {r.observation}{choice} | {r.fidelity} | {r.observed} | {r.low:g} to {r.high:g}: {r.tolerance} | "
                       f"{number(e.figure)} | {ends} | {r.unit} | {'met' if e.met else '**not met**'} | {r.source} |\n")  # fmt: skip
        out.append("\n")
    met, missed = counts(found)
    out.append(f"{met} met, {missed} not met\n")
    return "".join(out)
