# -*- test-case-name: tests.web.test_metrics -*-
"""C{/metrics}: what a gateway counted, as Prometheus reads it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from openclaw_tx.auth.keys import hash_of
from openclaw_tx.testing import MemoryGateway, MemoryResponse
from openclaw_tx.values import Usage
from openclaw_tx.web.metrics import FAMILIES
from openclaw_tx.web.visit import route_of
from tests.support.web import Client, Harness

ROOT = Path(__file__).parent.parent.parent
OPERATIONS = ROOT / "docs/operations.md"
CHAT = "/v1/chat/completions"


def ask(text: str = "hi", **fields: Any) -> dict[str, Any]:
    """A chat request."""
    return {"model": "openclaw", "messages": [{"role": "user", "content": text}], **fields}


class MetricsTests(SynchronousTestCase):
    """The endpoint over the whole gateway."""

    def setUp(self) -> None:
        """A gateway that has not done anything."""
        self.memory = self.gateway()

    def gateway(self, **config: Any) -> MemoryGateway:
        """One that is closed at the end."""
        memory = MemoryGateway(config)
        self.addCleanup(memory.close)
        return memory

    def scrape(self) -> dict[str, float]:
        """All samples, C{name{label="value",...}} -> number, labels in their order by name."""
        answer = self.memory.get("/metrics")
        self.assertEqual(answer.code, 200, answer.text())
        return dict(samples(answer))

    def test_format(self) -> None:
        """Text format 0.0.4, never cached; every family is there with its help and type, and no other of ours."""
        answer = self.memory.get("/metrics")
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(answer.headers["cache-control"], "no-store")
        types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", answer.text(), re.MULTILINE))
        self.assertEqual(
            {name: kind for name, kind in types.items() if name.startswith("openclaw_")},
            {family.name: family.kind for family in FAMILIES},
        )
        for family in FAMILIES:
            self.assertIn(f"# HELP {family.name} {family.help}\n", answer.text())
        self.assertIn("process_resident_memory_bytes", types)
        self.assertIn("process_open_fds", types)

    def test_at_rest(self) -> None:
        """Numbers of a gateway that did nothing."""
        found = self.scrape()
        self.assertEqual(found["openclaw_runs_active"], 0)
        self.assertEqual(found["openclaw_runs_queued"], 0)
        self.assertEqual(found["openclaw_store_healthy"], 1)
        self.assertEqual(found["openclaw_stream_bytes_total"], 0)
        self.assertEqual(found['openclaw_run_duration_seconds_bucket{le="+Inf"}'], 0)
        self.assertTrue([name for name in found if name.startswith("openclaw_build_info{")])

    def test_needs_a_credential(self) -> None:
        """Like everything that is not a probe."""
        for token in (None, "wrong"):
            answer = self.memory.get("/metrics", token=token)
            self.memory.advance(1)
            self.assertEqual((answer.code, answer.json()["error"]["code"]), (401, "invalid_api_key"))

    def test_scope(self) -> None:
        """Who may not read may not read this."""
        harness = Harness(authorise=refuse)
        self.addCleanup(harness.close)
        response = harness.ask("GET", "/metrics").response
        self.assertEqual((response.status, response.error["code"]), (403, "insufficient_scope"))

    def test_agents_of_a_key(self) -> None:
        """A key that is bound to agents does not read the names of others; the sums are those of everybody."""
        key = {"label": "scraper", "hash": hash_of("scraping"), "scopes": ["operator.read"], "agents": ["beta"]}
        self.memory = memory = self.gateway(gateway={"auth": {"keys": [key]}})
        for model in ("openclaw/main", "openclaw/beta"):
            memory.model.say("pong")
            memory.post(CHAT, ask(model=model))
        self.assertIn('agent="main"', memory.get("/metrics").text())
        found = memory.get("/metrics", token="scraping").text()
        self.assertNotIn('agent="main"', found)
        self.assertIn('agent="beta"', found)
        self.assertIn("openclaw_run_duration_seconds_count 2.0", found)

    def test_methods(self) -> None:
        """GET and HEAD."""
        self.assertEqual(self.memory.request("HEAD", "/metrics").body, b"")
        answer = self.memory.post("/metrics")
        self.assertEqual((answer.code, answer.headers["allow"]), (405, "GET, HEAD"))

    def test_switch(self) -> None:
        """It can be turned off at any time; counting goes on."""
        off = {"gateway": {"http": {"endpoints": {"metrics": {"enabled": False}}}}}
        memory = self.gateway(**off)
        answer = memory.get("/metrics", token=None)
        self.assertEqual((answer.code, answer.json()["error"]["code"]), (404, "endpoint_disabled"))
        self.assertIn("gateway.http.endpoints.metrics.enabled", answer.json()["error"]["message"])
        off["gateway"]["http"]["endpoints"]["metrics"]["enabled"] = True
        memory.gateway.reload({**memory.config, "gateway": {**memory.config["gateway"], **on(memory.config)}})
        self.memory = memory
        route = 'openclaw_http_requests_total{method="GET",route="/metrics",status="404"}'
        self.assertEqual(self.scrape()[route], 1)

    def test_runs(self) -> None:
        """By surface, agent, status and code; tokens as the provider counted them; calls of the provider."""
        self.memory.model.say("pong", usage=Usage(prompt_tokens=100, completion_tokens=7, cached_tokens=60))
        self.memory.model.say("pong")
        self.memory.model.fail("provider_auth")
        self.memory.post(CHAT, ask())
        self.memory.post(CHAT, ask(model="openclaw/beta"))
        self.memory.post(CHAT, ask())
        found = self.scrape()
        runs = "openclaw_runs_total"
        self.assertEqual(found[runs + '{agent="main",code="",status="ok",surface="http"}'], 1)
        self.assertEqual(found[runs + '{agent="beta",code="",status="ok",surface="http"}'], 1)
        self.assertEqual(found[runs + '{agent="main",code="provider_auth",status="error",surface="http"}'], 1)
        self.assertEqual(found['openclaw_tokens_total{kind="prompt"}'], 110)
        self.assertEqual(found['openclaw_tokens_total{kind="completion"}'], 12)
        self.assertEqual(found['openclaw_tokens_total{kind="cached"}'], 60)
        self.assertEqual(found['openclaw_provider_calls_total{outcome="ok",provider="scripted"}'], 2)
        self.assertEqual(found['openclaw_provider_calls_total{outcome="provider_auth",provider="scripted"}'], 1)
        self.assertEqual(found[f'openclaw_http_requests_total{{method="POST",route="{CHAT}",status="200"}}'], 2)
        self.assertEqual(found[f'openclaw_http_requests_total{{method="POST",route="{CHAT}",status="401"}}'], 1)

    def test_times(self) -> None:
        """From admission to the first text, and to the end."""
        answer = self.memory.post(CHAT, ask(stream=True))
        self.memory.advance(0.3)
        self.memory.model.calls[0].text("po")
        self.memory.advance(1.0)
        self.assertEqual(self.scrape()["openclaw_runs_active"], 1)
        self.memory.model.calls[0].text("ng")
        self.memory.model.calls[0].finish()
        self.memory.flush()
        self.assertTrue(answer.finished)
        found = self.scrape()
        self.assertEqual(found["openclaw_runs_active"], 0)
        for name, below, seconds in (("first_text", "0.25", 0.3), ("duration", "1.0", 1.3)):
            self.assertEqual(found[f'openclaw_run_{name}_seconds_bucket{{le="{below}"}}'], 0)
            self.assertEqual(found[f'openclaw_run_{name}_seconds_bucket{{le="+Inf"}}'], 1)
            self.assertEqual(found[f"openclaw_run_{name}_seconds_count"], 1)
            self.assertAlmostEqual(found[f"openclaw_run_{name}_seconds_sum"], seconds, places=3)

    def test_queued(self) -> None:
        """A run that waits for its place is not at work."""
        self.memory = self.gateway(agents={"defaults": {"maxConcurrent": 1}})
        self.memory.post(CHAT, ask(stream=True))
        self.memory.post(CHAT, ask(stream=True))
        found = self.scrape()
        self.assertEqual((found["openclaw_runs_active"], found["openclaw_runs_queued"]), (1, 1))

    def test_cancels(self) -> None:
        """By what did it; a client that left has its status."""
        self.memory.post(CHAT, ask()).disconnect()
        self.memory.post(CHAT, ask(stream=True)).disconnect()
        found = self.scrape()
        self.assertEqual(found['openclaw_run_cancels_total{reason="disconnect"}'], 2)
        self.assertEqual(found[f'openclaw_http_requests_total{{method="POST",route="{CHAT}",status="499"}}'], 2)
        self.assertEqual(found['openclaw_provider_calls_total{outcome="cancelled",provider="scripted"}'], 2)

    def test_timeout(self) -> None:
        """A run that took too long was cut short too."""
        self.memory = self.gateway(agents={"defaults": {"timeoutSeconds": 2}})
        self.memory.post(CHAT, ask())
        self.memory.advance(3)
        found = self.scrape()
        self.assertEqual(found['openclaw_run_cancels_total{reason="timeout"}'], 1)

    def test_streams(self) -> None:
        """Bytes are those of the body; keep-alives are counted."""
        answer = self.memory.post(CHAT, ask(stream=True))
        self.memory.model.calls[0].text("po")
        self.memory.advance(31, steps=31)
        self.memory.model.calls[0].finish()
        self.memory.flush()
        found = self.scrape()
        self.assertEqual(found["openclaw_stream_bytes_total"], len(answer.body))
        self.assertEqual(found["openclaw_stream_pings_total"], answer.text().count(": ping\n"))
        self.assertEqual(found["openclaw_stream_pings_total"], 2)

    def test_websockets(self) -> None:
        """Connections of the moment and all there were; the bytes of what they were sent."""
        socket = self.memory.websocket()
        socket.connect()
        self.memory.websocket()
        found = self.scrape()
        self.assertEqual(found["openclaw_websocket_connections"], 2)
        self.assertGreater(found["openclaw_websocket_bytes_total"], 500)
        socket.close()
        self.memory.advance(2)
        found = self.scrape()
        self.assertEqual(found["openclaw_websocket_connections"], 1)
        self.assertEqual(found["openclaw_websocket_connections_opened_total"], 2)

    def test_authentication(self) -> None:
        """Refusals on both surfaces; an address that guesses too often is locked out once."""
        self.memory = self.gateway(gateway={"auth": {"rateLimit": {"maxAttempts": 2, "exemptLoopback": False}}})
        for _ in range(3):
            self.memory.get("/v1/models", token="wrong")
        socket = self.memory.websocket()
        self.assertRaises(AssertionError, socket.connect, token="wrong")
        self.memory.advance(301)
        found = self.scrape()
        self.assertEqual(found['openclaw_auth_failures_total{reason="token_mismatch"}'], 2)
        self.assertEqual(found['openclaw_auth_failures_total{reason="rate_limited"}'], 2)
        self.assertEqual(found["openclaw_auth_lockouts_total"], 1)

    def test_routes(self) -> None:
        """A name for each route, whatever comes in place of an id; what is not there is one route."""
        for path in ("/v1/models/openclaw", "/v1/models/a/b/c", "/nowhere", "/nowhere/else"):
            self.memory.get(path)
        self.memory.request("BREW", "/")
        found = self.scrape()
        name = "openclaw_http_requests_total"
        self.assertEqual(found[name + '{method="GET",route="/v1/models/*",status="200"}'], 1)
        self.assertEqual(found[name + '{method="GET",route="/v1/models/*",status="400"}'], 1)
        self.assertEqual(found[name + '{method="GET",route="other",status="404"}'], 2)
        self.assertEqual(found[name + '{method="other",route="/",status="405"}'], 1)

    def test_lag(self) -> None:
        """A reactor that comes late shows, for a minute."""
        self.memory.advance(1.75)
        found = self.scrape()
        self.assertEqual(found["openclaw_reactor_lag_max_seconds"], 0.75)
        self.assertEqual(found['openclaw_reactor_lag_seconds_bucket{le="0.5"}'], 0)
        self.assertEqual(found['openclaw_reactor_lag_seconds_bucket{le="1.0"}'], 1)
        self.memory.advance(70, steps=70)
        self.assertEqual(self.scrape()["openclaw_reactor_lag_max_seconds"], 0)

    def test_two_gateways(self) -> None:
        """Each has its own numbers."""
        other = self.gateway()
        other.model.say("pong")
        other.post(CHAT, ask())
        self.assertNotIn('openclaw_tokens_total{kind="prompt"}', self.scrape())

    def test_under_a_foreign_site(self) -> None:
        """Requests are counted wherever the tree is mounted."""
        root = Resource()
        root.putChild(b"agents", self.memory.gateway.resource())  # type: ignore[no-untyped-call]
        site = Site(root, reactor=self.memory.clock)
        site.log = lambda request: None  # type: ignore[method-assign]
        client = Client(site, self.memory.clock)
        client.request("GET", "/agents/healthz")
        client.reset()
        self.assertEqual(self.scrape()['openclaw_http_requests_total{method="GET",route="/healthz",status="200"}'], 1)

    def test_nothing_secret(self) -> None:
        """No secret, and no user's text, is a label."""
        self.memory.model.say("quite-another-word")
        self.memory.post(CHAT, ask("in-confidence", user="somebody"))
        self.memory.get("/v1/models/of-his-own")
        text = self.memory.get("/metrics").text()
        secret = self.memory.config["gateway"]["auth"]["token"]
        found = [word for word in (secret, "in-confidence", "another-word", "somebody", "of-his-own") if word in text]
        self.assertEqual(found, [])


class SlowConsumerTests(SynchronousTestCase):
    """Clients that do not read."""

    def test_stream(self) -> None:
        """A stream that was cut off is counted."""
        harness = Harness()
        harness.scripted.script = lambda run: None
        client = harness.say(stream=True)
        run = harness.scripted.runs[0]
        client.stall()
        for _ in range(200):
            run.say("x" * 10_000)
        client.advance(2)
        text = harness.ask("GET", "/metrics").response.body.decode()
        found = re.findall(r'^openclaw_slow_consumers_total{surface="(\w+)"} (.*)$', text, re.MULTILINE)
        self.assertEqual(dict(found), {"http": "1.0", "ws": "0.0"})
        harness.close()


class ImportTests(SynchronousTestCase):
    """What a gateway that nobody scrapes costs."""

    def test_imported_by_the_first_scrape(self) -> None:
        """prometheus_client is not imported by importing the gateway."""
        code = "import sys, openclaw_tx.gateway; print('prometheus_client' in sys.modules)"
        found = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
        self.assertEqual(found.stdout.strip(), "False")


class RouteTests(SynchronousTestCase):
    """L{route_of}."""

    def test_names(self) -> None:
        """Few, whatever the paths."""
        self.assertEqual(route_of((b"",), listed=True, known=True), "/")
        self.assertEqual(route_of((b"v1", b"models"), listed=True, known=True), "/v1/models")
        self.assertEqual(route_of((b"v1", b"runs", b"x", b"events"), listed=False, known=True), "/v1/runs/*")
        self.assertEqual(route_of((b"v1", b"x"), listed=False, known=False), "other")


class PageTests(SynchronousTestCase):
    """docs/operations.md."""

    def test_table(self) -> None:
        """The table of metrics is the registry's."""
        rows = re.findall(
            r"^\| `(openclaw_\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$", OPERATIONS.read_text("utf-8"), re.MULTILINE
        )
        self.assertEqual(
            rows,
            [
                (family.name, family.kind, ", ".join(f"`{x}`" for x in family.labels), family.help)
                for family in FAMILIES
            ],
        )


def samples(answer: MemoryResponse) -> Iterator[tuple[str, float]]:
    """What prometheus_client's own parser makes of an answer."""
    for family in text_string_to_metric_families(answer.text()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            yield (f"{sample.name}{{{labels}}}" if labels else sample.name), sample.value


def on(config: dict[str, Any]) -> dict[str, Any]:
    """The endpoints of a configuration, with metrics."""
    return {"http": {"endpoints": {**config["gateway"]["http"]["endpoints"], "metrics": {"enabled": True}}}}


def refuse(principal: Any, action: str, target: Any = None) -> None:
    """An authoriser that knows what it is asked."""
    from openclaw_tx.auth.actions import missing_scope

    assert action == "metrics.read"
    raise missing_scope("operator.read")
