# -*- test-case-name: tests.test_outages -*-
"""What users see when a model provider fails: every drill over HTTP at once, HTTP as a stream, and the WebSocket.

Everything between the client and the provider's socket is real; only the network and the clock are in memory.
docs/models.md has L{DRILLS} as a table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES
from openclaw_tx.models.profile_files import path_of
from tests.support.outages import TOKEN, Drill, Fate, Fates, Seen

DOCS = Path(__file__).parent.parent / "docs" / "models.md"

OK: Fate = {"reply": "spare"}
TWO_KEYS = {"main:one": "key-one", "main:two": "key-two"}
HEAD = "| what happens | the client gets | in a stream | provider asked | fallback asked |\n|---|---|---|---|---|\n"


class DrillCase(NamedTuple):
    """One way to fail, and what comes of it."""

    name: str
    what: str
    """In words, for the table."""
    main: Fate | Fates
    spare: Fate | Fates | None = None
    profiles: Mapping[str, str] | None = None
    code: str = ""
    """Of the error; "" = an answer."""
    text: str = ""
    """What the client reads; of a failed answer only in a stream."""
    late: bool = False
    """The failure shows after the head of a stream went out."""
    after: str | None = None
    """C{Retry-After} that the provider gave."""
    tries: tuple[int, int] = (1, 0)
    words: str = ""
    """What the message says."""

    @property
    def status(self) -> int:
        """Of the answer that is no stream."""
        return CODES[self.code].status if self.code else 200

    @property
    def retry(self) -> str | None:
        """C{x-should-retry}."""
        return ("true" if CODES[self.code].should_retry else "false") if self.code else None

    def row(self) -> str:
        """Its row in the table."""
        if not self.code:
            gets, stream = "the fallback's answer" if self.tries[1] else "the answer", "the same"
        else:
            gets = f"{self.status} `{self.code}`, `x-should-retry: {self.retry}`"
            gets += f", `Retry-After: {self.after}`" if self.after else ""
            stream = "the same"
            if self.late:
                stream = f"200{', what was said' if self.text else ''}, then an error event"
        spare = "" if self.spare is None else _times(self.tries[1])
        return f"| {self.what} | {gets} | {stream} | {_times(self.tries[0])} | {spare} |\n"


def _times(number: int) -> str:
    return {0: "not at all", 1: "once", 2: "twice"}.get(number, f"{number} times")


CUT = {"chunks": "5", "drop": "2", "delay": "0.1"}
ERROR = {"chunks": "5", "errmid": "2", "delay": "0.1"}

DRILLS = (
    DrillCase(
        "limited",
        "429, `Retry-After: 5`",
        {"status": "429", "retry": "5"},
        code="provider_rate_limit",
        late=True,
        after="5",
        tries=(3, 0),
    ),
    DrillCase(
        "limited_for_long",
        "429, `Retry-After: 60`",
        {"status": "429", "retry": "60"},
        code="provider_rate_limit",
        after="60",
    ),
    DrillCase(
        "limited_key",
        "429 for the first of two keys",
        {"key-one": [{"status": "429"}], "*": [{"reply": "pong"}]},
        profiles=TWO_KEYS,
        text="pong",
        tries=(2, 0),
    ),
    DrillCase("storm", "500 every time", {"status": "500"}, code="provider_error", late=True, tries=(3, 0)),
    DrillCase(
        "passing",
        "500 once, then all is well",
        {"*": [{"status": "500"}, {"reply": "pong"}]},
        text="pong",
        tries=(2, 0),
    ),
    DrillCase("cut", "the connection breaks in mid-answer", CUT, code="provider_error", late=True, text="c1 c2"),
    DrillCase("error", "an error object in mid-answer", ERROR, code="provider_error", late=True, text="c1 c2"),
    DrillCase("silence", "no answer within `timeoutSeconds`", {"hang": "1"}, code="provider_timeout", late=True),
    DrillCase(
        "silence_in_stream",
        "silence in mid-answer",
        {"chunks": "3", "hang": "2"},
        code="provider_timeout",
        late=True,
        text="c1",
    ),
    DrillCase(
        "refused",
        "connection refused",
        {"refuse": "1"},
        code="provider_error",
        late=True,
        tries=(3, 0),
        words="refused",
    ),
    DrillCase(
        "tls",
        "the TLS handshake fails",
        {"babble": "1"},
        code="provider_error",
        late=True,
        tries=(3, 0),
        words="The TLS handshake failed",
    ),
    DrillCase("key", "401, one key", {"status": "401"}, code="provider_auth"),
    DrillCase(
        "first_key",
        "401 for the first of two keys",
        {"key-one": [{"status": "401"}], "*": [{"reply": "pong"}]},
        profiles=TWO_KEYS,
        text="pong",
        tries=(2, 0),
    ),
    DrillCase("bill", "402", {"status": "402"}, code="provider_billing"),
    DrillCase("rejected", "400", {"status": "400"}, code="provider_rejected", words="400 stub says 400"),
    DrillCase("down", "500 every time, with a fallback", {"status": "500"}, OK, text="spare", tries=(3, 1)),
    DrillCase("gone", "connection refused, with a fallback", {"refuse": "1"}, OK, text="spare", tries=(3, 1)),
    DrillCase("silent", "silence, with a fallback", {"hang": "1"}, OK, text="spare", tries=(1, 1)),
    DrillCase("locked_out", "401, with a fallback", {"status": "401"}, OK, text="spare", tries=(1, 1)),
    DrillCase(
        "glued",
        "the connection breaks in mid-answer, with a fallback",
        CUT,
        OK,
        code="provider_error",
        late=True,
        text="c1 c2",
        tries=(1, 0),
    ),
    DrillCase(
        "all_down",
        "500 every time, and the fallback says 401",
        {"status": "500"},
        {"status": "401"},
        code="provider_error",
        late=True,
        tries=(3, 1),
        words="All models failed (2): main/m: 500 stub says 500; spare/m: the provider does not accept our key (401).",
    ),
)


class OutageTests(SynchronousTestCase):
    """A test for each of L{DRILLS}."""

    def play(self, case: DrillCase) -> None:
        """On every surface, each with a gateway of its own."""
        for ask in (self.once, self.stream, self.websocket):
            drill = Drill(case.main, case.spare, case.profiles)
            try:
                ask(case, drill)
            finally:
                drill.close()

    def once(self, case: DrillCase, drill: Drill) -> None:
        """HTTP, the answer as a whole."""
        seen = drill.http(stream=False)
        self.assertEqual((seen.status, seen.code, seen.tries), (case.status, case.code, case.tries))
        self.assertEqual(seen.text, "" if case.code else case.text)
        self.assertEqual(seen.should_retry, case.retry)
        if case.after or case.retry != "true":
            self.assertEqual(seen.retry_after, case.after)
        self.check_words(case, seen)

    def stream(self, case: DrillCase, drill: Drill) -> None:
        """HTTP, as a stream."""
        seen = drill.http(stream=True)
        self.assertEqual((seen.code, seen.text, seen.tries), (case.code, case.text, case.tries))
        self.assertEqual(seen.status, 200 if case.late else case.status)
        if not case.late:
            self.assertEqual((seen.should_retry, seen.retry_after), (case.retry, case.after))
        self.check_words(case, seen)

    def websocket(self, case: DrillCase, drill: Drill) -> None:
        """The method C{agent}."""
        seen = drill.websocket()
        self.assertEqual(seen.code, CODES[case.code].ws if case.code else "")
        self.assertEqual((seen.text, seen.tries, seen.retry_after), (case.text, case.tries, case.after))
        self.assertEqual(seen.should_retry == "true", case.retry == "true")
        self.check_words(case, seen)

    def check_words(self, case: DrillCase, seen: Seen) -> None:
        """The message says what happened, and no key."""
        self.assertIn(case.words, seen.message)
        self.assertNotIn("key-", seen.message)
        if case.code:
            self.assertIn("main/m: ", seen.message)

    def test_table(self) -> None:
        """docs/models.md says just this."""
        self.assertIn(HEAD + "".join(case.row() for case in DRILLS), DOCS.read_text("utf-8"))


def _test_of(case: DrillCase) -> Callable[[OutageTests], None]:
    def test(self: OutageTests) -> None:
        self.play(case)

    test.__doc__ = f"What comes of it: {case.what}."
    return test


for _case in DRILLS:
    setattr(OutageTests, f"test_{_case.name}", _test_of(_case))


class SequelTests(SynchronousTestCase):
    """The requests after it."""

    def drill(
        self, main: Fate | Fates, spare: Fate | Fates | None = None, profiles: Mapping[str, str] | None = None
    ) -> Drill:
        """A gateway that is closed afterwards."""
        made = Drill(main, spare, profiles)
        self.addCleanup(made.close)
        return made

    def test_refused_key(self) -> None:
        """It is not asked again for a minute; the client is told how long, and not to repeat; then it is asked."""
        drill = self.drill({"*": [{"status": "401"}, {"reply": "pong"}]})
        drill.http(stream=False)
        seen = drill.http(stream=False)
        self.assertEqual((seen.status, seen.code, seen.tries), (401, "provider_auth", (0, 0)))
        self.assertEqual((seen.should_retry, seen.retry_after), ("false", "60"))
        self.assertRegex(
            seen.message, r"^main/m: the provider did not accept our key; it is asked again in \d+ seconds"
        )
        drill.house.advance(61, 1)
        self.assertEqual((drill.http(stream=False).text, drill.http(stream=True).text), ("pong", "pong"))

    def test_fallback_stays_for_a_minute(self) -> None:
        """A provider that was down costs nobody else's time, and is noticed when it comes back."""
        drill = self.drill({"*": [{"status": "500"}] * 3 + [{"reply": "back"}]}, OK)
        self.assertEqual(drill.http(stream=False).tries, (3, 1))
        for seen in (drill.http(stream=True), drill.websocket()):
            self.assertEqual((seen.text, seen.tries), ("spare", (0, 1)))
        drill.house.advance(60, 1)
        self.assertEqual(drill.http(stream=False).text, "back")

    def test_last_resort(self) -> None:
        """When the fallback fails as well, what rests is asked."""
        drill = self.drill({"*": [{"status": "500"}] * 3 + [{"reply": "back"}]}, {"*": [OK, {"status": "401"}]})
        self.assertEqual(drill.http(stream=False).text, "spare")
        self.assertEqual(drill.http(stream=False).text, "back")

    def test_retry_after_holds_for_others(self) -> None:
        """A limit with a long Retry-After is not tested again by the next request."""
        drill = self.drill({"*": [{"status": "429", "retry": "60"}, {"reply": "pong"}]})
        drill.http(stream=False)
        drill.house.advance(20, 1)
        seen = drill.websocket()
        self.assertEqual((seen.code, seen.tries), ("UNAVAILABLE", (0, 0)))
        self.assertRegex(seen.message, "in (39|40) seconds")
        drill.house.advance(41, 1)
        self.assertEqual(drill.websocket().text, "pong")

    def test_rotation_is_remembered(self) -> None:
        """The bad key is not asked again, and what became of it is written into the file, with its mode."""
        drill = self.drill({"key-one": [{"status": "402"}], "*": [{"reply": "pong"}]}, profiles=TWO_KEYS)
        self.assertEqual([drill.http(stream=False).tries for _ in range(3)], [(2, 0), (1, 0), (1, 0)])
        keys = [exchange.headers["authorization"] for exchange in drill.main.exchanges]
        self.assertEqual(keys, [f"Bearer key-{name}" for name in ("one", "two", "two", "two")])
        drill.house.advance(6, 1)
        path = path_of(drill.house.memory.gateway.settings.state_dir, "main")
        stats = json.loads(path.read_text())["usageStats"]
        self.assertEqual(
            (stats["main:one"]["disabledReason"], "disabledReason" in stats["main:two"]), ("billing", False)
        )
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_listed(self) -> None:
        """C{models.list} and the metrics show what rests."""
        drill = self.drill({"status": "401"}, OK)
        drill.http(stream=False)
        client = drill.house.memory.websocket()
        client.connect(token=TOKEN)
        listed = client.request("models.list")["payload"]["models"]
        rows = [row for row in listed if row["provider"] in ("main", "spare")]
        self.assertEqual([row.get("unavailableReason") for row in rows], ["auth-failed", None])
        self.assertGreater(rows[0]["unavailableUntil"], drill.clock.seconds() * 1000)
        client.close()
        metrics = drill.house.ask(
            "GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
        ).response.body.decode()
        self.assertIn('openclaw_provider_cooldowns{provider="main",reason="auth"} 1.0', metrics)


class ChoiceTests(SynchronousTestCase):
    """A model that the client names, with several keys."""

    def test_header(self) -> None:
        """C{x-openclaw-model} is that model alone, with all its keys."""
        drill = Drill({"key-one": [{"status": "401"}], "*": [{"status": "400"}]}, OK, TWO_KEYS)
        self.addCleanup(drill.close)
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "hi"}]}
        headers = {"Authorization": f"Bearer {TOKEN}", "x-openclaw-model": "main/m"}
        self.assertEqual(drill.house.post(body, headers).response.status, 400)
        self.assertEqual(drill.tries(), (2, 0))
        answer = drill.house.post(body, {**headers, "x-openclaw-model": "spare/m"}).response
        self.assertEqual(answer.json["choices"][0]["message"]["content"], "spare")
        self.assertEqual(drill.tries(), (2, 1))


class SecretTests(SynchronousTestCase):
    """Keys of profiles stay where they are."""

    def test_nowhere(self) -> None:
        """Not in the log, not in errors, not in what clients can ask for."""
        said: list[str] = []

        def observe(event: Mapping[str, Any]) -> None:
            said.append(" ".join(f"{key}={value!r}" for key, value in event.items()))

        globalLogPublisher.addObserver(observe)  # type: ignore[arg-type]
        self.addCleanup(globalLogPublisher.removeObserver, observe)  # type: ignore[arg-type]
        drill = Drill({"status": "401"}, {"status": "429", "retry": "99"}, TWO_KEYS)
        self.addCleanup(drill.close)
        for _ in range(2):
            said.append(repr(drill.http(stream=False)))
            said.append(repr(drill.websocket()))
        client = drill.house.memory.websocket()
        client.connect(("operator.admin",), token=TOKEN)
        for method in ("models.list", "config.get", "health", "status"):
            said.append(json.dumps(client.request(method)))
        client.close()
        for path in ("/v1/capabilities", "/v1/models", "/metrics"):
            said.append(repr(drill.house.ask("GET", path, headers={"Authorization": f"Bearer {TOKEN}"}).response))
        self.assertTrue(any("rests for" in line for line in said))
        for line in said:
            self.assertNotRegex(line, "key-(one|two|own)")
