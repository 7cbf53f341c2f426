# -*- test-case-name: tests.auth.test_startup -*-
"""Configurations of authentication that must not start, and those that must."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.auth import check_startup, startup_warnings
from openclaw_tx.auth.keys import hash_of
from openclaw_tx.config.schema_automation import HooksSection
from openclaw_tx.config.schema_channels import ChannelsSection, WebhookAccount
from tests.auth.doubles import config_of


def issues(environment: dict[str, str] | None = None, **gateway: Any) -> list[str]:
    """What is wrong, one line each."""
    return [f"{path}: {message}" for path, message in check_startup(config_of(**gateway), environment or {})]


class ListTests(SynchronousTestCase):
    """What else would not do what it says."""

    def paths(self, **gateway: Any) -> list[str]:
        """Where something is wrong."""
        return [line.partition(":")[0] for line in issues(auth={"token": "t"}, **gateway)]

    def test_keys(self) -> None:
        """They are looked at with all else."""
        keys = [{"label": "a", "hash": hash_of("x")}, {"label": "a", "hash": hash_of("y")}]
        self.assertEqual(
            issues(auth={"token": "t", "keys": keys}), ["gateway.auth.keys[1].label: another key has this label"]
        )

    def test_cors(self) -> None:
        """Origins are whole ones; the star is for all, alone, and never with cookies."""
        origins = ["https://ok.example", "*", "https://*.example", "ok.example", "*.example"]
        places = [f"gateway.http.cors.allowedOrigins[{index}]" for index in range(5)]
        self.assertEqual(self.paths(http={"cors": {"allowedOrigins": origins}}), places[2:])
        with_cookies = {"allowedOrigins": origins, "allowCredentials": True}
        self.assertEqual(self.paths(http={"cors": with_cookies}), places[1:])

    def test_tls(self) -> None:
        """A certificate goes with a key; a pinned one is named by what can be one."""
        self.assertEqual(self.paths(tls={"certPath": "/c"}), ["gateway.tls.keyPath"])
        self.assertEqual(self.paths(tls={"keyPath": "/k"}), ["gateway.tls.certPath"])
        self.assertEqual(self.paths(tls={"certPath": "/c", "keyPath": "/k"}), [])
        self.assertEqual(self.paths(remote={"tlsFingerprint": "nonsense"}), ["gateway.remote.tlsFingerprint"])


class SecretTests(SynchronousTestCase):
    """Modes token and password."""

    def test_good(self) -> None:
        """A secret from either place will do."""
        self.assertEqual(issues(auth={"token": "t"}), [])
        self.assertEqual(issues(auth={"mode": "password", "password": "p"}), [])
        self.assertEqual(issues({"OPENCLAW_GATEWAY_TOKEN": "t"}), [])
        self.assertEqual(issues({"CLAWDBOT_GATEWAY_PASSWORD": "p"}), [])
        self.assertEqual(issues({"OPENCLAW_GATEWAY_PASSWORD": "p"}, auth={"mode": "token", "token": "t"}), [])

    def test_missing(self) -> None:
        """No secret, no start; the line says where to put one."""
        self.assertEqual(
            issues(), ["gateway.auth.token: mode token needs a secret: set it here or in OPENCLAW_GATEWAY_TOKEN"]
        )
        self.assertEqual(
            issues({"OPENCLAW_GATEWAY_TOKEN": "t"}, auth={"mode": "password"}),
            ["gateway.auth.password: mode password needs a secret: set it here or in OPENCLAW_GATEWAY_PASSWORD"],
        )

    def test_unfit(self) -> None:
        """Blank and placeholder secrets are refused where they stand, and never repeated."""
        self.assertEqual(issues(auth={"mode": "token", "token": " "}), ["gateway.auth.token: is blank"])
        found = issues({"OPENCLAW_GATEWAY_TOKEN": "change-me-now"})
        self.assertEqual(found, [": OPENCLAW_GATEWAY_TOKEN is a placeholder, not a secret"])
        self.assertEqual(
            issues({"OPENCLAW_GATEWAY_TOKEN": "good"}, auth={"token": "undefined"}),
            ["gateway.auth.token: is a placeholder, not a secret"],
        )

    def test_both_without_a_mode(self) -> None:
        """Two secrets and no mode is a question, not a configuration; a mode answers it."""
        found = issues({"OPENCLAW_GATEWAY_PASSWORD": "p"}, auth={"token": "t"})
        self.assertEqual([line.partition(":")[0] for line in found], ["gateway.auth.mode"])
        self.assertEqual(issues({"OPENCLAW_GATEWAY_PASSWORD": "p"}, auth={"mode": "token", "token": "t"}), [])


class OpenTests(SynchronousTestCase):
    """Modes none and trusted-proxy, and the lists."""

    def test_none(self) -> None:
        """None is for loopback, without proxies and without the star; and it is warned of."""
        auth = {"mode": "none"}
        self.assertEqual(issues(auth=auth), [])
        self.assertEqual(issues(auth=auth, bind="custom", customBindHost="127.0.0.2"), [])
        for bind in ["lan", "tailnet", "auto", "custom"]:
            self.assertEqual(len(issues(auth=auth, bind=bind, customBindHost="192.168.1.2")), 1, bind)
        self.assertEqual(len(issues(auth=auth, trustedProxies=["127.0.0.1"])), 1)
        self.assertEqual(len(issues(auth=auth, controlUi={"allowedOrigins": ["*"]})), 1)
        paths = [path for path, _ in startup_warnings(config_of(auth=auth), {})]
        self.assertEqual(paths, ["gateway.auth.mode"])

    def test_trusted_proxy(self) -> None:
        """Trusted-proxy needs the user's header and narrow proxies that can really connect."""
        auth = {"mode": "trusted-proxy", "trustedProxy": {"userHeader": "x-user"}}
        self.assertEqual(issues(auth=auth, trustedProxies=["10.0.0.0/8"]), [])
        self.assertEqual(issues(auth=auth, trustedProxies=["unix"]), [])
        found = issues(auth={"mode": "trusted-proxy"})
        self.assertEqual(
            [line.partition(":")[0] for line in found],
            ["gateway.auth.trustedProxy.userHeader", "gateway.trustedProxies"],
        )
        self.assertEqual(len(issues(auth=auth, trustedProxies=["0.0.0.0/0"])), 1)
        found = issues(auth=auth, trustedProxies=["127.0.0.1", "::1"])
        self.assertEqual([line.partition(":")[0] for line in found], ["gateway.auth.trustedProxy.allowLoopback"])
        self.assertEqual(issues(auth=auth, trustedProxies=["127.0.0.1", "unix"]), [])
        auth["trustedProxy"] = {"userHeader": "x-user", "allowLoopback": True}
        self.assertEqual(issues(auth=auth, trustedProxies=["127.0.0.1", "::1"]), [])

    def test_header_names(self) -> None:
        """What can be no header's name is refused before a request meets it."""
        rules = {"userHeader": "x user", "requiredHeaders": ["x-ok", "x-n\u00f6", "x:y", ""]}
        found = issues(auth={"mode": "trusted-proxy", "trustedProxy": rules}, trustedProxies=["10.0.0.7"])
        places = ["userHeader", "requiredHeaders[1]", "requiredHeaders[2]", "requiredHeaders[3]"]
        self.assertEqual([line.partition(":")[0].rpartition(".")[2] for line in found], places)

    def test_lists(self) -> None:
        """Entries that would silently match nothing are named with their place."""
        found = issues(
            auth={"token": "t"},
            trustedProxies=["10.0.0.1", "proxy.example", "10.0.0.0/40"],
            controlUi={"allowedOrigins": ["https://ok.example", "ok.example"]},
        )
        self.assertEqual(
            [line.partition(":")[0] for line in found],
            ["gateway.trustedProxies[1]", "gateway.trustedProxies[2]", "gateway.controlUi.allowedOrigins[1]"],
        )

    def test_warnings(self) -> None:
        """What is dangerous and allowed is said; what is sound is not."""
        self.assertEqual(startup_warnings(config_of(auth={"token": "t"}), {}), [])
        rules = {"allowedOrigins": ["*"], "dangerouslyAllowHostHeaderOriginFallback": True}
        self.assertEqual(len(startup_warnings(config_of(auth={"token": "t"}, controlUi=rules), {})), 2)


class HooksTests(SynchronousTestCase):
    """Hooks have a token of their own."""

    def found(self, hooks: str, environment: dict[str, str] | None = None, **auth: Any) -> list[str]:
        """What is wrong with hooks that have this token."""
        config = replace(config_of(auth=auth), hooks=HooksSection(enabled=True, token=hooks))
        return [f"{path}: {message}" for path, message in check_startup(config, environment or {})]

    def test_own(self) -> None:
        """Neither none, nor one of the gateway's, wherever that is from."""
        own = ["hooks.token: must not be a secret of the gateway itself"]
        self.assertEqual(self.found("h", token="t"), [])
        self.assertEqual(self.found(" t ", token="t"), own)
        self.assertEqual(self.found("t", {"OPENCLAW_GATEWAY_TOKEN": "t"}), own)
        self.assertEqual(self.found("p", mode="password", password="p"), own)
        key = {"label": "k", "hash": hash_of("k-secret"), "scopes": ["operator.read"]}
        self.assertEqual(self.found("k-secret", token="t", keys=[key]), own)
        for token in ("", " ", "change-me"):
            (issue,) = self.found(token, token="t")
            self.assertIn("hooks need a token of their own", issue)

    def test_webhooks(self) -> None:
        """Nor have webhooks one of the gateway's."""
        token = "a-token-of-the-gateway"
        for field in ("secret", "out_secret"):
            secrets = {"secret": "a-secret-of-its-own", field: token}
            channels = ChannelsSection(webhook={"a": WebhookAccount(**secrets)})  # type: ignore[arg-type]
            config = replace(config_of(auth={"token": token}), channels=channels)
            [(path, _)] = check_startup(config, {})
            self.assertEqual(path, "channels.webhook.a.secret" if field == "secret" else "channels.webhook.a.outSecret")
            self.assertEqual(check_startup(replace(config, gateway=config_of(auth={"token": "t"}).gateway), {}), [])

    def test_off(self) -> None:
        """Hooks that are not served need none."""
        self.assertEqual(issues(auth={"token": "t"}), [])
