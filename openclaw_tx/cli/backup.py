# -*- test-case-name: tests.cli.test_backup -*-
"""C{openclaw-tx backup}: state, configuration and workspaces in one archive, and back."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from openclaw_tx._version import __version__
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import count, echo_json, json_option, plain
from openclaw_tx.cli.place import Place, here

if TYPE_CHECKING:
    from openclaw_tx.cli.backup_archive import Entry, Manifest, Source
    from openclaw_tx.config.load import Loaded

LEFT_OUT = {
    "models": "weights of the embedded model; openclaw-tx models install fetches them",
    "logs": "logs",
}
"""Directories of the state directory that are not put in, and why."""


@click.group()
def backup() -> None:
    """Put everything that the gateway keeps into one file, and back."""


@backup.command()
@click.option("--output", metavar="PATH", type=click.Path(path_type=Path), help="File, or directory [default: here].")
@click.option("--only-config", is_flag=True, help="The configuration and what it includes, nothing else.")
@click.option("--no-include-workspace", is_flag=True, help="No workspaces.")
@click.option("--verify", "then_verify", is_flag=True, help="Read the archive again afterwards.")
@click.option("--dry-run", is_flag=True, help="Only tell what would go in.")
@json_option
@here
def create(
    place: Place,
    output: Path | None,
    only_config: bool,
    no_include_workspace: bool,
    then_verify: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a backup; a gateway may go on working meanwhile.

    The archive holds secrets: it is for its owner only (0600).
    """
    from openclaw_tx.cli.backup_archive import Broken, manifest_of, pack, verify
    from openclaw_tx.cli.models import progress_bar
    from openclaw_tx.sessions.copies import Unsound

    loaded = place.load()
    now = datetime.now(UTC)
    root = f"{now:%Y-%m-%dT%H-%M-%S}-openclaw-backup"
    target = archive_path(output, root)
    workspaces = not (only_config or no_include_workspace)
    sources, assets, skipped = collected(loaded, only_config, workspaces, target)
    if not sources:
        raise CommandError("there is nothing to back up yet")
    head = {
        "schemaVersion": 1,
        "createdAt": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "archiveRoot": root,
        "runtimeVersion": __version__,
        "platform": platform.system().lower(),
        "options": {"includeWorkspace": workspaces, "onlyConfig": only_config},
        "paths": {"stateDir": str(loaded.state_dir), "configPath": str(loaded.path)},
        "assets": assets,
        "skipped": skipped,
    }
    files = len(sources)
    if not dry_run:
        if os.path.lexists(target):
            raise CommandError(f"{target} exists; a backup is never overwritten")

        def gone(path: Path) -> None:
            skipped.append(_left(path, "went away meanwhile"))

        try:
            with progress_bar(place.console(stderr=True)) as progress:
                files = len(pack(target, head, sources, progress, gone).files)
                if then_verify:
                    verify(target, manifest_of(target), progress)
        except OSError as error:
            raise CommandError(f"{error.filename or target}: {error.strerror or error}") from None
        except (Unsound, Broken) as error:
            raise CommandError(str(error)) from None
    report = {
        "createdAt": head["createdAt"],
        "archiveRoot": root,
        "archivePath": str(target),
        "dryRun": dry_run,
        "includeWorkspace": workspaces,
        "onlyConfig": only_config,
        "verified": then_verify and not dry_run,
        "assets": assets,
        "skipped": skipped,
        "fileCount": files,
    }
    if as_json:
        echo_json(report)
        return
    click.echo(f"{'Would write' if dry_run else 'Wrote'} {target}: {count(files, 'file')}.")
    for asset in assets:
        click.echo(f"  {asset['kind']}: {plain(asset['sourcePath'])}")
    for each in skipped:
        click.echo(f"  left out: {plain(each['sourcePath'])} ({each['reason']})")


def archive_path(output: Path | None, root: str) -> Path:
    """Where the archive goes."""
    name = f"{root}.tar.gz"
    if output is None:
        return Path.cwd() / name
    return (output / name if output.is_dir() else output).absolute()


def collected(
    loaded: Loaded, only_config: bool, workspaces: bool, target: Path
) -> tuple[list[Source], list[dict[str, str]], list[dict[str, str]]]:
    """What goes in: files, what they are of, and what of these is left out.

    @param target: the archive itself.
    """
    from openclaw_tx.cli.backup_archive import Source
    from openclaw_tx.cli.models_status import agents_of
    from openclaw_tx.config.holding import FILE as GATEWAY_LOCK

    sources: dict[str, Source] = {}
    assets: list[dict[str, str]] = []
    skipped: list[dict[str, str]] = []
    state = Path(loaded.state_dir)

    def put(kind: str, path: Path, archive: str) -> None:
        shown = _short(path)
        assets.append({"kind": kind, "sourcePath": str(path), "displayPath": shown, "archivePath": archive})

    def walk(top: Path, archive: str, left_out: frozenset[Path]) -> None:
        for path in _files(top, left_out, skipped):
            if path != target and not path.name.startswith(f".{target.name}-"):
                name = f"{archive}/{path.relative_to(top).as_posix()}"
                sources[name] = Source(path, name)

    homes = {Path(agent.workspace): agent.id for agent in agents_of(loaded)}
    if not only_config and state.is_dir():
        put("state", state, "state")
        left_out = {state / name for name in (*LEFT_OUT, GATEWAY_LOCK)}
        left_out |= set() if workspaces else set(homes)
        for name, reason in LEFT_OUT.items():
            if (state / name).exists():
                skipped.append(_left(state / name, reason))
        walk(state, "state", frozenset(left_out))
    for number, path in enumerate(path for path in (loaded.path, *loaded.files[1:]) if path.is_file()):
        if only_config or not path.is_relative_to(state):
            name = f"config/{number}/{path.name}" if number else f"config/{path.name}"
            put("config", path, name)
            sources[name] = Source(path, name)
    for home, agent_id in homes.items() if workspaces else ():
        if home.is_dir() and not home.is_relative_to(state):
            put("workspace", home, f"workspaces/{agent_id}")
            walk(home, f"workspaces/{agent_id}", frozenset())
    return list(sources.values()), assets, skipped


def _files(top: Path, left_out: frozenset[Path], skipped: list[dict[str, str]]) -> Iterator[Path]:
    """Regular files below a directory, without what is of a running process only."""
    from openclaw_tx.cli.backup_archive import is_sidecar

    for directory, names, files in os.walk(top, onerror=lambda error: skipped.append(_unreadable(error))):
        here_ = Path(directory)
        names[:] = sorted(n for n in names if here_ / n not in left_out and not n.endswith(".owners"))
        for name in sorted([*files, *(n for n in names if (here_ / n).is_symlink())]):
            path = here_ / name
            if path.is_symlink() or not path.is_file():
                skipped.append(_left(path, "no regular file"))
            elif not os.access(path, os.R_OK):
                skipped.append(_left(path, "can not be read"))
            elif path not in left_out and not is_sidecar(path):
                yield path


def _unreadable(error: OSError) -> dict[str, str]:
    return _left(Path(str(error.filename)), str(error.strerror))


def _left(path: Path, reason: str) -> dict[str, str]:
    """What is left out, with OpenClaw's keys."""
    kind = "directory" if path.is_dir() and not path.is_symlink() else "file"
    return {"kind": kind, "sourcePath": str(path), "displayPath": _short(path), "reason": reason}


def _short(path: Path) -> str:
    """A path as people write it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) and path != home else str(path)


@backup.command()
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@here
def verify(place: Place, archive: Path, as_json: bool) -> None:
    """Read ARCHIVE and see that every file in it is what was put in. The exit code is 1 when one is not."""
    manifest = checked(place, archive)
    if as_json:
        echo_json(
            {
                "ok": True,
                "archivePath": str(archive),
                "archiveRoot": manifest.archive_root,
                "createdAt": manifest.created_at,
                "runtimeVersion": manifest.runtime_version,
                "assetCount": len(manifest.assets),
                "entryCount": len(manifest.files),
            }
        )
    else:
        click.echo(f"{archive} is whole: {count(len(manifest.files), 'file')} of {plain(manifest.created_at)}.")


def checked(place: Place, archive: Path) -> Manifest:
    """An archive's manifest, once all that it says is true.

    @raise CommandError: it is not.
    """
    from openclaw_tx.cli.backup_archive import Broken, manifest_of
    from openclaw_tx.cli.backup_archive import verify as verify_archive
    from openclaw_tx.cli.models import progress_bar

    try:
        manifest = manifest_of(archive)
        with progress_bar(place.console(stderr=True)) as progress:
            verify_archive(archive, manifest, progress)
    except Broken as error:
        raise CommandError(f"{archive}: {error}") from None
    except OSError as error:
        raise CommandError(f"{error.filename or archive}: {error.strerror}") from None
    return manifest


@backup.command()
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--no-include-workspace", is_flag=True, help="No workspaces outside of the state directory.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be written.")
@json_option
@here
def restore(place: Place, archive: Path, force: bool, no_include_workspace: bool, dry_run: bool, as_json: bool) -> None:
    """Write back what ARCHIVE holds.

    State and configuration go to the state directory and the configuration file that are in force now, workspaces and
    included files elsewhere to where they were. Nothing is written unless all of the archive is sound, and nothing that
    is there is replaced without --force. Stop the gateway first.
    """
    from openclaw_tx.cli.backup_archive import Broken, unpack
    from openclaw_tx.cli.models import progress_bar

    manifest = checked(place, archive)
    location = place.locate()
    if not dry_run and in_use(location.state_dir):
        raise CommandError(f"a gateway works on {location.state_dir}: stop it first")
    targets = places(manifest, location.state_dir, location.config, workspaces=not no_include_workspace)
    there = sorted(str(path) for path in targets.values() if os.path.lexists(path))
    if there and not (force or dry_run):
        shown = "".join(f"\n  {path}" for path in there[:10])
        raise CommandError(f"{count(len(there), 'file')} would be replaced; with --force they are:{shown}")
    written = 0
    if not dry_run:
        try:
            with progress_bar(place.console(stderr=True)) as progress:
                written = unpack(archive, manifest, lambda entry: targets.get(entry.path), progress)
        except Broken as error:
            raise CommandError(f"{archive}: {error}") from None
        except (OSError, shutil.Error) as error:
            raise CommandError(str(error)) from None
    if as_json:
        echo_json(
            {
                "archivePath": str(archive),
                "dryRun": dry_run,
                "written": written,
                "replaced": there if not dry_run else [],
                "wouldReplace": there if dry_run else [],
                "files": [str(path) for path in targets.values()],
            }
        )
    elif dry_run:
        click.echo(f"Would write {count(len(targets), 'file')}, {len(there)} of them in place of others.")
    else:
        click.echo(f"Wrote {count(written, 'file')}, {len(there)} of them in place of others.")


def in_use(state_dir: Path) -> bool:
    """Whether a gateway has a directory, or a process works on a store below it."""
    from openclaw_tx.cli.doctor_checks import stale_locks
    from openclaw_tx.config.holding import FILE as GATEWAY_LOCK

    directories = [(state_dir / GATEWAY_LOCK).parent, *state_dir.glob("**/*.owners")]
    return any(set(directory.glob("*.lock")) - set(stale_locks(directory)) for directory in directories)


def places(manifest: Manifest, state_dir: Path, config: Path, *, workspaces: bool) -> dict[str, Path]:
    """Where each file of an archive goes, by its path in there."""
    homes = {asset.archive_path: Path(os.path.normpath(asset.source_path)) for asset in manifest.assets}
    main, state = (PurePosixPath(manifest.paths.get(name, "/")) for name in ("configPath", "stateDir"))
    moved = sorted([(main.parent, config.parent), (state, state_dir)], key=lambda pair: -len(pair[0].parts))

    def place_of(entry: Entry) -> Path | None:
        path = PurePosixPath(entry.path)
        kind = path.parts[0]
        if kind == "state":
            return config if state.joinpath(*path.parts[1:]) == main else state_dir.joinpath(*path.parts[1:])
        if kind == "config":
            was = homes.get(entry.path, Path(main.parent / path.name))
            near = (now / was.relative_to(then) for then, now in moved if was.is_relative_to(then))
            return config if was == Path(main) else next(near, was)
        home = homes.get("/".join(path.parts[:2]))
        return home.joinpath(*path.parts[2:]) if kind == "workspaces" and home is not None and workspaces else None

    found = {entry.path: place_of(entry) for entry in manifest.files}
    return {path: target for path, target in found.items() if target is not None}


__all__ = ["backup"]
