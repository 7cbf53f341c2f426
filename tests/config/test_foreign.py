# -*- test-case-name: tests.config.test_foreign -*-
"""L{openclaw_tx.config.foreign}: real files load, unsafe ones do not."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from openclaw_tx.config.foreign import KEYS, MOVED, REFUSED, SECTIONS, prune
from openclaw_tx.config.paths import Issues
from openclaw_tx.config.schema import Config
from tests.config.support import Home

REAL = """
// A file as OpenClaw's own wizard and people leave it.
{
  "$schema": "https://openclaw.ai/config.json",
  meta: { lastTouchedVersion: "2026.1.30", lastTouchedAt: "2026-01-31T10:00:00Z" },
  wizard: { lastRunAt: "2026-01-31T10:00:00Z", lastRunMode: "local" },
  env: { OPENROUTER_API_KEY: "sk-or", vars: { GROQ_API_KEY: "gsk" }, shellEnv: { enabled: true, timeoutMs: 15000 } },
  auth: { profiles: { "anthropic:me@example.com": { provider: "anthropic", mode: "oauth" } } },
  channels: { telegram: { botToken: "${TELEGRAM_TOKEN_THAT_IS_NOT_SET}", allowFrom: ["1"] } },
  messages: { queue: { mode: "collect" } },
  plugins: { entries: {} }, browser: { enabled: true }, cron: { enabled: true }, hooks: { internal: {} },
  discovery: { mdns: { mode: "off" } }, canvasHost: {}, talk: {}, skills: {}, commands: { native: "auto" },
  gateway: {
    mode: "local", port: 18789, bind: "loopback",
    controlUi: { enabled: true, basePath: "/openclaw" },
    auth: { mode: "token", token: "f3b1c0ffee" },
    tailscale: { mode: "off", resetOnExit: false },
    remote: { url: "ws://gateway.tailnet:18789", token: "remote" },
    reload: { mode: "hybrid", debounceMs: 300 },
    http: { endpoints: { chatCompletions: { enabled: true, images: { allowUrl: false } }, responses: {} } },
    nodes: { denyCommands: [] },
  },
  session: { scope: "per-sender", reset: { mode: "daily", atHour: 4 }, store: "~/.openclaw/sessions/sessions.json" },
  agents: {
    defaults: {
      workspace: "~/clawd", userTimezone: "", thinkingDefault: "low", sandbox: { mode: "off", scope: "agent" },
      model: { primary: "openai/gpt-4o", fallbacks: [] }, imageModel: { primary: "x/y" },
      models: { "openai/gpt-4o": { alias: "gpt", streaming: true } },
      compaction: { mode: "safeguard" }, heartbeat: { every: "30m" }, maxConcurrent: 4,
      subagents: { maxConcurrent: 8, archiveAfterMinutes: 60 },
    },
    list: [
      { id: "main", default: true, agentDir: "~/a", groupChat: {}, heartbeat: {}, identity: { name: "Samantha" } },
      { id: "beta", agentDir: "~/b", tools: { profile: "coding", elevated: { enabled: true }, exec: {} } },
    ],
  },
  tools: { allow: ["exec"], web: { search: { enabled: false } }, exec: { timeoutSec: 5 }, media: {} },
  models: {
    mode: "merge", bedrockDiscovery: { enabled: false },
    providers: {
      openai: { baseUrl: "https://api.openai.com/v1", apiKey: "k", injectNumCtxForOpenAICompat: false, models: [
        { id: "gpt-4o", name: "GPT", api: "openai-completions", compat: { supportsTools: true, supportsStore: false } },
        { id: "o-resp", name: "R", api: "openai-chatgpt-responses" },
      ] },
      minimax: { baseUrl: "https://api.minimax.io/anthropic", api: "anthropic-messages", models: [] },
      vertex: { baseUrl: "https://v", api: "google-vertex", models: [] },
      bedrock: { baseUrl: "https://x", auth: "aws-sdk", models: [] },
    },
  },
  logging: { level: "info", file: "/var/log/x.log", redactSensitive: "tools" },
}
"""


class RealFileTests(Home):
    """A C{openclaw.json} from life."""

    def test_loads(self) -> None:
        """It loads; what is ours holds, what is not is named once, in one line, without values."""
        loaded = self.load(REAL)
        config = loaded.config
        self.assertTrue(config.gateway.http.endpoints.chat_completions.enabled)
        self.assertEqual([agent.id for agent in config.agents.entries], ["main", "beta"])
        self.assertEqual([model.id for model in config.models.providers["openai"].models], ["gpt-4o"])
        self.assertEqual(list(config.models.providers), ["openai", "minimax"])
        self.assertEqual(config.session.store, "")
        self.assertEqual(loaded.environment["OPENROUTER_API_KEY"], "sk-or")
        [warning] = loaded.warnings
        for path in (
            "channels",
            "env.shellEnv",
            "gateway.tailscale",
            "agents.list[].agentDir",
            "agents.defaults.models.*.streaming",
            "models.providers.vertex (api google-vertex)",
            "models.providers.bedrock (auth aws-sdk)",
            "models.providers.openai.models[] (of another api)",
            "models.providers.*.models[].compat.supportsTools",
            "session.store (",
        ):
            self.assertEqual(warning.count(path), 1, path)
        self.assertNotIn("sk-or", warning)

    def test_mcp_servers(self) -> None:
        """Two settings have other names too; servers of the old transport are left out, and named."""
        loaded = self.load(
            "{mcp: {servers: {a: {command: 'x', workingDirectory: '/w', connectionTimeoutMs: 5, type: 'stdio'},"
            " b: {url: 'https://h/sse', transport: 'sse'}, c: {url: 'https://h/sse', type: 'sse', auth: 'oauth'},"
            " d: {url: 'https://h/mcp', sslVerify: true}}}}"
        )
        servers = loaded.config.mcp.servers
        self.assertEqual(list(servers), ["a", "d"])
        self.assertEqual((servers["a"].cwd, servers["a"].connect_timeout_ms), ("/w", 5))
        [warning] = loaded.warnings
        for path in ("mcp.servers.b (transport sse)", "mcp.servers.c (transport sse)", "mcp.servers.*.sslVerify"):
            self.assertEqual(warning.count(path), 1, path)

    def test_channels(self) -> None:
        """Ours are kept, those of OpenClaw left out and named, whatever is in them; bindings are ours, but for some."""
        loaded = self.load(
            "{channels: {telegram: {botToken: '${NOT_SET}'}, defaults: {}, webhook: {a: {enabled: false}}},"
            " bindings: [{agentId: 'main', type: 'route', comment: 'x', match: {channel: 'telegram', roles: ['r']}},"
            " {type: 'acp', agentId: 'claude', match: {channel: 'discord'}}]}"
        )
        self.assertEqual(list(loaded.config.channels.webhook), ["a"])
        self.assertEqual([binding.agent_id for binding in loaded.config.bindings], ["main"])
        [warning] = loaded.warnings
        for path in ("channels.telegram", "channels.defaults", "bindings[] (type acp)", "bindings[].match.roles"):
            self.assertEqual(warning.count(path), 1, path)

    def test_unknown_key_beside_foreign_ones(self) -> None:
        """What neither OpenClaw nor we know is still an error."""
        self.assertEqual(
            self.issues("{channels: {}, chanels: {}, gateway: {tailscale: {}, tailscail: {}}}"),
            {"chanels": "unknown key, did you mean channels?", "gateway.tailscail": "unknown key"},
        )


class RefusedTests(Home):
    """What must not be ignored."""

    def test_turned_on(self) -> None:
        """Each such setting is an error that says what to do, unless it has its harmless value."""
        for path, (harmless, advice) in REFUSED.items():
            for value, refused in ((harmless[0], False), ("${ANY}", True), (None, False), ({"a": []}, True)):
                data = _nested(path, value)
                issues: Issues = []
                prune(data, issues)
                expected = [(path.replace("[]", "[0]").replace("*", "any"), advice)] if refused else []
                self.assertEqual(issues, expected, (path, value))
                self.assertNotIn("agents.defaults.sandbox", str(data))

    def test_through_a_file(self) -> None:
        """TLS, Tailscale and a sandbox are named with their paths, all at once."""
        issues = self.issues(
            "{gateway: {tailscale: {mode: 'serve'}, auth: {allowTailscale: true}},"
            " agents: {entries: {x: {sandbox: {mode: 'all'}}}}}"
        )
        self.assertEqual(
            sorted(issues),
            [
                "agents.entries.x.sandbox.mode",
                "gateway.auth.allowTailscale",
                "gateway.tailscale.mode",
            ],
        )

    def test_moved(self) -> None:
        """Settings of old are told where they went."""
        for path, advice in MOVED.items():
            issues: Issues = []
            data = _nested(path, {})
            prune(data, issues)
            self.assertEqual(issues, [(path, advice)])


class TableTests(Home):
    """The tables against the schema."""

    def test_nothing_of_ours_is_ignored(self) -> None:
        """A key of the schema is in no table; the day it gets in there, it must leave here."""
        self.assertEqual(SECTIONS & {field.encode_name for field in msgspec.structs.fields(Config)}, set())
        for path, keys in KEYS.items():
            ours = _keys_at(path)
            self.assertTrue(ours, path)
            self.assertEqual(ours & set(keys.split()), set(), path)
            self.assertEqual(len(keys.split()), len(set(keys.split())), path)

    def test_every_key_is_pruned(self) -> None:
        """Each one, with any value, is taken out and named."""
        for path, keys in KEYS.items():
            for key in keys.split():
                data = _nested(f"{path}.{key}", [1])
                ignored = prune(data, [])
                self.assertIn(f"{path}.{key}", ignored)
                self.assertNotIn(f"'{key}': [1]", str(data))

    def test_wrong_shapes(self) -> None:
        """Pruning takes anything as it comes."""
        for value in (
            5,
            [],
            {},
            None,
            "x",
            [[], 5],
            {"x": 5},
            {"list": [5, None]},
            {"providers": {"a": 5, "b": {"models": 5}}},
        ):
            for section in ("gateway", "agents", "models", "session", "tools", "logging", "env"):
                self.assertEqual(prune({section: value}, []), [])


def _nested(path: str, value: Any) -> dict[str, Any]:
    """An object with C{value} at C{path}."""
    for part in reversed(path.replace("[]", ".[]").split(".")):
        value = [value] if part == "[]" else {"any" if part == "*" else part: value}
    assert isinstance(value, dict)
    return value


def _keys_at(path: str) -> set[str]:
    """JSON names of the schema's fields at C{path}."""
    kind: inspect.Type = inspect.type_info(Config)
    for part in path.replace("[]", ".[]").split("."):
        if isinstance(kind, inspect.UnionType):
            kind = next(choice for choice in kind.types if isinstance(choice, inspect.StructType))
        if isinstance(kind, inspect.ListType):
            kind = kind.item_type
        elif isinstance(kind, inspect.DictType):
            kind = kind.value_type
        elif isinstance(kind, inspect.StructType):
            kind = next(field.type for field in kind.fields if field.encode_name == part)
    if isinstance(kind, inspect.UnionType):
        kind = next(choice for choice in kind.types if isinstance(choice, inspect.StructType))
    return {field.encode_name for field in kind.fields} if isinstance(kind, inspect.StructType) else set()
