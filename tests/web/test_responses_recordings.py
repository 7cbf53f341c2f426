# -*- test-case-name: tests.web.test_responses_recordings -*-
"""Requests to C{/v1/responses} recorded from two releases of OpenClaw, sent to this gateway.

What is answered otherwise is listed with its reason in L{DIFFERENCES}; docs/compatibility.md explains it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from openclaw_tx.values import Usage

HERE = Path(__file__).parent
RECORDINGS = json.loads((HERE / "responses_recordings.json").read_text("utf-8"))
COMPATIBILITY = HERE.parent.parent / "docs" / "compatibility.md"
USAGE = Usage(prompt_tokens=11, completion_tokens=7)
ENDPOINT = {"gateway": {"http": {"endpoints": {"responses": {"enabled": True}}}}}

WORDS = "the error says more exactly what is wrong"
ERRORS = "a failed run is an error with its status, in a stream too as long as nothing was said"
TOOLS = "the client's tools reach the model, flat or nested"
NO_EMPTY = "no empty message item before a call; arguments are streamed"
AGENTS = "an unknown agent is refused"
BEGINS = "a message item begins without content"

JAN, NOW = "2026.1.30", "2026.9.6"
DIFFERENCES: dict[tuple[str, str], str] = {
    (NOW, "responses-badtools"): WORDS,
    (NOW, "responses-badtype"): WORDS,
    (NOW, "responses-malformed"): WORDS,
    (NOW, "responses-upstream-400"): ERRORS,
    (NOW, "responses-upstream-400-stream"): ERRORS,
    (NOW, "responses-tools"): TOOLS,
    (NOW, "responses-tools-stream"): TOOLS,
    (NOW, "single-responses-tools-stream"): NO_EMPTY,
    (JAN, "responses-badtools"): WORDS,
    (JAN, "responses-badtype"): WORDS,
    (JAN, "responses-malformed"): WORDS,
    (JAN, "responses-upstream-400"): ERRORS,
    (JAN, "responses-upstream-400-stream"): ERRORS,
    (JAN, "responses-tools"): TOOLS,
    (JAN, "responses-tools-stream"): TOOLS,
    (JAN, "responses-nope-agent"): AGENTS,
    (JAN, "responses-stream"): BEGINS,
}
"""Recordings that this gateway answers otherwise, and why."""


def missing(wanted: Any, got: Any, path: str = "") -> Iterator[str]:
    """Where C{got} lacks or changes something of C{wanted}; ids and times are only looked at for their form."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            if not isinstance(got, dict) or key not in got:
                yield f"{path}.{key}"
            elif key in ("id", "item_id"):
                if re.sub("[0-9a-f]{8}-[0-9a-f-]{27}(_[0-9]+)?", "", str(got[key])) != str(value).split("_")[0] + "_":
                    yield f"{path}.{key}"
            elif key not in ("created_at", "call_id"):
                yield from missing(value, got[key], f"{path}.{key}")
    elif isinstance(wanted, list):
        if not isinstance(got, list) or len(got) != len(wanted):
            yield path
        else:
            for number, (one, other) in enumerate(zip(wanted, got, strict=True)):
                yield from missing(one, other, f"{path}[{number}]")
    elif wanted != got:
        yield path


class Play:
    """One recording, played.

    @ivar differences: where the answer is another one.
    """

    def __init__(self, name: str, recording: Any) -> None:
        self.memory = MemoryGateway({} if name.startswith("disabled") else ENDPOINT)
        try:
            self.differences = list(self._play(recording))
        finally:
            self.memory.close()

    def _play(self, recording: Any) -> Iterator[str]:
        body = recording["body"]
        if isinstance(body, dict) and "previous_response_id" in body:
            self._answer({"input": "hi"})
            first = self.memory.post("/v1/responses", {"model": body["model"], "input": "hi"}).json()
            body = {**body, "previous_response_id": first["id"]}
        if isinstance(body, dict):
            self._answer(body)
        response = self.memory.request(
            recording["method"],
            "/v1/responses",
            body.encode() if isinstance(body, str) else json.dumps(body).encode(),
            **({} if recording["authorized"] else {"token": None}),
        )
        for call in self.memory.model.calls:
            if not call.done.called:
                call.call_tool("get_weather", '{"city":"Oslo"}')
                call.finish(usage=USAGE)
        self.memory.advance(1)
        if response.code != recording["status"]:
            yield f"status {response.code}"
        elif "json" in recording:
            yield from missing(recording["json"], response.json())
        elif "events" in recording:
            got = response.events()
            for event in got:
                if isinstance(event, dict) and "response" in event:
                    event["status"] = event["response"]["status"]
            yield from missing(recording["events"], got)

    def _answer(self, body: dict[str, Any]) -> None:
        """The scripted provider of the recordings: what it does is told by a directive in the text. A call of a tool
        is left for later."""
        model, text = self.memory.model, json.dumps(body.get("input"))
        if "status=400" in text:
            model.fail("provider_rejected", "400 stub says 400")
        elif "chunks=3" in text:
            model.say("c1", " c2", " c3", usage=USAGE)
        elif "tool=" not in text:
            told = re.search(r"\[\[reply=(\w+)\]\]", text)
            model.say(told[1].replace("_", " ") if told else "pong", usage=USAGE)


class RecordingsTests(SynchronousTestCase):
    """All of them."""

    def test_played(self) -> None:
        """The answers are those of the recordings but for the differences that are listed, each of which is one."""
        found = {}
        for release, recordings in RECORDINGS.items():
            for name, recording in recordings.items():
                differences = Play(name, recording).differences
                if differences:
                    found[(release, name)] = differences
        self.assertEqual(sorted(found), sorted(DIFFERENCES), found)

    def test_documented(self) -> None:
        """docs/compatibility.md names each of them."""
        section = COMPATIBILITY.read_text("utf-8").split("## HTTP responses")[1].split("\n## ")[0]
        for _, name in DIFFERENCES:
            self.assertIn(f"`{name}`", section)
