# -*- test-case-name: tests.web.test_runs -*-
"""C{/v1/runs}: started, read, cancelled; by whom, and how it is refused."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from openclaw_tx.auth.keys import hash_of
from tests.support.runs import HELLO, RUNS, RunsCase, events


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
