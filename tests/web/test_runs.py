# -*- test-case-name: tests.web.test_runs -*-
"""C{/v1/runs}: started, read, cancelled, watched, resumed; before and after a crash."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.internet.defer import Deferred

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.runs.durable import FLUSH_SECONDS
from openclaw_tx.testing import MemoryGateway
from tests.support.runs import HELLO, RUNS, RunsCase, events, seqs, texts
from tests.support.web import Client


class StartTests(RunsCase):
    """C{POST /v1/runs}."""

    def test_answered_at_once(self) -> None:
        """202 with the run object while the model is still at work; the headers name it."""
        response = self.start(user="alice")
        run = response.json()
        self.assertEqual((response.code, run["object"], run["status"]), (202, "run", "running"))
        self.assertEqual(response.headers["x-openclaw-run-id"], run["id"])
        self.assertEqual(response.headers["location"], f"/v1/runs/{run['id']}")
        self.assertEqual(run["session_key"], "agent:main:openai-user:alice")
        self.assertTrue(run["id"].startswith("run_"))
        self.answer("Hello")
        run = self.read(run["id"])
        self.assertEqual((run["status"], run["text"], run["finish_reason"]), ("ok", "Hello", "stop"))
        self.assertEqual(run["usage"]["total_tokens"], 15)

    def test_asks_what_a_chat_asks(self) -> None:
        """Messages, tools and limits reach the model; agent and session are fields, too."""
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
        fields = {"messages": [{"role": "system", "content": "Be brief."}, *HELLO["messages"]], "message": None}
        run = self.start(**fields, tools=[tool], max_tokens=9, agent="beta", session="mine").json()
        self.assertEqual((run["agent"], run["session_key"]), ("beta", "agent:beta:mine"))
        request = self.call.request
        self.assertIn("Be brief.", request.system)
        self.assertIn("f", [spec.name for spec in request.tools])
        self.assertEqual(request.sampling.max_tokens, 9)
        self.call.call_tool("f", {"a": 1}, "c1")
        self.call.finish()
        self.flush()
        done = self.read(run["id"])
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
        self.assertEqual((done["finish_reason"], done["tool_calls"]), ("tool_calls", [call]))

    def test_bad_requests(self) -> None:
        """Named by field; nothing was started."""
        cases: list[tuple[Any, str | None]] = [
            ({}, "messages"),
            ({"messages": []}, "messages"),
            ({"message": ""}, "message"),
            ({"message": ["x"]}, "message[0]"),
            ({"message": [{"type": "text", "text": "x"}, {"type": "input_audio"}]}, "message[1]"),
            ({"message": [{"type": "image_url", "image_url": "https://a.example/"}]}, "message[0]"),
            ({"message": "x", "messages": []}, "message"),
            ({"message": "x", "stream": True}, "stream"),
            ({"message": "x", "agent": "nobody"}, "agent"),
            ({"message": "x", "model": "openclaw/nobody"}, "model"),
            ({"message": "x", "session": "subagent:x"}, "session"),
            ({"message": "x", "session": "agent:nobody:x"}, "session"),
            ({"message": "x", "session": "x" * 600}, "session"),
            ({"message": "x", "n": 3}, "n"),
            ([], None),
        ]
        for body, param in cases:
            response = self.memory.post(RUNS, body)
            error = response.json()["error"]
            self.assertEqual((response.code, error["param"]), (400, param), body)
            self.assertNotRegex(error["message"], "x-openclaw|messages\\[" if param != "messages" else "x-openclaw")
        self.assertEqual((self.model.calls, self.rows("runs")), ([], 0))

    def test_bad_headers(self) -> None:
        """What came as a header is named as the header that it is."""
        for name, value in (
            ("x-openclaw-agent-id", "nobody"),
            ("x-openclaw-agent", "nobody"),
            ("x-openclaw-session-key", "subagent:x"),
            ("x-openclaw-session-key", "agent:nobody:x"),
        ):
            for response in (self.start({name: value}), self.chat({name: value})):
                self.assertEqual((response.code, response.json()["error"]["param"]), (400, name), value)

    def test_field_against_header(self) -> None:
        """A field and a header that say different things are refused; that say the same are not."""
        both = self.start({"x-openclaw-agent-id": "main"}, agent="beta")
        self.assertEqual((both.code, both.json()["error"]["param"]), (400, "agent"))
        self.assertEqual(self.start({"x-openclaw-agent-id": "beta"}, agent="beta").code, 202)

    def test_client_hangs_up(self) -> None:
        """A run does not need whoever started it, nor those who watch it."""
        run_id = self.run_id()
        self.watch(run_id).disconnect()
        self.memory.advance(60)
        self.assertEqual(self.read(run_id)["status"], "running")

    def test_policy(self) -> None:
        """Unless it says so: then it ends some time after the last watcher."""
        run_id = self.start({"x-openclaw-on-disconnect": "grace=20"}).json()["id"]
        self.memory.advance(100)
        first, second = self.watch(run_id), self.watch(run_id)
        first.disconnect()
        self.memory.advance(30)
        second.disconnect()
        self.memory.advance(19)
        self.assertEqual(self.read(run_id)["status"], "running")
        self.memory.advance(2)
        self.assertEqual(self.read(run_id)["abort_reason"], "disconnect")

    def test_switch_and_method(self) -> None:
        """Off with the chat endpoint; other methods are told which ones there are."""
        run_id = self.run_id()
        for path, allow in (
            (RUNS, "POST"),
            (f"{RUNS}/{run_id}", "GET, HEAD, DELETE"),
            (f"{RUNS}/{run_id}/events", "GET"),
        ):
            response = self.memory.request("PUT", path, b"{}")
            self.assertEqual((response.code, response.headers["allow"]), (405, allow))
        off = {"gateway": {**self.memory.config["gateway"], "http": {"endpoints": {}}}}
        self.memory.gateway.reload({**self.memory.config, **off})
        for method, path in (("POST", RUNS), ("GET", f"{RUNS}/{run_id}"), ("GET", f"{RUNS}/{run_id}/events")):
            response = self.memory.request(method, path)
            self.assertEqual((response.code, response.json()["error"]["code"]), (404, "endpoint_disabled"))

    def test_paths(self) -> None:
        """Nothing else is there."""
        for path in (f"{RUNS}/", f"{RUNS}/x/", f"{RUNS}/x/other", f"{RUNS}//events", f"{RUNS}/x/events/"):
            self.assertEqual(self.refusal(self.memory.get(path))[:2], (404, "not_found"), path)

    def test_secret(self) -> None:
        """Nobody gets anything without one."""
        run_id = self.run_id()
        for method, path in (("POST", RUNS), ("GET", f"{RUNS}/{run_id}"), ("DELETE", f"{RUNS}/{run_id}")):
            response = self.memory.request(method, path, token="wrong")
            self.memory.advance(10)
            self.assertEqual(response.code, 401)
        self.assertEqual(self.memory.get(f"{RUNS}/{run_id}/events", token=None).code, 401)

    def test_store_fails(self) -> None:
        """A run that can not be noted is not started; the client may try again."""
        self.memory.gateway._house.sessions._jobs._max_waiting = 0
        response = self.start()
        self.assertEqual(self.refusal(response), (503, "storage_unavailable", "true"))
        self.assertIn("retry-after", response.headers)
        self.assertEqual(self.model.calls, [])


class ReadTests(RunsCase):
    """C{GET} and C{DELETE /v1/runs/<id>}."""

    def test_every_run(self) -> None:
        """Chat completions and WebSocket runs are runs."""
        self.chat(stream=True)
        run = self.read(self.live())
        self.assertEqual((run["status"], run["text"], run["usage"]), ("running", "", None))
        self.call.text("so far")
        self.assertEqual(self.read(run["id"])["text"], "so far")
        self.answer("!")
        client = self.memory.websocket()
        client.connect()
        client.request("agent", {"message": "x", "idempotencyKey": "k/1"})
        self.answer("by ws")
        self.assertEqual(self.read("k%2F1")["text"], "by ws")
        client.close()

    def test_remembered_and_stored(self) -> None:
        """After ten minutes the ledger answers; plain stateless runs are gone by then."""
        self.model.say("kept")
        self.model.say("passing")
        kept = self.chat(user="alice").headers["x-openclaw-run-id"]
        passing = self.chat().headers["x-openclaw-run-id"]
        before = self.read(kept)
        self.forget()
        self.assertEqual(self.read(kept), before)
        self.assertEqual(self.refusal(self.memory.get(f"{RUNS}/{passing}"))[:2], (404, "run_not_found"))

    def test_cancel(self) -> None:
        """The model's call ends at once; a second time nothing happens; the answer is the run as it is."""
        run_id = self.run_id()
        self.call.text("half")
        cancelled = self.memory.request("DELETE", f"{RUNS}/{run_id}")
        self.assertTrue(self.call.cancelled)
        run = cancelled.json()
        self.assertEqual((run["abort_reason"], run["text"], run["error"]["code"]), ("request", "half", "run_aborted"))
        self.flush()
        again = self.memory.request("DELETE", f"{RUNS}/{run_id}")
        self.assertEqual((again.code, again.json()), (200, self.read(run_id)))
        self.assertEqual(again.json()["status"], "aborted")
        self.forget()
        self.assertEqual(self.memory.request("DELETE", f"{RUNS}/{run_id}").json(), again.json())

    def test_cancel_a_queued_run(self) -> None:
        """One that waits for its session ends without the model."""
        first, second = self.run_id(user="a"), self.run_id(user="a")
        self.assertEqual(self.read(second)["status"], "queued")
        self.memory.request("DELETE", f"{RUNS}/{second}")
        self.flush()
        self.assertEqual((self.read(second)["status"], len(self.model.calls)), ("aborted", 1))
        self.answer("x")
        self.assertEqual(self.read(first)["status"], "ok")

    def test_cancel_a_chat(self) -> None:
        """The chat's own client is told."""
        chat = self.chat()
        self.memory.request("DELETE", f"{RUNS}/{self.live()}")
        self.memory.flush()
        self.assertEqual(self.refusal(chat), (499, "run_aborted", "false"))

    def test_head(self) -> None:
        """As GET, without the body."""
        response = self.memory.request("HEAD", f"{RUNS}/{self.run_id()}")
        self.assertEqual((response.code, response.body), (200, b""))

    def test_odd_ids(self) -> None:
        """What can not be an id is not found."""
        for run_id in ("%ff", "x" * 5000, "%00", "..", "%2e%2e"):
            self.assertEqual(self.refusal(self.memory.get(f"{RUNS}/{run_id}"))[:2], (404, "run_not_found"), run_id)


KEYS = [
    {"label": "ada", "hash": hash_of("key-ada")},
    {"label": "bob", "hash": hash_of("key-bob")},
    {"label": "eve", "hash": hash_of("key-eve"), "scopes": ["operator.read"]},
]


class OwnerTests(RunsCase):
    """Whose run it is."""

    config = {"gateway": {"auth": {"keys": KEYS}}}

    def test_somebody_elses_run(self) -> None:
        """Looks like one that is not there, in every way: live, remembered, and in the ledger."""
        run_id = self.memory.post(RUNS, {"message": "hi"}, token="key-ada").json()["id"]

        def ask(method: str, path: str) -> tuple[int, bytes]:
            response = self.memory.request(method, path, token="key-bob")
            return response.code, response.body

        for step in ("live", "ended", "stored"):
            for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/events")):
                unknown = ask(method, f"{RUNS}/nope{tail}")
                self.assertEqual(ask(method, f"{RUNS}/{run_id}{tail}"), unknown, (step, method, tail))
                self.assertEqual(unknown[0], 404)
            if step == "live":
                self.answer("x")
            elif step == "ended":
                self.forget()
        mine = self.memory.get(f"{RUNS}/{run_id}", token="key-ada")
        self.assertEqual((mine.code, mine.json()["status"]), (200, "ok"))
        self.assertEqual(self.memory.get(f"{RUNS}/{run_id}").code, 200)

    def test_same_look_ups(self) -> None:
        """The store is asked as often for a run that may not be seen as for one that is not there."""
        run_id = self.memory.post(RUNS, {"message": "hi"}, token="key-ada").json()["id"]
        asked: list[str] = []
        sessions = self.memory.gateway._house.sessions
        get_run = sessions.get_run

        async def counted(wanted: str) -> Any:
            asked.append(wanted)
            return await get_run(wanted)

        sessions.get_run = counted  # type: ignore[method-assign]
        for wanted in (run_id, "nope"):
            self.memory.get(f"{RUNS}/{wanted}", token="key-bob")
        self.assertEqual(asked, [run_id, "nope"])

    def test_scopes(self) -> None:
        """To read is not to start, and not to cancel; that is said before anything is looked up."""
        self.assertEqual(self.memory.post(RUNS, {"message": "hi"}, token="key-eve").code, 403)
        self.assertEqual(self.memory.request("DELETE", f"{RUNS}/nope", token="key-eve").code, 403)
        self.assertEqual(self.memory.get(f"{RUNS}/nope", token="key-eve").code, 404)

    def test_revoked_while_watching(self) -> None:
        """The stream says so and ends; the run goes on."""
        run_id = self.memory.post(RUNS, {"message": "hi"}, token="key-ada").json()["id"]
        stream = self.memory.get(f"{RUNS}/{run_id}/events", token="key-ada")
        auth = {**self.memory.config["gateway"]["auth"], "keys": KEYS[1:]}
        self.memory.gateway.reload({**self.memory.config, "gateway": {**self.memory.config["gateway"], "auth": auth}})
        self.memory.advance(15, steps=15)
        self.assertTrue(stream.finished)
        self.assertEqual(events(stream.body)[-1]["error"]["code"], "invalid_api_key")
        self.assertEqual(self.read(run_id)["status"], "running")

    def test_revoked_is_gone(self) -> None:
        """Who was shown out does not attend the run any more."""
        policy = {"x-openclaw-on-disconnect": "grace=20"}
        run_id = self.memory.post(RUNS, {"message": "hi"}, token="key-ada", headers=policy).json()["id"]
        self.memory.get(f"{RUNS}/{run_id}/events", token="key-ada")
        auth = {**self.memory.config["gateway"]["auth"], "keys": KEYS[1:]}
        self.memory.gateway.reload({**self.memory.config, "gateway": {**self.memory.config["gateway"], "auth": auth}})
        self.memory.advance(15, steps=15)
        self.assertEqual(self.read(run_id)["status"], "running")
        self.memory.advance(21)
        self.assertEqual(self.read(run_id)["abort_reason"], "disconnect")


class EventsTests(RunsCase):
    """C{GET /v1/runs/<id>/events}."""

    def test_from_beginning_to_end(self) -> None:
        """All that happens, numbered without holes, then the end."""
        run_id = self.run_id()
        stream = self.watch(run_id)
        self.assertEqual(stream.headers["content-type"], "text/event-stream; charset=utf-8")
        self.assertEqual(stream.headers["cache-control"], "no-cache, no-transform")
        self.call.reasoning("hm")
        self.call.call_tool("session_status", {})
        self.call.finish()
        self.flush()
        self.answer("Hel", "lo")
        self.assertTrue(stream.finished)
        found = events(stream.body)
        self.assertEqual([event["seq"] for event in found], list(range(1, len(found) + 1)))
        kinds = [event["type"] for event in found]
        self.assertEqual(
            kinds,
            [
                "run.started",
                "model.answered",
                "reasoning.delta",
                "message.completed",
                "tool.started",
                "tool.completed",
                "model.answered",
                "message.delta",
                "message.delta",
                "message.completed",
                "run.completed",
            ],
        )
        self.assertEqual(found[-1]["run"], self.read(run_id))

    def test_each_end(self) -> None:
        """Every way to end has its event."""
        self.model.fail("provider_rejected", "no")
        failed = self.run_id()
        self.assertEqual(events(self.watched(failed))[-1]["type"], "run.failed")
        aborted = self.run_id()
        self.memory.request("DELETE", f"{RUNS}/{aborted}")
        self.assertEqual(events(self.watched(aborted))[-1]["type"], "run.aborted")

    def watched(self, run_id: str) -> bytes:
        """What one gets who watches a run that has ended."""
        stream = self.watch(run_id)
        self.flush()
        assert stream.finished
        return stream.body

    def test_many_subscribers(self) -> None:
        """Each gets the same bytes, whenever it came."""
        run_id = self.run_id()
        streams = [self.watch(run_id)]
        for piece in ("a", "b", "c"):
            self.call.text(piece)
            self.flush()
            streams.append(self.watch(run_id))
        self.answer("d")
        streams.append(self.watch(run_id))
        self.assertEqual({stream.body for stream in streams}, {streams[0].body})
        self.assertEqual([stream.finished for stream in streams], [True] * 5)

    def test_only_what_is_durable(self) -> None:
        """T: what a client has seen, the disk knows."""
        run_id = self.run_id()
        stream = self.watch(run_id)
        self.call.text("fresh")
        self.memory.flush()
        self.assertEqual(seqs(stream), [1])
        self.flush()
        self.assertEqual(seqs(stream), [1, 2, 3])
        self.assertEqual(self.rows("run_events"), 2)

    def test_chat_streams_are_not_slowed(self) -> None:
        """A chat client gets a piece at once, also while somebody watches the events."""
        chat = self.chat(stream=True)
        self.watch(self.live())
        self.call.text("now")
        self.memory.flush()
        self.assertIn("now", chat.text())

    def test_resume(self) -> None:
        """By header or by query; the header counts first."""
        run_id = self.run_id()
        self.answer("a", "b")
        whole = events(self.watched(run_id))
        for after in range(len(whole)):
            self.assertEqual(events(self.watch(run_id, after).body), whole[after:])
            by_query = self.memory.get(f"{RUNS}/{run_id}/events?x=1&after={after}")
            self.assertEqual(events(by_query.body), whole[after:])
        both = self.memory.get(f"{RUNS}/{run_id}/events?after=1", headers={"Last-Event-ID": "3"})
        self.assertEqual(events(both.body), whole[3:])

    def test_nothing_left(self) -> None:
        """204 after the end, which makes an EventSource stop."""
        run_id = self.run_id()
        self.answer("a")
        last = seqs(self.watch(run_id))[-1]
        response = self.watch(run_id, last)
        self.assertEqual((response.code, response.body), (204, b""))
        self.assertNotIn("content-length", response.headers)
        self.assertTrue(response.finished)

    def test_bad_cursors(self) -> None:
        """400, with where it came from."""
        run_id = self.run_id()
        for headers, param in (({"Last-Event-ID": "x"}, "Last-Event-ID"), ({"Last-Event-ID": "2"}, "Last-Event-ID")):
            response = self.memory.get(f"{RUNS}/{run_id}/events", headers=headers)
            self.assertEqual((response.code, response.json()["error"]["param"]), (400, param))
        for after in ("-1", "2"):
            response = self.memory.get(f"{RUNS}/{run_id}/events?after={after}", headers={"Last-Event-ID": ""})
            self.assertEqual((response.code, response.json()["error"]["param"]), (400, "after"))

    def test_t03_keep_alive(self) -> None:
        """Comments of one line, from the first silence on: no reader takes them for an event."""
        run_id = self.run_id()
        stream = self.watch(run_id)
        self.memory.advance(46, steps=46)
        self.assertEqual(stream.body.count(b": ping\n"), 3)
        self.assertNotIn(b": ping\n\n", stream.body)
        self.answer("x")
        self.assertEqual(seqs(stream), list(range(1, 6)))

    def test_gap(self) -> None:
        """A cursor that fell off the ring is told what is lost, then gets what is held."""
        run_id = self.run_id()
        for _ in range(6):
            self.call.text("x" * 1_000_000)
            self.flush()
        stream = self.watch(run_id, 2)
        gap, *rest = events(stream.body)
        self.assertEqual((gap["type"], gap["first"]), ("replay_gap", 3))
        self.assertEqual([event["seq"] for event in rest], list(range(gap["last"] + 1, 9)))
        self.call.finish()
        self.flush()
        self.crash()
        again = events(self.watch(run_id, 2).body)
        self.assertEqual(again[0]["type"], "replay_gap")
        self.assertEqual([event["seq"] for event in again[1:]], list(range(again[0]["last"] + 1, 11)))

    def test_slow_reader(self) -> None:
        """One that does not read is told and cut off; it costs a bounded buffer, and can come back."""
        run_id = self.run_id()
        client = Client(self.memory.site, self.memory.clock)
        client.stall()
        client.request("GET", f"{RUNS}/{run_id}/events", headers={"Authorization": "Bearer a-token-for-tests"})
        for _ in range(30):
            self.call.text("x" * 100_000)
            self.memory.advance(FLUSH_SECONDS)
        self.memory.advance(2)
        client.wire.pump()
        self.assertTrue(client.wire.aborted)
        self.assertLess(client.wire.held_most, 3_000_000)
        self.assertEqual(self.read(run_id)["status"], "running")


class ResumeTests(RunsCase):
    """Clients that lose their connection anywhere."""

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.sampled_from(["say", "flush", "hang up", "half", "second"]), max_size=30))
    def test_the_pieces_are_the_whole(self, steps: list[str]) -> None:
        """What a client got before each cut, read up to its last whole event, and what it got after, is what one gets
        who was never cut."""
        memory = MemoryGateway()
        try:
            run_id = memory.post(RUNS, {"message": "x"}).json()["id"]
            whole = memory.get(f"{RUNS}/{run_id}/events")
            got: list[Any] = []
            stream = memory.get(f"{RUNS}/{run_id}/events")
            for number, step in enumerate([*steps, "say"]):
                if step == "say":
                    memory.model.calls[0].text(f"{number};")
                elif step == "flush":
                    memory.advance(FLUSH_SECONDS)
                elif step == "second":
                    memory.advance(1.0)
                else:
                    stream.disconnect()
                    body = stream.body[: len(stream.body) // 2] if step == "half" else stream.body
                    got += events(body)
                    last = str(got[-1]["seq"]) if got else "0"
                    stream = memory.get(f"{RUNS}/{run_id}/events", headers={"Last-Event-ID": last})
            memory.model.calls[0].finish()
            memory.advance(FLUSH_SECONDS)
            got += events(stream.body)
            self.assertEqual(got, events(whole.body))
            self.assertTrue(stream.finished)
            self.assertEqual(texts(got), memory.get(f"{RUNS}/{run_id}").json()["text"])
        finally:
            memory.close()


class CrashTests(RunsCase):
    """What a new process finds."""

    def test_resume_after_a_crash(self) -> None:
        """Every client goes on where it was, and is told how the run ended."""
        run_id = self.run_id()
        stream = self.watch(run_id)
        self.call.text("one ", "two")
        self.flush()
        self.call.text(" never written")
        got = events(stream.body)
        self.crash()
        rest = events(self.watch(run_id, got[-1]["seq"]).body)
        self.assertEqual([event["type"] for event in rest], ["run.interrupted"])
        self.assertEqual(rest[0]["seq"], got[-1]["seq"] + 1)
        run = self.read(run_id)
        self.assertEqual(
            (run["status"], run["text"], run["error"]["code"]), ("interrupted", "one two", "run_interrupted")
        )
        self.assertEqual(run["model"], "scripted/model")
        self.assertEqual(rest[0]["run"], run)
        whole = events(self.watch(run_id).body)
        self.assertEqual(whole, got + rest)
        self.assertEqual(self.watch(run_id, whole[-1]["seq"]).code, 204)

    def test_crash_again(self) -> None:
        """A second crash changes nothing any more."""
        run_id = self.run_id(user="alice")
        self.call.text("half")
        self.flush()
        self.crash()
        before = (self.read(run_id), self.watch(run_id).body)
        self.crash()
        self.assertEqual((self.read(run_id), self.watch(run_id).body), before)

    def test_ended_before_the_crash(self) -> None:
        """The result is the same as before, and so is every event."""
        run_id = self.run_id()
        self.answer("a", "b")
        before = (self.read(run_id), self.watch(run_id).body)
        self.crash()
        self.assertEqual((self.read(run_id), self.watch(run_id).body), before)

    def test_crash_just_before_the_end_is_told(self) -> None:
        """The result is durable and its event is not: the event that is made up for it is the one that was lost."""
        run_id = self.run_id()
        stream = self.watch(run_id)
        self.call.text("all")
        self.call.finish()
        self.memory.flush()
        got = events(stream.body)
        self.assertNotEqual(got[-1]["type"], "run.completed")
        self.crash()
        rest = events(self.watch(run_id, got[-1]["seq"]).body)
        self.assertEqual([event["type"] for event in rest], ["run.completed"])
        self.assertEqual(texts(got), rest[0]["run"]["text"])

    def test_crash_in_a_session(self) -> None:
        """A session's run is noted before a model has answered, so the model is noted with what it says."""
        self.chat(user="alice")
        run_id = self.live()
        self.crash()
        self.assertIsNone(self.read(run_id)["model"])
        self.chat(user="alice")
        run_id = self.live()
        self.call.text("half")
        self.memory.advance(1)
        self.crash()
        self.assertEqual((self.read(run_id)["text"], self.read(run_id)["model"]), ("half", "scripted/model"))

    def test_queued(self) -> None:
        """One that was waiting is not forgotten."""
        self.run_id(user="a")
        waiting = self.run_id(user="a")
        self.crash()
        self.assertEqual(self.read(waiting)["status"], "interrupted")
        self.assertEqual([event["type"] for event in events(self.watch(waiting).body)][-1], "run.interrupted")

    def test_t38_chats_leave_nothing(self) -> None:
        """A hundred plain requests: no session, no run, no event."""
        for _ in range(100):
            self.model.say("x")
            self.chat()
        self.memory.advance(2)
        self.assertEqual([self.rows(table) for table in ("sessions", "runs", "run_events")], [0, 0, 0])

    def test_t21_chat_that_lived_a_while(self) -> None:
        """A chat completion that a crash cut off is reported with what it had said, never as unknown."""
        self.chat(stream=True)
        run_id = self.live()
        self.call.text("so far")
        self.memory.advance(3, steps=3)
        self.crash()
        run = self.read(run_id)
        self.assertEqual((run["status"], run["text"], run["model"]), ("interrupted", "so far", "scripted/model"))
        self.assertEqual(texts(events(self.watch(run_id).body)), "so far")


class ErrorBodyTests(RunsCase):
    """Refusals of these paths."""

    def test_t41_shutdown(self) -> None:
        """A run that had begun must not be tried again; one that still waited may be, and is told when."""
        chats = [self.chat(user="a"), self.chat(user="a")]
        self.call.text("half")
        drained = Deferred.fromCoroutine(self.memory.gateway.engine.drain(5))
        self.memory.advance(6)
        self.successResultOf(drained)
        self.assertEqual(self.refusal(chats[0]), (503, "gateway_restarting", "false"))
        self.assertEqual(self.refusal(chats[1]), (503, "gateway_draining", "true"))
        self.assertEqual(chats[1].headers["retry-after"], "5")
        self.assertEqual(self.refusal(self.start()), (503, "gateway_draining", "true"))

    def test_t31_after_a_tool(self) -> None:
        """A failure that could be tried again must not be once a tool has run, be it the model's or the store's."""
        for breaks in ("model", "store"):
            client = self.chat(user=breaks)
            self.call.call_tool("session_status", {})
            self.call.finish()
            self.memory.flush()
            if breaks == "store":
                self.memory.gateway._house.sessions._jobs._max_waiting = 0
                self.answer("x")
                code = (503, "storage_unavailable", "false")
            else:
                for _ in range(20):
                    if not self.call.done.called:
                        self.call.fail("provider_overloaded", "busy")
                    self.memory.advance(5)
                code = (503, "provider_overloaded", "false")
            self.memory.flush()
            self.assertEqual(self.refusal(client), code)
            self.assertNotIn("retry-after", client.headers)
        self.memory.gateway._house.sessions._jobs._max_waiting = 10_000

    def test_four_keys(self) -> None:
        """Also for what is no JSON."""
        for body in (b"{", b"[1]", b'{"message": "\xff"}'):
            response = self.memory.post(RUNS, body)
            self.assertEqual(set(response.json()["error"]), {"message", "type", "param", "code"})
            self.assertEqual(response.code, 400)

    def test_queue_full(self) -> None:
        """Nothing was started; the client may try again."""
        defaults = {**self.memory.config["agents"]["defaults"], "maxConcurrent": 1, "maxQueued": 1}
        agents = {**self.memory.config["agents"], "defaults": defaults}
        self.memory.gateway.reload({**self.memory.config, "agents": agents})
        self.start()
        self.start()
        response = self.start()
        self.assertEqual(self.refusal(response), (429, "queue_full", "true"))
        self.assertEqual(response.headers["retry-after"], "1")
