"""Bill of materials of the core layer (CycloneDX 1.5): every locked package with version, hashes and licence.

Asks nothing of any network: versions and hashes come from the lock, licences from the packages installed beside this
Python.  The same lock and packages give the same bytes, so a release can keep the file.

    python requirements/bill.py build/bill.json        # and a table of licences on the terminal
"""

import json
import re
import sys
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).with_name("run.txt")
ENTRY = re.compile(r"([A-Za-z0-9._-]+)==([^ ;]+)(?:\s*;\s*([^\\]*?))?((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*$")
CLASSIFIER = "License :: OSI Approved :: "
ELSEWHERE = "not installed here"


def locked(text: str) -> list[tuple[str, str, str, list[str]]]:
    """(name, version, marker, sha256 sums) of every entry of a lock.

    Raises:
        ValueError: a line that is none.
    """
    out = []
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = ENTRY.match(line)
        if not found:
            raise ValueError(f"no entry of a lock: {line[:80]}")
        out.append((found[1], found[2], (found[3] or "").strip(), re.findall("sha256:([0-9a-f]{64})", found[4])))
    return out


def licence(name: str) -> str:
    """Licence of an installed package as it tells it, in one line; `ELSEWHERE` if it is not installed."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ELSEWHERE
    classes = [c.removeprefix(CLASSIFIER) for c in told.get_all("Classifier") or () if c.startswith(CLASSIFIER)]
    first = (told.get("License") or "").strip().splitlines()
    return told.get("License-Expression") or ", ".join(classes) or (first[0] if first else "not told")


def bill(text: str) -> dict:
    """The bill of a lock as CycloneDX data."""
    components = []
    for name, version, marker, sums in locked(text):
        files = [{"type": "distribution", "url": f"pkg:pypi/{name}@{version}",
                  "hashes": [{"alg": "SHA-256", "content": one}]} for one in sums]  # fmt: skip
        part = {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}",
                "licenses": [{"license": {"name": licence(name)}}], "externalReferences": files}  # fmt: skip
        if marker:
            part["properties"] = [{"name": "python:marker", "value": marker}]
        components.append(part)
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}


def main(arguments: list[str]) -> int:
    """Write the bill to a file and print the licences."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    found = bill(LOCK.read_text(encoding="utf-8"))
    path = Path(arguments[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for part in found["components"]:
        print(f"{part['name']:22} {part['version']:12} {part['licenses'][0]['license']['name']}")
    print(f"written to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
