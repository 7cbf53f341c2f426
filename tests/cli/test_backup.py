# -*- test-case-name: tests.cli.test_backup -*-
"""C{openclaw-tx backup}: everything there and back, and archives that are not what they should be."""

from __future__ import annotations

import fcntl
import io
import json
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from click.testing import Result

from openclaw_tx.cli import backup_archive
from tests.cli.test_config import ConfigTestCase

ROWS = 500


class BackupTestCase(ConfigTestCase):
    """A state directory with all kinds of things in it, and a workspace elsewhere."""

    def setUp(self) -> None:
        """A database that somebody works on, in WAL mode."""
        super().setUp()
        self.state = self.path.parent
        self.workspace = self.home / "elsewhere"
        self.write("openclaw.json", json.dumps({"agents": {"defaults": {"workspace": str(self.workspace)}}}))
        self.path.chmod(0o600)
        self.write("agents/main/agent/auth-profiles.json", "{}")
        self.write("models/weights.gguf", "heavy")
        self.write("logs/openclaw-2026-01-01.log", "{}")
        self.write("gateway/openclaw.sqlite.owners/x.lock", "")
        self.write("gateway/gateway.lock", "1")
        self.workspace.mkdir()
        (self.workspace / "MEMORY.md").write_text("remember")
        self.database = self.state / "gateway" / "openclaw.sqlite"
        self.writer = sqlite3.connect(self.database, isolation_level=None)
        self.addCleanup(self.writer.close)
        self.writer.execute("PRAGMA journal_mode=WAL")
        self.writer.execute("CREATE TABLE t (n)")
        self.writer.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(ROWS)])
        self.archive = self.home / "b.tar.gz"

    def write(self, name: str, text: str) -> None:
        """A file of the state directory."""
        path = self.state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def backup(self, *words: str) -> Result:
        """Run a verb of C{backup}."""
        return self.invoke("backup", *words)

    def create(self, *words: str) -> dict[str, Any]:
        """Make an archive; the report."""
        result = self.backup("create", "--output", str(self.archive), "--json", *words)
        self.assertEqual(result.exit_code, 0, result.stderr)
        report: dict[str, Any] = json.loads(result.stdout)
        return report

    def names(self) -> set[str]:
        """What is in the archive, below its root."""
        with tarfile.open(self.archive) as archive:
            return {name.partition("/")[2] for name in archive.getnames()}

    def restore(self, target: Path, *words: str) -> Result:
        """Restore into another state directory."""
        return self.invoke("--state-dir", str(target), "backup", "restore", str(self.archive), "--json", *words)

    def forged(self, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> None:
        """Write the archive anew, its members changed or left out."""
        with tarfile.open(self.archive) as old:
            members = [(member.name, old.extractfile(member).read()) for member in old]  # type: ignore[union-attr]
        with tarfile.open(self.archive, "w:gz") as new:
            for name, raw in members:
                found = change(name, raw)
                if found is not None:
                    info = tarfile.TarInfo(found[0])
                    info.size = len(found[1])
                    new.addfile(info, io.BytesIO(found[1]))

    def broken(self) -> str:
        """Why the archive is refused, by both verbs."""
        result = self.backup("verify", str(self.archive), "--json")
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        again = self.restore(self.home / "fresh")
        self.assertEqual((again.exit_code, (self.home / "fresh").exists()), (1, False))
        return result.stderr


class CreateTests(BackupTestCase):
    """backup create."""

    def test_whole(self) -> None:
        """State, database and workspace; no weights, no logs, no locks; for its owner only."""
        report = self.create("--verify")
        self.assertEqual(
            self.names(),
            {
                "manifest.json",
                "state/openclaw.json",
                "state/agents/main/agent/auth-profiles.json",
                "state/gateway/openclaw.sqlite",
                "workspaces/main/MEMORY.md",
            },
        )
        self.assertEqual(self.archive.stat().st_mode & 0o777, 0o600)
        self.assertTrue(report["verified"])
        self.assertEqual([asset["kind"] for asset in report["assets"]], ["state", "workspace"])
        self.assertEqual(
            {Path(each["sourcePath"]).name for each in report["skipped"]},
            {"models", "logs"},
            "what is left out is told",
        )
        self.assertEqual([path.name for path in self.home.glob(".b.tar.gz-*")], [])

    def test_keys(self) -> None:
        """OpenClaw's report."""
        keys = "createdAt archiveRoot archivePath dryRun includeWorkspace onlyConfig verified assets skipped"
        report = self.create()
        self.assertEqual(report.keys() - set(keys.split()), {"fileCount"})
        self.assertEqual(report["assets"][0].keys(), {"kind", "sourcePath", "displayPath", "archivePath"})
        self.assertEqual(report["skipped"][0].keys(), {"kind", "sourcePath", "displayPath", "reason"})
        self.assertEqual(report["assets"][0]["displayPath"], "~/.openclaw")

    def test_choices(self) -> None:
        """Only the configuration, or no workspaces."""
        self.create("--only-config")
        self.assertEqual(self.names(), {"manifest.json", "config/openclaw.json"})
        self.archive.unlink()
        self.create("--no-include-workspace")
        self.assertNotIn("workspaces/main/MEMORY.md", self.names())

    def test_links(self) -> None:
        """What is no regular file is left out, and told."""
        (self.state / "link").symlink_to("/etc/hostname")
        report = self.create()
        (link,) = (each for each in report["skipped"] if each["sourcePath"] == str(self.state / "link"))
        self.assertEqual((link["kind"], link["reason"]), ("file", "no regular file"))
        self.assertNotIn("state/link", self.names())

    def test_called_like_sidecars(self) -> None:
        """What SQLite has beside its databases is left out; other files may be called so, too."""
        for name in ("travel", "travel-journal", "-wal", "notes-shm"):
            (self.workspace / name).write_text("mine")
        self.assertTrue(self.database.with_name("openclaw.sqlite-wal").exists())
        self.create()
        names = {Path(name).name for name in self.names()}
        self.assertLessEqual({"travel", "travel-journal", "-wal", "notes-shm"}, names)
        self.assertNotIn("openclaw.sqlite-wal", names)

    def test_goes_meanwhile(self) -> None:
        """A file that goes away while the archive is written is left out, and told; the rest is there."""
        add = backup_archive._add

        def adds(archive: Any, root: str, source: backup_archive.Source, scratch: Path) -> backup_archive.Entry:
            (self.workspace / "MEMORY.md").unlink(missing_ok=True)
            return add(archive, root, source, scratch)

        self.patch(backup_archive, "_add", adds)
        report = self.create("--verify")
        self.assertNotIn("workspaces/main/MEMORY.md", self.names())
        self.assertEqual(report["fileCount"], 3)
        self.assertIn("went away meanwhile", {each["reason"] for each in report["skipped"]})

    def test_dry_run(self) -> None:
        """Nothing is written."""
        self.assertTrue(self.create("--dry-run")["dryRun"])
        self.assertFalse(self.archive.exists())

    def test_never_over(self) -> None:
        """What is there is not overwritten."""
        self.archive.write_text("mine")
        result = self.backup("create", "--output", str(self.archive))
        self.assertEqual((result.exit_code, self.archive.read_text()), (1, "mine"))

    def test_in_the_state_directory(self) -> None:
        """An archive does not hold itself."""
        result = self.backup("create", "--output", str(self.state / "own.tar.gz"), "--verify")
        self.assertEqual(result.exit_code, 0, result.stderr)

    def test_text(self) -> None:
        """What went where."""
        text = self.backup("create", "--output", str(self.home)).stdout
        self.assertRegex(text, r"^Wrote .*-openclaw-backup\.tar\.gz: 4 files\.\n  state: ")

    def test_no_database(self) -> None:
        """A database that can not be read is one line, and no archive is left."""
        self.writer.close()
        self.database.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
        result = self.backup("create", "--output", str(self.archive))
        self.assertEqual((result.exit_code, self.archive.exists()), (1, False))
        self.assertEqual([path.name for path in self.home.glob(".b.tar.gz-*")], [])


class VerifyTests(BackupTestCase):
    """backup verify, and what restore refuses as well."""

    def setUp(self) -> None:
        """A good archive."""
        super().setUp()
        self.create()

    def test_good(self) -> None:
        """OpenClaw's report."""
        report = json.loads(self.backup("verify", str(self.archive), "--json").stdout)
        keys = "ok archivePath archiveRoot createdAt runtimeVersion assetCount entryCount"
        self.assertEqual((report.keys(), report["entryCount"]), (set(keys.split()), 4))
        self.assertIn("4 files", self.backup("verify", str(self.archive)).stdout)

    def test_changed(self) -> None:
        """One byte of one file."""
        self.forged(lambda name, raw: (name, raw + b"x" if name.endswith("MEMORY.md") else raw))
        self.assertIn("is not what was put in", self.broken())

    def test_missing(self) -> None:
        """A file that is not there any more."""
        self.forged(lambda name, raw: None if name.endswith("MEMORY.md") else (name, raw))
        self.assertIn("is missing", self.broken())

    def test_added(self) -> None:
        """A file that nobody put in."""

        def change(name: str, raw: bytes) -> tuple[str, bytes]:
            return (name.replace("MEMORY.md", "evil.md"), raw)

        self.forged(change)
        self.assertIn("is not in its manifest", self.broken())

    def test_leads_out(self) -> None:
        """A path that leads out of the archive, in the archive and in its manifest."""

        def change(name: str, raw: bytes) -> tuple[str, bytes]:
            if name.endswith("manifest.json"):
                return name, raw.replace(b"state/agents/main/agent", b"state/../../../evil")
            return name.replace("state/agents/main/agent", "state/../../../evil"), raw

        self.forged(change)
        self.assertIn("leads out", self.broken())

    def test_link(self) -> None:
        """A link in place of a file."""
        with tarfile.open(self.archive, "w:gz") as archive:
            info = tarfile.TarInfo("r/state/link")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
        self.assertIn("no regular file", self.broken())

    def test_no_archive(self) -> None:
        """Half of one, an empty one, text, another format."""
        raw = self.archive.read_bytes()
        for content in (raw[: len(raw) // 2], b"", b"hello"):
            self.archive.write_bytes(content)
            self.assertNotIn("Traceback", self.broken())
        self.archive.write_bytes(raw)
        self.forged(lambda name, raw: (name, raw.replace(b'"schemaVersion": 1', b'"schemaVersion": 9')))
        self.assertIn("format is 9", self.broken())


class RestoreTests(BackupTestCase):
    """backup restore."""

    def setUp(self) -> None:
        """A good archive, and a place to put it."""
        super().setUp()
        self.create()
        self.target = self.home / "fresh"

    def test_elsewhere(self) -> None:
        """All is there again: rows that were not in the file yet, access rights; other workspaces where they were."""
        (self.workspace / "MEMORY.md").unlink()
        result = self.restore(self.target)
        self.assertEqual(result.exit_code, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["written"], 4)
        with closing(sqlite3.connect(self.target / "gateway" / "openclaw.sqlite")) as connection:
            self.assertEqual(connection.execute("SELECT count(*) FROM t").fetchone(), (ROWS,))
        self.assertEqual((self.target / "openclaw.json").read_text(), self.path.read_text())
        self.assertEqual((self.target / "openclaw.json").stat().st_mode & 0o777, 0o600)
        self.assertEqual((self.workspace / "MEMORY.md").read_text(), "remember")

    def test_never_over(self) -> None:
        """One file in the way, and nothing at all is written."""
        (self.workspace / "MEMORY.md").write_text("newer")
        result = self.restore(self.target)
        self.assertEqual((result.exit_code, self.target.exists()), (1, False))
        self.assertIn(str(self.workspace / "MEMORY.md"), result.stderr)
        self.assertEqual(self.restore(self.target, "--no-include-workspace").exit_code, 0)
        self.assertEqual((self.workspace / "MEMORY.md").read_text(), "newer")

    def test_force(self) -> None:
        """Files are replaced, and what SQLite had beside the old database goes."""
        self.restore(self.target, "--force")
        wal = self.target / "gateway" / "openclaw.sqlite-wal"
        wal.write_text("of another one")
        report = json.loads(self.restore(self.target, "--force").stdout)
        self.assertEqual(len(report["replaced"]), 4)
        self.assertFalse(wal.exists())

    def test_dry_run(self) -> None:
        """What would be written, and in place of what."""
        report = json.loads(self.restore(self.target, "--dry-run").stdout)
        self.assertEqual((report["written"], len(report["files"]), len(report["wouldReplace"])), (0, 4, 1))
        self.assertFalse(self.target.exists())

    def test_in_use(self) -> None:
        """Not under a gateway that works."""
        lock = self.target / "gateway" / "openclaw.sqlite.owners" / "me.lock"
        lock.parent.mkdir(parents=True)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            result = self.restore(self.target, "--force")
            self.assertEqual(result.exit_code, 1)
            self.assertIn("stop it first", result.stderr)
        self.assertEqual(self.restore(self.target, "--force").exit_code, 0)

    def test_held(self) -> None:
        """Nor under one that keeps its sessions in memory: it has the directory all the same."""
        lock = self.target / "gateway" / "gateway.lock"
        lock.parent.mkdir(parents=True)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.assertIn("stop it first", self.restore(self.target, "--force").stderr)
        self.assertEqual(self.restore(self.target, "--force").exit_code, 0)

    def test_no_sidecars(self) -> None:
        """What is called as if it were beside a database stays, if there is none."""
        (self.target / "agents" / "main" / "agent").mkdir(parents=True)
        journal = self.target / "agents" / "main" / "agent" / "auth-profiles.json-journal"
        journal.write_text("mine")
        self.assertEqual(self.restore(self.target, "--force").exit_code, 0)
        self.assertEqual(journal.read_text(), "mine")

    def test_includes(self) -> None:
        """Included files lie as they did, beside the configuration or where they were."""
        self.archive.unlink()
        old = self.home / "etc"
        outside = self.home / "shared" / "x.json"
        texts = {
            old / "my.json": '{"$include": ["a/x.json", "b/x.json", "../shared/x.json"]}',
            old / "a" / "x.json": "{}",
            old / "b" / "x.json": '{"logging": {"level": "debug"}}',
            outside: '{"logging": {}}',
        }
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        words = ("backup", "create", "--only-config", "--output", str(self.archive))
        self.assertEqual(self.invoke("--config", str(old / "my.json"), *words).exit_code, 0)
        outside.unlink()
        other = self.home / "other" / "its.json"
        words = ("backup", "restore", str(self.archive))
        result = self.invoke("--config", str(other), "--state-dir", str(self.target), *words)
        self.assertEqual(result.exit_code, 0, result.stderr)
        for path, text in zip(
            (other, *(other.parent / name / "x.json" for name in "ab"), outside), texts.values(), strict=True
        ):
            self.assertEqual(path.read_text(), text)

    def test_config_of_the_state(self) -> None:
        """The configuration goes to the file in force also when it lay in the state directory."""
        other = self.home / "other" / "its.json"
        words = ("backup", "restore", str(self.archive), "--force")
        result = self.invoke("--config", str(other), "--state-dir", str(self.target), *words)
        self.assertEqual(result.exit_code, 0, result.stderr)
        self.assertEqual(other.read_text(), self.path.read_text())
        self.assertFalse((self.target / "openclaw.json").exists())

    def test_config_elsewhere(self) -> None:
        """A configuration outside of the state directory goes to where it is configured to be."""
        self.archive.unlink()
        config = self.path.rename(self.home / "my.json")
        created = self.invoke("--config", str(config), "backup", "create", "--output", str(self.archive))
        self.assertEqual(created.exit_code, 0, created.stderr)
        self.assertIn("config/my.json", self.names())
        other = self.home / "other" / "its.json"
        words = ("backup", "restore", str(self.archive), "--force")
        result = self.invoke("--config", str(other), "--state-dir", str(self.target), *words)
        self.assertEqual(result.exit_code, 0, result.stderr)
        self.assertEqual(other.read_text(), config.read_text())
