# -*- test-case-name: tests.ws.rpc.test_logs -*-
"""L{openclaw_tx.ws.rpc.logs}."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.ws.harness import House


class TailTests(SynchronousTestCase):
    """C{logs.tail}."""

    def setUp(self) -> None:
        self.gateway = House()
        self.addCleanup(self.gateway.close)
        self.path = Path(self.mktemp())
        self.gateway.log_file = self.path

    def test_tail(self) -> None:
        """The end of the file, then what was added."""
        self.path.write_text("one\ntwo\n")
        line = self.gateway.ready()
        first = line.call("logs.tail", {"limit": 1})["payload"]
        self.assertEqual((first["lines"], first["truncated"], first["file"]), (["two"], True, str(self.path)))
        with self.path.open("a") as file:
            file.write("three\n")
        second = line.call("logs.tail", {"cursor": first["cursor"]})["payload"]
        self.assertEqual((second["lines"], second["reset"]), (["three"], False))

    def test_no_file(self) -> None:
        """An embedding application may write none."""
        self.gateway.log_file = None
        answer = self.gateway.ready().call("logs.tail", {})
        self.assertIn("no log file", answer["error"]["message"])

    def test_not_readable(self) -> None:
        """Trouble with the disk is told without the path of anything."""
        self.path.mkdir()
        answer = self.gateway.ready().call("logs.tail", {})
        self.assertEqual(answer["error"]["code"], "UNAVAILABLE")

    def test_bounded_key(self) -> None:
        """A key that may not know of other sessions does not get the log of all."""
        self.gateway.authenticator.prefix = "k:"
        answer = self.gateway.ready().call("logs.tail", {})
        self.assertEqual(answer["error"]["message"], "missing scope: operator.admin")

    def test_bounds(self) -> None:
        """Params are held to the published bounds."""
        answer = self.gateway.ready().call("logs.tail", {"limit": 5001})
        self.assertEqual(answer["error"]["code"], "INVALID_REQUEST")
