"""The evidence board.

    python -m tests.evidence            run it, say what changed since it was written
    python -m tests.evidence --write    renew board.json and docs/evidence.md, and give the line for the changelog
    python -m tests.evidence --fresh    run every experiment again, whatever the cache holds
    python -m tests.evidence --write --only agents    renew the rows of one fidelity, keep the others as they are
    python -m tests.evidence --write --new            run the rows that the board does not hold yet, keep the others
"""

from __future__ import annotations

import argparse
import json
import sys

from tests.evidence import board
from tests.evidence.rows import FIDELITIES, ROWS


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0, or 1 if another set of rows is met than is written down."""
    parser = argparse.ArgumentParser(prog="python -m tests.evidence", description="The board of published observations.")
    parser.add_argument("--write", action="store_true", help="renew board.json and docs/evidence.md")
    parser.add_argument("--fresh", action="store_true", help="run every experiment again, whatever the cache holds")
    parser.add_argument("--only", choices=FIDELITIES, help="run the rows of this fidelity; the others as they are written")
    parser.add_argument("--new", action="store_true", help="run the rows that are not written yet; the others as they are")
    asked = parser.parse_args(argv)
    held = {e.row.name for e in board.stored()} if asked.new else set()
    rows = [row for row in ROWS if asked.only in (None, row.fidelity) and row.name not in held]
    found = board.entries(rows, lambda text: print(f"running {text}", file=sys.stderr, flush=True), not asked.fresh)
    if asked.only is not None or asked.new:
        known = {e.row.name: e for e in [*board.stored(), *found]}
        found = [known[row.name] for row in ROWS if row.name in known]
    before = {e.row.name: e.met for e in board.stored()} if board.BOARD.is_file() else {}
    changed = [e for e in found if before.get(e.row.name) != e.met]
    if asked.write:
        board.BOARD.write_text(json.dumps(board.as_record(found), indent=1) + "\n", encoding="utf-8")
        board.PAGE.write_text(board.page(found), encoding="utf-8")
    for e in changed:
        print(f"{'now met' if e.met else 'now not met'}: {e.row.name}", file=sys.stderr)
    if changed:
        met, missed = board.counts(found)
        print('the line for CHANGELOG.md, under "Changes results": '
              f"* Evidence board: {met} met, {missed} not met ({board.mark_of(found)}): WHY", file=sys.stderr)  # fmt: skip
    print("\n".join(board.lines(found)))
    return 0 if asked.write or not changed else 1


if __name__ == "__main__":
    sys.exit(main())
