"""What every Python client script does: run its checks one by one, and print what each of them saw as a line of JSON.

Only the standard library: it runs in the environment of the client under test, where nothing of ours is installed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

NAME = os.environ["CLIENT_NAME"]
URL = os.environ["CLIENT_BASE_URL"]
KEY = os.environ["CLIENT_API_KEY"]
MODEL = "openclaw"

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def prompt(capability: str, directives: str) -> str:
    """A prompt that the driver finds again, with directives for the scripted model."""
    return f"{NAME}-{capability} [[{directives}]]"


PLAIN = prompt("plain", "reply=pong")
STREAM = prompt("stream", "chunks=5")
TOOLS = prompt("tools", 'tool=get_weather args={"city":"Oslo"}')
STRUCTURED = prompt("structured", 'reply={"name":"Oslo","people":700000}')
CANCEL = prompt("cancel", "chunks=400 delay=0.05")
REFUSED = prompt("refused", "status=400")
FINAL = prompt("final", "empty=1")
RETRIED = prompt("retried", "status=503")


def run(**checks: Callable[[], Any]) -> None:
    """Run checks, named by capability; one may be a coroutine function. What it returns is what it saw."""
    for capability, check in checks.items():
        try:
            seen = check()
            if asyncio.iscoroutine(seen):
                seen = asyncio.run(seen)
            told = {"capability": capability, "seen": seen}
        except Exception:
            told = {"capability": capability, "error": traceback.format_exc()}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def failure(call: Callable[[], Any], code: Callable[[Any], Any] = lambda error: error.code) -> Any:
    """The code of the error that a call raises, as the client shows it."""
    try:
        answer = call()
    except Exception as error:
        found = code(error)
        if found is None:
            raise
        return found
    raise AssertionError(f"no error, but {answer!r}")
