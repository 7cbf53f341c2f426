"""Tests of L{openclaw_tx.ws.rpc.config}, and of L{openclaw_tx.config.live} and C{editing} through it."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.config import json5
from openclaw_tx.config.redact import REDACTED
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.gateway import TOKEN
from openclaw_tx.testing.websocket import MemoryWebSocket

ADMIN = ("operator.admin",)
COMMENTED = """\
// mine
{
  gateway: {
    auth: { mode: "token", token: "a-token-for-tests" }, // was a-token-for-tests before, too
    http: { endpoints: { chatCompletions: { enabled: true } } },
  },
  agents: {
    defaults: { model: "scripted/model" },
    list: [{ id: "main" }, { id: "beta" }], // two
  },
  models: { mode: "replace" },
  channels: { telegram: { botToken: "123:secret-of-telegram" } },
}
"""


class AskingCase(SynchronousTestCase):
    """A client that asks."""

    client: MemoryWebSocket

    def ok(self, method: str, **params: Any) -> Any:
        """The payload of a request that is granted."""
        answer = self.client.request(method, params)
        self.assertTrue(answer["ok"], answer)
        return answer["payload"]

    def no(self, method: str, **params: Any) -> Any:
        """The error of one that is refused."""
        answer = self.client.request(method, params)
        self.assertFalse(answer["ok"], answer)
        return answer["error"]


class ConfigCase(AskingCase):
    """A gateway with a file."""

    config: Any = None

    def setUp(self) -> None:
        """Connected as an administrator."""
        self.memory = MemoryGateway(self.config, as_file=True, environment={"A_VARIABLE": "what-it-stands-for"})
        self.addCleanup(self.memory.close)
        self.client = self.connect(ADMIN)

    def connect(self, scopes: Any, protocol: int = 4, token: str = TOKEN) -> MemoryWebSocket:
        """A client with scopes."""
        client = self.memory.websocket()
        client.connect(scopes=scopes, protocol=protocol, token=token)
        return client

    def write(self, text: str) -> None:
        """Somebody edits the file, and the gateway notices nothing of it."""
        self.memory.config_file.write_text(text, "utf-8")

    def file(self) -> str:
        """What it says."""
        return self.memory.config_file.read_text("utf-8")


class GetTests(ConfigCase):
    """C{config.get}."""

    def test_snapshot(self) -> None:
        """The file, its hash, what it means; secrets are not in it anywhere, comments included."""
        self.write(COMMENTED)
        found = self.ok("config.get")
        self.assertEqual(found["path"], str(self.memory.config_file))
        self.assertTrue(found["exists"] and found["valid"])
        self.assertEqual(found["parsed"]["gateway"]["auth"]["token"], REDACTED)
        self.assertEqual(found["config"]["agents"]["list"], [{"id": "main"}, {"id": "beta"}])
        self.assertEqual(found["runtimeConfig"]["gateway"]["port"], 18789)
        self.assertIn("// two", found["raw"])
        self.assertEqual(json5.loads(found["raw"]), found["parsed"])
        self.assertNotIn("a-token-for-tests", json.dumps(found))
        self.assertNotIn("secret-of-telegram", json.dumps(found))
        self.assertIn("channels", found["warnings"][0]["message"])
        self.assertEqual((found["issues"], found["legacyIssues"]), ([], []))
        self.assertNotEqual(found["hash"], found["appliedConfigHash"])  # nobody has noticed the edit yet

    def test_reader(self) -> None:
        """Who may only read gets neither paths nor comments."""
        self.write(COMMENTED)
        self.client = self.connect(("operator.read",))
        found = self.ok("config.get")
        self.assertEqual(found["path"], "openclaw.json")
        self.assertNotIn("// two", found["raw"])
        self.assertNotIn("a-token-for-tests", json.dumps(found))

    def test_invalid(self) -> None:
        """A file that can not be used is shown with what is wrong; the gateway goes by the last good one."""
        self.write('{gateway: {port: "x", auth: {token: "abcdefghijkl"}}}')
        found = self.ok("config.get")
        self.assertFalse(found["valid"])
        self.assertEqual([issue["path"] for issue in found["issues"]], ["gateway.port"])
        self.assertEqual(found["runtimeConfig"]["gateway"]["port"], 18789)
        self.assertNotIn("abcdefghijkl", json.dumps(found))

    def test_broken(self) -> None:
        """Of one that is no JSON5 nothing can be shown: its secrets can not be told from the rest."""
        self.write('{gateway: {auth: {token: "abcdefghijkl"')
        found = self.ok("config.get")
        self.assertEqual((found["raw"], found["parsed"], found["valid"]), (None, {}, False))
        self.assertIn("line 1", found["issues"][0]["message"])
        hash_of_broken = found["hash"]
        self.ok("config.set", raw=COMMENTED, baseHash=hash_of_broken)

    def test_keys(self) -> None:
        """A key that may only know of its own agents reads no configuration; no key at all changes it, or reads hashes.
        The gateway's own secret does; what it writes back keeps them, and each with its own."""
        keys = [
            {"label": "one", "hash": hash_of("s" * 32), "scopes": ["operator.admin"], "agents": ["beta"]},
            {"label": "two", "hash": hash_of("t" * 32), "scopes": ["operator.admin"]},
        ]
        base = self.ok("config.get")["hash"]
        base = self.ok("config.patch", raw=json.dumps({"gateway": {"auth": {"keys": keys}}}), baseHash=base)["hash"]
        for secret, reads in (("s" * 32, False), ("t" * 32, True)):
            self.client = self.connect(ADMIN, token=secret)
            self.assertEqual(self.client.request("config.get")["ok"], reads)
            for method in ("config.set", "config.apply", "config.patch"):
                self.assertEqual(self.no(method, raw=json.dumps(self.memory.config))["code"], "FORBIDDEN")
        found = self.ok("config.get")["config"]
        self.assertNotIn("sha256:", json.dumps(found))
        self.client = self.connect(ADMIN)
        del found["gateway"]["auth"]["keys"][0]
        self.ok("config.set", raw=json.dumps(found), baseHash=base)
        self.assertEqual(json5.loads(self.file())["gateway"]["auth"]["keys"], [keys[1]])


class ChangeTests(ConfigCase):
    """C{config.set}, C{config.apply} and C{config.patch}."""

    def setUp(self) -> None:
        """A file with comments."""
        super().setUp()
        self.write(COMMENTED)
        self.base = self.ok("config.get")["hash"]

    def patch(self, patch: Any, **params: Any) -> Any:
        """C{config.patch} of the file as it was."""
        return self.ok("config.patch", raw=json.dumps(patch), baseHash=self.base, **params)

    def test_patch(self) -> None:
        """What differs is written, the rest with its comments stays, and the gateway goes by it at once."""
        answer = self.patch({"agents": {"defaults": {"timeoutSeconds": 7}}})
        self.assertEqual(answer["changedPaths"], ["agents.defaults.timeoutSeconds"])
        self.assertEqual(answer["appliedPaths"], ["agents.defaults.timeoutSeconds"])
        self.assertFalse(answer["requiresRestart"])
        self.assertEqual(self.memory.gateway.settings().agents.defaults.timeout_seconds, 7)
        self.assertIn("// two", self.file())
        found = self.ok("config.get")
        self.assertEqual((answer["hash"], answer["hash"]), (found["hash"], found["appliedConfigHash"]))
        self.assertEqual(self.memory.config_file.stat().st_mode & 0o777, 0o600)
        backup = self.memory.config_file.with_name("openclaw.json.bak")
        self.assertEqual(backup.read_text("utf-8"), COMMENTED)
        self.assertEqual(backup.stat().st_mode & 0o777, 0o600)

    def test_disk(self) -> None:
        """A file that the disk does not take is nobody's mistake; nobody is told where it is, and nothing changes."""
        backup = self.memory.config_file.with_name("openclaw.json.bak")
        (backup / "in the way").mkdir(parents=True)
        patch = json.dumps({"agents": {"defaults": {"timeoutSeconds": 7}}})
        for method, raw in (
            ("config.patch", patch),
            ("config.set", COMMENTED + "\n"),
            ("config.apply", COMMENTED + " "),
        ):
            error = self.no(method, raw=raw, baseHash=self.base)
            self.assertEqual((error["code"], error["retryable"]), ("UNAVAILABLE", True))
            self.assertIn("the configuration can not be written: Is a directory", error["message"])
            self.assertNotIn("/", error["message"])
        self.assertEqual(self.file(), COMMENTED)

    def test_restart(self) -> None:
        """What needs a restart is named, and held back until then."""
        answer = self.patch({"gateway": {"port": 1234}})
        self.assertEqual((answer["restartPaths"], answer["requiresRestart"]), (["gateway.port"], True))
        self.assertEqual(self.memory.gateway.settings().gateway.port, 18789)

    def test_null_removes(self) -> None:
        """As RFC 7396 has it."""
        self.patch({"channels": None})
        self.assertNotIn("telegram", self.file())

    def test_noop(self) -> None:
        """What it says already is not written."""
        answer = self.patch({"models": {"mode": "replace"}})
        self.assertTrue(answer["noop"])
        self.assertEqual(self.file(), COMMENTED)

    def test_lists_by_id(self) -> None:
        """An item is changed where it stands; a new one comes last."""
        self.patch({"agents": {"list": [{"id": "beta", "name": "B"}, {"id": "third"}]}})
        self.assertEqual(
            json5.loads(self.file())["agents"]["list"], [{"id": "main"}, {"id": "beta", "name": "B"}, {"id": "third"}]
        )

    def test_lists_lose_nothing_unsaid(self) -> None:
        """Unless the list is named."""
        raw = json.dumps({"agents": {"list": None}})
        error = self.no("config.patch", raw=raw, baseHash=self.base)
        self.assertIn("agents.list", error["message"])
        raw = json.dumps({"agents": {"list": [{"id": "main"}]}})
        self.ok("config.patch", raw=raw, baseHash=self.base, replacePaths=["agents.list"])
        self.assertEqual(json5.loads(self.file())["agents"]["list"], [{"id": "main"}])

    def test_old_clients_replace_lists(self) -> None:
        """Protocol 3 knows plain merge patches."""
        self.client = self.connect(ADMIN, protocol=3)
        self.patch({"agents": {"list": [{"id": "main"}]}})
        self.assertEqual(json5.loads(self.file())["agents"]["list"], [{"id": "main"}])

    def test_base_hash(self) -> None:
        """Needed, and of the file as it stands."""
        for method in ("config.set", "config.patch", "config.apply"):
            self.assertIn("base hash required", self.no(method, raw="{}")["message"])
            self.assertIn("changed since last load", self.no(method, raw="{}", baseHash="x")["message"])
        self.assertEqual(self.file(), COMMENTED)

    def test_invalid(self) -> None:
        """Every issue is named with its path, and nothing is written."""
        for method in ("config.set", "config.apply"):
            error = self.no(method, raw='{gateway: {port: "x"}, nope: 1}', baseHash=self.base)
            self.assertEqual(error["code"], "INVALID_REQUEST")
            self.assertEqual({issue["path"] for issue in error["details"]["issues"]}, {"gateway.port", "nope"})
        error = self.no("config.patch", raw='{"gateway": {"port": 0}}', baseHash=self.base)
        self.assertEqual(error["details"]["issues"][0]["path"], "gateway.port")
        self.assertIn("line 1", self.no("config.set", raw="{", baseHash=self.base)["message"])
        self.assertIn("must be an object", self.no("config.patch", raw="[]", baseHash=self.base)["message"])
        self.assertEqual(self.file(), COMMENTED)
        self.assertFalse(self.memory.config_file.with_name("openclaw.json.bak").exists())

    def test_what_would_not_start(self) -> None:
        """A file with which the gateway would not start is refused like one that is wrong."""
        error = self.no("config.set", raw='{gateway: {bind: "lan", auth: {mode: "none"}}}', baseHash=self.base)
        self.assertEqual(error["code"], "INVALID_REQUEST")

    def test_written_back(self) -> None:
        """What was read, written back with a change, keeps every secret (D29), and the comments that came along."""
        raw = self.ok("config.get")["raw"].replace('"replace"', '"merge"')
        self.ok("config.set", raw=raw, baseHash=self.base)
        found = json5.loads(self.file())
        self.assertEqual(found["gateway"]["auth"]["token"], "a-token-for-tests")
        self.assertEqual(found["channels"]["telegram"]["botToken"], "123:secret-of-telegram")
        self.assertEqual(found["models"]["mode"], "merge")
        self.assertIn("// two", self.file())

    def test_written_back_as_it_is(self) -> None:
        """What was read and is written back without a change says the same: references to variables are no secrets,
        and a secret's text in a name or in another value is none either, such as a key that any server takes."""
        text = """{
          // not ${A_VARIABLE}, nor lm-studio
          gateway: { auth: { mode: "token", token: "a-token-for-tests", password: "${A_VARIABLE}" },
                     remote: { password: { source: "env", id: "A_VARIABLE" } } },
          models: { providers: { "lm-studio": { baseUrl: "http://127.0.0.1:1/v1", apiKey: "lm-studio",
                                                models: [{ id: "lm-studio-1" }] } } },
          agents: { defaults: { model: "lm-studio/lm-studio-1" }, list: [{ id: "main" }, { id: "beta" }] },
        }"""
        self.write(text)
        found = self.ok("config.get")
        self.assertEqual(found["issues"], [])
        self.assertEqual(json5.loads(found["raw"]), found["parsed"])
        self.assertIn("// not ${A_VARIABLE}, nor ***", found["raw"])
        self.ok("config.set", raw=found["raw"], baseHash=found["hash"])
        self.assertEqual(json5.loads(self.file()), json5.loads(text))

    def test_marker_of_nothing(self) -> None:
        """A marker where there was no secret is an issue."""
        error = self.no("config.patch", raw=json.dumps({"env": {"vars": {"A": REDACTED}}}), baseHash=self.base)
        self.assertEqual(error["details"]["issues"][0]["path"], "env.vars.A")

    def test_new_token(self) -> None:
        """A new secret takes effect at once: who came with the old one is sent away."""
        self.patch({"gateway": {"auth": {"token": "another-token-for-tests"}}})
        self.memory.advance(1)
        self.assertEqual(self.client.closed, (4001, "gateway credentials changed"))
        self.connect(ADMIN, token="another-token-for-tests")

    def test_event(self) -> None:
        """Who may read is told, once."""
        reader = self.connect(("operator.read",))
        nobody = self.connect(())
        answer = self.patch({"agents": {"defaults": {"timeoutSeconds": 7}}})
        self.memory.advance(1)
        (event,) = reader.events("config.changed")
        self.assertEqual(event["payload"]["hash"], answer["hash"])
        self.assertEqual(nobody.events("config.changed"), [])

    def test_event_of_bounded_keys(self) -> None:
        """A key with bounds may not read the configuration, and is not told that it has changed."""
        keys = [{"label": "one", "hash": hash_of("s" * 32), "scopes": ["operator.read"], "agents": ["main"]}]
        self.base = self.patch({"gateway": {"auth": {"keys": keys}}})["hash"]
        bounded = self.connect((), token="s" * 32)
        self.patch({"agents": {"defaults": {"timeoutSeconds": 7}}})
        self.memory.advance(1)
        self.assertEqual(bounded.events("config.changed"), [])
        self.assertIsNone(bounded.closed)

    def test_reload_off(self) -> None:
        """With C{gateway.reload.mode} off nothing takes effect before a restart."""
        answer = self.patch({"gateway": {"reload": {"mode": "off"}}, "agents": {"defaults": {"timeoutSeconds": 7}}})
        self.assertEqual(answer["appliedPaths"], [])
        self.assertIn("agents.defaults.timeoutSeconds", answer["restartPaths"])
        self.assertEqual(self.memory.gateway.settings().agents.defaults.timeout_seconds, 600)

    def test_included(self) -> None:
        """The main file is written; what an included one holds can not be taken out of it."""
        other = self.memory.config_file.with_name("more.json5")
        other.write_text('{agents: {defaults: {timeoutSeconds: 5, maxToolRounds: 3}}, env: {vars: {A: "longsecret"}}}')
        self.write(COMMENTED.replace("{\n", '{\n  $include: "more.json5",\n', 1))
        found = self.ok("config.get")
        self.base = found["hash"]
        self.assertEqual(found["includedPaths"], [str(other)])
        self.assertEqual(found["config"]["agents"]["defaults"]["timeoutSeconds"], 5)
        self.assertNotIn("longsecret", json.dumps(found))
        raw = json.dumps({"agents": {"defaults": {"timeoutSeconds": None}}})
        self.assertIn("included file", self.no("config.patch", raw=raw, baseHash=self.base)["message"])
        self.patch({"agents": {"defaults": {"timeoutSeconds": 9}}})
        self.assertEqual(self.memory.gateway.settings().agents.defaults.timeout_seconds, 9)
        self.assertIn("$include", self.file())

    def test_scopes(self) -> None:
        """Writing is for administrators."""
        self.client = self.connect(("operator.read", "operator.write", "operator.approvals"))
        for method in ("config.set", "config.patch", "config.apply"):
            self.assertEqual(self.no(method, raw="{}", baseHash=self.base)["message"], "missing scope: operator.admin")


class ReadOnlyTests(ConfigCase):
    """With C{OPENCLAW_CONFIG_READONLY}."""

    def setUp(self) -> None:
        """Set in the environment."""
        self.memory = MemoryGateway(environment={"OPENCLAW_CONFIG_READONLY": "1"}, as_file=True)
        self.addCleanup(self.memory.close)
        self.client = self.connect(ADMIN)

    def test_refused(self) -> None:
        """Nobody writes the file."""
        before = self.file()
        base = self.ok("config.get")["hash"]
        self.assertIn("OPENCLAW_CONFIG_READONLY", self.no("config.set", raw=before + "\n", baseHash=base)["message"])
        self.assertEqual(self.file(), before)


class EmbeddedTests(ConfigCase):
    """A gateway whose settings are given by a program."""

    def setUp(self) -> None:
        """No file."""
        self.memory = MemoryGateway()
        self.addCleanup(self.memory.close)
        self.client = self.connect(ADMIN)

    def test_reads_only(self) -> None:
        """There is nothing to write, so the methods for it are not there."""
        found = self.ok("config.get")
        self.assertFalse(found["exists"])
        self.assertEqual(found["runtimeConfig"]["gateway"]["auth"]["token"], REDACTED)
        self.assertEqual(self.no("config.set", raw="{}")["message"], "unknown method: config.set")


class SchemaTests(ConfigCase):
    """C{config.schema} and C{config.schema.lookup}."""

    def test_schema(self) -> None:
        """Without references, with hints by path."""
        found = self.ok("config.schema")
        self.assertNotIn("$ref", json.dumps(found["schema"]))
        self.assertEqual(found["schema"]["properties"]["gateway"]["type"], "object")
        self.assertTrue(found["uiHints"]["gateway.auth.token"]["sensitive"])
        self.assertEqual(found["uiHints"]["agents.defaults.maxConcurrent"]["label"], "Max Concurrent")
        self.assertTrue(found["generatedAt"].endswith("Z") and found["version"])
        self.assertIn("channels", found["schema"]["properties"])

    def test_lookup(self) -> None:
        """One place and what is below it."""
        found = self.ok("config.schema.lookup", path="gateway.auth")
        rows = {row["key"]: row for row in found["children"]}
        self.assertEqual(rows["token"]["path"], "gateway.auth.token")
        self.assertEqual(rows["token"]["hint"]["sensitive"], True)
        self.assertTrue(rows["keys"]["hasChildren"])
        self.assertEqual(self.ok("config.schema.lookup", path="gateway.port")["reloadKind"], "restart")
        found = self.ok("config.schema.lookup", path="models.providers.openai.apiKey")
        self.assertEqual((found["hintPath"], found["reloadKind"]), ("models.providers.*.apiKey", "hot"))
        found = self.ok("config.schema.lookup", path="agents.list[0].tools")
        self.assertIn("profile", {row["key"] for row in found["children"]})
        self.assertEqual(self.no("config.schema.lookup", path="nope")["message"], "config schema path not found")
