"""What a real OpenAI SDK makes of every error there is: how often it tries (T31)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
import pytest_twisted

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.web.server import Site

from openclaw_tx.errors import CODES, GatewayError
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.resource import GatewayResource

pytestmark = pytest.mark.e2e

NEVER_AGAIN = [
    "body_timeout",
    "session_busy",
    "idempotency_key_conflict",
    "budget_exceeded",
    "run_failed",
    "run_interrupted",
    "run_timeout",
    "empty_response",
    "structured_output_failed",
    "tool_choice_unmet",
    "gateway_restarting",
    "slow_consumer",
    "internal_error",
]
"""Codes with a status that alone would make an SDK try again, and that must not be tried again."""

NOTHING_DONE = [
    "queue_full",
    "gateway_draining",
    "storage_unavailable",
    "provider_rate_limit",
    "provider_error",
    "provider_overloaded",
    "provider_timeout",
]
"""Codes that say: try again, and when. Once a tool has run they say the opposite."""

RETRIED = {408, 409, 429, *range(500, 600)}
"""Statuses that OpenAI's SDKs try again when nothing is said."""


class Refusing(GatewayResource):
    """Answers each request with the error that its C{model} names, and counts."""

    methods = (b"POST",)

    def __init__(self) -> None:
        super().__init__(lambda: "an-id")
        self.tries: Counter[str] = Counter()

    async def respond(self, exchange: Exchange) -> None:
        """Refuse."""
        model: str = json.loads(await exchange.body(100_000))["model"]
        self.tries[model] += 1
        code, _, effects = model.partition("+")
        raise GatewayError(code, "no", should_retry=False if effects else None)


@pytest.fixture
def refusing() -> Iterator[tuple[Refusing, str]]:
    """The resource, and the address it listens on."""
    resource = Refusing()
    any_reactor: Any = reactor
    port = any_reactor.listenTCP(0, Site(resource), interface="127.0.0.1")
    yield resource, f"http://127.0.0.1:{port.getHost().port}/v1"
    pytest_twisted.blockon(port.stopListening())


@pytest_twisted.ensureDeferred
async def test_t31_tries_of_every_error(refusing: tuple[Refusing, str]) -> None:
    """Each code is tried as often as it should be, with C{Retry-After} where it is tried again."""
    resource, url = refusing
    client = openai.OpenAI(base_url=url, api_key="k", max_retries=2)
    models = [*CODES, *(f"{code}+effects" for code in NOTHING_DONE)]

    def ask(model: str) -> Any:
        try:
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])
        except openai.APIStatusError as error:
            return error
        raise AssertionError(f"{model} was no error")

    def all_at_once() -> list[Any]:
        with ThreadPoolExecutor(len(models)) as pool:
            return list(pool.map(ask, models))

    errors = dict(zip(models, await deferToThread(all_at_once), strict=True))
    client.close()
    for code, kind in CODES.items():
        again = kind.status in RETRIED if kind.should_retry is None else kind.should_retry
        assert resource.tries[code] == (3 if again else 1), (code, resource.tries[code])
        headers = errors[code].response.headers
        assert headers.get("x-should-retry") == {True: "true", False: "false", None: None}[kind.should_retry], code
        if kind.should_retry:
            assert int(headers["retry-after"]) >= 1, code
        assert (errors[code].code, errors[code].type, errors[code].request_id) == (code, kind.type, "an-id")
    assert [resource.tries[code] for code in NEVER_AGAIN] == [1] * len(NEVER_AGAIN)
    assert [resource.tries[code] for code in NOTHING_DONE] == [3] * len(NOTHING_DONE)
    assert [resource.tries[f"{code}+effects"] for code in NOTHING_DONE] == [1] * len(NOTHING_DONE)
