"""Requests made up from C{/openapi.json} against a real process: it answers as the document says, whatever comes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import treq
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.e2e.processes import TOKEN, GatewayProcess, configuration, start_upstream
from tests.fuzz.limits import TIMES

pytestmark = pytest.mark.e2e

SEED = random.randrange(2**32) if TIMES > 1 else 20260927
EXAMPLES = 6 * TIMES
"""For each operation, and for good and for bad data."""
SECONDS = 40.0 * TIMES
"""Nothing new is begun after that long."""

WANTED = {("/v1/chat/completions", 200), ("/v1/responses", 200), ("/v1/runs", 202), ("/v1/models/{id}", 200)}
"""What good requests must get, among other things."""

CHECKS: list[Any] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def block(coroutine: Any) -> Any:
    """Run a coroutine from a fixture that is not one."""
    return pytest_twisted.blockon(Deferred.fromCoroutine(coroutine))


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway with every endpoint on, whose provider embeds."""
    upstream, url = block(start_upstream())
    config = configuration(url)
    config["agents"]["defaults"] = {"memorySearch": {"provider": "stub", "model": "vec"}}
    config["gateway"]["http"]["endpoints"]["responses"] = {"enabled": True}
    config["gateway"]["auth"]["rateLimit"] = {"exemptLoopback": True}
    process = GatewayProcess(tmp_path, config)
    block(process.start())
    yield process
    if process.child is not None and process.child.code is None:
        block(process.stop("KILL"))
    block(upstream.stop())


async def document(gateway: GatewayProcess) -> Any:
    """What it says of itself."""
    response = await treq.get(f"{gateway.url}/openapi.json")
    assert response.code == 200
    return json.loads(await response.content())


def narrowed(found: Any) -> Any:
    """The document for this gateway: what only it can know, such as its agents, is named; so requests get far."""
    schemas, parameters = found["components"]["schemas"], found["components"]["parameters"]
    parameters["Agent"]["schema"] = {"enum": ["main", "beta"]}
    parameters["Session"]["schema"] = {"enum": ["desk", "lamp"]}
    parameters["Model"]["schema"] = {"enum": ["stub/m"]}
    for name in ("ChatCompletionRequest", "RunRequest", "ResponseRequest", "EmbeddingRequest"):
        properties = schemas[name]["properties"]
        properties["model"] = {"enum": ["openclaw", "openclaw/beta", "gpt-4o"]}
        properties.pop("tool_choice", None)
        properties.pop("previous_response_id", None)
    schemas["EmbeddingRequest"]["properties"]["dimensions"] = {"type": "integer", "minimum": 1, "maximum": 64}
    schemas["ChatMessage"] = {
        "type": "object",
        "required": ["role", "content"],
        "properties": {"role": {"const": "user"}, "content": {"type": "string", "pattern": "^[a-z]{1,20}$"}},
    }
    schemas["ResponseInputItem"] = schemas["ChatMessage"]
    schemas["ToolsInvokeRequest"]["properties"]["name"] = {"enum": ["session_status", "nobody"]}
    models = found["paths"]["/v1/models/{id}"]["parameters"][0]
    models["schema"] = {"enum": ["openclaw", "openclaw/beta", "openclaw/nobody"]}
    return found


def made_up(
    found: Any, url: str, check: Callable[[Any], None], mode: GenerationMode, first: Callable[[Any], bool]
) -> int:
    """Call C{check} with requests for every operation, the same in every run but those of C{make fuzz}.

    @param first: which operations come first, so that a slow machine has the time for them too.
    @return: how many there were.
    """
    schema = schemathesis.openapi.from_dict(found)
    schema.config.update(base_url=url)
    end, count = time.monotonic() + SECONDS, 0
    operations = [result.ok() for result in schema.get_all_operations()]
    for operation in sorted(operations, key=lambda operation: not first(operation)):

        @seed(SEED)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Any) -> None:
            nonlocal count
            if time.monotonic() < end:
                count += 1
                check(case)

        try:
            one()
        except Exception as error:
            if mode is GenerationMode.NEGATIVE and "nsatisf" in type(error).__name__:
                continue  # nothing about this operation can be wrong
            raise
    return count


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest_twisted.ensureDeferred
async def test_as_documented(gateway: GatewayProcess, mode: GenerationMode) -> None:
    """Good and bad requests get a status, headers and a body that the document has; never C{internal_error}."""
    found = await document(gateway)
    failures: list[str] = []
    seen: set[tuple[str, int]] = set()

    def check(case: Any) -> None:
        response = case.call(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
        seen.add((case.operation.path, response.status_code))
        # The schema of a stream is that of its text; what checks it takes it for that of each event.
        streamed = response.headers.get("content-type", [""])[0].startswith("text/event-stream")
        checks = [wanted for wanted in CHECKS if not (streamed and wanted is response_schema_conformance)]
        try:
            case.validate_response(response, checks=checks)
        except FailureGroup as group:
            failures.append(
                f"{case.as_curl_command()[:1500]}\n{response.status_code} {response.content[:300]!r}\n{group}"
            )
        if response.status_code >= 500:
            assert b"internal_error" not in response.content, case.as_curl_command()
            assert b"storage_unavailable" not in response.content, case.as_curl_command()

    good = mode is GenerationMode.POSITIVE
    paths = {path for path, _ in WANTED}
    described = narrowed(found) if good else found
    count = await deferToThread(made_up, described, gateway.url, check, mode, lambda each: each.path in paths)
    assert not failures, "\n\n".join(failures[:20]) + f"\n{len(failures)} of {count}"
    assert count > 50
    wanted = WANTED if good else {("/v1/chat/completions", 400)}
    assert wanted <= seen, (wanted - seen, count)
    assert "Traceback" not in gateway.child.output  # type: ignore[union-attr]


@pytest_twisted.ensureDeferred
async def test_unauthenticated(gateway: GatewayProcess) -> None:
    """Whatever is asked for, an operation with a secret refuses who has none, and one without does not ask."""
    found = await document(gateway)
    statuses: set[tuple[bool, int]] = set()

    def check(case: Any) -> None:
        response = case.call(timeout=20)
        raw = case.operation.definition.raw
        guarded = raw["security"] == [{"bearer": []}]
        statuses.add((guarded, response.status_code))
        # Probes may say 503, as they do until the store is open.
        expected = ["401"] if guarded else list(raw["responses"])
        assert str(response.status_code) in expected, f"{case.as_curl_command()} {response.content[:300]!r}"

    # Those without a secret: the others are kept waiting for each wrong one.
    await deferToThread(
        made_up, found, gateway.url, check, GenerationMode.POSITIVE, lambda each: each.definition.raw["security"] == []
    )
    assert {(True, 401), (False, 200)} <= statuses
