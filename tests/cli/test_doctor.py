# -*- test-case-name: tests.cli.test_doctor -*-
"""C{openclaw-tx doctor}: each check with what it is for, and its repair."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from openclaw_tx.cli import doctor_checks, doctor_models, ports
from openclaw_tx.cli.doctor_checks import stale_locks
from tests.cli.test_config import ConfigTestCase

GOOD: dict[str, Any] = {
    "gateway": {
        "mode": "local",
        "auth": {"mode": "token", "token": "a-long-and-random-token-of-the-owner"},
        "trustedProxies": ["127.0.0.1"],
    },
    "agents": {"defaults": {"model": "mine/big"}},
    "models": {"providers": {"mine": {"baseUrl": "http://127.0.0.1:1/v1", "apiKey": "k", "models": [{"id": "big"}]}}},
}


class DoctorTestCase(ConfigTestCase):
    """A healthy gateway that does not run."""

    def setUp(self) -> None:
        """Nothing listens, nothing is wrong."""
        super().setUp()
        self.path.parent.chmod(0o700)
        (self.path.parent / "workspace").mkdir()
        self.write(GOOD)
        self.busy = False
        self.patch(ports, "is_busy", lambda host, port: self.busy)
        self.patch(ports, "listeners", lambda port: [ports.Listener(12, "python", "")])

    def write(self, config: Any) -> None:
        """The configuration."""
        self.path.write_text(config if isinstance(config, str) else json.dumps(config))
        self.path.chmod(0o600)

    def report(self, *words: str, code: int | None = None) -> dict[str, Any]:
        """What it says; the exit code goes with C{ok}."""
        result = self.invoke("doctor", "--json", *words)
        report: dict[str, Any] = json.loads(result.stdout)
        self.assertEqual(result.exit_code, 0 if report["ok"] else 1)
        return report

    def found(self, *words: str) -> list[tuple[str, str]]:
        """Check ids and severities."""
        return [(each["checkId"], each["severity"]) for each in self.report(*words)["findings"]]

    def repaired(self) -> list[str]:
        """What --fix says that it did; nothing is left to do afterwards."""
        report = self.report("--fix")
        self.assertEqual([each for each in report["findings"] if each["fixable"]], [])
        self.assertEqual([each["ok"] for each in report["repaired"]], [True] * len(report["repaired"]))
        return [each["message"] for each in report["repaired"]]


class ConfigurationTests(DoctorTestCase):
    """What is written in the file."""

    def test_healthy(self) -> None:
        """Nothing is found."""
        report = self.report()
        self.assertEqual((report["ok"], report["findings"]), (True, []))
        self.assertGreater(report["checksRun"], 7)
        self.assertLessEqual({"schemaVersion", "ok", "checksRun", "checksSkipped", "findings"}, report.keys())

    def test_unknown_keys(self) -> None:
        """All of them go at once; comments and what is right stay; the old file is kept."""
        text = "{ // mine\n  nope: 1,\n  gateway: {mode: 'local', auth: {token: 'x'}, what: 2}\n}"
        self.write(text)
        self.assertEqual(self.found(), [("config.invalid", "error")] * 2)
        self.report("--fix")
        self.assertIn("// mine", self.path.read_text())
        self.assertNotIn("nope", self.path.read_text())
        self.assertNotIn("what", self.path.read_text())
        self.assertEqual(self.path.with_name("openclaw.json.bak").read_text(), text)

    def test_not_repairable(self) -> None:
        """A wrong value is nobody's to guess, and with one left the file is not written."""
        text = '{"gateway": {"port": "x"}, "nope": 1}'
        self.write(text)
        report = self.report("--fix")
        self.assertFalse(report["ok"])
        self.assertEqual([each["ok"] for each in report["repaired"]], [False])
        self.assertEqual(self.path.read_text(), text)
        self.write("{")
        self.assertEqual(self.found(), [("config.invalid", "error")])

    def test_missing(self) -> None:
        """No file: how to get one, and nothing is made up."""
        self.path.unlink()
        self.assertIn(("config.missing", "warning"), self.found())
        self.assertIn(("gateway.auth", "error"), self.found("--fix"))
        self.assertFalse(self.path.exists())

    def test_mode(self) -> None:
        """gateway.mode is set."""
        self.write({**GOOD, "gateway": {key: value for key, value in GOOD["gateway"].items() if key != "mode"}})
        self.assertEqual(self.found(), [("gateway.mode_unset", "warning")])
        self.assertEqual(self.repaired(), ["set gateway.mode"])
        self.assertEqual(json.loads(self.path.read_text())["gateway"]["mode"], "local")

    def test_no_secret(self) -> None:
        """A token is made; it is not shown."""
        self.write({**GOOD, "gateway": {"mode": "local"}})
        self.assertEqual(self.found(), [("gateway.auth", "error")])
        result = self.invoke("doctor", "--fix")
        token = json.loads(self.path.read_text())["gateway"]["auth"]["token"]
        self.assertEqual((result.exit_code, len(token)), (0, 43))
        self.assertNotIn(token, result.output)

    def test_weak_secret(self) -> None:
        """One that is none is told, and left: somebody may use it."""
        self.write({**GOOD, "gateway": {"mode": "local", "auth": {"token": "changeme"}}})
        self.assertEqual(self.found("--fix"), [("gateway.auth", "error")])

    def test_open_file(self) -> None:
        """A configuration that everybody may read is closed."""
        self.path.chmod(0o644)
        self.assertEqual(self.found(), [("fs.config.perms_world_readable", "warning")])
        self.assertEqual(self.repaired(), [f"chmod 0600 {self.path}"])


class MachineTests(DoctorTestCase):
    """Ports, directories, databases."""

    def test_port(self) -> None:
        """A gateway there is well; anything else is not."""
        self.busy = True
        for answer, severity in ((True, "info"), (False, "error")):
            self.patch(doctor_checks, "is_gateway", lambda host, port, tls, answer=answer: answer)
            self.assertEqual(self.found(), [("gateway.port", severity)])

    def test_no_address(self) -> None:
        """An address of another machine."""

        def elsewhere(host: str, port: int) -> bool:
            raise OSError(99, "Cannot assign requested address")

        self.patch(ports, "is_busy", elsewhere)
        self.assertEqual(self.found(), [("gateway.port", "error")])

    def test_state_dir(self) -> None:
        """Others are kept out."""
        for mode, severity in ((0o755, "warning"), (0o777, "error")):
            self.path.parent.chmod(mode)
            self.assertEqual(self.found(), [("state.permissions", severity)])
        self.assertEqual(self.repaired(), [f"chmod 700 {self.path.parent}"])

    def test_no_state_dir(self) -> None:
        """It is made when somebody wants it to be."""
        state = self.home / "fresh"
        result = self.invoke("--config", str(self.path), "--state-dir", str(state), "doctor", "--json", "--fix")
        self.assertIn(f"made {state}", result.stdout)
        self.assertEqual(state.stat().st_mode & 0o777, 0o700)

    def database(self) -> Path:
        """A sound store."""
        path = self.path.parent / "gateway" / "openclaw.sqlite"
        path.parent.mkdir(mode=0o700)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE t (x)")
        path.chmod(0o600)
        return path

    def test_store(self) -> None:
        """A sound one is not spoken of; one that is none is an error."""
        path = self.database()
        self.assertEqual(self.found(), [])
        path.write_text("no database")
        self.assertEqual(self.found("--fix"), [("store.integrity", "error")])

    def test_locks(self) -> None:
        """Locks of processes that are gone are removed; one that is held stays."""
        owners = Path(f"{self.database()}.owners")
        owners.mkdir()
        for name in ("gone", "here"):
            (owners / f"{name}.lock").touch()
        held = (owners / "here.lock").open("r+")
        self.addCleanup(held.close)
        fcntl.flock(held, fcntl.LOCK_EX)
        self.assertEqual([path.name for path in stale_locks(owners)], ["gone.lock"])
        self.assertEqual(self.found(), [("store.stale_locks", "info")])
        self.assertEqual(self.repaired(), ["removed 1 locks of processes that are gone"])
        self.assertEqual([path.name for path in owners.iterdir()], ["here.lock"])

    def test_workspaces(self) -> None:
        """One that is not there yet is no error; a file in its place is."""
        workspace = self.path.parent / "workspace"
        workspace.rmdir()
        self.assertEqual(self.found(), [("workspace.missing", "info")])
        workspace.write_text("")
        self.assertEqual(self.found(), [("workspace.not_usable", "error")])


class ModelTests(DoctorTestCase):
    """What answers."""

    def test_key(self) -> None:
        """A provider in use without a key."""
        provider = {"baseUrl": "https://api.example/v1", "models": [{"id": "big"}]}
        self.write({**GOOD, "models": {"providers": {"mine": provider}}})
        self.assertEqual(self.found(), [("models.key", "error")])

    def test_unknown(self) -> None:
        """A model of nobody."""
        self.write({**GOOD, "agents": {"defaults": {"model": "nobody/x"}}})
        self.assertEqual(self.found()[-1], ("models.unknown", "error"))

    def test_embedded(self) -> None:
        """The embedded model has to be installed."""
        self.write({**GOOD, "agents": {}, "models": {}})
        self.assertIn(("models.embedded", "error"), self.found())

    def test_reach(self) -> None:
        """With --deep each provider is connected to."""
        asked: list[Any] = []

        def refuse(address: Any, timeout: float) -> Any:
            asked.append(address)
            raise ConnectionRefusedError(111, "Connection refused")

        self.patch(doctor_models.socket, "create_connection", refuse)
        self.assertEqual(self.found(), [])
        self.assertEqual((self.found("--deep"), asked), ([("models.reach", "error")], [("127.0.0.1", 1)]))


class TextTests(DoctorTestCase):
    """What people see."""

    def test_text(self) -> None:
        """Each finding with its place and what to do; how to have it repaired; nothing is changed unasked."""
        self.path.parent.chmod(0o755)
        result = self.invoke("doctor")
        self.assertIn("warning state.permissions: others may read", result.stdout)
        self.assertIn("0 errors, 1 warning.", result.stdout)
        self.assertIn("doctor --fix", result.stderr)
        self.assertEqual(self.path.parent.stat().st_mode & 0o777, 0o755)

    def test_fixed(self) -> None:
        """What was done, and how it is then."""
        self.path.parent.chmod(0o755)
        text = self.invoke("doctor", "--yes").stdout
        self.assertIn(f"repaired: chmod 700 {self.path.parent}", text)
        self.assertTrue(text.endswith("0 errors, 0 warnings.\n"))

    def test_failing_repair(self) -> None:
        """One that fails is told, and does not keep the others from it."""
        self.path.parent.chmod(0o755)
        self.path.chmod(0o644)

        def check(place: Any, loaded: Any) -> Iterator[doctor_checks.Ill]:
            def fail() -> str:
                raise OSError(30, "Read-only file system", "/x")

            yield doctor_checks.Ill("test", "info", "x", repair=fail)

        from openclaw_tx.cli import doctor

        self.patch(doctor, "CHECKS", (check, *doctor.CHECKS))
        report = self.report("--fix")
        self.assertEqual([each["ok"] for each in report["repaired"]], [False, True, True])
        self.assertEqual(report["repaired"][0]["message"], "/x: Read-only file system")
