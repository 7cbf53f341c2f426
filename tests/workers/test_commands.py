# -*- test-case-name: tests.workers.test_commands -*-
"""Commands that go on in the background, wherever the run or the client is that started or ends them."""

from __future__ import annotations

from tests.support.processes import Process, Processes
from tests.support.web import Client
from tests.workers.pair import PairCase

NO_GROUP = 2**30
"""No process has such a number: what is sent to its group reaches nobody."""


class CommandTests(PairCase):
    """A chief that can start processes, and a relay."""

    def setUp(self) -> None:
        """Commands need nobody's word."""
        self.both = self.pair({"tools": {"exec": {"security": "full", "ask": "off"}}})
        self.processes = Processes(NO_GROUP)
        self.both.clock.spawnProcess = self.processes.spawnProcess

    def begin(self, **body: str) -> tuple[Client, Process]:
        """A run whose command goes on in the background; the model has yet to say something to that."""
        client = self.both.chat("hi", stream=True, **body)
        self.both.model.calls[-1].call_tool("exec", {"command": "sleep 1000", "background": True})
        self.both.model.calls[-1].finish()
        self.both.settle()
        self.assertIn("still running", self.both.model.calls[-1].request.messages[-1].text)
        return client, self.processes.spawned[-1]

    def end(self, process: Process) -> None:
        """The process does as it was told."""
        process.end(None, 15)
        self.both.advance(3, 0.5)

    def test_relayed_run(self) -> None:
        """A command of a run without a session is the chief's, and ends with the run that is the relay's."""
        client, process = self.begin()
        self.assertEqual(self.live(self.both), (0, 1))
        self.assertEqual(process.signals, [])
        self.both.model.calls[-1].text("done")
        self.both.model.calls[-1].finish()
        self.both.settle()
        self.assertIn("done", client.response.text)
        self.assertEqual(process.signals, ["15"])
        self.end(process)

    def test_aborted_relayed_run(self) -> None:
        """Also when its client is gone."""
        client, process = self.begin()
        client.reset()
        self.both.settle()
        self.assertEqual(process.signals, ["15"])
        self.end(process)

    def test_relay_gone(self) -> None:
        """Also when the relay is gone, and nobody tells of the run's end."""
        _, process = self.begin()
        self.both.kill_chief()
        self.assertEqual(process.signals, ["15"])
        self.end(process)

    def test_deleted_by_way_of_the_relay(self) -> None:
        """A session that a client of the relay deletes takes its commands along."""
        _, process = self.begin(user="ada")
        self.both.model.calls[-1].finish()
        self.both.settle()
        self.assertEqual(process.signals, [])
        socket = self.both.websocket(relayed=True)
        socket.connect(["operator.admin"])
        (row,) = socket.request("sessions.list")["payload"]["sessions"]
        self.assertTrue(socket.request("sessions.delete", {"key": row["key"]})["payload"]["deleted"])
        self.assertEqual(len(self.both.relay_crew._handing), 2)
        self.assertEqual(process.signals, ["15"])
        self.end(process)
