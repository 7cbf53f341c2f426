# -*- test-case-name: tests.ws.rpc.test_session_changes -*-
"""Sessions changed, begun anew, deleted, compacted and written into, over real connections with the real engine."""

from __future__ import annotations

import os
from typing import Any

from openclaw_tx.values import CompactionMessage, SessionSettings
from tests.sessions.helpers import ManualWorker, answer, user
from tests.ws.rpc.test_sessions import ADMIN, SessionsCase

KEY = "agent:main:work"


class PatchTests(SessionsCase):
    """C{sessions.patch}."""

    CONFIG = {"agents": {"list": [{"id": "main"}, {"id": "beta", "model": "elsewhere/m"}]}}

    def settings(self, key: str = KEY) -> SessionSettings:
        """What is set for a session."""
        found: SessionSettings = self.do(self.store.get(key)).settings
        return found

    def test_every_field(self) -> None:
        """Each is stored in its word; null clears each; what is left out stays."""
        given: dict[str, Any] = {
            "thinkingLevel": "HIGH",
            "verboseLevel": "full",
            "reasoningLevel": "stream",
            "responseUsage": "tokens",
            "elevatedLevel": "ask",
            "execHost": "node",
            "execSecurity": "allowlist",
            "execAsk": "on-miss",
            "execNode": "mac",
            "sendPolicy": "deny",
            "groupActivation": "always",
            "queueMode": "steer",
            "queueDebounceMs": 0,
            "queueCap": 3,
            "queueDrop": "old",
        }
        answer_ = self.call("sessions.patch", key="Work", label=" Lab ", **given)
        self.assertEqual((answer_["ok"], answer_["path"], answer_["key"]), (True, "(database)", KEY))
        entry = answer_["entry"]
        self.assertEqual({name: entry[name] for name in given}, {**given, "thinkingLevel": "high"})
        self.assertEqual(entry["label"], "Lab")
        self.assertEqual(entry["sessionId"], self.do(self.store.get(KEY)).session_id)
        for name in given:
            self.call("sessions.patch", key=KEY, **{name: None})
        self.assertEqual(self.settings(), SessionSettings())
        self.assertEqual(self.do(self.store.get(KEY)).label, "Lab")
        self.assertNotIn("label", self.call("sessions.patch", key=KEY, label=None)["entry"])

    def test_model(self) -> None:
        """One that is configured; the agent's own needs no override; null takes it back."""
        self.assertIn("nope/nope", self.refusal("sessions.patch", key=KEY, model="nope/nope")[1])
        self.assertIsNone(self.do(self.store.get(KEY)))
        own = self.memory.model.ref
        found = self.call("sessions.patch", key=KEY, model=own)
        self.assertNotIn("modelOverride", found["entry"])
        other = self.memory.websocket()
        other.connect(ADMIN, protocol=3)
        self.assertNotIn("resolved", self.call("sessions.patch", other, key=KEY, model=None))

    def test_model_of_another(self) -> None:
        """A choice that is not the agent's own is kept, and told in full to newer clients."""
        provider, _, model = self.memory.model.ref.partition("/")
        found = self.call("sessions.patch", key="agent:beta:x", model=f"{provider}/{model}")
        self.assertEqual((found["entry"]["providerOverride"], found["entry"]["modelOverride"]), (provider, model))
        self.assertEqual(found["resolved"], {"modelProvider": provider, "model": model})
        self.assertEqual(self.settings("agent:beta:x").model_ref, self.memory.model.ref)
        found = self.call("sessions.patch", key="agent:beta:x", model=None)
        self.assertNotIn("modelOverride", found["entry"])

    def test_off_is_nothing(self) -> None:
        """Thinking, reasoning and the line about usage are off when nobody set them."""
        for name in ("thinkingLevel", "reasoningLevel", "responseUsage"):
            self.assertNotIn(name, self.call("sessions.patch", key=KEY, **{name: "off"})["entry"])
        self.assertEqual(self.call("sessions.patch", key=KEY, verboseLevel="off")["entry"]["verboseLevel"], "off")

    def test_words(self) -> None:
        """Others are refused with those that there are, and no session is made."""
        for name, value, message in (
            ("thinkingLevel", "max", "invalid thinkingLevel (use off|minimal|low|medium|high|xhigh)"),
            ("reasoningLevel", "x", 'invalid reasoningLevel (use "on"|"off"|"stream")'),
            ("elevatedLevel", "x", 'invalid elevatedLevel (use "on"|"off"|"ask"|"full")'),
            ("execHost", "x", 'invalid execHost (use "sandbox"|"gateway"|"node")'),
            ("execAsk", "x", 'invalid execAsk (use "off"|"on-miss"|"always")'),
            ("sendPolicy", "x", 'invalid sendPolicy (use "allow"|"deny")'),
            ("groupActivation", "x", 'invalid groupActivation (use "mention"|"always")'),
            ("queueMode", "x", 'invalid queueMode (use "collect"|"followup"|"interrupt"|"steer")'),
        ):
            refusal = self.refusal("sessions.patch", key=KEY, **{name: value})
            self.assertEqual(refusal, ("INVALID_REQUEST", message))
        for params in ({"label": ""}, {"label": " "}, {"queueCap": 0}, {"nope": 1}, {"label": "x" * 513}):
            self.assertEqual(self.refusal("sessions.patch", key=KEY, **params)[0], "INVALID_REQUEST")
        self.assertIsNone(self.do(self.store.get(KEY)))

    def test_label_in_use(self) -> None:
        """Labels are unique."""
        self.call("sessions.patch", key=KEY, label="Lab")
        refusal = self.refusal("sessions.patch", key="other", label="Lab")
        self.assertEqual(refusal, ("INVALID_REQUEST", "label already in use: Lab"))
        self.call("sessions.patch", key="agent:beta:other", label="Lab")

    def test_spawned_by(self) -> None:
        """Of sub-agents only, and once."""
        self.assertIn("only supported", self.refusal("sessions.patch", key=KEY, spawnedBy="agent:main:main")[1])
        child = "agent:main:subagent:1"
        self.assertEqual(
            self.refusal("sessions.patch", key=child, label="x"), ("INVALID_REQUEST", f"No session found: {child}")
        )
        self.add(child, user("task"))
        self.call("sessions.patch", key=child, spawnedBy=None)
        self.call("sessions.patch", key=child, spawnedBy="agent:main:main")
        self.call("sessions.patch", key=child, spawnedBy="agent:main:main")
        self.assertIn("cannot be changed", self.refusal("sessions.patch", key=child, spawnedBy="agent:main:x")[1])
        self.assertIn("cannot be cleared", self.refusal("sessions.patch", key=child, spawnedBy=None)[1])

    def test_scopes(self) -> None:
        """Who may write may name a session and choose what answers; the rest takes an administrator."""
        client = self.holder("key")
        self.call("sessions.patch", client, key=KEY, label="Lab", thinkingLevel="low", model=None)
        code, message = self.refusal("sessions.patch", client, key=KEY, sendPolicy="deny", label="x")
        self.assertEqual((code, message), ("FORBIDDEN", "missing scope: operator.admin"))
        self.assertEqual(self.do(self.store.get(KEY)).label, "Lab")

    def test_bounds_of_keys(self) -> None:
        """A key changes sessions within its bounds; others, and other agents, are not there."""
        client = self.holder("acme")
        self.assertEqual(self.call("sessions.patch", client, key="mine", label="x")["key"], "agent:main:acme:mine")
        self.assertEqual(self.refusal("sessions.patch", client, key=KEY, label="x")[1], "No such session.")
        self.assertIsNone(self.do(self.store.get(KEY)))
        self.refusal("sessions.patch", client, key="agent:beta:acme:x", label="x")

    def test_keys_and_agents(self) -> None:
        """Of an agent that is not there nothing is made; keys that keep their case are found."""
        self.assertIn("unknown agent id", self.refusal("sessions.patch", key="agent:gone:x", label="x")[1])
        self.assertIn("does not match", self.refusal("sessions.patch", key=KEY, agentId="beta", label="x")[1])
        self.assertEqual(self.call("sessions.patch", key="x", agentId="beta", label="y")["key"], "agent:beta:x")
        self.add("agent:main:Header", user("x"))
        self.assertEqual(self.call("sessions.patch", key="agent:main:Header", label="H")["key"], "agent:main:Header")
        self.add("agent:gone:x", user("x"))
        self.call("sessions.patch", key="agent:gone:x", label="still")
        self.refusal("sessions.patch", key="agent:main", label="x")

    def test_expected_session(self) -> None:
        """A change that was meant for a conversation that is over is refused."""
        self.add(KEY, user("x"))
        old = self.do(self.store.get(KEY)).session_id
        self.call("sessions.patch", key=KEY, label="a", expectedSessionId=old)
        self.call("sessions.reset", key=KEY)
        self.assertIn("begun anew", self.refusal("sessions.patch", key=KEY, label="b", expectedSessionId=old)[1])
        now = self.do(self.store.get(KEY)).session_id
        self.assertIn("begun anew", self.refusal("sessions.reset", key=KEY, expectedSessionId=old)[1])
        self.assertEqual(self.do(self.store.get(KEY)).session_id, now)
        self.call("sessions.reset", key=KEY, expectedSessionId=now)
        self.assertNotEqual(self.do(self.store.get(KEY)).session_id, now)
        self.assertIn("is no more", self.refusal("sessions.reset", key="nope", expectedSessionId=old)[1])


class LookTests(SessionsCase):
    """How clients show a session."""

    def row(self, key: str = KEY) -> Any:
        """As lists have it."""
        return self.call("sessions.describe", key=key)["session"]

    def test_looks(self) -> None:
        """Told in the row; null or nothing takes each back."""
        self.call("sessions.patch", key=KEY, icon=" 👩‍🚀 ", color="Blue", category=" Work ", pinned=True)
        row = self.row()
        self.assertEqual((row["icon"], row["color"], row["category"]), ("👩‍🚀", "blue", "Work"))
        self.assertEqual((row["pinned"], row["pinnedAt"]), (True, self.now_ms))
        self.memory.advance(1)
        self.call("sessions.patch", key=KEY, pinned=True)
        self.assertEqual(self.row()["pinnedAt"], row["pinnedAt"])
        self.call("sessions.patch", key=KEY, icon="", color="", category=None, pinned=False)
        row = self.row()
        self.assertFalse({"icon", "color", "category", "pinnedAt"} & set(row))
        self.assertFalse(row["pinned"])
        self.call("sessions.patch", key=KEY, icon="kanban", color="red")
        self.call("sessions.patch", key=KEY, icon=None, color=None)
        self.assertFalse({"icon", "color"} & set(self.row()))

    def test_refused(self) -> None:
        """What no client could show, and children."""
        self.add("agent:main:subagent:1", user("task"))
        for params, said in (
            ({"icon": "A"}, "icon must be a single emoji"),
            ({"icon": "🚀 now"}, "icon must be"),
            ({"icon": "é"}, "icon must be"),
            ({"icon": "<svg/>"}, "icon must be"),
            ({"icon": "🚀" * 17}, "icon must be"),
            ({"color": "black"}, "color must be one of: red"),
            ({"category": " "}, "invalid category: empty"),
            ({"key": "agent:main:subagent:1", "pinned": True}, "pin its parent"),
            ({"pinned": None}, "at /pinned"),
            ({"archived": True}, "unexpected property 'archived'"),
            ({"fastMode": True}, "unexpected property 'fastMode'"),
        ):
            self.assertIn(said, self.refusal("sessions.patch", **{"key": KEY, **params})[1])

    def test_no_use(self) -> None:
        """That is no use of a session: it keeps its place in lists. Other changes are."""
        self.add(KEY, user("hi"))
        before = self.row()["updatedAt"]
        self.memory.advance(5)
        self.call("sessions.patch", key=KEY, color="red", unread=True)
        self.assertEqual(self.row()["updatedAt"], before)
        self.call("sessions.patch", key=KEY, color="blue", label="Named")
        self.assertEqual(self.row()["updatedAt"], self.now_ms)

    def test_scope(self) -> None:
        """It takes no administrator."""
        self.call("sessions.patch", self.holder("key"), key=KEY, pinned=True, unread=True, icon="🚀")

    def test_unread(self) -> None:
        """Until it is read, and again when something is said or somebody wants it."""
        self.call("sessions.patch", key=KEY, label="new")
        self.assertFalse(self.row()["unread"])
        self.memory.advance(1)
        self.memory.model.say("hello")
        self.call("chat.send", sessionKey=KEY, message="hi", idempotencyKey="r")
        self.memory.advance(1)
        self.assertTrue(self.row()["unread"])
        self.call("sessions.patch", key=KEY, unread=False)
        row = self.row()
        self.assertEqual((row["unread"], row["lastReadAt"]), (False, self.now_ms))
        self.call("sessions.patch", key=KEY, unread=True)
        row = self.row()
        self.assertEqual((row["unread"], row["markedUnreadAt"]), (True, self.now_ms))

    def test_read_meanwhile(self) -> None:
        """Who shows a session takes back only the mark that it has seen."""
        self.call("sessions.patch", key=KEY, unread=True)
        seen = self.row()["markedUnreadAt"]
        self.call("sessions.patch", key=KEY, unread=True)
        self.call("sessions.patch", key=KEY, unread=False, expectedMarkedUnreadAt=seen)
        newer = self.row()["markedUnreadAt"]
        self.assertGreater(newer, seen)
        self.call("sessions.patch", key=KEY, unread=False, expectedMarkedUnreadAt=None)
        self.assertTrue(self.row()["unread"])
        self.call("sessions.patch", key=KEY, unread=False, expectedMarkedUnreadAt=newer)
        self.assertFalse(self.row()["unread"])
        self.call("sessions.patch", key=KEY, unread=False, expectedMarkedUnreadAt=None)
        for more in ({}, {"unread": True}, {"unread": False, "pinned": True}):
            refused = self.refusal("sessions.patch", key=KEY, expectedMarkedUnreadAt=None, **more)
            self.assertIn("requires unread=false", refused[1])

    def test_told(self) -> None:
        """What was taken back is told as nothing, or clients would go on showing it."""
        follower = self.memory.websocket()
        follower.connect(ADMIN)
        self.call("sessions.subscribe", follower)
        self.call("sessions.patch", key=KEY, icon="🚀", label="L", pinned=True)
        self.call("sessions.patch", key=KEY, icon=None, label=None, pinned=False)
        told, last = [event["payload"] for event in follower.events("sessions.changed")]
        self.assertEqual((told["icon"], told["label"], told["pinned"]), ("🚀", "L", True))
        names = ("icon", "label", "pinnedAt", "displayName", "markedUnreadAt")
        self.assertEqual([last[name] for name in names], [None] * 5)
        self.assertFalse(last["session"]["pinned"])


class RunCase(SessionsCase):
    """With runs."""

    def send(self, message: str, key: str = KEY, run_id: str = "") -> None:
        """Start a run."""
        params = {"sessionKey": key, "message": message, "idempotencyKey": run_id or f"run-{message}"}
        self.call("chat.send", **params)

    def say(self, message: str, key: str = KEY) -> None:
        """A whole turn."""
        self.send(message, key)
        self.answer(f"re {message}")

    def answer(self, text: str) -> None:
        """The model answers."""
        call = self.memory.model.calls[-1]
        call.text(text)
        call.finish()
        self.memory.flush()

    def texts(self, key: str = KEY) -> list[str]:
        """What the transcript says; marks in brackets."""
        return [
            f"[{each.summary} {each.kept}]" if isinstance(each, CompactionMessage) else each.text
            for each in self.do(self.store.transcript(key, 100))
        ]


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


class PolicyTests(RunCase):
    """C{session.sendPolicy} for chat clients."""

    CONFIG = {
        "session": {"sendPolicy": {"default": "allow", "rules": [{"action": "deny", "match": {"keyPrefix": "quiet"}}]}},
        "gateway": {"http": {"endpoints": {"chatCompletions": {"enabled": True}}}},
    }
    BLOCKED = ("INVALID_REQUEST", "send blocked by session policy")

    def test_blocked(self) -> None:
        """C{agent} and C{chat.send} are refused before anything begins; HTTP is not concerned."""
        for method, params in (
            ("chat.send", {"sessionKey": "quiet-one", "message": "x", "idempotencyKey": "a"}),
            ("agent", {"sessionKey": "quiet-one", "message": "x", "idempotencyKey": "b"}),
        ):
            self.assertEqual(self.refusal(method, **params), self.BLOCKED)
        self.assertIsNone(self.do(self.store.get("agent:main:quiet-one")))
        self.assertEqual(self.memory.model.calls, [])
        self.send("x", "agent:main:loud")
        self.answer("y")
        headers = {"x-openclaw-session-key": "quiet-one"}
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "x"}], "stream": True}
        self.memory.post("/v1/chat/completions", body, headers=headers)
        self.assertEqual(len(self.memory.model.calls), 2)

    def test_session_decides(self) -> None:
        """What C{sessions.patch} sets comes first, both ways."""
        self.call("sessions.patch", key="quiet-one", sendPolicy="allow")
        self.send("x", "quiet-one")
        self.answer("y")
        self.call("sessions.patch", key="loud", sendPolicy="deny")
        refusal = self.refusal("chat.send", sessionKey="loud", message="x", idempotencyKey="a")
        self.assertEqual(refusal, self.BLOCKED)
        self.call("sessions.patch", key="loud", sendPolicy=None)
        self.send("z", "loud")
        self.answer("y")


class DailyTests(RunCase):
    """C{session.reset}, from configuration to conversation."""

    CONFIG = {"agents": {"defaults": {"userTimezone": "UTC"}}}

    def test_daily(self) -> None:
        """A chat session begins anew after four o'clock; one of the HTTP API never does."""
        self.say("one")
        self.memory.advance(24 * 3600)
        self.say("two")
        self.assertEqual(self.texts(), ["two", "re two"])
        body = {"model": "openclaw", "user": "joe", "messages": [{"role": "user", "content": "x"}], "stream": True}
        for _ in range(2):
            self.memory.post("/v1/chat/completions", body)
            self.answer("y")
            self.memory.advance(24 * 3600)
        self.assertEqual(self.texts("agent:main:openai-user:joe"), ["x", "y", "x", "y"])


class CommonWordTests(RunCase):
    """Sessions called C{global} or C{unknown}, where C{session.scope} is not global."""

    CONFIG = {"agents": {"list": [{"id": "main"}, {"id": "beta"}]}}

    def chat(self, name: str, agent: str, text: str) -> None:
        """A whole turn over HTTP."""
        body = {"model": f"openclaw:{agent}", "messages": [{"role": "user", "content": text}]}
        self.memory.post("/v1/chat/completions", body, headers={"x-openclaw-session-key": name})
        self.answer(f"re {text}")

    def test_each_agent_has_its_own(self) -> None:
        """Over HTTP and WebSocket alike, so that no agent reads what was said to another."""
        for name in ("global", "unknown"):
            self.chat(name, "main", "I am main")
            self.chat(name, "beta", "I am beta")
            self.call("chat.send", sessionKey=name, agentId="beta", message="again", idempotencyKey=f"a {name}")
            self.answer("yes")
            self.call("agent", sessionKey=name, agentId="main", message="here", idempotencyKey=f"b {name}")
            self.answer("yes")
            self.assertEqual(self.texts(f"agent:main:{name}"), ["I am main", "re I am main", "here", "yes"])
            self.assertEqual(self.texts(f"agent:beta:{name}"), ["I am beta", "re I am beta", "again", "yes"])
            self.assertIsNone(self.do(self.store.get(name)))
            for agent in ("main", "beta"):
                wanted = f"agent:{agent}:{name}"
                place = {"key": name, "agentId": agent}
                history = self.call("chat.history", sessionKey=name, agentId=agent)
                self.assertEqual((history["sessionKey"], len(history["messages"])), (wanted, 4))
                self.assertEqual(self.call("sessions.messages.subscribe", **place)["key"], wanted)
                self.assertEqual(self.call("sessions.resolve", **place)["key"], wanted)
                self.assertEqual(self.call("sessions.patch", label=f"{agent} {name}", **place)["key"], wanted)
        keys = {row["key"] for row in self.call("sessions.list")["sessions"]}
        self.assertEqual(
            keys, {f"agent:{agent}:{name}" for agent in ("main", "beta") for name in ("global", "unknown")}
        )

    def test_one_from_before(self) -> None:
        """A session that is stored without an agent can still be looked at, and cleared away."""
        self.add("global", user("old"))
        self.assertEqual(self.call("sessions.describe", key="global")["session"]["key"], "global")
        session_id = self.do(self.store.get("global")).session_id
        self.call("agent", sessionId=session_id, message="more", idempotencyKey="a")
        self.answer("yes")
        self.assertEqual(self.texts("global"), ["old", "more", "yes"])
        self.assertEqual(self.call("sessions.reset", key="global")["key"], "global")
        self.assertTrue(self.call("sessions.delete", key="global")["deleted"])
        self.assertIsNone(self.do(self.store.get("global")))


class ScopeTests(RunCase):
    """C{session.scope}: global."""

    CONFIG = {"session": {"scope": "global"}}

    def test_one_session(self) -> None:
        """Main sessions of all agents, and requests that name none, are one; those with a name are their own."""
        self.assertEqual(self.call("agents.list")["scope"], "global")
        self.send("one", "main")
        self.answer("a")
        self.call("agent", message="two", agentId="beta", idempotencyKey="k2")
        self.answer("b")
        self.call("agent", message="three", idempotencyKey="k3")
        self.answer("c")
        self.send("four", "agent:main:named")
        self.answer("d")
        running = self.memory.gateway.run_agent("five", session_key="main")
        self.memory.flush()
        self.answer("e")
        self.successResultOf(running)
        self.assertEqual(self.texts("global"), ["one", "a", "two", "b", "three", "c", "five", "e"])
        self.assertEqual(self.texts("agent:main:named"), ["four", "d"])
        self.assertIsNone(self.do(self.store.get("agent:main:main")))

    def test_hello(self) -> None:
        """Clients are told which session is the main one."""
        client = self.memory.websocket()
        hello = client.connect(ADMIN)
        defaults = hello["snapshot"]["sessionDefaults"]
        self.assertEqual((defaults["scope"], defaults["mainSessionKey"]), ("global", "global"))

    def test_keys_with_a_prefix(self) -> None:
        """Keep a main session of their own."""
        client = self.holder("acme")
        self.call("chat.send", client, sessionKey="main", message="x", idempotencyKey="a")
        self.answer("y")
        self.assertEqual(self.texts("agent:main:acme:main"), ["x", "y"])
