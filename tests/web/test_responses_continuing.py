# -*- test-case-name: tests.web.test_responses_continuing -*-
"""The Responses API: one response continues another."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from openclaw_tx.values import CompactionMessage, TextPart
from tests.web.responses import Case, said
from tests.web.test_responses import PICTURE, TOOL

DAY = 24 * 3600


class ContinuingTests(Case):
    """C{previous_response_id}, C{user}, C{store}."""

    def test_chain(self) -> None:
        """Each response knows what came before; instructions are not carried over."""
        first = self.answered("one", "1", instructions="INS")
        second = self.answered("two", "2", previous_response_id=first["id"])
        self.answered("three", "3", previous_response_id=second["id"], stream=False)
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2", "a:two", "u:3"])
        self.assertNotIn("INS", self.model.requests[-1].system)
        self.assertEqual(second["previous_response_id"], first["id"])
        (key,) = self.keys()
        self.assertRegex(key, "^agent:main:openresponses:[0-9a-f-]{36}$")

    def test_apart(self) -> None:
        """Responses that do not name an earlier one know nothing of each other."""
        self.answered("one", "1")
        self.answered("two", "2")
        self.assertEqual(said(self.model.requests[-1].messages), ["u:2"])
        self.assertEqual(len(self.keys()), 2)

    def test_after_restart(self) -> None:
        """The ledger knows earlier responses when the engine's memory does not."""
        first = self.answered("one", "1")
        self.memory.advance(1200, 20)
        self.assertIsNone(self.memory.gateway.engine.get(first["id"]))
        self.answered("two", "2", previous_response_id=first["id"])
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])

    def test_while_it_runs(self) -> None:
        """A response that is not complete can be continued: the next one waits for it."""
        first = self.ask("1", stream=True)
        (live,) = self.memory.gateway.engine.live()
        run_id = live.request.run_id
        self.assertFalse(first.finished)
        second = self.ask("2", previous_response_id=run_id)
        self.assertEqual(len(self.model.calls), 1)
        self.model.say("two")
        self.model.calls[0].text("one")
        self.model.calls[0].finish()
        self.memory.flush()
        self.assertEqual(second.json()["output"][0]["content"][0]["text"], "two")
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])

    def test_user(self) -> None:
        """A user's responses share a session, apart from that of chat completions."""
        first = self.answered("one", "1", user="Carol")
        self.answered("two", "2", user="carol")
        self.answered("three", "3", user="CAROL", previous_response_id=first["id"])
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2", "a:two", "u:3"])
        self.model.say("x")
        self.memory.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "c"}], "user": "carol"})
        self.assertEqual(said(self.model.requests[-1].messages), ["u:c"])

    def test_resent_history_does_not_double(self) -> None:
        """A client that resends everything to a session, as with chat."""
        self.answered("one", "1", user="u")
        items = [
            {"role": "user", "content": "1"},
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": "2"},
        ]
        self.answered("two", items, user="u")
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])

    def test_not_found(self) -> None:
        """Unknown, malformed, another API's, and not kept: 404 with the field."""
        self.model.say("x")
        chat = self.memory.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "c"}], "user": "u"})
        forgotten = self.answered("x", store=False)
        for response_id in ("resp_nope", "x" * 5000, "\0", chat.json()["id"], forgotten["id"]):
            error = self.refused(404, "previous_response_id", previous_response_id=response_id)
            self.assertEqual((error["code"], error["type"]), ("run_not_found", "invalid_request_error"))
        self.assertEqual(
            self.refused(404, "previous_response_id", previous_response_id="resp_nope")["message"],
            "Previous response with id 'resp_nope' not found.",
        )

    def test_other_agent_or_session(self) -> None:
        """A response belongs to its agent and to its session: naming another one is an error."""
        first = self.answered("one", model="openclaw:beta")
        self.refused(400, "previous_response_id", previous_response_id=first["id"], model="openclaw:main")
        self.refused(400, "previous_response_id", previous_response_id=first["id"], user="u")
        self.refused(
            400,
            "previous_response_id",
            previous_response_id=first["id"],
            headers={"x-openclaw-session-key": "agent:beta:x"},
        )
        self.answered("two", "2", previous_response_id=first["id"], model="gpt-4o")
        self.assertIn("agent:beta:", self.keys()[0])

    def test_deleted_session(self) -> None:
        """What was deleted can not be continued."""
        first = self.answered("one")
        (key,) = self.keys()
        self.successResultOf(Deferred.fromCoroutine(self.memory.gateway._house.sessions.delete(key)))
        self.refused(404, "previous_response_id", previous_response_id=first["id"])

    def test_store_false(self) -> None:
        """Nothing is written, also when a user is named; what was said before is known all the same."""
        self.answered("x", store=False)
        self.answered("x", store=False, user="u")
        self.assertEqual(self.keys(), [])
        first = self.answered("one", "1")
        second = self.answered("two", "2", store=False, previous_response_id=first["id"])
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])
        self.assertEqual((second["store"], first["store"]), (False, True))
        self.answered("three", "3", previous_response_id=first["id"])
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:3"])
        self.refused(404, "previous_response_id", previous_response_id=second["id"])

    def test_store_false_reads_what_the_session_reads(self) -> None:
        """No question that failed, no images of earlier turns, a summary in place of what it stands for; outputs find
        their calls."""
        picture = {"type": "input_image", "image_url": PICTURE}
        first = self.answered("one", [{"role": "user", "content": [{"type": "input_text", "text": "1"}, picture]}])
        again = {"previous_response_id": first["id"], "store": False}
        self.model.fail("provider_rejected")
        self.assertEqual(self.ask("bad", previous_response_id=first["id"]).code, 400)
        self.answered("two", "2", **again)
        read = self.model.requests[-1].messages
        self.assertEqual(said(read), ["u:1", "a:one", "u:2"])
        self.assertEqual([type(part) for part in read[0].content], [TextPart])  # type: ignore[union-attr]
        sessions, (key,) = self.memory.gateway._house.sessions, self.keys()
        entry = self.successResultOf(Deferred.fromCoroutine(sessions.get(key)))
        assert entry is not None
        mark = CompactionMessage(summary="They counted.", kept=0)
        self.successResultOf(Deferred.fromCoroutine(sessions.compact(key, entry.session_id, mark)))
        self.model.call_tool("get_weather", {}, text="let me see")
        call = self.ask("3", tools=[TOOL], previous_response_id=first["id"]).json()["output"][1]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
        self.answered("four", [output], tools=[TOOL], **again)
        summary, *rest = said(self.model.requests[-1].messages)
        self.assertTrue(summary.endswith("They counted."), summary)
        self.assertEqual(rest, ["u:3", "a:let me see", "t:sunny"])

    def test_store_false_while_it_runs(self) -> None:
        """The response that it goes on from is awaited here, too."""
        self.ask("1", stream=True)
        (live,) = self.memory.gateway.engine.live()
        second = self.ask("2", previous_response_id=live.request.run_id, store=False)
        self.assertEqual(len(self.model.calls), 1)
        self.model.say("two")
        self.model.calls[0].text("one")
        self.model.calls[0].finish()
        self.memory.flush()
        self.assertEqual(second.code, 200)
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])

    def test_store_false_in_a_named_session(self) -> None:
        """Who names a session in a header gets it, whatever an SDK sends by default."""
        named = {"x-openclaw-session-key": "mine"}
        self.answered("one", "1", named, store=False)
        self.answered("two", "2", named, store=False)
        self.assertEqual(said(self.model.requests[-1].messages), ["u:1", "a:one", "u:2"])
        self.assertEqual(self.keys(), ["agent:main:mine"])

    def test_d34_pruned(self) -> None:
        """Kept for a day after the last use; sessions with a name stay."""
        first = self.answered("one", "1")
        self.answered("x", user="u")
        self.memory.advance(DAY - 600, 50)
        self.answered("two", "2", previous_response_id=first["id"])
        self.memory.advance(DAY - 1200, 50)
        self.assertEqual(len(self.keys()), 2)
        self.memory.advance(2400, 50)
        self.assertEqual(self.keys(), ["agent:main:openresponses-user:u"])
        self.refused(404, "previous_response_id", previous_response_id=first["id"])
