"""Embeddings and tools over real sockets: the official client against a gateway under twistd."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import pytest_twisted

import treq
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.e2e.processes import TOKEN, GatewayProcess, block, configuration, start_upstream

pytestmark = pytest.mark.e2e

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway whose provider embeds."""
    upstream, url = block(start_upstream())
    config = configuration(url)
    config["agents"]["defaults"] = {"memorySearch": {"provider": "stub", "model": "vec"}}
    process = GatewayProcess(tmp_path, config)
    block(process.start())
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))
    block(upstream.stop())


@pytest_twisted.ensureDeferred
async def test_openai_embeddings(gateway: GatewayProcess) -> None:
    """The official client: base64 (its default) and floats give the same numbers; dimensions; typed errors."""
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=TOKEN, max_retries=0)

    def use() -> None:
        default = client.embeddings.create(model="openclaw", input=["hello", "you"])
        floats = client.embeddings.create(model="openclaw", input=["hello", "you"], encoding_format="float")
        packed = client.embeddings.create(model="openclaw", input=["hello", "you"], encoding_format="base64")
        assert [list(item.embedding) for item in default.data] == [[0.625, 0.0, 0.5], [0.375, 0.125, 0.5]]
        assert [item.embedding for item in floats.data] == [list(item.embedding) for item in default.data]
        assert all(isinstance(item.embedding, str) for item in packed.data)
        assert [item.index for item in default.data] == [0, 1]
        assert (default.model, default.usage.prompt_tokens, default.usage.total_tokens) == ("openclaw", 9, 9)
        longer = client.embeddings.create(model="openclaw/beta", input="hi", dimensions=5)
        assert len(longer.data[0].embedding) == 5
        with pytest.raises(openai.BadRequestError) as empty:
            client.embeddings.create(model="openclaw", input="")
        assert empty.value.param == "input"
        with pytest.raises(openai.RateLimitError) as limited:
            client.embeddings.create(model="openclaw", input="[[status=429 retry=60]]")
        assert limited.value.code == "provider_rate_limit"
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="wrong").embeddings.create(model="openclaw", input="hi")

    await deferToThread(use)
    assert await gateway.stop() == 0


@pytest_twisted.ensureDeferred
async def test_tools_and_capabilities(gateway: GatewayProcess) -> None:
    """A tool answers, a denied one does not exist, the document describes both; nothing is logged as unhandled."""
    response = await treq.post(
        f"{gateway.url}/tools/invoke", json.dumps({"tool": "agents_list"}).encode(), headers=AUTHORIZED
    )
    answer = await treq.json_content(response)
    assert (response.code, answer["ok"]) == (200, True)
    response = await treq.post(f"{gateway.url}/tools/invoke", b'{"tool":"exec"}', headers=AUTHORIZED)
    assert response.code == 404 and (await treq.json_content(response))["error"]["type"] == "not_found"
    document = await treq.json_content(await treq.get(f"{gateway.url}/v1/capabilities", headers=AUTHORIZED))
    assert "agents_list" in document["agents"][0]["invokable_tools"]
    assert document["features"]["embeddings"] is True
    assert gateway.child is not None and "Unhandled" not in gateway.child.output


@pytest_twisted.ensureDeferred
async def test_disconnect(gateway: GatewayProcess) -> None:
    """A client that hangs up in mid-request leaves nothing behind: the next one is served, the process ends well."""
    body = b'{"model":"openclaw","input":"[[hang=1]]"}'
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        head = f"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await deferLater(reactor, 0.3)
    good = b'{"model":"openclaw","input":"hi"}'
    response = await treq.post(f"{gateway.url}/v1/embeddings", good, headers=AUTHORIZED)
    assert response.code == 200
    await treq.content(response)
    assert await gateway.stop() == 0
    assert gateway.child is not None and "Traceback" not in gateway.child.output, gateway.child.output
