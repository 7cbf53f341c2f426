# -*- test-case-name: tests.workers.test_relayed_runs -*-
"""The chief's view of a relay's runs: watched, waited for, shown, ended and counted."""

from __future__ import annotations

from openclaw_tx.testing.http import send
from openclaw_tx.testing.network import MemoryEndpoint
from openclaw_tx.workers.bus import MAX_WAITING
from tests.support.runs import events
from tests.support.web import Client
from tests.workers.pair import TOKEN, PairCase


class RelayedRunsTests(PairCase):
    """Runs that the chief has not started."""

    def test_watched(self) -> None:
        """WebSocket clients are told what a relay's run says, also what it said before they came, and can end it."""
        pair = self.pair()
        client = pair.chat("hi", stream=True)
        pair.model.calls[0].text("one ")
        pair.settle()
        socket = pair.websocket()
        socket.connect()
        pair.model.calls[0].text("two")
        pair.settle()
        said = [event["payload"] for event in socket.events("agent")]
        self.assertEqual(said[-1]["data"]["text"], "one two")
        run_id = said[-1]["runId"]
        answer = socket.request("chat.abort", {"sessionKey": said[-1]["sessionKey"], "runId": run_id})
        pair.advance(1.0)
        self.assertEqual(answer["payload"]["runIds"], [run_id])
        self.assertEqual(self.live(pair), (0, 0))
        self.assertTrue(client.response.complete)
        ends = [event["payload"] for event in socket.events("agent") if event["payload"]["stream"] == "lifecycle"]
        self.assertIn(ends[-1]["data"]["phase"], ("end", "error"))
        socket.close()
        pair.settle()
        self.assertFalse(pair.relay_crew._listening)

    def test_waited_for(self) -> None:
        """C{agent.wait} waits for a relay's run."""
        pair = self.pair()
        pair.chat("hi", stream=True)
        pair.model.calls[0].text("one")
        pair.settle()
        (run,) = pair.relay.engine.live()
        socket = pair.websocket()
        socket.connect()
        frame = socket.send({"type": "req", "id": "w", "method": "agent.wait", "params": {"runId": run.request.run_id}})
        self.assertIsNone(frame)
        pair.settle()
        pair.model.calls[0].finish()
        pair.settle()
        self.assertEqual(socket.response("w")["payload"]["status"], "ok")
        socket.close()

    def test_shown_and_followed(self) -> None:
        """C{GET /v1/runs/<id>} shows a relay's run as it stands; its events are told once they are durable, to the
        end."""
        pair = self.pair()
        pair.chat("hi", stream=True)
        call = pair.model.calls[0]
        call.text("one ")
        pair.settle()
        (run,) = pair.relay.engine.live()
        path = f"/v1/runs/{run.request.run_id}"
        shown = pair.ask("GET", path).response.json
        self.assertEqual((shown["status"], shown["text"]), ("running", "one "))
        watching = pair.ask("GET", f"{path}/events")
        call.text("two")
        pair.advance(0.2)
        call.finish()
        pair.advance(0.2)
        told = events(watching.response.body)
        self.assertEqual([event["seq"] for event in told], list(range(1, len(told) + 1)))
        self.assertEqual(told[-1]["type"], "run.completed")
        self.assertTrue(watching.response.complete)
        again = pair.ask("GET", f"{path}/events?after={told[1]['seq']}")
        pair.advance(0.2)
        self.assertEqual(events(again.response.body), told[2:])

    def test_slow_chief(self) -> None:
        """While the chief does not read, a relay's answers go on; who follows a run has to come again."""
        pair = self.pair()
        client = pair.chat("hi", stream=True)
        call = pair.model.calls[0]
        call.text("begin")
        pair.settle()
        (run,) = pair.relay.engine.live()
        path = f"/v1/runs/{run.request.run_id}/events"
        endpoint = MemoryEndpoint(pair.chief.site())
        pair._endpoints.append(endpoint)
        named = {"Authorization": f"Bearer {TOKEN}"}
        following = send(pair.clock, endpoint, "GET", path, None, named)
        pair.advance(0.2)
        ((near, far),) = ((near, far) for near, far in pair.socket.ends if near.protocol is pair.relay_crew._bus)
        far.reading = False
        for _ in range(60):
            call.text("x" * 100_000)
            pair.advance(0.1, 0.1)
        self.assertEqual(len(client.response.text), len("begin") + 6_000_000)
        self.assertLess(near.held_most, MAX_WAITING + 1_000_000)
        far.reading = True
        pair.advance(0.2)
        told = events(following.body)
        self.assertEqual([event["seq"] for event in told], list(range(1, len(told) + 1)))
        self.assertNotEqual(told[-1]["type"], "run.completed")
        again = send(pair.clock, endpoint, "GET", f"{path}?after={len(told)}", None, named)
        call.finish()
        pair.advance(0.3)
        self.assertEqual(events(again.body)[-1]["type"], "run.completed")

    def test_cancelled(self) -> None:
        """C{DELETE /v1/runs/<id>} ends a relay's run."""
        pair = self.pair()
        client = pair.chat("hi", stream=True)
        pair.model.calls[0].text("one")
        pair.settle()
        (run,) = pair.relay.engine.live()
        answer = pair.ask("DELETE", f"/v1/runs/{run.request.run_id}")
        self.assertIn(answer.response.status, (200, 202))
        self.assertEqual(self.live(pair), (0, 0))
        self.assertTrue(client.response.complete)
        self.assertEqual(pair.ask("GET", f"/v1/runs/{run.request.run_id}").response.json["status"], "aborted")

    def test_connections(self) -> None:
        """What is configured is shared out, and counts where a connection was accepted: the chief takes what relays
        hand over besides. Two connections from one address are two there as well."""
        pair = self.pair({"gateway": {"maxConnections": 4, "maxConnectionsPerAddress": 4}})
        hosts = ("192.0.2.1", "192.0.2.2")
        clients = [pair.ask("GET", "/v1/capabilities", client=pair.connect(host)) for host in hosts]
        self.assertEqual([client.response.status for client in clients], [200, 200])
        refused = pair.ask("GET", "/v1/models", client=pair.connect("192.0.2.3"))
        self.assertEqual(refused.response.status, 503)
        direct = [Client(pair.chief.site(), pair.clock, host) for host in ("192.0.2.3", "192.0.2.3", "192.0.2.4")]
        pair.clients += direct
        for client in direct:
            pair.ask("GET", "/v1/models", client=client)
        self.assertEqual([client.response.status for client in direct], [200, 200, 503])
        probe = pair.ask("GET", "/readyz")
        self.assertEqual((probe.response.status, probe.closed), (200, True))
        for client in clients + direct:
            client.reset()
        pair.settle()
        pair.advance(1.1)
        self.assertEqual([len(each._sites._crowd) for each in (pair.chief, pair.relay)], [0, 0])

    def test_counted_together(self) -> None:
        """C{/metrics} has what all processes counted, also those that are gone."""
        pair = self.pair()
        for _ in range(2):
            pair.chat("hi")
            pair.model.calls[-1].text("yes")
            pair.model.calls[-1].finish()
            pair.settle()
        pair.chat("hi", user="ada")
        pair.model.calls[-1].text("yes")
        pair.model.calls[-1].finish()
        pair.advance(1.1)
        wanted = 'openclaw_runs_total{agent="main",code="",status="ok",surface="http"} 3.0'
        text = pair.ask("GET", "/metrics").response.body.decode()
        self.assertIn(wanted, text)
        self.assertIn("openclaw_run_duration_seconds_count 3.0", text)
        self.assertIn("openclaw_workers 2.0", text)
        ready = pair.ask("GET", "/readyz").response.json
        self.assertEqual(ready["workers"]["relays"], [{"worker": 1, "pid": 4711, "runs": 0}])
