# -*- test-case-name: tests.ws.rpc.test_agent -*-
"""agent and agent.wait over real connections."""

from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.actions import WRITE
from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.values import Principal, RunRequest, RunResult, StoredRun, Usage, UserMessage
from openclaw_tx.ws.rpc.agent import AgentParams
from openclaw_tx.ws.rpc.asks import fingerprint
from tests.ws.fakes import FakeRun
from tests.ws.harness import House, Line

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()


def ask(**changes: Any) -> dict[str, Any]:
    """Params of agent; None leaves one out."""
    params = {"message": "hi", "agentId": "main", "idempotencyKey": "k", **changes}
    return {name: value for name, value in params.items() if value is not None}


class Case(SynchronousTestCase):
    """A ready connection."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)
        self.line: Line = self.house.ready()

    def run_(self, run_id: str = "k") -> FakeRun:
        return self.house.engine.runs[run_id]

    def refusal(self, **changes: Any) -> str:
        """The text of a refusal; nothing was started."""
        before = len(self.house.engine.runs)
        error = self.line.call("agent", ask(**changes))["error"]
        self.assertEqual(error["code"], "INVALID_REQUEST")
        self.assertEqual(len(self.house.engine.runs), before)
        message: str = error["message"]
        return message


class AgentTests(Case):
    """One run."""

    def test_two_answers(self) -> None:
        """Accepted at once, the result at the end, both under one id."""
        id = self.line.ask("agent", ask())
        (accepted,) = self.line.answers(id)
        self.assertEqual(
            accepted["payload"],
            {
                "runId": "k",
                "status": "accepted",
                "acceptedAt": 1_795_390_000_000,
                "sessionKey": "agent:main:main",
                "agentId": "main",
            },
        )
        run = self.run_()
        run.start()
        self.house.advance(2)
        run.end("ok", "one", "two", usage=Usage(prompt_tokens=11, completion_tokens=7, cached_tokens=4))
        _, final = self.line.answers(id)
        self.assertEqual(
            final["payload"],
            {
                "runId": "k",
                "status": "ok",
                "summary": "completed",
                "result": {
                    "payloads": [{"text": "one", "mediaUrl": None}, {"text": "two", "mediaUrl": None}],
                    "meta": {
                        "durationMs": 2000,
                        "agentMeta": {
                            "sessionId": "s1",
                            "provider": "stub",
                            "model": "stub-1",
                            "usage": {"input": 7, "output": 7, "cacheRead": 4, "total": 18},
                        },
                        "aborted": False,
                        "stopReason": "stop",
                    },
                },
            },
        )

    def test_stop_reason(self) -> None:
        """What did not end well did not stop: the words are those of the transcript."""
        for key, status, reason in (("f", "error", "error"), ("a", "aborted", "aborted")):
            id = self.line.ask("agent", ask(idempotencyKey=key))
            self.run_(key).start()
            self.run_(key).end(status, "so far", error=ErrorInfo(code="run_failed", message="no"))
            meta = self.line.answers(id)[1]["payload"]["result"]["meta"]
            self.assertEqual((meta["stopReason"], meta["aborted"]), (reason, status == "aborted"))

    def test_media_and_reply(self) -> None:
        """Files and what it is a reply to go with the last payload, or with one of their own."""
        for payloads, media in ((("one", "two"), ("/a.png", "/b.png")), ((), ("/a.png",))):
            self.setUp()
            id = self.line.ask("agent", ask())
            self.run_().start()
            self.run_().end("ok", *payloads, media=media, reply_to="7")
            found = self.line.answers(id)[1]["payload"]["result"]["payloads"]
            self.assertEqual(len(found), len(payloads) or 1)
            last = {"text": "two" if payloads else "", "mediaUrl": "/a.png", "mediaUrls": list(media), "replyToId": "7"}
            self.assertEqual(found[-1], last)

    def test_protocol_3(self) -> None:
        """The January form of the first answer."""
        line = self.house.ready(minProtocol=3, maxProtocol=3)
        (accepted,) = line.answers(line.ask("agent", ask()))
        self.assertEqual(sorted(accepted["payload"]), ["acceptedAt", "runId", "status"])

    def test_thinking_is_the_sessions(self) -> None:
        """A level that is asked for is kept with the session; off takes it back, and saying nothing changes nothing."""
        levels = []
        for number, fields in enumerate(({"thinking": "high"}, {}, {"thinking": "off"})):
            self.line.ask("agent", ask(idempotencyKey=str(number), sessionKey="work", **fields))
            levels.append(self.house.sessions.entries["agent:main:work"].settings.thinking_level)
        self.assertEqual(levels, ["high", "high", ""])

    def test_request(self) -> None:
        """What was asked is what is run."""
        self.line.ask(
            "agent",
            ask(
                sessionKey="Work",
                timeout=0,
                thinking="high",
                extraSystemPrompt="be kind",
                channel="whatsapp",
                provider="stub",
                model="stub-1",
                deliver=False,
                to="+1",
                attachments=[{"type": "image", "mimeType": "image/gif", "content": PNG}],
            ),
        )
        request = self.run_().request
        self.assertEqual((request.agent_id, request.session_key), ("main", "agent:main:work"))
        self.assertEqual((request.timeout_s, request.thinking), (0.0, "high"))
        self.assertEqual((request.extra_system, request.channel, request.model), ("be kind", "whatsapp", "stub/stub-1"))
        self.assertEqual((request.surface, request.stateless, request.lane), ("ws", False, "main"))
        (message,) = request.messages
        text, image = message.content  # type: ignore[union-attr, misc]
        self.assertEqual((text.text, image.mime_type, image.data), ("hi", "image/png", PNG))  # type: ignore[union-attr]

    def test_failure(self) -> None:
        """A failed run: ok false, UNAVAILABLE, and the status beside it."""
        id = self.line.ask("agent", ask())
        self.run_().end("error", "partly", error=ErrorInfo(code="provider_error", message="broken", should_retry=True))
        final = self.line.answers(id)[-1]
        self.assertEqual(final["error"], {"code": "UNAVAILABLE", "message": "broken", "retryable": True})
        self.assertEqual((final["payload"]["status"], final["payload"]["summary"]), ("error", "broken"))
        self.assertEqual(final["payload"]["result"]["payloads"][0]["text"], "partly")

    def test_aborted(self) -> None:
        """A run that somebody aborted says so."""
        id = self.line.ask("agent", ask())
        self.run_().abort("rpc")
        final = self.line.answers(id)[-1]
        self.assertFalse(final["ok"])
        self.assertEqual((final["payload"]["status"], final["payload"]["summary"]), ("aborted", "aborted (rpc)"))

    def test_engine_refuses(self) -> None:
        """A full queue is one answer, and tells when to retry."""
        self.house.engine.refuse = GatewayError("queue_full", "Too many runs.", retry_after=1)
        (answer,) = self.line.answers(self.line.ask("agent", ask()))
        self.assertEqual(
            answer["error"],
            {"code": "UNAVAILABLE", "message": "Too many runs.", "retryable": True, "retryAfterMs": 1000},
        )

    def test_client_leaves(self) -> None:
        """The run goes on without the client."""
        self.line.ask("agent", ask())
        self.line.client.transport.loseConnection()
        self.line.pump.flush()
        self.assertEqual((self.run_().outcome, self.run_().abort_reason), (None, ""))


class SeatTests(Case):
    """Which agent, which session."""

    def seat(self, **changes: Any) -> tuple[str, str]:
        key = f"k{len(self.house.engine.runs)}"
        self.line.ask("agent", ask(idempotencyKey=key, **changes))
        request = self.run_(key).request
        return request.agent_id, request.session_key

    def test_seats(self) -> None:
        """Agent alone, key alone, both, neither, a recipient."""
        cases: list[tuple[dict[str, Any], tuple[str, str]]] = [
            ({"agentId": "beta"}, ("beta", "agent:beta:main")),
            ({"agentId": "Beta"}, ("beta", "agent:beta:main")),
            ({"agentId": None, "sessionKey": "agent:beta:work"}, ("beta", "agent:beta:work")),
            ({"agentId": None, "sessionKey": "work"}, ("main", "agent:main:work")),
            ({"agentId": "beta", "sessionKey": "work"}, ("beta", "agent:beta:work")),
            ({"agentId": "beta", "sessionKey": "main"}, ("beta", "agent:beta:main")),
            ({"agentId": None, "to": "+15550100"}, ("main", "agent:main:main")),
        ]
        for changes, wanted in cases:
            self.assertEqual(self.seat(**changes), wanted, changes)
        self.assertEqual(self.seat(agentId=None), ("main", "agent:main:explicit:k7"))

    def test_session_id(self) -> None:
        """A session id finds its session, else names an explicit one; it must agree with a key that is given."""
        self.house.sessions.add("agent:beta:work", 1, session_id="s-9")
        self.assertEqual(self.seat(agentId=None, sessionId="s-9"), ("beta", "agent:beta:work"))
        self.assertEqual(self.seat(agentId=None, sessionId="new"), ("main", "agent:main:explicit:new"))
        self.assertEqual(
            self.seat(agentId=None, sessionId="S-1", sessionKey="agent:main:explicit:s-1"),
            ("main", "agent:main:explicit:s-1"),
        )
        self.assertEqual(
            self.seat(agentId=None, sessionId="s-9", sessionKey="agent:beta:work"), ("beta", "agent:beta:work")
        )
        self.assertEqual(
            self.refusal(idempotencyKey="z", sessionId="s-9", sessionKey="agent:main:other"),
            "invalid agent params: sessionId is not the session of sessionKey",
        )

    def test_refused(self) -> None:
        """What does not fit together, or does not exist."""
        cases = {
            'unknown agent id "nope"': {"agentId": "nope"},
            'agent "main" does not match session key agent "beta"': {"sessionKey": "agent:beta:x"},
            'unknown agent id "zz"': {"agentId": None, "sessionKey": "agent:zz:x"},
            "sessionKey lies in a namespace of the gateway's own": {"sessionKey": "cron:x"},
            "A session key has no control characters.": {"sessionKey": "a\x00b"},
            "at /sessionKey: must NOT have more than 512 characters": {"sessionKey": "x" * 513},
        }
        for reason, changes in cases.items():
            self.assertEqual(self.refusal(**changes), f"invalid agent params: {reason}")


class ParamsTests(Case):
    """Params that can not be honoured are refused."""

    def test_refused(self) -> None:
        """Each with its reason."""
        cases: dict[str, dict[str, Any]] = {
            "must have required property 'message'": {"message": None},
            "at /message: must NOT have fewer than 1 characters": {"message": ""},
            "must have required property 'idempotencyKey'": {"idempotencyKey": None},
            "at /idempotencyKey: must NOT have more than 256 characters": {"idempotencyKey": "x" * 257},
            "idempotencyKey must not contain control characters": {"idempotencyKey": "k\u2028"},
            "message must not contain null bytes": {"message": "a\0b"},
            "at root: unexpected property 'zzz'": {"zzz": 1},
            "at root: unexpected property 'label'": {"label": "x"},
            "at /timeout: must be >= 0": {"timeout": -1},
            'lane must be "main"': {"lane": "cron"},
            "thinking must be one of off, minimal, low, medium, high, xhigh": {"thinking": "lots"},
            "provider needs model": {"provider": "stub"},
            "attachments/0: content must be a base64 string": {"attachments": [{"content": 3}]},
            "attachments/0: content is not base64": {"attachments": [{"content": "###"}]},
            "attachments/1: only PNG, JPEG, GIF and WebP images are supported": {
                "attachments": [{"content": PNG}, {"content": "aGVsbG8=", "mimeType": "image/png"}]
            },
            "attachments/0: an image has at most 6291456 bytes": {"attachments": [{"content": "A" * 9_000_000}]},
            "attachments: at most 20": {"attachments": [{"content": PNG}] * 21},
        }
        for reason, changes in cases.items():
            self.assertEqual(self.refusal(**changes), f"invalid agent params: {reason}")

    def test_message(self) -> None:
        """As C{chat.send} has it: words or an image are needed, and of control characters only line breaks and tabs
        stay."""
        for blank in (" ", "\n\t", "\x01"):
            self.assertEqual(self.refusal(message=blank), "message or attachment required")
        self.line.ask("agent", ask(idempotencyKey="words", message="e\u0301\x07\n\tx"))
        (message,) = self.run_("words").request.messages
        self.assertEqual(message.text, "\u00e9\n\tx")
        self.line.ask("agent", ask(idempotencyKey="image", message=" ", attachments=[{"content": PNG}]))
        (message,) = self.run_("image").request.messages
        assert isinstance(message, UserMessage)
        self.assertEqual([type(part).__name__ for part in message.content], ["ImagePart"])

    def test_unknown_model(self) -> None:
        """A model that no provider has."""
        self.assertEqual(self.refusal(model="x/y"), "Unknown model: x/y.")


class DedupeTests(Case):
    """The idempotency key is the run id."""

    def test_while_running(self) -> None:
        """A repeat starts nothing and gets one answer: in_flight, or accepted in the January form."""
        self.line.ask("agent", ask())
        (answer,) = self.line.answers(self.line.ask("agent", ask()))
        self.assertEqual((answer["payload"]["status"], answer["payload"]["runId"]), ("in_flight", "k"))
        old = self.house.ready(minProtocol=3, maxProtocol=3)
        (answer,) = old.answers(old.ask("agent", ask()))
        self.assertEqual(answer["payload"]["status"], "accepted")
        self.run_().end("ok", "done")
        self.assertEqual(len(self.line.answers("r2")), 1)

    def test_afterwards(self) -> None:
        """A repeat after the end gets the result at once."""
        self.line.ask("agent", ask())
        self.run_().end("ok", "done")
        (answer,) = self.line.answers(self.line.ask("agent", ask()))
        self.assertEqual(answer["payload"]["result"]["payloads"][0]["text"], "done")

    def test_failed(self) -> None:
        """So does the repeat of one that failed."""
        self.line.ask("agent", ask())
        self.run_().end("error", error=ErrorInfo(code="provider_error", message="broken"))
        (answer,) = self.line.answers(self.line.ask("agent", ask()))
        self.assertEqual((answer["ok"], answer["payload"]["status"]), (False, "error"))

    def test_other_params(self) -> None:
        """The same key for something else is a mistake, never a cached answer."""
        self.line.ask("agent", ask())
        reused = "this idempotencyKey was used before for another request"
        self.assertEqual(self.refusal(message="other"), reused)
        self.run_().end("ok", "done")
        self.assertEqual(self.refusal(message="other"), reused)

    def test_somebody_else(self) -> None:
        """Another principal's key is not found out by trying."""
        self.line.ask("agent", ask())
        run = self.run_()
        run.principal = Principal(id="proxy:eve", method="trusted-proxy", scopes=frozenset())
        self.assertEqual(self.refusal(), "this idempotencyKey was used before for another request")

    def store(self, **changes: Any) -> None:
        params = AgentParams(message="hi", idempotency_key="k", agent_id="main")
        values: dict[str, Any] = {
            "run_id": "k",
            "session_key": "agent:main:main",
            "agent_id": "main",
            "status": "interrupted",
            "surface": "ws",
            "principal_id": "shared-secret",
            "fingerprint": fingerprint("agent", params),
            "queued_at_ms": 1,
            "partial": "as far as",
            **changes,
        }
        self.house.sessions.runs["k"] = StoredRun(**values)

    def test_after_a_crash(self) -> None:
        """A repeat of a run that a crash cut off is told so, and is not run again."""
        self.store()
        (answer,) = self.line.answers(self.line.ask("agent", ask()))
        self.assertEqual(answer["error"]["message"], "the gateway stopped while the run was at work")
        self.assertEqual(answer["payload"]["result"]["payloads"][0]["text"], "as far as")
        self.assertEqual(self.house.engine.runs, {})

    def test_after_a_restart(self) -> None:
        """A repeat of a run that had ended gets its result from the store."""
        result = RunResult(run_id="k", session_key="agent:main:main", agent_id="main", status="ok", payloads=("kept",))
        self.store(status="ok", result=result)
        (answer,) = self.line.answers(self.line.ask("agent", ask()))
        self.assertEqual(answer["payload"]["result"]["payloads"][0]["text"], "kept")
        self.assertEqual(self.refusal(message="other"), "this idempotencyKey was used before for another request")


class WaitTests(Case):
    """agent.wait."""

    def wait(self, run_id: str = "k", **params: Any) -> str:
        return self.line.ask("agent.wait", {"runId": run_id, **params})

    def test_ended(self) -> None:
        """A run that has ended answers at once, even with no time to wait."""
        self.line.ask("agent", ask())
        self.run_().start()
        self.house.advance(1)
        self.run_().end("ok", "x")
        (answer,) = self.line.answers(self.wait(timeoutMs=0))
        self.assertEqual(
            answer["payload"],
            {"runId": "k", "status": "ok", "startedAt": 1_795_390_000_000, "endedAt": 1_795_390_001_000},
        )

    def test_ends_in_time(self) -> None:
        """The answer comes with the end."""
        self.line.ask("agent", ask())
        id = self.wait()
        self.house.advance(29)
        self.assertEqual(self.line.answers(id), [])
        self.run_().end("error", error=ErrorInfo(code="provider_error", message="broken"))
        (answer,) = self.line.answers(id)
        self.assertEqual((answer["payload"]["status"], answer["payload"]["error"]), ("error", "broken"))

    def test_timeout(self) -> None:
        """Time over is a good answer and harms the run in no way; one still in line is told apart."""
        self.line.ask("agent", ask())
        id = self.wait(timeoutMs=1000)
        self.house.advance(1.1)
        (answer,) = self.line.answers(id)
        self.assertEqual(answer["payload"], {"runId": "k", "status": "timeout", "timeoutPhase": "queue"})
        self.run_().start()
        (answer,) = self.line.answers(self.wait(timeoutMs=0))
        self.assertEqual(answer["payload"]["status"], "timeout")
        self.assertNotIn("timeoutPhase", answer["payload"])
        self.assertEqual(self.run_().outcome, None)

    def test_aborted(self) -> None:
        """An aborted run did not end well."""
        self.line.ask("agent", ask())
        self.run_().abort("timeout")
        (answer,) = self.line.answers(self.wait())
        self.assertEqual((answer["payload"]["status"], answer["payload"]["stopReason"]), ("error", "timeout"))

    def test_unknown(self) -> None:
        """Nobody knows the run: the time runs out."""
        id = self.wait("nobody", timeoutMs=5000)
        self.house.advance(4.9)
        self.assertEqual(self.line.answers(id), [])
        self.house.advance(0.2)
        (answer,) = self.line.answers(id)
        self.assertEqual(answer["payload"], {"runId": "nobody", "status": "timeout"})
        self.assertEqual(len(self.house.engine.listeners), 1, "only the hub listens on")

    def test_comes_later(self) -> None:
        """A run that is started while somebody waits for it is waited for."""
        id = self.wait("late")
        self.line.ask("agent", ask(idempotencyKey="late"))
        self.run_("late").start()
        self.run_("late").end("ok", "x")
        (answer,) = self.line.answers(id)
        self.assertEqual(answer["payload"]["status"], "ok")

    def test_only_the_store_knows(self) -> None:
        """A run that a crash cut off ended in error."""
        self.house.sessions.runs["old"] = StoredRun(
            run_id="old",
            session_key="agent:main:main",
            agent_id="main",
            status="interrupted",
            surface="http",
            principal_id="p",
            fingerprint="",
            queued_at_ms=1,
            started_at_ms=2,
            ended_at_ms=3,
        )
        (answer,) = self.line.answers(self.wait("old"))
        self.assertEqual(
            answer["payload"],
            {
                "runId": "old",
                "status": "error",
                "startedAt": 2,
                "endedAt": 3,
                "error": "the gateway stopped while the run was at work",
            },
        )

    def test_client_leaves(self) -> None:
        """Nothing is left of a wait whose client has gone."""
        line = self.house.ready(scopes=[WRITE])
        line.ask("agent.wait", {"runId": "nobody"})
        self.house.close()
        self.assertEqual((self.house.engine.listeners, self.house.clock.getDelayedCalls()), ([], []))

    def test_run_of_http(self) -> None:
        """Runs of other surfaces can be waited for."""
        request = RunRequest(run_id="h", agent_id="main", session_key="agent:main:x", messages=(), surface="http")
        run = self.house.engine.start(request, Principal(id="p", method="token", scopes=frozenset()))
        id = self.wait("h")
        run.end("ok", "x")
        self.assertEqual(self.line.answers(id)[0]["payload"]["status"], "ok")
