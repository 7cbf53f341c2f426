"""Keys over real sockets: made by the command line, taken up by a running gateway, used by OpenAI's client, revoked."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_twisted

from twisted.internet.threads import deferToThread

from tests.e2e.processes import REPOSITORY, GatewayProcess, configuration, start_upstream
from tests.e2e.test_gateway import block

pytestmark = pytest.mark.e2e

HI: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A scripted provider."""
    child, url = block(start_upstream())
    yield url
    block(child.stop())


@pytest.fixture
def gateway(tmp_path: Path, upstream: str) -> Iterator[GatewayProcess]:
    """A gateway that lists one web page and takes up edits at once."""
    cors = {"allowedOrigins": ["https://ui.example"]}
    http = {"endpoints": {"chatCompletions": {"enabled": True, "keepAliveSeconds": 1}}, "cors": cors}
    process = GatewayProcess(tmp_path, configuration(upstream, http=http, reload={"debounceMs": 0}))
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))


def make_key(gateway: GatewayProcess, *options: str) -> str:
    """C{openclaw-tx keys new --write}."""
    command = [sys.executable, "-m", "openclaw_tx.cli", "--config", str(gateway.config_path), "keys", "new", "--write"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=True)
    return done.stdout.strip()


def client(gateway: GatewayProcess, key: str, retries: int = 0) -> openai.OpenAI:
    """OpenAI's client with a key."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=retries)


def eventually(call: Any, error: type[Exception] | None, seconds: float = 10.0) -> Any:
    """What C{call} gives once it raises C{error}, or nothing any more; edits take a moment."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = call()
        except openai.APIStatusError as raised:
            if error is not None and isinstance(raised, error):
                return raised
            found = raised
        else:
            if error is None:
                return found
        assert time.monotonic() < until, found
        time.sleep(0.2)


@pytest_twisted.ensureDeferred
async def test_life_of_a_key(gateway: GatewayProcess) -> None:
    """Made, used within its bounds and limits, revoked in the middle of a stream; no restart in between."""
    await gateway.start()

    def use() -> None:
        key = make_key(gateway, "--label", "laptop", "--agents", "beta", "--rpm", "30")
        mine = client(gateway, key)
        names = eventually(lambda: [model.id for model in mine.models.list()], None)
        assert names == ["openclaw", "openclaw/default", "openclaw/beta"]
        raw = mine.chat.completions.with_raw_response.create(model="gpt-4o", messages=HI, user="ada")
        assert raw.parse().choices[0].message.content == "pong"
        assert raw.headers["x-ratelimit-limit-requests"] == "30"
        assert raw.headers["x-ratelimit-remaining-requests"] == "29"
        assert raw.headers["x-openclaw-session-key"] == "agent:beta:laptop:openai-user:ada"
        with pytest.raises(openai.BadRequestError):
            mine.chat.completions.create(model="openclaw/main", messages=HI)
        with pytest.raises(openai.NotFoundError):
            mine.chat.completions.create(
                model="openclaw", messages=HI, extra_headers={"x-openclaw-session-key": "agent:beta:main"}
            )
        content: Any = [{"role": "user", "content": "[[chunks=100 delay=0.2]]"}]
        stream = mine.chat.completions.create(model="openclaw", messages=content, stream=True)
        seen: list[str] = []
        with pytest.raises(openai.APIError) as raised:
            for chunk in stream:
                seen.append(chunk.choices[0].delta.content or "")
                if len(seen) == 3:
                    config = json.loads(gateway.config_path.read_text())
                    config["gateway"]["auth"]["keys"] = []
                    gateway.write(config)
        assert raised.value.code == "invalid_api_key"
        assert 3 <= len(seen) < 100
        eventually(lambda: mine.models.list(), openai.AuthenticationError)

    await deferToThread(use)
    assert await gateway.stop() == 0


@pytest_twisted.ensureDeferred
async def test_limits_and_the_client_that_retries(gateway: GatewayProcess) -> None:
    """OpenAI's client waits as long as it is told, and succeeds by itself."""
    await gateway.start()

    def use() -> None:
        key = make_key(gateway, "--label", "quick", "--rpm", "60")
        eventually(lambda: client(gateway, key).models.list(), None)
        create = client(gateway, key).chat.completions.create
        refused = None
        for _ in range(200):
            try:
                create(model="openclaw", messages=HI)
            except openai.RateLimitError as error:
                refused = error
                break
        assert refused is not None
        assert refused.code == "rate_limit_exceeded"
        assert refused.response.headers["retry-after"] == "1"
        assert refused.response.headers["x-should-retry"] == "true"
        patient = client(gateway, key, retries=2)
        assert patient.chat.completions.create(model="openclaw", messages=HI).choices[0].message.content == "pong"

    await deferToThread(use)
    assert await gateway.stop() == 0


@pytest_twisted.ensureDeferred
async def test_browser(gateway: GatewayProcess) -> None:
    """What a browser sends and reads, with curl."""
    await gateway.start()

    def curl(*options: str) -> str:
        url = f"{gateway.url}/v1/chat/completions"
        done = subprocess.run(["curl", "-sS", "-i", *options, url], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout.lower()

    def use() -> None:
        asked = ["-H", "Access-Control-Request-Method: POST", "-H", "Access-Control-Request-Headers: authorization"]
        allowed = curl("-X", "OPTIONS", "-H", "Origin: https://ui.example", *asked)
        assert allowed.startswith("http/1.1 204")
        assert "\naccess-control-allow-origin: https://ui.example\n" in allowed
        assert "\naccess-control-allow-headers: authorization\n" in allowed
        foreign = curl("-X", "OPTIONS", "-H", "Origin: https://evil.example", *asked)
        assert foreign.startswith("http/1.1 204")
        assert "access-control" not in foreign
        refused = curl("-X", "POST", "-H", "Origin: https://ui.example", "-d", "{}")
        assert refused.startswith("http/1.1 401")
        assert "\naccess-control-allow-origin: https://ui.example\n" in refused

    await deferToThread(use)
    assert await gateway.stop() == 0
