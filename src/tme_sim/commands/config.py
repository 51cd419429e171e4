"""``tme-sim config``: scenario files written, checked, resolved and compared."""

from __future__ import annotations

from typing import Any

import click

from tme_sim.commands.common import BAD_INPUT, Failure, changes, folders, force_file, guarded, load, output_file


@click.group()
def config() -> None:
    """Write, check, resolve and compare scenario files.

    \b
    tme-sim config new my.toml
    tme-sim config check my.toml
    """


@config.command("new")
@click.argument("file")
@click.option("--force", is_flag=True, help="Replace the file.")
@guarded
def config_new(file: str, force: bool) -> None:
    """Write a commented scenario to start from.

    \b
    tme-sim config new my.toml
    """
    from pathlib import Path

    from tme_sim.disk import write_file
    from tme_sim.templates import NEW_SCENARIO

    path = Path(file)
    if path.is_dir() or (path.exists() and not force):
        raise Failure(f"{file}: exists; choose another name, or replace it with --force", BAD_INPUT)
    if not path.parent.is_dir():
        raise Failure(f"{path.parent}: there is no such folder", BAD_INPUT)
    write_file(path, NEW_SCENARIO.encode())
    click.echo(f"written to {path}; next: tme-sim config check {path}")


@config.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE ...")
@changes
@folders
@guarded
def config_check(files: tuple[str, ...], changes: tuple[str, ...], mechanisms: tuple[str, ...]) -> None:
    """Find every mistake in scenario files, with line and repair.

    \b
    tme-sim config check configs/*.toml
    """
    from tme_sim.compiler.unitcheck import check as check_laws
    from tme_sim.diagnostics import InputError
    from tme_sim.network import NetworkError, compose

    wrong = 0
    for file in files:
        try:
            scenario = load(file, changes, mechanisms)
            if mechanisms:  # laws of one's own: whether they fit, which is seen at the latest when they are compiled
                check_laws(compose(scenario.catalogue.sources, off=scenario.biology.off,
                                   hypotheses=scenario.biology.hypotheses))  # fmt: skip
        except (InputError, NetworkError) as error:
            click.echo(str(error), err=True)
            wrong += 1
            continue
        for warning in scenario.warnings:
            click.echo(f"{file}: warning: {warning}", err=True)
        click.echo(f"{file}: ok, {len(scenario.calendar.entries)} dated entries")
    if wrong:
        raise click.exceptions.Exit(BAD_INPUT)


@config.command("show")
@click.argument("file")
@changes
@folders
@guarded
def config_show(file: str, changes: tuple[str, ...], mechanisms: tuple[str, ...]) -> None:
    """Print the resolved scenario, each value with where it came from.

    \b
    tme-sim config show configs/emerald1.toml
    """
    click.echo(load(file, changes, mechanisms).to_toml(), nl=False)


@config.command("diff")
@click.argument("first")
@click.argument("second")
@folders
@guarded
def config_diff(first: str, second: str, mechanisms: tuple[str, ...]) -> None:
    """Print what differs between two resolved scenarios, key by key.

    \b
    tme-sim config diff configs/tace_only.toml configs/emerald1.toml
    """
    a, b = (load(f, (), mechanisms) for f in (first, second))
    held = [{k: v for k, v in _flat(one.resolved()).items() if v not in ("", [], {})} for one in (a, b)]
    keys = [k for k in dict.fromkeys([*held[0], *held[1]]) if held[0].get(k) != held[1].get(k)]
    for key in keys:
        before, after = (one.get(key, "(nothing)") for one in held)
        click.echo(f"{key}: {before} -> {after}")
    if not keys:
        click.echo("no difference")


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        items = ((v.get("name", str(i + 1)), v) for i, v in enumerate(value))
    else:
        return {key: value}
    out: dict[str, Any] = {}
    for name, inner in items:
        out |= _flat(inner, f"{key}.{name}" if key else str(name))
    return out


@config.command("schema")
@click.option("--out", metavar="FILE", help="Write it there instead of printing it.")
@force_file
@folders
@guarded
def config_schema(out: str | None, force: bool, mechanisms: tuple[str, ...]) -> None:
    """Print the JSON schema of scenario files, for editors.

    \b
    tme-sim config schema --out scenario.schema.json
    Then let the first line of a scenario be:  #:schema scenario.schema.json
    """
    from tme_sim.catalogue import load_catalogue
    from tme_sim.disk import write_file
    from tme_sim.formats import json_text
    from tme_sim.schema import scenario_schema

    if out:
        output_file(out, force=force)
    text = json_text(scenario_schema(load_catalogue(mechanisms)))
    if out:
        write_file(out, text.encode())
        click.echo(f"written to {out}")
    else:
        click.echo(text, nl=False)
