# -*- test-case-name: tests.models.test_keyring -*-
"""Which key is next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import in_reactor_thread
from openclaw_tx.errors import GatewayError
from openclaw_tx.models import keyring
from openclaw_tx.models.failures import RequestForbidden
from openclaw_tx.models.keyring import Asker, Keyring
from openclaw_tx.models.profile_files import CHECK_S, ProfileFiles, path_of
from openclaw_tx.models.profiles import Credential
from tests.models.memory import start
from tests.models.test_profiles import SECRET, file, key

OWN = Credential(provider="openai", secret="own")
NO_KEY = Credential(provider="openai")


class KeyringCase(SynchronousTestCase):
    """Base: two profiles, a and b."""

    def setUp(self) -> None:
        self.state = Path(self.mktemp()).absolute()
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.config = Config()
        self.put(file(a=key(), b=key(secret="sk-b")))
        files = ProfileFiles(self.state, in_reactor_thread, self.clock)
        self.ring = Keyring(lambda: self.config, self.clock, files)

    def put(self, raw: bytes, agent: str = "main") -> None:
        """Write an agent's file, and let it be noticed."""
        path = path_of(self.state, agent)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        path.chmod(0o600)
        self.clock.advance(CHECK_S)

    def offered(self, own: Credential = OWN, **asker: str) -> list[Credential]:
        """The keys in order."""
        return self.successResultOf(start(self.ring.offered(own, Asker(**asker))))

    def names(self, own: Credential = OWN, **asker: str) -> list[str]:
        """Their profiles."""
        return [each.profile for each in self.offered(own, **asker)]

    def key(self, name: str) -> Credential:
        """A profile's key."""
        return next(each for each in self.offered() if each.profile == name)

    def answers(self, name: str, **asker: str) -> None:
        """A call with a profile that goes well."""
        credential = self.key(name)
        self.ring.succeeded(credential, Asker(**asker), self.ring.taken(credential))

    def fails(self, name: str, code: str = "provider_rate_limit", after: float | None = None) -> None:
        """A call with a profile that fails."""
        self.ring.taken(self.key(name))
        self.ring.failed(self.key(name), GatewayError(code, "no", retry_after=after), "m")


class OrderTests(KeyringCase):
    """L{Keyring.offered}."""

    def test_own_key_comes_last(self) -> None:
        """After all profiles; one that is empty only where there are none."""
        self.assertEqual(self.names(), ["a", "b", ""])
        self.assertEqual(self.names(NO_KEY), ["a", "b"])
        self.assertEqual(self.offered(Credential(provider="groq")), [Credential(provider="groq")])
        alone = Keyring(lambda: self.config, self.clock)
        self.assertEqual(self.successResultOf(start(alone.offered(NO_KEY, Asker()))), [NO_KEY])

    def test_in_turn(self) -> None:
        """Also at one moment of the clock."""
        turns = []
        for _ in range(4):
            turns.append(self.names()[0])
            self.ring.taken(self.offered()[0])
        self.assertEqual(turns, ["a", "b", "a", "b"])

    def test_chosen(self) -> None:
        """Somebody's choice is the only one; a choice of another provider's is none; one that is gone is told."""
        self.assertEqual(self.names(profile="b"), ["b"])
        self.assertEqual(self.names(profile="groq:x"), ["a", "b", ""])
        error = self.failureResultOf(start(self.ring.offered(OWN, Asker(profile="openai:gone"))), GatewayError).value
        self.assertEqual(error.info.code, "provider_auth")
        self.assertIn("'openai:gone'", str(error))

    def test_conversations_stay(self) -> None:
        """With the profile that answered, until it rests."""
        self.answers("a", session="s")
        self.answers("b")
        self.answers("a")
        self.assertEqual((self.names(session="s")[0], self.names()[0]), ("a", "b"))
        self.fails("a")
        self.assertEqual(self.names(session="s"), ["b", "a", ""])
        self.answers("b", session="s")
        self.clock.advance(61)
        self.assertEqual(self.names(session="s")[0], "b")

    def test_pins_are_bounded(self) -> None:
        """The oldest conversation chooses anew."""
        self.patch(keyring, "MAX_PINS", 2)
        for session in "xyz":
            self.answers("b", session=session)
            self.answers("a")
            self.answers("b")
        self.assertEqual([self.names(session=session)[0] for session in "xyz"], ["a", "b", "b"])

    def test_agents(self) -> None:
        """Each has its own standing of its own profiles, even under one name."""
        self.config = msgspec.convert({"agents": {"list": [{"id": "main"}, {"id": "beta"}]}}, Config)
        self.put(file(a=key(secret="other"), c=key()), "beta")
        self.fails("a")
        self.assertEqual(self.names(agent_id="beta"), ["a", "c", ""])
        self.assertEqual(self.names(agent_id="main"), ["b", "a", ""])


class StandingTests(KeyringCase):
    """What failures do."""

    def test_rest_and_return(self) -> None:
        """It is last until it has rested."""
        self.fails("a")
        self.assertGreater(self.ring.ready_at(self.key("a")), self.clock.seconds() * 1000)
        self.assertEqual(self.names()[0], "b")
        self.assertEqual(dict(self.ring.cooling()), {("openai", "rate_limit"): 1})
        self.clock.advance(60)
        self.assertLessEqual(self.ring.ready_at(self.key("a")), self.clock.seconds() * 1000)
        self.assertEqual(dict(self.ring.cooling()), {})

    def test_a_server_is_nobody_s_key(self) -> None:
        """All keys of a provider rest when its server fails; any answer ends that."""
        self.fails("a", "provider_error")
        now = self.clock.seconds() * 1000
        self.assertEqual([self.ring.ready_at(each) - now for each in self.offered()], [60_000] * 3)
        self.assertEqual(self.names(), ["b", "a", ""])
        self.assertEqual(dict(self.ring.cooling()), {("openai", "server"): 1})
        self.clock.advance(1)
        self.answers("b")
        self.assertEqual(max(self.ring.ready_at(each) for each in self.offered()), 0)

    def test_other_failures(self) -> None:
        """A rejected request says nothing about the key."""
        for code in ("provider_rejected", "context_length_exceeded", "model_not_found"):
            self.fails("a", code)
        self.assertEqual(dict(self.ring.cooling()), {})

    def test_why(self) -> None:
        """The error names the model, what is wrong and the wait; the code is that of the failure."""
        for code, after, wait in (
            ("provider_auth", None, 60),
            ("provider_billing", None, 60),
            ("provider_forbidden", None, 60),
            ("provider_rate_limit", 20.0, 20),
            ("provider_overloaded", 20.0, 20),
        ):
            self.clock.advance(1)
            self.answers("a")
            self.fails("a", code, after)
            error = self.ring.resting(self.key("a"), "m")
            self.assertEqual((error.info.code, error.info.retry_after), (code, wait))
            self.assertIn(f"openai/m: the provider {'did' if wait == 60 else 'wants'}", str(error))
            self.assertIn(f"in {wait} seconds", str(error))
            if code == "provider_forbidden":
                self.assertLess(self.ring.forced_at(self.key("a"), "other"), self.clock.seconds() * 1000)

    def forbidden(self) -> None:
        """A call that is forbidden without a word on the key."""
        self.ring.taken(self.key("a"))
        self.ring.failed(self.key("a"), RequestForbidden("provider_forbidden", "flagged"), "m")

    def test_one_forbidden_request(self) -> None:
        """The key does not rest for it; it does for a second one in a row, and for each from then on."""
        for _ in range(3):
            self.forbidden()
            self.assertEqual(dict(self.ring.cooling()), {})
            self.answers("a")
        self.forbidden()
        self.forbidden()
        self.assertEqual(dict(self.ring.cooling()), {("openai", "auth"): 1})
        error = self.ring.resting(self.key("a"), "m")
        self.assertEqual((error.info.code, error.info.retry_after), ("provider_forbidden", 60))
        self.clock.advance(61)
        self.forbidden()
        self.assertEqual(dict(self.ring.cooling()), {("openai", "auth"): 1})
        self.answers("a")
        self.clock.advance(61)
        self.answers("a")
        self.forbidden()
        self.assertEqual(dict(self.ring.cooling()), {})

    def test_a_key_that_is_refused_rests_at_once(self) -> None:
        """Also with C{provider_forbidden}, where the words are about it."""
        self.fails("a", "provider_forbidden")
        self.assertEqual(dict(self.ring.cooling()), {("openai", "auth"): 1})

    def test_the_reason_that_rules(self) -> None:
        """Of several failures in turn it is the one that is waited for, whatever rests the longest."""
        self.fails("a", "provider_rate_limit")
        self.clock.advance(1)
        self.fails("a", "provider_error")
        self.clock.advance(1)
        self.fails("a", "provider_forbidden")
        error = self.ring.resting(self.key("a"), "m")
        self.assertEqual((error.info.code, error.info.should_retry), ("provider_forbidden", False))
        self.fails("a", "provider_overloaded", 300.0)
        self.assertEqual(self.ring.resting(self.key("a"), "m").info.code, "provider_overloaded")

    def test_mended_key(self) -> None:
        """Another secret begins anew, one that left is forgotten."""
        self.fails("a", "provider_auth")
        self.fails("b", "provider_auth")
        self.put(file(a=key(secret="mended"), b=key(secret="sk-b")))
        self.assertEqual(self.names(), ["a", "b", ""])
        self.put(file(a=key(secret="mended")))
        self.names()
        self.put(file(a=key(secret="mended"), b=key(secret="sk-b")))
        self.assertEqual(self.ring.standing(self.key("b")).cooldown_until, 0)
        self.ring.failed(OWN, GatewayError("provider_auth", "no"), "m")
        self.ring.failed(OWN, GatewayError("provider_error", "no"), "m")
        self.ring.forget("openai")
        self.assertEqual(self.ring.ready_at(OWN), 0)

    def test_late_failure_of_an_old_key(self) -> None:
        """A call that is still under way with the key of before says nothing about the new one."""
        self.ring.forget("openai")
        self.ring.failed(OWN, GatewayError("provider_auth", "no"), "m")
        self.assertEqual(self.ring.ready_at(Credential(provider="openai", secret="mended")), 0)

    def test_written_down(self) -> None:
        """The next process knows it; nothing but standings is written."""
        self.fails("a", "provider_billing")
        self.successResultOf(start(self.ring.close()))
        stored = json.loads(path_of(self.state, "main").read_text())
        self.assertEqual(stored["usageStats"]["a"]["disabledReason"], "billing")
        self.assertEqual(stored["profiles"]["a"], key())
        again = Keyring(lambda: self.config, self.clock, ProfileFiles(self.state, in_reactor_thread, self.clock))
        found = self.successResultOf(start(again.offered(OWN, Asker())))
        self.assertEqual([each.profile for each in found], ["b", "a", ""])
        self.assertEqual(again.resting(found[1], "m").info.code, "provider_billing")


class ListingTests(KeyringCase):
    """L{Keyring.unavailable}."""

    def why(self, own: Credential = NO_KEY, needs_key: bool = True) -> str:
        """The reason."""
        return self.ring.unavailable(own, needs_key)[0]

    def test_missing(self) -> None:
        """Nothing is claimed before the file was looked at."""
        other = Credential(provider="groq")
        self.assertEqual(self.why(other), "")
        self.names()
        self.assertEqual((self.why(), self.why(other), self.why(other, False)), ("", "missing-auth", ""))

    def test_resting(self) -> None:
        """Only when all rest; until the first is ready."""
        self.fails("a", "provider_auth")
        self.assertEqual(self.why(), "")
        self.fails("b", "provider_billing")
        self.assertEqual(self.ring.unavailable(NO_KEY, True), ("auth-failed", self.ring.ready_at(self.key("a"))))
        self.assertEqual(self.why(OWN), "")
        self.ring.failed(OWN, GatewayError("provider_timeout", "no"), "m")
        self.assertEqual(self.why(OWN), "cooldown")


class SecretTests(KeyringCase):
    """What is told."""

    def test_warning_without_secrets(self) -> None:
        """Profiles that are not used are told once, by name."""
        events: list[dict[str, Any]] = []
        self.patch(self.ring, "_log", type("Log", (), {"warn": lambda _, text, **values: events.append(values)})())
        raw = json.loads(file(a=key()))
        raw["profiles"]["o"] = {"type": "oauth", "provider": "openai", "access": SECRET}
        for _ in range(3):
            self.put(json.dumps(raw).encode())
            self.names()
        self.assertEqual(events, [{"problems": "o (oauth is not used here)"}])
