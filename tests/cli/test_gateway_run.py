# -*- test-case-name: tests.cli.test_gateway_run -*-
"""C{openclaw-tx gateway run}: what it refuses, and what twistd is given."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli import ports
from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.gateway_run import serve, twistd
from openclaw_tx.cli.place import Place

NOTHING: dict[str, Any] = dict.fromkeys(("port", "bind", "auth", "token", "password"))
NOTHING |= dict.fromkeys(("allow_unconfigured", "force", "verbose"), False)


class RunTests(SynchronousTestCase):
    """With a state directory of its own."""

    def setUp(self) -> None:
        """Nothing listens anywhere."""
        self.state = Path(self.mktemp()).absolute()
        self.state.mkdir()
        self.place = Place(state_dir=str(self.state))
        self.ran: list[Sequence[str]] = []
        self.busy = False
        self.patch(ports, "is_busy", lambda host, port: self.busy)
        self.patch(ports, "listeners", lambda port: [ports.Listener(12, "python", "")])

    def write(self, text: str) -> None:
        """The configuration."""
        (self.state / "openclaw.json").write_text(text)

    def serve(self, **options: Any) -> list[str]:
        """What twistd is run with."""
        serve(self.place, **{**NOTHING, **options}, run=self.ran.append)
        return list(self.ran[-1])

    def refused(self, **options: Any) -> str:
        """Why it does not start."""
        return self.assertRaises(CommandError, self.serve, **options).message

    def test_arguments(self) -> None:
        """The same configuration and state, in the foreground; only what was said."""
        self.write('{"gateway": {"mode": "local", "port": 4000}}')
        head = ["--nodaemon", "--pidfile=", "openclaw"]
        where = [f"--config={self.state / 'openclaw.json'}", f"--state-dir={self.state}"]
        self.assertEqual(self.serve(), [*head, *where, "--port=4000"])
        self.assertEqual(
            self.serve(port=1, bind="lan", auth="token", token="t", verbose=True)[5:],
            ["--port=1", "--bind=lan", "--auth=token", "--token=t", "--verbose"],
        )

    def test_profile(self) -> None:
        """The gateway finds its profile in the environment."""
        self.patch(os, "environ", {"HOME": str(self.state)})
        self.place = Place(profile="work")
        self.serve(allow_unconfigured=True)
        self.assertEqual(os.environ["OPENCLAW_PROFILE"], "work")

    def test_mode(self) -> None:
        """Only a configuration that says local is started, unless told otherwise; one for clients never."""
        self.assertIn("openclaw-tx setup", self.refused())
        self.write("{}")
        self.assertIn("gateway.mode is not set", self.refused())
        self.assertTrue(self.serve(allow_unconfigured=True))
        self.write('{"gateway": {"mode": "remote"}}')
        self.assertIn("clients", self.refused(allow_unconfigured=True))

    def test_busy(self) -> None:
        """A port that is taken is named with its URL and who has it."""
        self.write('{"gateway": {"mode": "local", "port": 4000}}')
        self.busy = True
        text = self.refused()
        self.assertIn("already listening on ws://127.0.0.1:4000", text)
        self.assertIn("python, process 12", text)
        self.assertEqual(self.ran, [])

    def test_force(self) -> None:
        """--force ends them; when that does not help it is refused all the same."""
        self.write('{"gateway": {"mode": "local"}}')

        def end(port: int) -> list[ports.Listener]:
            self.busy = self.stubborn
            return [ports.Listener(12, "python", "")]

        self.patch(ports, "end_listeners", end)
        self.busy, self.stubborn = True, True
        with CliRunner().isolation() as (_, errors, *_):
            self.assertIn("already listening", self.refused(force=True))
            self.stubborn = False
            self.assertTrue(self.serve(force=True))
            self.assertIn(b"ended process 12 (python)", errors.getvalue())

    def test_wrong_options(self) -> None:
        """What twistd does not understand is one line."""
        self.assertIn("nope", self.assertRaises(CommandError, twistd, ["--nope"]).message)

    def test_does_not_start(self) -> None:
        """What keeps the service from starting is one line, and no traceback."""
        self.write('{"gateway": {"auth": {"mode": "token", "token": "<token>"}}}')
        arguments = ["--nodaemon", "--pidfile=", "openclaw", f"--state-dir={self.state}"]
        self.assertIn("placeholder", self.assertRaises(CommandError, twistd, arguments).message)
