# -*- test-case-name: tests.ws.rpc.test_session_changes -*-
"""Sessions begun anew, deleted, compacted and written into, over real connections with the real engine."""

from __future__ import annotations

import os
from typing import Any

from openclaw_tx.values import CompactionMessage
from tests.sessions.helpers import ManualWorker, answer, user
from tests.ws.rpc.sessions import KEY, RunCase


class ResetTests(RunCase):
    """C{sessions.reset}."""

    def test_reset(self) -> None:
        """Another conversation; what was set stays; the old one is archived."""
        self.say("one")
        self.call("sessions.patch", key=KEY, label="Lab", thinkingLevel="high")
        old = self.do(self.store.get(KEY)).session_id
        found = self.call("sessions.reset", key=KEY, reason="new")
        self.assertEqual((found["ok"], found["key"], found["entry"]["label"]), (True, KEY, "Lab"))
        self.assertEqual(found["entry"]["thinkingLevel"], "high")
        self.assertNotIn("totalTokens", found["entry"])
        assert found["entry"]["sessionId"] != old
        self.assertEqual(self.texts(), [])
        state = self.memory.gateway.settings.state_dir
        names = os.listdir(os.path.join(state, "agents", "main", "sessions"))
        self.assertEqual([name.startswith(f"{old}.jsonl.reset.") for name in names], [True])

    def test_unknown(self) -> None:
        """Is made, unless its agent or its key forbids."""
        self.assertEqual(self.call("sessions.reset", key="new")["key"], "agent:main:new")
        self.assertIsNotNone(self.do(self.store.get("agent:main:new")))
        self.assertIn("unknown agent id", self.refusal("sessions.reset", key="agent:gone:x")[1])
        self.assertIn("No session found", self.refusal("sessions.reset", key="agent:main:cron:1")[1])

    def test_run_at_work(self) -> None:
        """Is aborted first; its turn belongs to the old conversation."""
        self.send("one")
        self.memory.model.calls[-1].text("half")
        self.call("sessions.reset", key=KEY)
        self.assertTrue(self.memory.model.calls[-1].cancelled)
        self.assertEqual(self.texts(), [])
        self.assertEqual(self.do(self.store.get_run("run-one")).status, "aborted")

    def test_twice_at_once(self) -> None:
        """Who expects a conversation ends just that one, also when somebody else is at it."""
        self.say("one")
        old = self.do(self.store.get(KEY)).session_id
        jobs, worker = self.store._jobs, ManualWorker()
        at_once, jobs._worker = jobs._worker, worker
        for number in ("r0", "r1"):
            params = {"key": KEY, "expectedSessionId": old}
            self.client.send({"type": "req", "id": number, "method": "sessions.reset", "params": params})
        while worker.waiting:
            worker.flush()
            self.memory.flush()
        jobs._worker = at_once
        self.assertTrue(self.client.response("r0")["ok"])
        error = self.client.response("r1")["error"]
        self.assertEqual(error["code"], "INVALID_REQUEST")
        self.assertIn("begun anew meanwhile", error["message"])
        new = self.client.response("r0")["payload"]["entry"]["sessionId"]
        self.assertEqual(self.do(self.store.get(KEY)).session_id, new)

    def test_scopes(self) -> None:
        """Takes an administrator."""
        self.assertEqual(
            self.refusal("sessions.reset", self.holder("key"), key=KEY)[1], "missing scope: operator.admin"
        )


class DeleteTests(RunCase):
    """C{sessions.delete}."""

    def test_delete(self) -> None:
        """The session goes, its transcript is an archive; a second time there is nothing to delete."""
        self.say("one")
        found = self.call("sessions.delete", key="work")
        [path] = found.pop("archived")
        self.assertEqual(found, {"ok": True, "key": KEY, "deleted": True})
        self.assertTrue(os.path.exists(path))
        self.assertIn(".jsonl.deleted.", path)
        self.assertIsNone(self.do(self.store.get(KEY)))
        again = self.call("sessions.delete", key=KEY)
        self.assertEqual(again, {"ok": True, "key": KEY, "deleted": False, "archived": []})

    def test_transcript_stays(self) -> None:
        """Where it is not to be deleted."""
        self.say("one")
        session_id = self.do(self.store.get(KEY)).session_id
        self.assertEqual(self.call("sessions.delete", key=KEY, deleteTranscript=False)["archived"], [])
        directory = os.path.join(self.memory.gateway.settings.state_dir, "agents", "main", "sessions")
        self.assertEqual(os.listdir(directory), [f"{session_id}.jsonl"])

    def test_main(self) -> None:
        """An agent's main session stays; that of an agent that is gone does not have to."""
        self.assertEqual(
            self.refusal("sessions.delete", key="main"),
            ("INVALID_REQUEST", "Cannot delete the main session (agent:main:main)."),
        )
        self.refusal("sessions.delete", key="agent:beta:main")
        self.add("agent:gone:main", user("x"))
        self.assertTrue(self.call("sessions.delete", key="agent:gone:main")["deleted"])

    def test_run_at_work(self) -> None:
        """Is aborted and waited for, then the session goes with what it had said; messages that wait are forgotten."""
        self.send("one")
        self.send("two")
        self.memory.model.calls[-1].text("half")
        self.assertTrue(self.call("sessions.delete", key=KEY)["deleted"])
        self.assertIsNone(self.do(self.store.get(KEY)))
        run = self.memory.gateway.engine.get("run-one")
        assert run is not None
        self.assertEqual(run.status, "aborted")
        ends = [event["payload"] for event in self.client.events("chat") if event["payload"]["runId"] == "run-two"]
        self.assertEqual([end["state"] for end in ends], ["aborted"])

    def test_run_that_does_not_end(self) -> None:
        """After fifteen seconds the session stays, and the client may try again."""
        self.send("one")
        call = self.memory.model.calls[-1]
        call.done.pause()  # it hears of the abort, and does nothing about it
        request_id = self.ask("sessions.delete", key=KEY)
        self.memory.advance(14.9, 10)
        self.assertRaises(AssertionError, self.client.response, request_id)
        self.memory.advance(0.2)
        error = self.client.response(request_id)["error"]
        self.assertEqual(error["code"], "UNAVAILABLE")
        self.assertEqual(error["message"], f"Session {KEY} is still active; try again in a moment.")
        self.assertTrue(error["retryable"])
        self.assertIsNotNone(self.do(self.store.get(KEY)))
        call.done.unpause()

    def ask(self, method: str, **params: Any) -> str:
        """Send a request that is not answered at once."""
        self.client.send({"type": "req", "id": "late", "method": method, "params": params})
        return "late"

    def test_other_sessions(self) -> None:
        """Their runs go on."""
        self.send("one", "agent:main:other")
        self.add(KEY, user("x"))
        self.call("sessions.delete", key=KEY)
        self.answer("fine")
        self.assertEqual(self.texts("agent:main:other"), ["one", "fine"])

    def test_expected_session(self) -> None:
        """Another conversation is not deleted in its place."""
        self.add(KEY, user("x"))
        self.refusal("sessions.delete", key=KEY, expectedSessionId="another")
        self.assertIsNotNone(self.do(self.store.get(KEY)))
        session_id = self.do(self.store.get(KEY)).session_id
        self.assertTrue(self.call("sessions.delete", key=KEY, expectedSessionId=session_id)["deleted"])

    def test_begun_anew_while_waited_for(self) -> None:
        """Nor is one that began while the runs of the other were given time to end."""
        self.send("one")
        call = self.memory.model.calls[-1]
        call.done.pause()  # it hears of the abort, and does nothing about it
        request_id = self.ask("sessions.delete", key=KEY, expectedSessionId=self.do(self.store.get(KEY)).session_id)
        self.memory.advance(1)
        new = self.do(self.store.reset(KEY)).session_id
        call.done.unpause()
        self.memory.advance(1)
        self.assertIn("begun anew meanwhile", self.client.response(request_id)["error"]["message"])
        self.assertEqual(self.do(self.store.get(KEY)).session_id, new)

    def test_used_meanwhile(self) -> None:
        """What was said since it was looked at is not deleted with it."""
        self.add(KEY, user("x"))
        seen = self.call("sessions.describe", key=KEY)["session"]["updatedAt"]
        self.memory.advance(1)
        self.call("chat.inject", sessionKey=KEY, message="more")
        refused = self.refusal("sessions.delete", key=KEY, expectedSessionUpdatedAt=seen)
        self.assertIn("the session was used meanwhile", refused[1])
        seen = self.call("sessions.describe", key=KEY)["session"]["updatedAt"]
        self.assertTrue(self.call("sessions.delete", key=KEY, expectedSessionUpdatedAt=seen)["deleted"])

    def test_sub_agents(self) -> None:
        """A session of the gateway's own can be deleted."""
        self.add("agent:main:subagent:1", user("x"))
        self.assertTrue(self.call("sessions.delete", key="agent:main:subagent:1")["deleted"])


class CompactTests(RunCase):
    """C{sessions.compact}."""

    def test_lines(self) -> None:
        """The model reads the newest from now on; the transcript keeps everything; the summary before stays told."""
        for number in range(3):
            self.say(str(number))
        found = self.call("sessions.compact", key="work", maxLines=3)
        self.assertEqual(found, {"ok": True, "key": KEY, "compacted": True, "kept": 3})
        self.assertEqual(self.texts()[-1], "[ 3]")
        self.send("new")
        request = self.memory.model.calls[-1].request
        read = [message.text for message in request.messages]
        self.assertEqual(read, ["re 1", "2", "re 2", "new"])
        self.answer("fine")
        self.assertEqual(len(self.texts()), 9)
        again = self.call("sessions.compact", key=KEY, maxLines=5)
        self.assertEqual(again, {"ok": True, "key": KEY, "compacted": False, "kept": 5})
        self.assertEqual(self.do(self.store.get(KEY)).settings.compaction_count, 1)

    def test_summary_stays(self) -> None:
        """One that a model made is told on."""
        for number in range(3):
            self.say(str(number))
        session_id = self.do(self.store.get(KEY)).session_id
        self.do(self.store.compact(KEY, session_id, CompactionMessage(summary="sum", kept=4)))
        self.call("sessions.compact", key=KEY, maxLines=1)
        self.assertEqual(self.texts()[-1], "[sum 1]")

    def test_nothing_to_do(self) -> None:
        """Why not is said."""
        self.assertEqual(self.call("sessions.compact", key=KEY)["reason"], "no sessionId")
        self.call("sessions.patch", key=KEY, label="x")
        self.assertEqual(self.call("sessions.compact", key=KEY)["reason"], "no transcript")
        self.say("one")
        self.assertEqual(
            self.call("sessions.compact", key=KEY), {"ok": True, "key": KEY, "compacted": False, "kept": 2}
        )
        self.refusal("sessions.compact", key=KEY, maxLines=0)

    def test_history_shows_the_mark(self) -> None:
        """Chat clients see where it was."""
        self.say("one")
        self.say("two")
        self.call("sessions.compact", key=KEY, maxLines=1)
        mark = self.call("chat.history", sessionKey=KEY)["messages"][-1]
        self.assertEqual((mark["role"], mark["__openclaw"]["kind"]), ("system", "compaction"))


class InjectTests(RunCase):
    """C{chat.inject}."""

    def test_note(self) -> None:
        """Joins the transcript, and everybody who watches sees it; the next turn reads it."""
        self.say("one")
        watcher, stranger = self.memory.websocket(), self.holder("acme")
        watcher.connect(["operator.read"])
        found = self.call("chat.inject", sessionKey="work", message="remember", label="Note")
        text = "[Note]\n\nremember"
        [event] = [e["payload"] for e in watcher.events("chat") if e["payload"]["runId"].startswith("inject-")]
        self.assertEqual(
            event,
            {
                "runId": f"inject-{found['messageId']}",
                "sessionKey": KEY,
                "seq": 0,
                "state": "final",
                "message": {
                    "role": "assistant",
                    "content": [{"type": "text", "text": text}],
                    "timestamp": self.now_ms,
                },
            },
        )
        self.assertEqual(stranger.events("chat"), [])
        self.assertEqual(self.texts(), ["one", "re one", text])
        newest = self.call("chat.history", sessionKey=KEY)["messages"][-1]
        self.assertEqual(newest["stopReason"], "injected")
        self.send("two")
        self.assertEqual(
            [message.text for message in self.memory.model.calls[-1].request.messages],
            ["one", "re one", text, "two"],
        )
        self.answer("fine")

    def test_refused(self) -> None:
        """Into no session, with null bytes, or without the scope."""
        refusal = self.refusal("chat.inject", sessionKey="nope", message="x")
        self.assertEqual(refusal, ("INVALID_REQUEST", "session not found"))
        self.add(KEY, answer("x"))
        self.refusal("chat.inject", sessionKey=KEY, message="a\0b")
        self.refusal("chat.inject", sessionKey=KEY, message="")
        self.refusal("chat.inject", sessionKey=KEY, message="x", label="y" * 101)
        client = self.holder("key")
        self.assertIn("missing scope", self.refusal("chat.inject", client, sessionKey=KEY, message="x")[1])
        self.assertEqual(self.texts(), ["x"])
