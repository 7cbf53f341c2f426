# -*- test-case-name: tests.compat.test_http -*-
"""Plays recorded HTTP requests to the real gateway, and says in which respects its answers are others.

C{http.json} holds requests to two releases of OpenClaw (two agents, a scripted model server, token C{lab-token}) and
what they answered. Ids, times and what stays the same in every answer are left out; C{answers} are by release.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.house import House
from tests.support.web import Client, Response

NOW, JAN = "2026.9.6", "2026.1.30"
CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("http.json").read_text("utf-8"))

PATIENCE = 100.0
"""Seconds an answer may take, by the gateway's clock."""

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(self), geolocation=()",
}
"""On every answer of the newer release, and on none of the older one."""

NEVER = ("Server", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Vary")
"""On no answer of either release."""

ADDED = {"system_fingerprint", "logprobs", "refusal", "eventLoop"}
"""Members that one side has and the other has not, and that change nothing for a client."""

_TOOL_ID = re.compile(r"[0-9a-f]{9}|call_stub_\d+")


def configuration(gateway: str) -> dict[str, Any]:
    """The recorded gateway's configuration.

    @param gateway: C{two} agents, C{one} agent, endpoint C{off} and password mode, or failed attempts C{limited}.
    """
    secret = {"mode": "token", "token": "lab-token"}
    if gateway in ("off", "limited"):
        secret = {"mode": "password", "password": "lab-pass"}
    auth: dict[str, Any] = dict(secret)
    if gateway == "limited":
        auth["rateLimit"] = {"maxAttempts": 3, "lockoutMs": 20000, "exemptLoopback": False}
    return {
        "gateway": {"auth": auth, "http": {"endpoints": {"chatCompletions": {"enabled": gateway != "off"}}}},
        "agents": {"list": [{"id": "main"}] if gateway == "one" else [{"id": "main"}, {"id": "beta"}]},
    }


class Player:
    """A gateway for each configuration, shared by the cases that were recorded on it; cases in which the model server
    fails have their own: afterwards its key rests."""

    def __init__(self) -> None:
        self._houses: dict[tuple[str, str], House] = {}

    def play(self, case: dict[str, Any], release: str) -> Played:
        """Send the request of a case and wait for the answer."""
        limited = case["gateway"] == "limited"
        alone = f"{case['name']} {release}" if "upstream" in case["name"] else ""
        key = (case["gateway"], release if limited else alone)
        if key not in self._houses:
            self._houses[key] = House(configuration(case["gateway"]))
        house = self._houses[key]
        if case["name"] == "ratelimit-good-after-lockout":
            house.advance(21, step=1)
        asked = len(house.exchanges)
        client = _send(house, case["request"])
        if "leave" in case["request"]:
            return _leave(house, client, asked)
        waited = 0.0
        while waited < PATIENCE and not _complete(client):
            step = 0.05 if waited < 2 else 0.5
            house.advance(step, step)
            waited += step
        client.reset()
        house.settle()
        return Played(client.response if client.responses else None, house, asked)

    def close(self) -> None:
        """Stop every gateway."""
        for house in self._houses.values():
            house.close()


class Played:
    """What came of a request.

    @ivar response: the answer; None = there was none.
    @ivar calls: how often the model server was asked.
    @ivar sampling: the generation parameters it was given.
    @ivar aborted: the gateway hung up on the model server.
    """

    def __init__(self, response: Response | None, house: House, asked: int) -> None:
        exchanges = house.exchanges[asked:]
        self.response = response
        self.calls = len(exchanges)
        self.sampling = _sampling(exchanges[-1].body) if exchanges else {}
        self.aborted = [exchange.outcome for exchange in exchanges] == ["hung up"]


def differences(wanted: dict[str, Any], played: Played, release: str) -> list[str]:
    """In which respects an answer differs from the recorded one; empty = in none."""
    got = played.response
    if "aborted" in wanted:
        return [] if wanted["aborted"] == played.aborted else ["aborted"]
    if wanted["status"] is None:
        return ["answered at all"] if got is not None else []
    assert got is not None
    if wanted["status"] == "past":
        return [] if got.status not in (401, 403, 429) else ["status"]
    found = list(_headers(wanted, got, release))
    if wanted["status"] != got.status:
        return [*found, f"status {wanted['status']} -> {got.status}", *_call_differences(wanted, played)]
    if wanted.get("interim", 0) != got.interim:
        found.append("interim")
    found += _body(wanted, got)
    return [*found, *_call_differences(wanted, played)]


def _call_differences(wanted: dict[str, Any], played: Played) -> Iterator[str]:
    if wanted.get("calls", played.calls) != played.calls:
        yield "model calls"
    if wanted.get("sampling", played.sampling) != played.sampling:
        yield "sampling"


def _headers(wanted: dict[str, Any], got: Response, release: str) -> Iterator[str]:
    for name in NEVER:
        if got.header(name) is not None:
            yield f"header {name}"
    if (got.header("WWW-Authenticate") is not None) != (got.status == 401):
        yield "header WWW-Authenticate"
    security = {name: got.header(name) for name in SECURITY}
    if security != (SECURITY if release == NOW else dict.fromkeys(SECURITY)):
        yield "security headers"
    if got.status != wanted["status"]:
        return
    for name in ("Content-Type", "Cache-Control", "Allow", "Retry-After"):
        theirs, ours = wanted.get("headers", {}).get(name), got.header(name)
        if theirs != ours and not (name == "Retry-After" and theirs and ours):
            yield f"header {name}: {theirs} -> {ours}"


def _body(wanted: dict[str, Any], got: Response) -> Iterator[str]:
    if "events" in wanted:
        yield from _stream(wanted, got)
    elif "text" in wanted:
        if got.json.get("error", {}).get("message") != wanted["text"]:
            yield "message"
    elif "json" in wanted:
        theirs, ours = wanted["json"], got.json
        if "error" in theirs:
            yield from _error(theirs["error"], ours["error"])
            return
        if ours.get("object") == "chat.completion":
            _check_head(ours, "chat.completion")
        theirs, ours = _plain(theirs), _plain(ours)
        for name in sorted(set(theirs) | set(ours)):
            if theirs.get(name) != ours.get(name):
                yield name
    elif got.body:
        yield "body"


def _stream(wanted: dict[str, Any], got: Response) -> Iterator[str]:
    ours: list[Any] = []
    heads = set()
    for event in got.events:
        if isinstance(event, dict) and "choices" in event:
            _check_head(event, "chat.completion.chunk")
            heads.add((event["id"], event["created"], event["model"]))
            left_out = {"model", "usage"} if event.get("usage", 0) is None else {"model"}
            event = {name: value for name, value in event.items() if name not in left_out}
        ours.append(_plain(event))
    assert len(heads) <= 1, heads
    if heads and heads.pop()[2] != wanted.get("model", "openclaw"):
        yield "model"
    theirs = [_plain(event) for event in wanted["events"]]
    if _kinds(_joined(theirs)) != _kinds(_joined(ours)):
        yield "events"
    elif _kinds(theirs) != _kinds(ours):
        yield "pieces"
    if _text(theirs) != _text(ours):
        yield "text"
    pairs = zip(_errors(theirs), _errors(ours), strict=False)
    for one, other in pairs:
        yield from _error(one, other)


def _error(theirs: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    assert set(ours) == {"message", "type", "param", "code"}, ours
    for name in ("message", "type"):
        if theirs[name] != ours[name]:
            yield name


def _check_head(body: dict[str, Any], kind: str) -> None:
    """What is the same in every completion and chunk."""
    assert re.fullmatch(r"chatcmpl_[0-9a-f-]{36}", body["id"]), body["id"]
    assert isinstance(body["created"], int) and body["object"] == kind, body


def _plain(value: Any) -> Any:
    """Without ids, times and L{ADDED}."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _plain(item) for name, item in value.items() if name not in ADDED}
    if plain.get("object") in ("chat.completion", "chat.completion.chunk") or "choices" in plain:
        for name in ("id", "created", "object"):
            plain.pop(name, None)
    if "uptimeMs" in plain:
        plain["uptimeMs"] = 0
    if "id" in plain and _TOOL_ID.fullmatch(str(plain["id"])):
        plain["id"] = "a tool call"
    return plain


def _joined(events: list[Any]) -> list[Any]:
    """Events with the arguments of a tool call in one piece."""
    joined: list[Any] = []
    for event in events:
        piece, last = _arguments(event), _arguments(joined[-1]) if joined else None
        more = piece is not None and last is not None and "id" not in piece and "id" not in last
        if more and piece["index"] == last["index"]:
            last["function"]["arguments"] += piece["function"]["arguments"]
            continue
        joined.append(copy.deepcopy(event))
    return joined


def _arguments(event: Any) -> Any:
    """The one tool call delta of a chunk, if that is what it is."""
    if not isinstance(event, dict) or not event.get("choices"):
        return None
    calls = event["choices"][0]["delta"].get("tool_calls")
    return calls[0] if calls else None


def _kinds(events: list[Any]) -> list[Any]:
    return [_without_text(event) for event in events]


def _without_text(event: Any) -> Any:
    """An event with the words taken out: what kind it is, and what it carries besides."""
    if not isinstance(event, dict):
        return event
    if "error" in event:
        return "error"
    choices = event.get("choices")
    if not choices:
        return event
    delta = dict(choices[0]["delta"])
    if "content" in delta:
        delta["content"] = "words"
    return {**event, "choices": [{**choices[0], "delta": delta}]}


def _text(events: list[Any]) -> str:
    choices = (choice for event in events if isinstance(event, dict) for choice in event.get("choices", ()))
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def _errors(events: list[Any]) -> list[dict[str, Any]]:
    return [event["error"] for event in events if isinstance(event, dict) and "error" in event]


def _sampling(body: dict[str, Any]) -> dict[str, Any]:
    names = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop")
    sampling = {name: body[name] for name in names if name in body}
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    return sampling if limit is None else {**sampling, "max_completion_tokens": limit}


def _send(house: House, request: dict[str, Any]) -> Client:
    if "pad" in request:
        body = request["head"].encode() + b"x" * (request["pad"] - len(request["head"]) - 2) + b'"}'
    elif "json" in request:
        body = json.dumps(request["json"]).encode()
    else:
        body = request.get("raw", "").encode()
    client = house.connect()
    headers = {"Host": "127.0.0.1:18789", **request["headers"]}
    client.request(request["method"], request["path"], body, headers, request.get("version", "1.1"))
    house.settle()
    return client


def _leave(house: House, client: Client, asked: int) -> Played:
    """Hang up once the model server has been asked and, in a stream, the first words are here."""
    for _ in range(40):
        house.advance(0.05)
        if len(house.exchanges) > asked and (not client.received or b'"content"' in client.received):
            break
    house.advance(0.7)
    client.reset()
    house.advance(20, step=0.5)
    return Played(None, house, asked)


def _complete(client: Client) -> bool:
    return client.closed or any(response.complete for response in client.responses)
