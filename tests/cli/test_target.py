# -*- test-case-name: tests.cli.test_target -*-
"""Which gateway, which secret."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.target import Target, is_nearby, resolve
from openclaw_tx.config.schema import Config


def config(**gateway: Any) -> Config:
    """A configuration with this C{gateway} section."""
    return msgspec.convert({"gateway": gateway}, Config)


TOKEN = {"auth": {"token": "own-secret"}}


class ResolveTests(SynchronousTestCase):
    """From options and configuration to a gateway."""

    def target(
        self,
        configuration: Config,
        url: str | None = None,
        token: str | None = None,
        password: str | None = None,
        **environment: str,
    ) -> Target:
        """What is talked to."""
        return resolve(configuration, environment, url, token, password)

    def refusal(self, configuration: Config, url: str | None = None, **options: Any) -> str:
        """Why nothing is talked to."""
        return self.assertRaises(CommandError, self.target, configuration, url, **options).message

    def test_this_machine(self) -> None:
        """Without options: loopback, the configured port and secret."""
        target = self.target(config(port=1234, **TOKEN))
        self.assertEqual((target.url, target.host, target.port), ("ws://127.0.0.1:1234/", "127.0.0.1", 1234))
        self.assertEqual((target.token, target.password, target.secure), ("own-secret", None, False))
        self.assertIn("twistd", target.hint)

    def test_environment(self) -> None:
        """Port and secret may come from the environment."""
        target = self.target(Config(), OPENCLAW_GATEWAY_PORT="4321", OPENCLAW_GATEWAY_TOKEN="from-env")
        self.assertEqual((target.port, target.token), (4321, "from-env"))

    def test_modes(self) -> None:
        """Only the secret of the gateway's mode is sent; where there is none, nothing is."""
        both = {"token": "t-secret", "password": "p-secret"}
        target = self.target(config(auth={"mode": "password", **both}))
        self.assertEqual((target.token, target.password), (None, "p-secret"))
        target = self.target(config(auth={"mode": "none", **both}))
        self.assertEqual((target.token, target.password), (None, None))

    def test_options_win(self) -> None:
        """--token and --password replace the configured secret."""
        target = self.target(config(**TOKEN), password="given")
        self.assertEqual((target.token, target.password), (None, "given"))

    def test_no_secret(self) -> None:
        """A gateway that needs a secret nobody set: say how to set one."""
        self.assertIn("openclaw-tx setup", self.refusal(Config()))

    def test_remote_mode(self) -> None:
        """In remote mode there is no gateway here: C{gateway.remote} says which, its own secret goes there, and it is
        known by its certificate if that is set."""
        self.assertIn("--url", self.refusal(config(mode="remote", **TOKEN)))
        remote = {"url": "wss://gw.example", "token": "theirs", "tlsFingerprint": "sha256:" + "ab" * 32}
        target = self.target(config(mode="remote", remote=remote, **TOKEN))
        self.assertEqual((target.url, target.token, target.fingerprint), ("wss://gw.example:443/", "theirs", "ab" * 32))
        self.assertFalse(target.own)
        self.assertEqual(self.target(config(mode="remote", remote=remote), token="given").token, "given")
        for broken, told in [
            ({"url": "wss://gw.example"}, "gateway.remote.token"),
            ({**remote, "url": "ws://gw.example"}, "gateway.remote.url"),
            ({**remote, "url": "ws://[::1]"}, "--tls-fingerprint"),
        ]:
            self.assertIn(told, self.refusal(config(mode="remote", remote=broken)))

    def test_tls(self) -> None:
        """This machine's gateway with TLS; a fingerprint is for TLS only, and must be one."""
        target = self.target(config(tls={"enabled": True}, **TOKEN))
        self.assertEqual((target.url, target.secure, target.own), ("wss://127.0.0.1:18789/", True, True))
        self.assertEqual(target.pinned("SHA256:" + "AB" * 32).fingerprint, "ab" * 32)
        self.assertRaises(CommandError, target.pinned, "ab")
        self.assertRaises(CommandError, self.target(config(**TOKEN)).pinned, "ab" * 32)

    def test_custom_bind(self) -> None:
        """A gateway bound to one address is found there; all addresses means loopback."""
        for host, url in (
            ("192.168.1.5", "ws://192.168.1.5:18789/"),
            ("0.0.0.0", "ws://127.0.0.1:18789/"),
            ("::", "ws://[::1]:18789/"),
            ("fd00::1", "ws://[fd00::1]:18789/"),
        ):
            self.assertEqual(self.target(config(bind="custom", customBindHost=host, **TOKEN)).url, url)

    def test_url(self) -> None:
        """Another gateway, with TLS or nearby; ports and paths are kept, http means ws."""
        for url, expected in (
            ("wss://gw.example.com", Target("wss://gw.example.com:443/", "gw.example.com", 443, True, "t", None)),
            ("https://gw.example.com/x", Target("wss://gw.example.com:443/x", "gw.example.com", 443, True, "t", None)),
            ("ws://10.0.0.7:99/a/b", Target("ws://10.0.0.7:99/a/b", "10.0.0.7", 99, False, "t", None)),
            ("http://[::1]:99", Target("ws://[::1]:99/", "::1", 99, False, "t", None)),
            ("ws://Box.LOCAL:99", Target("ws://box.local:99/", "box.local", 99, False, "t", None)),
        ):
            self.assertEqual(self.target(config(**TOKEN), url, token="t"), expected)

    def test_url_needs_its_own_secret(self) -> None:
        """The secret of this machine's gateway is never sent to another one."""
        self.assertIn("--token or --password", self.refusal(config(**TOKEN), "wss://evil.example.com"))
        self.assertIn("--token", self.refusal(Config(), "wss://e.example", OPENCLAW_GATEWAY_TOKEN="env"))

    def test_plaintext_to_far_away(self) -> None:
        """No secret goes over the open network in clear text."""
        for url in ("ws://gw.example.com", "http://8.8.8.8:18789", "ws://localhost.example.com"):
            self.assertIn("wss://", self.refusal(config(**TOKEN), url, token="t"))

    def test_bad_urls(self) -> None:
        """What is no URL of a gateway is refused before anything is sent."""
        for url in ("gw.example.com", "ftp://x", "ws://", "ws://u:p@127.0.0.1", "ws://127.0.0.1:99999", "ws://[::1"):
            self.assertIn("--url", self.refusal(Config(), url, token="t"))

    def test_secret_stays_out_of_repr(self) -> None:
        """A target that is logged shows no secret."""
        self.assertNotIn("own-secret", repr(self.target(config(**TOKEN))))

    def test_nearby(self) -> None:
        """Loopback, private, link-local, .local and .ts.net; nothing else."""
        near = (
            "localhost",
            "127.9.9.9",
            "::1",
            "10.1.1.1",
            "192.168.0.1",
            "fd00::1",
            "fe80::1",
            "a.ts.net",
            "A.local.",
        )
        for host in near:
            self.assertTrue(is_nearby(host), host)
        for host in (
            "example.com",
            "1.1.1.1",
            "2606:4700::1111",
            "local",
            "xts.net",
            "a.ts.net.example.com",
            "0.0.0.0",
        ):
            self.assertFalse(is_nearby(host), host)
