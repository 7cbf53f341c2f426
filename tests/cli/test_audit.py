# -*- test-case-name: tests.cli.test_audit -*-
"""C{openclaw-tx security audit}: each check with the misconfiguration that it is for, planted."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from click.testing import CliRunner

from twisted.internet.error import ConnectionRefusedError

from openclaw_tx.cli import audit, audit_agents, audit_files
from openclaw_tx.cli import security as security_module
from openclaw_tx.cli.audit_agents import billions
from openclaw_tx.cli.security import security
from openclaw_tx.config.files import merge
from tests.cli.doubles import NO_SECRETS, MemoryPlace, ScriptedGateway
from tests.cli.test_config import ConfigTestCase

TOKEN = "a-long-and-random-token-of-the-owner"
GOOD: dict[str, Any] = {
    "gateway": {"auth": {"mode": "token", "token": TOKEN}, "trustedProxies": ["127.0.0.1"]},
    "agents": {"defaults": {"model": "openai/gpt-large"}},
    "models": {
        "providers": {"openai": {"baseUrl": "http://127.0.0.1:1/v1", "models": [{"id": "gpt-large"}, {"id": "q-7b"}]}}
    },
}
LAN = {"gateway": {"bind": "lan", "controlUi": {"allowedOrigins": ["https://x.example"]}}}
ALWAYS = {"summary.attack_surface"}


def gateway(**settings: Any) -> dict[str, Any]:
    """Settings of C{gateway}."""
    return {"gateway": settings}


def proxied(**rules: Any) -> dict[str, Any]:
    """Mode trusted-proxy."""
    return gateway(
        auth={"mode": "trusted-proxy", "trustedProxy": {"userHeader": "x-user", "allowUsers": ["a"], **rules}}
    )


HOOKS = {
    "enabled": True,
    "token": "another-long-and-random-token",
    "allowedAgentIds": ["main"],
    "defaultSessionKey": "h",
}

PLANTED: list[tuple[dict[str, Any], dict[str, str]]] = [
    (gateway(auth={"mode": "none"}), {"gateway.loopback_no_auth": "critical", "gateway.http.no_auth": "warn"}),
    (
        merge(LAN, gateway(auth={"mode": "none"})),
        {"gateway.bind_no_auth": "critical", "gateway.http.no_auth": "critical"},
    ),
    (gateway(auth={"token": "short"}), {"gateway.token_too_short": "warn"}),
    (gateway(auth={"token": "<your token>"}), {"gateway.token_placeholder_value": "critical"}),
    (
        gateway(auth={"mode": "password", "password": "${SHORT}"}),
        {"gateway.password_too_short": "warn"},
    ),
    (
        gateway(auth={"mode": "password", "password": "a-password-that-is-long"}),
        {"config.secrets.gateway_password_in_config": "warn"},
    ),
    (
        merge(LAN, gateway(auth={"rateLimit": {"maxAttempts": 100_000}})),
        {"gateway.auth_no_rate_limit": "warn"},
    ),
    (merge(LAN, gateway(auth={"rateLimit": {"lockoutMs": 1}})), {"gateway.auth_no_rate_limit": "warn"}),
    (gateway(allowRealIpFallback=True), {"gateway.real_ip_fallback_enabled": "warn"}),
    (merge(LAN, gateway(allowRealIpFallback=True)), {"gateway.real_ip_fallback_enabled": "critical"}),
    (proxied(), {"gateway.trusted_proxy_auth": "warn"}),
    (
        proxied(userHeader="", allowUsers=[], allowLoopback=True),
        {
            "gateway.trusted_proxy_auth": "warn",
            "gateway.trusted_proxy_no_user_header": "critical",
            "gateway.trusted_proxy_no_allowlist": "warn",
            "gateway.trusted_proxy_allow_loopback": "warn",
        },
    ),
    (
        gateway(controlUi={"allowedOrigins": ["*"]}),
        {"gateway.control_ui.allowed_origins_wildcard": "warn"},
    ),
    (
        gateway(controlUi={"dangerouslyAllowHostHeaderOriginFallback": True}),
        {"gateway.control_ui.host_header_origin_fallback": "warn"},
    ),
    (gateway(controlUi={"allowInsecureAuth": True}), {"gateway.control_ui.insecure_auth": "warn"}),
    (
        gateway(controlUi={"allowInsecureAuth": True, "dangerouslyDisableDeviceAuth": True}),
        {"gateway.control_ui.device_auth_disabled": "critical"},
    ),
    (gateway(bind="lan"), {"gateway.control_ui.allowed_origins_required": "warn"}),
    (
        gateway(bind="custom", customBindHost="192.0.2.1"),
        {"gateway.control_ui.allowed_origins_required": "warn"},
    ),
    (
        gateway(http={"cors": {"allowedOrigins": ["*"]}}),
        {"gateway.http.cors.allowed_origins_wildcard": "warn"},
    ),
    (
        gateway(http={"endpoints": {"chatCompletions": {"enabled": True}}}),
        {"gateway.http.session_key_override_enabled": "info"},
    ),
    (gateway(tools={"allow": ["exec"]}), {"gateway.tools_invoke_http.dangerous_allow": "warn"}),
    (merge(LAN, gateway(tools={"allow": ["*"]})), {"gateway.tools_invoke_http.dangerous_allow": "critical"}),
    ({"hooks": HOOKS}, {"config.secrets.hooks_token_in_config": "info"}),
    (
        {"hooks": {**HOOKS, "token": TOKEN}},
        {"config.secrets.hooks_token_in_config": "info", "hooks.token_reuse_gateway_token": "critical"},
    ),
    (
        {"hooks": {**HOOKS, "token": "x", "allowedAgentIds": ["*"], "defaultSessionKey": ""}},
        {
            "config.secrets.hooks_token_in_config": "info",
            "hooks.token_too_short": "warn",
            "hooks.allowed_agent_ids_unrestricted": "warn",
            "hooks.default_session_key_unset": "info",
        },
    ),
    (
        {"hooks": {**HOOKS, "allowRequestSessionKey": True}},
        {
            "config.secrets.hooks_token_in_config": "info",
            "hooks.request_session_key_enabled": "warn",
            "hooks.request_session_key_prefixes_missing": "warn",
        },
    ),
    ({"tools": {"exec": {"security": "full"}}}, {"tools.exec.security_full_configured": "warn"}),
    (
        {"agents": {"list": [{"id": "main", "tools": {"exec": {"security": "full", "ask": "off"}}}]}},
        {"tools.exec.security_full_configured": "critical"},
    ),
    ({"tools": {"fs": {"workspaceOnly": False}}}, {"tools.fs.workspace_only_disabled": "warn"}),
    (
        {"agents": {"list": [{"id": "main", "tools": {"fs": {"workspaceOnly": False}}}]}},
        {"tools.fs.workspace_only_disabled": "warn"},
    ),
    ({"agents": {"defaults": {"model": "openai/q-7b"}}}, {"models.small_params": "warn"}),
    (
        {"agents": {"defaults": {"model": "openai/q-7b"}}, "tools": {"deny": ["*"]}},
        {"models.small_params": "info"},
    ),
]
"""What differs from a good configuration, and what the audit says of that."""

HARMLESS: list[dict[str, Any]] = [
    gateway(auth={"token": "t" * 24}),
    gateway(auth={"mode": "password", "password": "${LONG}"}),
    gateway(auth={"rateLimit": {"maxAttempts": 100_000}}),
    merge(LAN, gateway(auth={"rateLimit": {"maxAttempts": 20, "lockoutMs": 60_000}})),
    merge(LAN, gateway(tls={"enabled": True})),
    gateway(controlUi={"allowedOrigins": ["https://ui.example"]}),
    gateway(http={"cors": {"allowedOrigins": ["https://ui.example"]}}),
    gateway(bind="custom", customBindHost="127.0.0.1"),
    gateway(tools={"allow": ["session_status"]}),
    {"hooks": {**HOOKS, "token": "${LONG}"}},
    {"hooks": {"allowedAgentIds": ["*"], "allowRequestSessionKey": True}},
    {"tools": {"exec": {"security": "allowlist", "ask": "off"}}},
    {"tools": {"exec": {"security": "deny"}}},
    {"agents": {"list": [{"id": "main", "tools": {"fs": {"workspaceOnly": True}}}]}},
    {"agents": {"defaults": {"model": "openai/gpt-large"}}, "tools": {"deny": ["exec"]}},
]
"""What is near to something that is found, and good."""

EXPOSED: list[tuple[dict[str, Any], dict[str, str]]] = [
    (gateway(controlUi={"allowedOrigins": ["*"]}), {"gateway.control_ui.allowed_origins_wildcard": "critical"}),
    (
        gateway(controlUi={"dangerouslyAllowHostHeaderOriginFallback": True}),
        {"gateway.control_ui.host_header_origin_fallback": "critical"},
    ),
    (gateway(http={"cors": {"allowedOrigins": ["*"]}}), {"gateway.http.cors.allowed_origins_wildcard": "critical"}),
    (
        {"hooks": {**HOOKS, "allowRequestSessionKey": True, "token": "${LONG}"}},
        {"hooks.request_session_key_enabled": "critical", "hooks.request_session_key_prefixes_missing": "critical"},
    ),
]
"""What is worse where other machines can connect."""


class AuditTestCase(ConfigTestCase):
    """A good configuration in a private directory."""

    def setUp(self) -> None:
        """Nothing is wrong with it."""
        super().setUp()
        self.path.parent.chmod(0o700)
        self.write({})

    def write(self, differs: dict[str, Any]) -> None:
        """The configuration, with something different about it."""
        self.path.write_text(json.dumps(merge(GOOD, differs)))
        self.path.chmod(0o600)

    def report(self, *words: str) -> dict[str, Any]:
        """What the audit says."""
        result = self.invoke(
            "security", "audit", "--json", *words, SHORT="pass", LONG="a-long-and-random-value-of-a-variable"
        )
        self.assertEqual(result.exit_code, 0, result.output)
        report: dict[str, Any] = json.loads(result.stdout)
        return report

    def found(self) -> dict[str, str]:
        """Check id -> severity, of what is not always there."""
        findings = self.report()["findings"]
        return {each["checkId"]: each["severity"] for each in findings if each["checkId"] not in ALWAYS}


class SettingsTests(AuditTestCase):
    """What the configuration says."""

    def test_good(self) -> None:
        """Of a good one there is only the summary."""
        self.assertEqual(self.found(), {})

    def test_planted(self) -> None:
        """Each misconfiguration is found, with its severity, and nothing else is."""
        for differs, expected in PLANTED:
            self.write(differs)
            self.assertEqual(self.found(), expected, differs)

    def test_harmless(self) -> None:
        """What is near to one, and good, is not found: a secret that is just long enough or stands in a variable, hooks
        that are off, a limit of loopback's."""
        for differs in HARMLESS:
            self.write(differs)
            ours = {name: level for name, level in self.found().items() if not name.startswith("hooks.default")}
            self.assertEqual(ours, {}, differs)

    def test_exposed(self) -> None:
        """Some are worse where other machines can connect."""
        for differs, expected in EXPOSED:
            self.write(merge(LAN, differs))
            self.assertEqual(self.found(), expected, differs)

    def test_every_check_is_planted(self) -> None:
        """No check stands in the code that no test of this module plants."""
        sources = [audit, audit_agents, audit_files, security_module]
        code = "".join(inspect.getsource(module) for module in sources)
        checks = set(re.findall(r"\"((?:gateway|hooks|fs|config|tools|models|summary)\.[a-z_]+(?:\.[a-z_]+)*)\"", code))
        checks |= {f"{prefix}{name}" for prefix in ("fs.config", "fs.config_include")
                   for name in re.findall(r"f\"{prefix}(\.[a-z_]+)\"", code)}  # fmt: skip
        checks -= {"fs.config", "fs.config_include", "tools.exec", "tools.fs"}
        self.assertGreater(len(checks), 40)
        planted = inspect.getsource(inspect.getmodule(type(self)))  # type: ignore[arg-type]
        self.assertEqual({check for check in checks if check.rpartition(".")[2] not in planted}, set())

    def test_no_proxies(self) -> None:
        """The one finding that a list can not plant: merging adds to lists."""
        alone = {**GOOD, "gateway": {"auth": {"token": TOKEN}}}
        self.path.write_text(json.dumps(alone))
        self.assertEqual(self.found(), {"gateway.trusted_proxies_missing": "warn"})
        exposed = merge(alone, LAN)
        self.path.write_text(json.dumps(exposed))
        self.assertEqual(self.found(), {"gateway.plain_http_exposed": "warn"})
        self.path.write_text(json.dumps(merge(exposed, gateway(tls={"enabled": True}))))
        self.assertEqual(self.found(), {})
        self.path.write_text(json.dumps(merge(alone, proxied())))
        self.assertEqual(self.found()["gateway.trusted_proxy_no_proxies"], "critical")

    def test_no_secret(self) -> None:
        """No secret anywhere is nobody being asked."""
        self.path.write_text(json.dumps({**GOOD, "gateway": {"trustedProxies": ["127.0.0.1"]}}))
        self.assertEqual(self.found(), {"gateway.loopback_no_auth": "critical"})

    def test_no_secret_is_shown(self) -> None:
        """Neither in JSON nor in text."""
        self.write({"hooks": {**HOOKS, "token": TOKEN}})
        for words in (["--json"], []):
            self.assertNotIn(TOKEN, self.invoke("security", "audit", *words).output)

    def test_sizes(self) -> None:
        """Parameters as names tell them."""
        sizes = {"ollama/qwen3:8b": 8.0, "x/smollm2-135m": 0.135, "x/mix-8x7b-a3b": 56.0, "openai/gpt-4o": None}
        self.assertEqual({ref: billions(ref) for ref in sizes}, sizes)


class FilesTests(AuditTestCase):
    """Who may read and change what."""

    def planted(self, path: Any, mode: int) -> dict[str, str]:
        """What is found when a path has a mode; it gets back the one that it had."""
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        try:
            return self.found()
        finally:
            path.chmod(before)

    def test_state_dir(self) -> None:
        """By what others may do."""
        state = self.path.parent
        self.assertEqual(self.planted(state, 0o777), {"fs.state_dir.perms_world_writable": "critical"})
        self.assertEqual(self.planted(state, 0o770), {"fs.state_dir.perms_group_writable": "warn"})
        self.assertEqual(self.planted(state, 0o755), {"fs.state_dir.perms_readable": "warn"})

    def test_config(self) -> None:
        """The configuration and what it includes."""
        include = self.path.with_name("more.json")
        include.write_text("{}")
        include.chmod(0o600)
        self.write({"$include": "./more.json"})
        for path, prefix in ((self.path, "fs.config"), (include, "fs.config_include")):
            self.assertEqual(self.planted(path, 0o620), {f"{prefix}.perms_writable": "critical"})
            self.assertEqual(self.planted(path, 0o604), {f"{prefix}.perms_world_readable": "critical"})
            self.assertEqual(self.planted(path, 0o640), {f"{prefix}.perms_group_readable": "warn"})

    def test_links(self) -> None:
        """Symbolic links are worth knowing of."""
        real = self.path.rename(self.path.with_name("real.json"))
        self.path.symlink_to(real)
        self.assertEqual(self.found(), {"fs.config.symlink": "warn"})
        state = self.path.parent.rename(self.home / "elsewhere")
        self.path.parent.symlink_to(state)
        self.assertEqual(self.found()["fs.state_dir.symlink"], "warn")

    def test_others(self) -> None:
        """Keys of providers, sessions, logs."""
        state = self.path.parent
        for name, mode, check_id, severity in (
            ("agents/main/agent/auth-profiles.json", 0o644, "fs.auth_profiles.perms_readable", "warn"),
            ("agents/main/agent/auth-profiles.json", 0o666, "fs.auth_profiles.perms_writable", "critical"),
            ("gateway/openclaw.sqlite", 0o644, "fs.sessions_store.perms_readable", "warn"),
            ("logs/openclaw-2026-01-01.log", 0o640, "fs.log_file.perms_readable", "warn"),
        ):
            path = state / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
            path.chmod(0o600)
            self.assertEqual(self.planted(path, mode), {check_id: severity})

    def test_fix(self) -> None:
        """Access is taken away from others, and the report is of what is left."""
        self.path.chmod(0o644)
        self.path.parent.chmod(0o755)
        answer = self.report("--fix")
        self.assertTrue(answer["fix"]["ok"])
        self.assertEqual({each["mode"] for each in answer["fix"]["actions"]}, {"0600", "0700"})
        self.assertEqual(answer["report"]["summary"], {"critical": 0, "warn": 0, "info": 1})
        self.assertEqual((self.path.stat().st_mode & 0o777, self.path.parent.stat().st_mode & 0o777), (0o600, 0o700))


class ReportTests(AuditTestCase):
    """The report as a whole."""

    def test_keys(self) -> None:
        """OpenClaw's."""
        self.write(gateway(auth={"token": "short"}))
        report = self.report()
        self.assertEqual(report.keys(), {"ts", "summary", "findings"})
        self.assertEqual(report["summary"], {"critical": 0, "warn": 1, "info": 1})
        self.assertEqual(report["findings"][0].keys(), {"checkId", "severity", "title", "detail", "remediation"})

    def test_text(self) -> None:
        """The worst first, with what to do."""
        self.write(gateway(auth={"mode": "none"}))
        text = self.invoke("security", "audit").stdout
        self.assertIn("1 critical, 1 warn, 1 info", text)
        self.assertLess(text.index("critical gateway.loopback_no_auth"), text.index("warn gateway.http.no_auth"))
        self.assertIn("  do: set gateway.auth.token", text)

    def test_deep(self) -> None:
        """A gateway that does not answer is a finding; one that does is none."""
        server = ScriptedGateway()
        place = MemoryPlace(state_dir=str(self.path.parent), gateway=server)

        def audit() -> Any:
            result = CliRunner().invoke(security, ["audit", "--deep", "--json"], obj=place, env=NO_SECRETS)
            return json.loads(result.stdout)

        self.assertEqual(audit()["deep"]["gateway"], {"attempted": True, "ok": True, "error": None, "close": None})
        server.refusal = ConnectionRefusedError()
        report = audit()
        self.assertFalse(report["deep"]["gateway"]["ok"])
        self.assertIn("gateway.probe_failed", [each["checkId"] for each in report["findings"]])
