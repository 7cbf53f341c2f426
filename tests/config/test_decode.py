# -*- test-case-name: tests.config.test_decode -*-
"""L{openclaw_tx.config.decode} and the names of places."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.decode import MAX_ISSUES, allowed, decode
from openclaw_tx.config.paths import render
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_gateway import GatewaySection
from openclaw_tx.errors import ConfigError

WORDS = ["gateway", "port", "auth", "mode", "token", "agents", "list", "id", "defaults", "model", "tools", "allow", "x"]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 70_000)
    | st.floats(allow_nan=False)
    | st.sampled_from(["token", "a", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=10,
)


class DecodeTests(SynchronousTestCase):
    """L{decode}."""

    def issues(self, data: Any) -> list[tuple[str, str]]:
        """All that is wrong with C{data}."""
        error = self.assertRaises(ConfigError, decode, data)
        assert isinstance(error, ConfigError)
        return error.issues

    def test_defaults(self) -> None:
        """Nothing configured is a whole configuration."""
        config = decode({})
        self.assertEqual(config, Config())
        self.assertEqual((config.gateway.port, config.gateway.http.endpoints.chat_completions.enabled), (18789, False))

    def test_bounds_are_named(self) -> None:
        """Bounds of numbers, lengths and names of a map are told by their place, also where null would do."""
        key = {"label": "a", "hash": "sha256:" + "0" * 64}
        for data, expected in (
            ({"auth": {"cooldowns": {"billingMaxHours": 0}}}, ("auth.cooldowns.billingMaxHours", "must be > 0")),
            ({"bindings": [{"agentId": "", "match": {"channel": "x"}}]}, ("bindings[0].agentId", "must not be empty")),
            ({"agents": {"defaults": {"skills": ["a", 1]}}}, ("agents.defaults.skills[1]", "expected str, got int")),
            ({"gateway": {"port": 70_000}}, ("gateway.port", "must be >= 1 and <= 65535")),
            (
                {"gateway": {"auth": {"keys": [{**key, "sessionPrefix": "x" * 129}]}}},
                ("gateway.auth.keys[0].sessionPrefix", "must have at most 128 characters"),
            ),
            (
                {"gateway": {"auth": {"keys": [key] * 1001}}},
                ("gateway.auth.keys", "must have at most 1000 entries"),
            ),
        ):
            self.assertEqual(self.issues(data), [expected])
        ((path, message),) = self.issues({"channels": {"webhook": {"No Slug": {}}}})
        self.assertEqual(path, 'channels.webhook["No Slug"]')
        self.assertIn("must match", message)

    def test_values(self) -> None:
        """Settings of all kinds arrive, a model as text or as object."""
        config = decode(
            {
                "gateway": {"port": 1, "http": {"endpoints": {"chatCompletions": {"keepAliveSeconds": 1}}}},
                "agents": {"defaults": {"model": "a/b"}, "list": [{"id": "x", "model": {"primary": "c/d"}}]},
                "tools": {"byProvider": {"openai": {"byProvider": {"x": {"deny": ["*"]}}}}},
            }
        )
        self.assertEqual(config.gateway.http.endpoints.chat_completions.keep_alive_seconds, 1.0)
        self.assertEqual(config.agents.defaults.model, "a/b")
        self.assertEqual(getattr(config.agents.entries[0].model, "primary", ""), "c/d")
        self.assertEqual(config.tools.by_provider["openai"].by_provider["x"].deny, ["*"])

    def test_each_issue(self) -> None:
        """Every kind of mistake: its path in the file's own words, and what was expected."""
        for data, expected in (
            ({"gateway": {"port": "x"}}, ("gateway.port", "expected int, got str")),
            ({"gateway": {"port": True}}, ("gateway.port", "expected int, got bool")),
            ({"gateway": {"port": 1.5}}, ("gateway.port", "expected int, got float")),
            ({"gateway": {"port": 0}}, ("gateway.port", "must be >= 1 and <= 65535")),
            ({"gateway": []}, ("gateway", "expected object, got array")),
            ({"gateway": {"auth": {"token": 5}}}, ("gateway.auth.token", "expected str or null, got int")),
            ({"agents": None}, ("agents", "expected object, got null")),
            ({"agents": {"list": {}}}, ("agents.list", "expected array, got object")),
            ({"agents": {"list": [{"id": "a"}, {}]}}, ("agents.list[1].id", "is required")),
            ({"agents": {"list": [{"id": "A b"}]}}, ("agents.list[0].id", "must match ^[a-z0-9][a-z0-9_-]{0,63}$")),
            ({"agents": {"defaults": {"model": 5}}}, ("agents.defaults.model", "expected object or str, got int")),
            ({"agents": {"defaults": {"model": {"prim": ""}}}}, ("agents.defaults.model.prim", "unknown key")),
            ({"models": {"providers": {"a.b": {"baseUrl": 1}}}}, ('models.providers["a.b"].baseUrl', "got int")),
            ({"models": {"providers": {"a": {"models": [{}]}}}}, ("models.providers.a.models[0].id", "is required")),
            ({"env": {"vars": {"A": 5}}}, ("env.vars.A", "expected str, got int")),
            ({"tools": {"allow": ["x", 1]}}, ("tools.allow[1]", "expected str, got int")),
            ({"nonsense": 1}, ("nonsense", "unknown key")),
            ({"gateway": {"prot": 1}}, ("gateway.prot", "unknown key, did you mean port?")),
        ):
            issues = self.issues(data)
            self.assertEqual(len(issues), 1, issues)
            self.assertEqual(issues[0][0], expected[0])
            self.assertIn(expected[1], issues[0][1])

    def test_paths_of_files(self) -> None:
        """None of them has a control character; the issue names the key, and not what it holds."""
        for text in ("a\0b", "a\n", "\x1b[2J", "a\x7f"):
            for data, path in (
                ({"agents": {"defaults": {"workspace": text}}}, "agents.defaults.workspace"),
                ({"agents": {"list": [{"id": "a", "workspace": text}]}}, "agents.list[0].workspace"),
                (
                    {"agents": {"defaults": {"memorySearch": {"extraPaths": ["a", text]}}}},
                    "agents.defaults.memorySearch.extraPaths[1]",
                ),
                ({"skills": {"load": {"extraDirs": [text]}}}, "skills.load.extraDirs[0]"),
                ({"gateway": {"tls": {"certPath": text}}}, "gateway.tls.certPath"),
                ({"gateway": {"controlUi": {"root": text}}}, "gateway.controlUi.root"),
                ({"models": {"local": {"path": text}}}, "models.local.path"),
                ({"logging": {"file": text}}, "logging.file"),
                ({"cron": {"store": text}}, "cron.store"),
                ({"session": {"store": text}}, "session.store"),
                ({"tools": {"exec": {"pathPrepend": [text]}}}, "tools.exec.pathPrepend[0]"),
            ):
                self.assertEqual(self.issues(data), [(path, "holds a line break or another control character")])

    def test_choices(self) -> None:
        """A wrong choice is answered with the right ones, not with the text that was there."""
        [(path, message)] = self.issues({"gateway": {"auth": {"mode": "hunter2"}}})
        self.assertEqual(path, "gateway.auth.mode")
        for mode in ("token", "password", "none", "trusted-proxy"):
            self.assertIn(mode, message)
        self.assertNotIn("hunter2", message)
        [(path, message)] = self.issues({"gateway": {"bind": True}})
        self.assertIn("loopback", message)

    def test_all_at_once(self) -> None:
        """Several mistakes are told together, and a flood of them is cut off."""
        data = {"gateway": {"port": "x", "bind": "y", "zzz": 1}, "tools": 5}
        self.assertEqual(
            [path for path, _ in self.issues(data)], ["gateway.port", "gateway.bind", "gateway.zzz", "tools"]
        )
        self.assertEqual(len(self.issues({f"k{index}": 1 for index in range(500)})), MAX_ISSUES)

    def test_not_a_number(self) -> None:
        """A float that is none can not come from a file, but is refused all the same."""
        chat = {"keepAliveSeconds": float("nan")}
        issues = self.issues({"gateway": {"http": {"endpoints": {"chatCompletions": chat}}}})
        self.assertEqual(issues[0][0], "gateway.http.endpoints.chatCompletions.keepAliveSeconds")

    def test_large_numbers(self) -> None:
        """What no program can count to is refused, by name; an integer stands for a number as long as it is one."""
        for digits in (17, 30, 400):
            number = 10**digits
            [(path, message)] = self.issues({"gateway": {"reload": {"debounceMs": number}}})
            self.assertEqual((path, message), ("gateway.reload.debounceMs", "must be <= 9007199254740991"))
            [(path, _)] = self.issues({"tools": {"exec": {"cleanupMs": number}}})
            self.assertEqual(path, "tools.exec.cleanupMs")
        self.assertEqual(decode({"gateway": {"shutdownGraceSeconds": 10**30}}).gateway.shutdown_grace_seconds, 1e30)
        for number in (10**400, -(10**400)):
            [(path, message)] = self.issues({"gateway": {"shutdownGraceSeconds": number}})
            self.assertEqual((path, message), ("gateway.shutdownGraceSeconds", "expected float, got int"))

    def test_line_breaks(self) -> None:
        """A text with a pattern ends where the pattern ends, and has the digits that it says: a line break at its end,
        as secrets from files have, would make another name of it, or a hash that no key has."""
        hashed = f"sha256:{'0' * 64}"
        for data, path in (
            ({"agents": {"list": [{"id": "main\n"}]}}, "agents.list[0].id"),
            ({"gateway": {"auth": {"keys": [{"label": "a", "hash": f"{hashed}\n"}]}}}, "gateway.auth.keys[0].hash"),
            ({"gateway": {"auth": {"keys": [{"label": "a\n", "hash": hashed}]}}}, "gateway.auth.keys[0].label"),
            ({"agents": {"defaults": {"onDisconnect": "grace=1\u0661"}}}, "agents.defaults.onDisconnect"),
        ):
            self.assertEqual([place for place, _ in self.issues(data)], [path])

    @settings(deadline=None, max_examples=300)
    @given(st.dictionaries(st.sampled_from(WORDS), ANYTHING, max_size=4))
    def test_agrees_with_msgspec(self, data: dict[str, Any]) -> None:
        """Issues are found exactly when msgspec refuses, and every issue has a path."""
        try:
            expected = msgspec.convert(data, Config)
        except msgspec.ValidationError:
            issues = self.issues(data)
            self.assertTrue(all(path for path, _ in issues), issues)
        else:
            self.assertEqual(decode(data), expected)

    def test_allowed(self) -> None:
        """The choices of a field."""
        self.assertIn("loopback", allowed(GatewaySection, "bind"))


class RenderTests(SynchronousTestCase):
    """L{render}."""

    def test_paths(self) -> None:
        """Plain keys stand bare, odd ones in quotes, indexes in brackets; long ones are cut."""
        for path, expected in (
            ((), ""),
            (("a", "b"), "a.b"),
            (("a", 0, "b"), "a[0].b"),
            (("a", "x.y", "b"), 'a["x.y"].b'),
            (("a", 'q"\\'), 'a["q\\"\\\\"]'),
            (("openai/gpt-4o",), "openai/gpt-4o"),
            (("$include",), "$include"),
        ):
            self.assertEqual(render(path), expected)
        self.assertLess(len(render(("x y" * 1000,))), 100)
