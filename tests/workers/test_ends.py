# -*- test-case-name: tests.workers.test_ends -*-
"""What is left when a relay or the chief is gone."""

from __future__ import annotations

from openclaw_tx.testing.http import send
from openclaw_tx.testing.network import MemoryEndpoint
from tests.support.runs import events
from tests.workers.pair import TOKEN, PairCase


class EndsTests(PairCase):
    """The whole of both, and then one of them."""

    def test_relay_is_gone(self) -> None:
        """Runs of a relay that is gone have an end, and what it counted stays."""
        pair = self.pair()
        pair.chat("hi", stream=True)
        pair.model.calls[0].text("one")
        pair.advance(1.1)
        (run,) = pair.relay.engine.live()
        run_id = run.request.run_id
        for near, _ in pair.socket.ends:
            near.abortConnection()
        pair.socket.factory = None
        pair.settle()
        self.assertIn("gone", str(pair.chief_crew.lines or "gone"))
        known = pair.chief._house.admission.get(run_id)
        assert known is not None and known.outcome is not None
        self.assertEqual(known.outcome.status, "interrupted")
        text = pair.chief_crew.others()[0]["openclaw_run_duration_seconds"]
        self.assertEqual(sum(text.counts), 0)

    def test_followed_to_the_end(self) -> None:
        """Whoever follows a run of a relay that goes is told its end, with the next number; later ones are as well."""
        pair = self.pair()
        pair.chat("hi", stream=True)
        pair.model.calls[0].text("one")
        pair.settle()
        (run,) = pair.relay.engine.live()
        path = f"/v1/runs/{run.request.run_id}/events"
        watching = pair.ask("GET", path)
        other = MemoryEndpoint(pair.chief.site())
        pair._endpoints.append(other)
        direct = send(pair.clock, other, "GET", path, None, {"Authorization": f"Bearer {TOKEN}"})
        pair.advance(0.2)
        seen = len(events(direct.body))
        self.assertGreater(seen, 1)
        for line in [*pair.chief_crew.lines.values()]:
            line.bus.transport.abortConnection()
        pair.socket.factory = None
        pair.settle()
        pair.advance(0.2)
        told = events(direct.body)
        self.assertEqual([event["seq"] for event in told], list(range(1, seen + 2)))
        self.assertEqual(told[-1]["type"], "run.interrupted")
        again = send(pair.clock, other, "GET", f"{path}?after={seen}", None, {"Authorization": f"Bearer {TOKEN}"})
        pair.advance(0.2)
        self.assertEqual(events(again.body), told[-1:])
        self.assertFalse(watching.closed)

    def test_chief_is_gone(self) -> None:
        """While there is no chief, a relay's answers go on and new clients wait; the next chief knows all runs."""
        pair = self.pair()
        client = pair.chat("hi", stream=True)
        pair.model.calls[0].text("one ")
        pair.settle()
        pair.kill_chief()
        pair.model.calls[0].text("two")
        pair.settle()
        self.assertEqual(client.response.text, "one two")
        waiting = pair.chat("next")
        handed = pair.ask("GET", "/readyz")
        self.assertEqual((waiting.responses, handed.responses), ([], []))
        pair.listen()
        pair.advance(1.2)
        self.assertEqual(handed.response.status, 200)
        self.assertEqual(self.live(pair), (0, 2))
        self.assertEqual(len(list(pair.chief._house.admission.live())), 2)

    def test_chief_does_not_come_back(self) -> None:
        """Whoever has waited ten seconds for a chief is told to try again."""
        pair = self.pair()
        pair.kill_chief()
        waiting, handed = pair.chat("next"), pair.ask("GET", "/readyz")
        pair.advance(10.5, 0.5)
        for client in (waiting, handed):
            self.assertEqual(client.response.status, 503)
            self.assertEqual(client.response.error["code"], "gateway_draining")
            self.assertEqual(client.response.header("retry-after"), "1")

    def test_tool_of_a_chief_that_is_gone(self) -> None:
        """A tool that was being called when the chief went is an error that says so; the run goes on."""
        pair = self.pair({"tools": {"exec": {"security": "allowlist", "ask": "always"}}})
        pair.chat("hi", stream=True)
        pair.model.calls[0].call_tool("exec", {"command": "echo $HOME"})
        pair.model.calls[0].finish()
        pair.settle()
        self.assertEqual(len(pair.chief._house.approvals.pending()), 1)
        pair.kill_chief()
        self.assertIn("was restarted", pair.model.calls[1].request.messages[-1].text)
        self.assertEqual(pair.chief._house.approvals.pending(), [])

    def test_abort_in_a_tool(self) -> None:
        """Ending a run ends what the chief is doing for it."""
        pair = self.pair({"tools": {"exec": {"security": "allowlist", "ask": "always"}}})
        client = pair.chat("hi", stream=True)
        pair.model.calls[0].call_tool("exec", {"command": "echo $HOME"})
        pair.model.calls[0].finish()
        pair.settle()
        self.assertEqual(len(pair.chief._house.approvals.pending()), 1)
        client.reset()
        pair.settle()
        self.assertEqual(self.live(pair), (0, 0))
        self.assertEqual(pair.chief._house.approvals.pending(), [])
