"""`cheers-bench data`: data files of benchmarks, in the cache and out of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.layout import columns, safe
from harness.errors import BenchError, SpecError

if TYPE_CHECKING:
    from harness.data.audit import Audit
    from harness.data.declared import Declared

__all__ = ["command"]


@click.group("data")
def command() -> None:
    """Fetch, verify, import and look at the data files of benchmarks."""


@command.command("list")
def list_files() -> None:
    """Show all data files that tasks declare, and those in the cache."""
    from harness.data import Cache
    from harness.data.audit import audit_entry, audit_file
    from harness.data.declared import declared_files

    cache, declared = Cache(), declared_files()
    rows = [_row(item, audit_file(item.file, cache)) for item in declared]
    known = {(item.file.name, item.file.file) for item in declared}
    for entry in cache.entries().values():
        if (entry.name, entry.file) not in known:
            state = audit_entry(entry, cache).state.value
            rows.append([entry.name, entry.file, _size(entry.size), state, "-", "-"])
    head = ["data set", "file", "size", "state", "licence", "tasks"]
    click.echo(columns([head, *rows], cut=False))
    click.echo(f"\ncache: {cache.root}")


@command.command("pull")
@click.argument("names", metavar="NAME|TASK...", nargs=-1, required=True)
def pull(names: tuple[str, ...]) -> None:
    """Fetch data files into the cache, by data set or task; checksums are compared."""
    from harness.cli.fetching import fetching
    from harness.data import Cache, find_data
    from harness.data.declared import chosen_files
    from harness.data.store import pull_file

    cache, failed = Cache(), 0
    for item in chosen_files(names):
        try:
            with fetching(item.file.file) as progress:
                pull_file(item.file, cache, progress)
            found = find_data(item.file, cache=cache)
        except BenchError as error:
            failed += 1
            click.echo(f"error: {error}", err=True)
        else:
            click.echo(f"{item.file.name}: {found.path}, sha256 {found.sha256[:12]}")
    if failed:
        sys.exit(1)


@command.command("verify")
@click.argument("names", metavar="[NAME|TASK]...", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Read files of the cache whole and compare them with checksums and data.lock."""
    audits = _audits(names)
    if not audits:
        click.echo("the cache is empty: `cheers-bench data pull NAME` fills it")
    for audit in audits:
        click.echo(f"{audit.state.value:<10}  {audit.name}/{audit.file}  {audit.detail}")
    if any(audit.state.value == "bad" or (names and audit.state == "absent") for audit in audits):
        sys.exit(1)


@command.command("import")
@click.argument("name", metavar="NAME")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--link", is_flag=True, help="Link to the file instead of copying it.")
@click.option("--accept", is_flag=True, help="Take another file than the official one: NAME-file.")
def import_(name: str, source: Path, *, link: bool, accept: bool) -> None:
    """Take FILE, which you have, into the cache as the data set NAME."""
    from harness.data import Cache
    from harness.data.store import import_file

    item = _one_file(name, source)
    path, kept = import_file(item.file, source, Cache(), link=link, accept=accept)
    click.echo(f"{kept}: {path}")
    if kept != name:
        click.echo(f"it isn't the official file: give tasks {kept!r} where they take a file")


@command.command("show")
@click.argument("target", metavar="NAME|FILE")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("--column", "roles", metavar="ROLE=NAME", multiple=True, help="As question=prompt.")
@click.option("-n", "count", type=int, default=5, show_default=True, help="Findings of each kind.")
def show(target: str, form: str, roles: tuple[str, ...], count: int) -> None:
    """Statistics of a table, and what is wrong with its rows."""
    from harness.cli.data_report import report
    from harness.data import check, describe, open_table
    from harness.layout import json_text

    names = dict(_pair(role) for role in roles)
    table = open_table(_place(target))
    stats, findings = describe(table, names), check(table, names)
    if form == "json":
        data = {"name": table.name, "statistics": stats, "findings": findings}
        click.echo(json_text(data), nl=False)
    else:
        click.echo(safe(report(table.name, stats, findings, count), 1 << 20))


def _row(item: Declared, audit: Audit) -> list[str]:
    file = item.file
    size = _size(file.size)
    return [file.name, file.file, size, audit.state.value, file.licence, ", ".join(item.tasks)]


def _size(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e6:,.1f} MB"


def _audits(names: tuple[str, ...]) -> list[Audit]:
    """Files that are named; without names, all that are in the cache or were."""
    from harness.data import Cache
    from harness.data.audit import audit_entry, audit_file
    from harness.data.declared import chosen_files, declared_files

    cache = Cache()
    recorded = cache.entries()
    declared = {f"{d.file.name}/{d.file.file}": d.file for d in declared_files()}
    kept = {key: entry for key, entry in recorded.items() if not names or entry.name in names}
    others = tuple(name for name in names if all(entry.name != name for entry in kept.values()))
    chosen = {f"{d.file.name}/{d.file.file}" for d in chosen_files(others)} if others else set()
    if not names:
        chosen = {k for k, file in declared.items() if cache.path(file.name, file.file).exists()}
    return [
        audit_file(declared[key], cache) if key in declared else audit_entry(recorded[key], cache)
        for key in sorted(chosen | set(kept))
    ]


def _one_file(name: str, source: Path) -> Declared:
    from harness.data.declared import chosen_files

    found = [item for item in chosen_files((name,)) if item.file.name == name]
    same = [item for item in found if item.file.file == source.name]
    if len(found) == 1 or len(same) == 1:
        return (same or found)[0]
    names = ", ".join(item.file.file for item in found)
    raise SpecError(
        f"{name!r} isn't one data file" if not found else f"{name!r} has several files: {names}",
        "name a data set of `cheers-bench data list`, and give the file its official name",
    )


def _place(target: str) -> str:
    """Where a table is: a path or address as it is, a data set's name looked up in the cache."""
    from harness.data import Cache, find_data
    from harness.data.declared import declared_files

    if target.startswith("hf://") and "?" in target:
        return target
    if not Path(target).exists():
        cache = Cache()
        for item in declared_files():
            if item.file.name == target:
                return str(find_data(item.file, cache=cache).path)
            if target == f"{item.file.name}-file":
                return str(find_data(item.file, target, cache).path)
    return target


def _pair(text: str) -> tuple[str, str]:
    role, equals, name = text.partition("=")
    if not equals or not name:
        raise SpecError(f"--column {text!r} isn't ROLE=NAME", "write for example question=prompt")
    return role, name
