"""``python -m benchmarks [--only NAME] [--quick]``: measure the engine against its peers and write the results."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.measure import machine

SECTIONS = ("work-precision", "sweep", "kernels", "fields", "tissue", "tissue-peers", "studies", "start-up")
RESULTS = Path(__file__).resolve().parent / "results"


def main(arguments=None) -> int:
    """Run the sections asked for; returns 0, or 1 when a goal that must be reached is not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=SECTIONS, help="only this section (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="shortened problem and few repeats: to see that it works")
    parser.add_argument("--out", type=Path, help="folder for the results (default: benchmarks/results, quick: none)")
    parser.add_argument("--peers", help="peers of work-precision by key, with commas (default: all that are here)")
    parser.add_argument("--runs", type=int, help="studies: measure the command itself over so many runs, say 100000")
    parser.add_argument("--physicell", help="folder of a release of PhysiCell, for tissue-peers (compiled by g++)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal that must be reached is not")
    options = parser.parse_args(arguments)
    if options.runs is not None and options.runs < 1:
        parser.error("--runs must be 1 or more")
    begin = time.perf_counter()
    results = {"machine": machine(), "quick": options.quick, "sections": {}}
    folder = options.out or (None if options.quick else RESULTS)
    for name in options.only or SECTIONS:
        print(f"== {name}", flush=True)
        section = measure(name, options)
        results["sections"]["studies-whole" if name == "studies" and options.runs else name] = section
        for what, why in section.get("left_out", {}).items():
            print(f"   left out: {what}: {why}")
        for line in section["lines"]:
            print(f"   {line}", flush=True)
        if folder:  # after each section, so that one that is broken off costs no finished one
            from benchmarks.report import write

            print("wrote " + ", ".join(str(p) for p in write(results, folder)), flush=True)
    print(f"{time.perf_counter() - begin:.0f} s")
    missed = [g for s in results["sections"].values() for g in s["goals"] if g["verdict"] == "NOT MET"]
    return 1 if options.strict and missed else 0


def measure(name: str, options) -> dict:
    """One section."""

    def say(text: str) -> None:
        print(f"   {text}", flush=True)

    if name == "start-up":
        from benchmarks import startup

        return startup.run(quick=options.quick, say=say)
    if name == "fields":
        from benchmarks import fields

        return fields.run(quick=options.quick, say=say)
    if name == "tissue":
        from benchmarks import tissue

        return tissue.run(quick=options.quick, say=say, folder=options.out or (None if options.quick else RESULTS))
    if name == "tissue-peers":
        from benchmarks import tissue_peers

        return tissue_peers.run(quick=options.quick, say=say, physicell=options.physicell)
    if name == "studies":
        from benchmarks import studies

        return studies.run(quick=options.quick, say=say, runs=options.runs)
    from benchmarks.problem import load

    problem = load(60.0 if options.quick else None, say)
    if name == "work-precision":
        from benchmarks import work_precision

        wanted = options.peers.split(",") if options.peers else None
        return work_precision.run(problem, quick=options.quick, say=say, wanted=wanted)
    if name == "sweep":
        from benchmarks import sweep

        return sweep.run(problem, quick=options.quick, say=say)
    from benchmarks import kernels

    return kernels.run(problem, quick=options.quick, say=say)


if __name__ == "__main__":
    sys.exit(main())
