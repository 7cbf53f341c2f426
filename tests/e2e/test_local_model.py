"""The embedded model as it is: llama.cpp with real weights, in a child of a gateway under twistd, by real clients.

Skipped where it is not installed, which C{make serve} does: C{pip install 'openclaw-tx[local]'}, C{openclaw-tx models
install}.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_twisted

import treq
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from openclaw_tx.cli.client import nobody
from openclaw_tx.models import weights
from openclaw_tx.models.local import has_runtime
from tests.e2e.processes import TOKEN, GatewayProcess, block, websocket

WEIGHTS = weights.find(Path(os.environ.get("OPENCLAW_STATE_DIR") or Path.home() / ".openclaw"))

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not has_runtime() or WEIGHTS is None, reason="the embedded model is not installed"),
]

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
FRUITS: Any = [{"role": "user", "content": "Name three fruits."}]
SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "fruit",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string", "maxLength": 20}, "count": {"type": "integer"}},
            "required": ["name", "count"],
            "additionalProperties": False,
        },
    },
}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One for the whole module: the weights are loaded once, or once more after a kill."""
    endpoints = {"chatCompletions": {"enabled": True}, "responses": {"enabled": True}}
    config = {"gateway": {"auth": {"mode": "token", "token": TOKEN}, "http": {"endpoints": endpoints}}}
    process = GatewayProcess(tmp_path_factory.mktemp("local"), config)
    assert WEIGHTS is not None
    place = weights.weights_path(process.directory / "state")
    place.parent.mkdir(parents=True)
    place.symlink_to(WEIGHTS)
    block(process.start())
    yield process
    assert block(process.stop()) == 0
    assert process.child is not None and "Traceback" not in process.child.output


@pytest.fixture
def client(gateway: GatewayProcess) -> openai.OpenAI:
    """The official client; what it does blocks, so it belongs into a thread."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=TOKEN, max_retries=0, timeout=60)


async def get(gateway: GatewayProcess, path: str) -> Any:
    """GET JSON."""
    return await treq.json_content(await treq.get(f"{gateway.url}{path}", headers=AUTHORIZED))


def children(pid: int) -> list[int]:
    """Processes of a process."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(each) for each in found.stdout.split()]


async def in_thread(work: Callable[[], None]) -> None:
    """Do what blocks."""
    await deferToThread(work)


@pytest_twisted.ensureDeferred
async def test_chat_completions(client: openai.OpenAI) -> None:
    """Whole, as a stream with usage, short, with a stop, and the same twice."""

    def use() -> None:
        create = client.chat.completions.create
        whole = create(model="openclaw", messages=FRUITS)
        text = whole.choices[0].message.content or ""
        assert whole.choices[0].finish_reason == "stop" and len(text) > 10
        assert whole.usage is not None and whole.usage.completion_tokens > 3
        chunks = list(create(model="openclaw", messages=FRUITS, stream=True, stream_options={"include_usage": True}))
        pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
        assert "".join(piece or "" for piece in pieces) == text
        assert len(pieces) > 5 and chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
        short = create(model="openclaw", messages=FRUITS, max_tokens=4)
        assert short.choices[0].finish_reason == "length"
        assert text.startswith(short.choices[0].message.content or "?")
        stopped = create(model="openclaw", messages=FRUITS, stop=[text[8]])
        assert stopped.choices[0].message.content == text.partition(text[8])[0]

    await in_thread(use)


@pytest_twisted.ensureDeferred
async def test_structured_output(client: openai.OpenAI) -> None:
    """The schema is held, streamed or not; any JSON object on request."""

    def use() -> None:
        for stream in (False, True):
            if stream:
                chunks = client.chat.completions.create(
                    model="openclaw", messages=FRUITS, response_format=SCHEMA, stream=True
                )
                text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            else:
                whole = client.chat.completions.create(model="openclaw", messages=FRUITS, response_format=SCHEMA)
                text = whole.choices[0].message.content or ""
            found = json.loads(text)
            assert isinstance(found["name"], str) and isinstance(found["count"], int) and len(found) == 2
        asked: Any = [{"role": "user", "content": "Give me a fruit as a JSON object"}]
        any_object = client.chat.completions.create(
            model="openclaw", messages=asked, response_format={"type": "json_object"}
        )
        choice = any_object.choices[0]
        text = choice.message.content or ""
        # It may talk until it is cut off, as with OpenAI.
        assert text[0] == "{" if choice.finish_reason == "length" else isinstance(json.loads(text), dict)

    await in_thread(use)


@pytest_twisted.ensureDeferred
async def test_what_it_can_not(client: openai.OpenAI) -> None:
    """Tools that must be called are an error that says so, and no answer that looks like one."""

    def use() -> None:
        with pytest.raises(openai.APIStatusError) as unmet:
            client.chat.completions.create(model="openclaw", messages=FRUITS, tools=TOOLS, tool_choice="required")
        assert unmet.value.code == "tool_choice_unmet"

    await in_thread(use)


@pytest_twisted.ensureDeferred
async def test_responses_and_embeddings(client: openai.OpenAI) -> None:
    """The other two ways of OpenAI's API."""

    def use() -> None:
        whole = client.responses.create(model="openclaw", input="Name a colour.")
        assert whole.status == "completed" and whole.output_text
        kinds = [event.type for event in client.responses.create(model="openclaw", input="Go on.", stream=True)]
        assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
        assert kinds.count("response.output_text.delta") > 3
        near, far = (
            client.embeddings.create(model="openclaw", input=[text]).data[0].embedding for text in ("a cat", "a treaty")
        )
        assert len(near) == len(far) > 100 and near != far

    await in_thread(use)


@pytest_twisted.ensureDeferred
async def test_websocket(gateway: GatewayProcess) -> None:
    """The methods agent and chat.send, with their events."""
    told: list[tuple[str, Any]] = []
    client = await websocket(gateway, lambda name, payload: told.append((name, payload)))
    params = {"message": "Say hello.", "agentId": "main", "idempotencyKey": "k1"}
    result = await client.call("agent", params, 60, nobody)
    text = result["result"]["payloads"][0]["text"]
    said = [payload["data"]["text"] for name, payload in told if name == "agent" and payload["stream"] == "assistant"]
    assert said[-1] == text and len(said) > 3
    for key, message in (("k2", "Say hello."), ("k3", "/status")):
        await client.call("chat.send", {"sessionKey": "main", "message": message, "idempotencyKey": key}, 30)
        for _ in range(600):
            ends = [each for name, each in told if name == "chat" and each["runId"] == key and each["state"] == "final"]
            if ends:
                break
            await deferLater(reactor, 0.05)
        assert ends[0]["message"]["content"][0]["text"]
    await client.close()


@pytest_twisted.ensureDeferred
async def test_abort_frees_it(gateway: GatewayProcess, client: openai.OpenAI) -> None:
    """A client that leaves in the middle of a long answer: its run is aborted, the next one need not wait."""
    story: Any = [{"role": "user", "content": "Write a very long story about a sailor."}]
    ids: list[str] = []

    def leave() -> None:
        raw = client.chat.completions.with_raw_response.create(
            model="openclaw", messages=story, stream=True, max_tokens=2000
        )
        ids.append(str(raw.headers.get("x-openclaw-run-id")))
        stream = raw.parse()
        for number, _ in enumerate(stream):
            if number > 5:
                break
        stream.close()

    await in_thread(leave)
    begun = reactor.seconds()  # type: ignore[attr-defined]
    await in_thread(lambda: ids.append(str(client.chat.completions.create(model="openclaw", messages=FRUITS))))
    assert reactor.seconds() - begun < 8  # type: ignore[attr-defined]
    run = await get(gateway, f"/v1/runs/{ids[0]}")
    assert (run["status"], run["abort_reason"]) == ("aborted", "disconnect")


@pytest_twisted.ensureDeferred
async def test_killed_child(gateway: GatewayProcess, client: openai.OpenAI) -> None:
    """The model's process is killed: a new one answers the next request, and it ends with the gateway."""
    assert gateway.child is not None and gateway.child.transport is not None
    pid = int(gateway.child.transport.pid)  # type: ignore[attr-defined]
    (child,) = children(pid)
    os.kill(child, signal.SIGKILL)
    for _ in range(100):
        if child not in children(pid):
            break
        await deferLater(reactor, 0.05)
    answers: list[Any] = []
    await in_thread(lambda: answers.append(client.chat.completions.create(model="openclaw", messages=FRUITS)))
    assert answers[0].choices[0].message.content
    (again,) = children(pid)
    assert again != child
