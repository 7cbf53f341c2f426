# -*- test-case-name: tests.web.test_starting -*-
"""Requests that are sent again, and clients that hang up: one run each, whoever comes and goes."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.errors import ConfigError
from openclaw_tx.testing import MemoryResponse
from tests.support.runs import CHAT, HELLO, RUNS, RunsCase, events

KEY = {"Idempotency-Key": "order-7"}
REPLAYED = "idempotency-replayed"


class KeyTests(RunsCase):
    """C{Idempotency-Key}."""

    config: dict[str, Any] = {
        "gateway": {
            "auth": {"keys": [{"label": "ada", "hash": hash_of("key-ada")}]},
            "http": {"endpoints": {"responses": {"enabled": True}}},
        }
    }

    def test_replayed(self) -> None:
        """The same bytes again, and one run; only the second answer is marked."""
        self.model.say("Hel", "lo")
        first, second = self.chat(KEY), self.chat(KEY)
        self.assertEqual((first.code, first.body), (second.code, second.body))
        self.assertEqual((first.headers.get(REPLAYED), second.headers[REPLAYED]), (None, "true"))
        self.assertEqual(first.headers["x-openclaw-run-id"], second.headers["x-openclaw-run-id"])
        self.assertEqual(len(self.model.calls), 1)

    def test_replayed_stream(self) -> None:
        """The same bytes, however long after, and from wherever they are: memory, ledger, another process."""
        fields = {"stream": True, "stream_options": {"include_usage": True}, "model": "gpt-4o"}
        first = self.chat(KEY, **fields)
        self.call.text("a", "b")
        self.memory.advance(0.3)
        self.call.text("c")
        self.answer("d")
        self.assertTrue(first.text().endswith("data: [DONE]\n\n"))
        for step in ("at once", "from the ledger", "after a crash"):
            again = self.chat(KEY, **fields)
            self.assertEqual((again.body, again.headers[REPLAYED]), (first.body, "true"), step)
            self.forget() if step == "at once" else self.crash()
        self.assertEqual(len(self.model.calls), 0)

    def test_replayed_responses(self) -> None:
        """The Responses API does the same."""

        def ask(stream: bool) -> MemoryResponse:
            body = {"model": "openclaw", "input": "x", "stream": stream}
            return self.memory.post("/v1/responses", body, headers={"Idempotency-Key": f"r{stream}"})

        self.model.say("hi")
        self.model.say("ho")
        first = {stream: ask(stream) for stream in (False, True)}
        self.flush()
        for step in ("at once", "from the ledger", "after a crash"):
            for stream in (False, True):
                again = ask(stream)
                self.assertEqual((again.code, again.body), (200, first[stream].body), step)
                self.assertEqual(again.headers[REPLAYED], "true")
            self.forget() if step == "at once" else self.crash()

    def test_joined(self) -> None:
        """A live run is joined, streaming and not: all of it for everybody, and one call of the model."""
        first = self.chat(KEY, stream=True)
        self.call.text("a")
        self.memory.flush()
        second = self.chat(KEY, stream=True)
        self.call.text("b")
        self.memory.flush()
        third = self.chat(KEY, stream=True)
        self.answer("c")
        self.assertEqual(first.body, second.body)
        self.assertEqual(first.body, third.body)
        self.assertEqual(len(self.model.calls), 1)
        headers = {"Idempotency-Key": "whole"}
        both = self.chat(headers), self.chat(headers)
        self.answer("x")
        self.assertEqual(both[0].body, both[1].body)
        self.assertEqual([response.headers.get(REPLAYED) for response in both], [None, "true"])

    def test_before_it_is_noted(self) -> None:
        """Two that come before the first one's run is even in the ledger share it."""
        held: list[Any] = []
        jobs = self.memory.gateway._house.sessions._jobs
        jobs._worker, worker = type("Held", (), {"do": lambda _, work: held.append(work)})(), jobs._worker
        both = self.chat(KEY), self.chat(KEY)
        jobs._worker = worker
        for work in held:
            work()
        self.memory.flush()
        self.answer("x")
        self.assertEqual((both[0].code, both[0].body), (200, both[1].body))
        self.assertEqual(len(self.model.calls), 1)

    def test_what_is_gone(self) -> None:
        """What the first try named need not be there any more: the earlier response, or an item of it."""

        def ask(key: str, **fields: Any) -> MemoryResponse:
            body = {"model": "openclaw", **fields}
            return self.memory.post("/v1/responses", body, headers={"Idempotency-Key": key})

        self.model.say("one")
        earlier = ask("first", input="x").json()
        self.model.say("two")
        self.model.say("three")
        item = {"type": "item_reference", "id": earlier["output"][0]["id"]}
        named: list[dict[str, Any]] = [
            {"input": "y", "previous_response_id": earlier["id"]},
            {"input": [item, {"role": "user", "content": "z"}]},
        ]
        first = [ask(str(number), **fields) for number, fields in enumerate(named)]
        self.assertEqual([answer.code for answer in first], [200, 200])
        sessions = self.memory.gateway._house.sessions
        key = self.successResultOf(Deferred.fromCoroutine(sessions.get_run(earlier["id"]))).session_key
        self.successResultOf(Deferred.fromCoroutine(sessions.delete(key)))
        again = [ask(str(number), **fields) for number, fields in enumerate(named)]
        self.assertEqual([answer.body for answer in again], [answer.body for answer in first])
        self.assertEqual([answer.headers[REPLAYED] for answer in again], ["true"] * 2)
        self.forget()
        # The first one's was of the conversation that is deleted.
        self.assertEqual(ask("1", **named[1]).body, first[1].body)
        self.assertEqual(ask("new", **named[0]).json()["error"]["code"], "run_not_found")

    def test_conflict(self) -> None:
        """Another body, or another header that says something, is another request: 409, and no more tries."""
        self.model.say("x")
        self.chat(KEY)
        conflicts = [self.chat(KEY, temperature=1), self.chat({**KEY, "x-openclaw-agent-id": "beta"})]
        self.forget()
        conflicts.append(self.chat(KEY, stream=True))
        for response in conflicts:
            self.assertEqual(self.refusal(response), (409, "idempotency_key_conflict", "false"))
            self.assertNotIn(REPLAYED, response.headers)
        self.assertEqual(len(self.model.calls), 1)

    def test_whose_and_where(self) -> None:
        """A key belongs to who sent it, and to the path it was sent to."""
        self.model.say("a")
        self.model.say("b")
        mine = self.chat(KEY)
        hers = self.memory.post(CHAT, HELLO, token="key-ada", headers=KEY)
        self.assertEqual([r.json()["choices"][0]["message"]["content"] for r in (mine, hers)], ["a", "b"])
        self.assertEqual((hers.code, hers.headers.get(REPLAYED)), (200, None))
        self.assertEqual((self.start(KEY).code, len(self.model.calls)), (202, 3))

    def test_bad_keys(self) -> None:
        """Empty, too long, or not printable."""
        for key in ("", "x" * 256, "a\tb", "caf\u00e9", " "):
            response = self.chat({"Idempotency-Key": key})
            self.assertEqual((response.code, response.json()["error"]["param"]), (400, "Idempotency-Key"), key)
        self.model.say("x")
        self.assertEqual(self.chat({"Idempotency-Key": "x" * 255}).code, 200)

    def test_failed_for_good(self) -> None:
        """A failure that must not be tried again is what every try gets."""
        self.model.fail("provider_rejected", "no")
        first, second = self.chat(KEY), self.chat(KEY)
        self.assertEqual(first.body, second.body)
        self.assertEqual(self.refusal(second), (400, "provider_rejected", "false"))
        self.assertEqual(second.headers[REPLAYED], "true")

    def test_failed_before_anything_was_done(self) -> None:
        """A failure that may be tried again frees the key."""
        for _ in range(3):
            self.model.fail("provider_overloaded", "busy")
        first = self.chat(KEY)
        self.memory.advance(60, steps=60)
        self.assertEqual(self.refusal(first), (503, "provider_overloaded", "true"))
        self.model.say("now")
        second = self.chat(KEY)
        self.assertEqual((second.code, second.headers.get(REPLAYED)), (200, None))
        self.assertEqual(self.chat(KEY).body, second.body)
        self.forget()
        self.assertEqual(self.chat(KEY).body, second.body)

    def test_failed_in_mid_stream(self) -> None:
        """The replay of a stream that ended badly is that stream."""
        first = self.chat(KEY, stream=True)
        self.call.text("half")
        self.call.fail("provider_rejected", "no more")
        self.flush()
        again = self.chat(KEY, stream=True)
        self.assertIn("provider_rejected", first.text())
        self.assertEqual((again.code, again.body), (200, first.body))

    def test_t41_cut_off_by_a_crash(self) -> None:
        """Nobody knows what it had done: an error, no second run, and no more tries; its events are there."""
        for stream in (False, True):
            headers = {"Idempotency-Key": f"k{stream}"}
            self.chat(headers, stream=stream)
            run_id = self.live()
            self.call.text("half")
            self.flush()
            self.crash()
            again = self.chat(headers, stream=stream)
            self.assertEqual(self.refusal(again), (500, "run_interrupted", "false"))
            self.assertEqual((again.headers["x-openclaw-run-id"], again.headers[REPLAYED]), (run_id, "true"))
            self.assertEqual(self.model.calls, [])
            self.assertEqual(events(self.watch(run_id).body)[-1]["type"], "run.interrupted")

    def test_runs(self) -> None:
        """A run that was started twice under one key is one run; the second answer shows how it stands."""
        first = self.start(KEY)
        self.answer("done")
        second = self.start(KEY)
        self.assertEqual((second.code, second.headers[REPLAYED]), (202, "true"))
        self.assertEqual((second.json()["id"], second.json()["text"]), (first.json()["id"], "done"))

    def test_in_a_session(self) -> None:
        """The turn is in the transcript once."""
        self.model.say("one")
        for _ in range(3):
            self.chat(KEY, user="alice")
        self.model.say("two")
        self.chat(user="alice")
        self.assertEqual([m.text for m in self.model.requests[1].messages], ["hi", "one", "hi"])

    def test_journal_too_small(self) -> None:
        """An answer that outgrew what is held is replayed in short: other chunks, the same text."""
        headers = {"Idempotency-Key": "long"}
        first = self.chat(headers, stream=True)
        for letter in "abcdef":
            self.call.text(letter * 1_000_000)
            self.flush()
        self.call.finish()
        self.flush()
        again = self.chat(headers, stream=True)
        self.assertEqual(said(again), said(first))
        self.assertTrue(again.text().endswith("data: [DONE]\n\n"))

    def test_store_away(self) -> None:
        """A key that can not be looked up is not taken for a new one."""
        self.memory.gateway._house.sessions._jobs._max_waiting = 0
        response = self.chat(KEY)
        self.assertEqual(self.refusal(response), (503, "storage_unavailable", "true"))
        self.assertEqual(self.model.calls, [])


def said(response: MemoryResponse) -> str:
    """The text of a chat stream."""
    return "".join(
        choice["delta"].get("content") or ""
        for event in response.events()
        if event != "[DONE]"
        for choice in event["choices"]
    )


class DisconnectTests(RunsCase):
    """C{x-openclaw-on-disconnect} (T13)."""

    config: dict[str, Any] = {
        "agents": {
            "list": [
                {"id": "main"},
                {"id": "patient", "onDisconnect": "continue"},
                {"id": "g", "onDisconnect": "grace=9"},
            ]
        }
    }

    def hang_up(self, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """A chat client that leaves in mid-answer; the run."""
        client = self.chat(headers, **fields)
        [run] = self.memory.gateway.engine.live()
        self.call.text("half")
        client.disconnect()
        return run

    def policy(self, text: str) -> dict[str, str]:
        """The header."""
        return {"x-openclaw-on-disconnect": text}

    def test_default(self) -> None:
        """Cancelled at once, streaming or not, and the provider's call with it."""
        for stream in (False, True):
            run = self.hang_up(stream=stream)
            self.assertEqual((run.status, run.abort_reason), ("aborted", "disconnect"))
            self.assertTrue(self.call.cancelled)

    def test_in_the_queue(self) -> None:
        """Also while it waits."""
        first = self.chat(user="a")
        second = self.chat(user="a")
        second.disconnect()
        self.assertEqual([run.status for run in self.memory.gateway.engine.live()], ["running"])
        self.answer("x")
        self.assertEqual((first.code, len(self.model.calls)), (200, 1))

    def test_continue(self) -> None:
        """It ends as if somebody were there."""
        for stream in (False, True):
            run = self.hang_up(self.policy("continue"), stream=stream)
            self.memory.advance(500)
            self.answer(" and half")
            self.assertEqual(self.read(run.request.run_id)["text"], "half and half")

    def test_grace(self) -> None:
        """For so long; case does not matter."""
        run = self.hang_up(self.policy("Grace=60"), stream=True)
        self.memory.advance(59)
        self.assertEqual(run.status, "running")
        self.memory.advance(2)
        self.assertEqual((run.status, run.abort_reason), ("aborted", "disconnect"))

    def test_watched_in_time(self) -> None:
        """Who watches the events saves it, as long as he stays."""
        run = self.hang_up(self.policy("grace=60"), stream=True)
        self.memory.advance(30)
        stream = self.watch(run.request.run_id)
        self.memory.advance(300)
        self.assertEqual(run.status, "running")
        stream.disconnect()
        self.memory.advance(61)
        self.assertEqual(run.status, "aborted")

    def test_of_the_agent(self) -> None:
        """The configured policy counts where the client says nothing."""
        self.assertEqual(self.hang_up(model="openclaw:patient").status, "running")
        self.call.finish()
        run = self.hang_up(model="openclaw:g")
        self.memory.advance(8)
        self.assertEqual(run.status, "running")
        self.memory.advance(2)
        self.assertEqual(run.status, "aborted")
        self.assertEqual(self.hang_up(self.policy("cancel"), model="openclaw:patient").status, "aborted")

    def test_with_a_key(self) -> None:
        """Who sent a key is going to come back: half a minute, unless somebody chose otherwise."""
        run = self.hang_up({"Idempotency-Key": "1"})
        self.memory.advance(29)
        self.assertEqual(run.status, "running")
        again = self.chat({"Idempotency-Key": "1"})
        self.answer("!")
        self.assertEqual(again.json()["choices"][0]["message"]["content"], "half!")
        self.assertEqual(self.hang_up({"Idempotency-Key": "2", **self.policy("cancel")}).status, "aborted")
        run = self.hang_up({"Idempotency-Key": "3"})
        self.memory.advance(31)
        self.assertEqual(run.status, "aborted")
        self.flush()
        self.assertEqual(self.refusal(self.chat({"Idempotency-Key": "3"})), (499, "run_aborted", "false"))

    def test_two_joined_clients(self) -> None:
        """One that hangs up does not take the answer from the other."""
        for stream in (False, True):
            headers = {"Idempotency-Key": f"k{stream}", **self.policy("cancel")}
            first, second = self.chat(headers, stream=stream), self.chat(headers, stream=stream)
            first.disconnect()
            self.answer("for you")
            self.assertIn("for you", second.text())
            headers["Idempotency-Key"] += "2"
            first, second = self.chat(headers, stream=stream), self.chat(headers, stream=stream)
            second.disconnect()
            first.disconnect()
            self.assertTrue(self.call.cancelled)
            self.flush()

    def test_joined_too_late(self) -> None:
        """A stream whose beginning is no longer held can not be joined. Who was told so is not there: neither does an
        answer begin a moment later, nor is the run kept for nobody."""
        headers = {"Idempotency-Key": "long"}
        first = self.chat(headers, stream=True)
        [run] = self.memory.gateway.engine.live()
        for letter in "abcdef":
            self.call.text(letter * 1_000_000)
            self.flush()
        late = self.chat(headers, stream=True)
        self.memory.advance(5)
        self.assertEqual(self.refusal(late), (410, "replay_gap", "false"))
        first.disconnect()
        self.memory.advance(31)
        self.assertEqual((run.status, run.abort_reason), ("aborted", "disconnect"))

    def test_empty_policy(self) -> None:
        """It is none, like other empty headers."""
        for text in ("", " "):
            run = self.hang_up(self.policy(text))
            self.assertEqual((run.status, run.abort_reason), ("aborted", "disconnect"))

    def test_bad_policies(self) -> None:
        """400, with the header's name; nothing was started."""
        for text in ("never", "grace=0", "grace=3601", "grace=x", "cancel, continue"):
            response = self.chat(self.policy(text))
            self.assertEqual(
                (response.code, response.json()["error"]["param"]), (400, "x-openclaw-on-disconnect"), text
            )
        self.assertEqual(self.model.calls, [])

    def test_bad_configuration(self) -> None:
        """Refused with its path."""
        for text in ("grace=0", "grace=3601", "grace=10000", "sometimes"):
            agents = {**self.memory.config["agents"], "list": [{"id": "main", "onDisconnect": text}]}
            error = self.assertRaises(ConfigError, self.memory.gateway.reload, {**self.memory.config, "agents": agents})
            self.assertIn("onDisconnect", error.issues[0][0])


class JoinRetriesTests(RunsCase):
    """C{gateway.http.joinRetries} and the retry counter of OpenAI's SDKs."""

    config: dict[str, Any] = {
        "gateway": {"http": {"joinRetries": True}, "auth": {"keys": [{"label": "ada", "hash": hash_of("key-ada")}]}}
    }

    def attempt(self, number: int, token: str | None = None, **fields: Any) -> MemoryResponse:
        """A chat request as an SDK sends it."""
        headers = {"x-stainless-retry-count": str(number)}
        if token is None:
            return self.chat(headers, **fields)
        return self.memory.post(CHAT, HELLO, token=token, headers=headers)

    def test_retry_joins(self) -> None:
        """The first try timed out: the second one gets its answer, live or ended."""
        self.attempt(0).disconnect()
        second = self.attempt(1)
        self.answer("x")
        third = self.attempt(2)
        self.assertEqual((second.body, len(self.model.calls)), (third.body, 1))
        self.assertEqual([r.headers[REPLAYED] for r in (second, third)], ["true", "true"])
        self.assertEqual(self.rows("runs"), 0)

    def test_not_a_retry(self) -> None:
        """Somebody who asks the same twice wants two answers; what nobody sent before is new; so is another body."""
        self.attempt(0)
        self.attempt(0)
        self.attempt(1, temperature=1)
        self.attempt(1, token="key-ada")
        self.assertEqual(len(self.model.calls), 4)

    def test_too_late(self) -> None:
        """Ten minutes."""
        self.model.say("a")
        self.attempt(0)
        self.memory.advance(601)
        self.model.say("b")
        self.assertNotIn(REPLAYED, self.attempt(1).headers)

    def test_cancelled_by_its_client(self) -> None:
        """A try whose client wanted it cancelled is not what the next one gets."""
        self.chat({"x-stainless-retry-count": "0", "x-openclaw-on-disconnect": "cancel"}).disconnect()
        self.attempt(1)
        self.assertEqual(len(self.model.calls), 2)

    def test_off(self) -> None:
        """By default retries are requests like any other, and clients that hang up cancel their run."""
        gateway = {
            **self.memory.config["gateway"],
            "http": {**self.memory.config["gateway"]["http"], "joinRetries": False},
        }
        self.memory.gateway.reload({**self.memory.config, "gateway": gateway})
        self.attempt(0).disconnect()
        self.assertTrue(self.call.cancelled)
        self.attempt(1)
        self.assertEqual(len(self.model.calls), 2)

    def test_runs_too(self) -> None:
        """C{POST /v1/runs} is retried by the same rule."""
        both = [self.start({"x-stainless-retry-count": str(number)}).json()["id"] for number in (0, 1)]
        self.assertEqual(both[0], both[1])
        self.assertEqual(self.memory.get(f"{RUNS}/{both[0]}").code, 200)
