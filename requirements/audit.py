"""Ask the database of advisories about every package that any lock installs, on any platform.

    make audit                                            # or, with options of pip-audit:
    python requirements/audit.py --ignore-vuln ID --vulnerability-service osv

Ends with 0 if no advisory is known, 1 if there are some, and 2 if the database could not be asked about every package:
pip-audit itself says "No known vulnerabilities" of packages that it did not find there, which is no answer.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bill import locked

HERE = Path(__file__).parent


def rounds(locks: list[str]) -> list[dict[str, str]]:
    """Every name with its version of every lock, once; one call takes one version of each."""
    versions: dict[str, set[str]] = {}
    for text in locks:
        for name, version, _, _ in locked(text):
            versions.setdefault(name.lower(), set()).add(version)
    spread: list[dict[str, str]] = []
    for name in sorted(versions):
        for turn, version in enumerate(sorted(versions[name])):
            if turn == len(spread):
                spread.append({})
            spread[turn][name] = version
    return spread


def ask(packages: dict[str, str], options: list[str]) -> list[dict]:
    """What pip-audit says of each package: `name`, `version` and `vulns`, or `skip_reason`.

    Raises:
        RuntimeError: it gave no answer; the last line that it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "packages.txt"
        asked.write_text("".join(f"{name}=={version}\n" for name, version in packages.items()))
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--progress-spinner", "off"]
        done = subprocess.run([*command, "--format", "json", "-r", asked, *options], capture_output=True, text=True)
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        raise RuntimeError((done.stderr.strip() or "it printed nothing").splitlines()[-1]) from None


def main(options: list[str]) -> int:
    """Print what is known and what could not be asked; the exit code."""
    found, unasked, total = 0, [], 0
    for packages in rounds([p.read_text() for p in sorted(HERE.glob("*.txt"))]):
        total += len(packages)
        try:
            answers = {a["name"].lower(): a for a in ask(packages, options)}
        except RuntimeError as error:
            answers = {name: {"skip_reason": str(error)} for name in packages}
        for name, version in packages.items():
            answer = answers.get(name, {"skip_reason": "pip-audit left it out"})
            if "vulns" not in answer:
                unasked.append(f"{name} {version}: {answer['skip_reason']}")
            for weak in answer.get("vulns", ()):
                found += 1
                print(
                    f"{name} {version}: {weak['id']}, mended in {', '.join(weak['fix_versions']) or 'no release yet'}"
                )
    if unasked:
        print(f"audit: could not ask about {len(unasked)} of {total} packages, so nothing is known of them")
        print(f"audit: the first of them: {unasked[0]}")
        print("audit: is there a way to the database? call again where there is one")
    print(f"audit: {found} advisories for the {total - len(unasked)} packages that were asked about")
    return 2 if unasked else 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
