"""The Responses API over real sockets, as OpenAI's own client sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_twisted
from pydantic import BaseModel

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.e2e.processes import TOKEN, GatewayProcess, configuration, start_upstream

pytestmark = pytest.mark.e2e

ENDPOINTS = {"http": {"endpoints": {"responses": {"enabled": True}}}}
TOOL: Any = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}


class City(BaseModel):
    """What a client wants to have parsed."""

    name: str


def block(coroutine: Any) -> Any:
    """Run a coroutine from a fixture that is not one."""
    return pytest_twisted.blockon(Deferred.fromCoroutine(coroutine))


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A scripted provider for the whole module."""
    child, url = block(start_upstream())
    yield url
    block(child.stop())


@pytest.fixture
def gateway(tmp_path: Path, upstream: str) -> Iterator[GatewayProcess]:
    """A gateway process with chat off and responses on, killed at the end if it still runs."""
    process = GatewayProcess(tmp_path, configuration(upstream, **ENDPOINTS))
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))


def client_of(gateway: GatewayProcess) -> openai.OpenAI:
    """The official client."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=TOKEN, max_retries=0)


@pytest_twisted.ensureDeferred
async def test_openai_client(gateway: GatewayProcess) -> None:
    """Plain, streamed with the SDK's own accumulation, parsed, typed errors, models."""
    await gateway.start()
    client = client_of(gateway)

    def use() -> None:
        plain = client.responses.create(model="openclaw", input="hi", metadata={"k": "v"})
        assert (plain.output_text, plain.status, plain.metadata) == ("pong", "completed", {"k": "v"})
        assert plain.usage is not None and plain.usage.total_tokens == 18
        events = list(client.responses.create(model="openclaw:beta", input="[[chunks=3]]", stream=True))
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "c1 c2 c3"
        assert [event.sequence_number for event in events] == list(range(len(events)))
        with client.responses.stream(model="openclaw", input="[[chunks=3]]") as stream:
            assert stream.get_final_response().output_text == "c1 c2 c3"
        parsed = client.responses.parse(model="openclaw", input='[[reply={"name":"Oslo"}]]', text_format=City)
        assert parsed.output_parsed == City(name="Oslo")
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model="openclaw", input="hi", background=True)
        assert (refused.value.param, refused.value.code) == ("background", "unsupported_parameter")
        with pytest.raises(openai.NotFoundError) as missing:
            client.responses.create(model="openclaw", input="hi", previous_response_id="resp_nope")
        assert missing.value.param == "previous_response_id"
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="openclaw", messages=[{"role": "user", "content": "hi"}])
        assert next(iter(client.models.list())).id == "openclaw"

    await deferToThread(use)


@pytest_twisted.ensureDeferred
async def test_tools_and_previous_response(gateway: GatewayProcess) -> None:
    """A tool round by C{previous_response_id}; the conversation outlives a restart of the gateway."""
    await gateway.start()
    client = client_of(gateway)

    def call() -> str:
        question = '[[tool=get_weather args={"city":"Oslo"}]]'
        with client.responses.stream(model="openclaw", input=question, tools=[TOOL]) as stream:
            first = stream.get_final_response()
        (called,) = [item for item in first.output if item.type == "function_call"]
        assert json.loads(called.arguments) == {"city": "Oslo"}
        output: Any = {"type": "function_call_output", "call_id": called.call_id, "output": "sunny"}
        second = client.responses.create(model="openclaw", input=[output], tools=[TOOL], previous_response_id=first.id)
        assert second.output_text == "tool said: sunny"
        return second.id

    response_id = await deferToThread(call)
    await gateway.stop()
    await gateway.start()

    def go_on() -> None:
        third = client.responses.create(model="openclaw", input="[[reply=third]]", previous_response_id=response_id)
        assert (third.output_text, third.previous_response_id) == ("third", response_id)

    await deferToThread(go_on)
