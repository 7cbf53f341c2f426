# -*- test-case-name: tests.web.test_recordings_tools_embeddings -*-
"""C{/v1/embeddings} and C{/tools/invoke} as recorded from two releases of OpenClaw, played to this gateway.

What differs is listed with its reason in L{DIFFERENCES}; docs/compatibility.md explains it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.testing import MemoryGateway
from tests.web.test_embeddings import Embedding

HERE = Path(__file__).parent
RECORDINGS: list[Any] = json.loads((HERE / "recordings_tools_embeddings.json").read_text("utf-8"))

OFF = "a disabled endpoint says so, and how to enable it"
ONLY_SEPTEMBER = "the endpoint is served, as by the newer release"
WORDS = "JSON errors are worded by another parser"
EMBEDS = "there is a provider that embeds"
CARD = "the session of the caller itself is shown although nothing is stored of it yet"
TOO_LARGE = "413 instead of a cut connection, as the newer release does"
NAME = "the newer release's envelope and words"

DIFFERENCES: dict[tuple[str, str], str] = {
    ("january", "disabled-embeddings"): OFF,
    ("september", "disabled-embeddings"): OFF,
    ("january", "embeddings-basic"): ONLY_SEPTEMBER,
    ("january", "embeddings-get"): ONLY_SEPTEMBER,
    ("january", "embeddings-no-input"): ONLY_SEPTEMBER,
    ("january", "embeddings-no-model"): ONLY_SEPTEMBER,
    ("january", "embeddings-noauth"): ONLY_SEPTEMBER,
    ("september", "embeddings-basic"): EMBEDS,
    ("january", "tools-invoke-3MB"): TOO_LARGE,
    ("january", "tools-invoke-malformed"): WORDS,
    ("september", "tools-invoke-malformed"): WORDS,
    ("january", "tools-invoke-nobody"): NAME,
    ("january", "tools-invoke-session_status"): CARD,
    ("september", "tools-invoke-session_status"): CARD,
}
"""Recording -> why it is answered differently."""


def play(recording: Any) -> dict[str, Any]:
    """What this gateway answers, as the recordings keep it."""
    password = recording["name"].startswith(("password-", "disabled-"))
    auth = {"mode": "password", "password": "lab-pass"} if password else {"mode": "token", "token": "lab-token"}
    enabled = not recording["name"].startswith("disabled-")
    gateway = MemoryGateway(
        {"gateway": {"auth": auth, "http": {"endpoints": {"chatCompletions": {"enabled": enabled}}}}}, model=Embedding()
    )
    headers = {"Content-Type": "application/json"}
    if recording["authorization"]:
        headers["Authorization"] = recording["authorization"]
    body = recording.get("body")
    data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
    if "length" in recording:
        data = b" " * recording["length"]
    response = gateway.request(recording["method"], recording["path"], data, token=None, headers=headers)
    gateway.advance(1)
    found: dict[str, Any] = {"status": response.code, "allow": response.headers.get("allow"), "body": response.json()}
    gateway.close()
    return found


def same(recording: Any, found: dict[str, Any]) -> bool:
    """Whether an answer is the recorded one: status, Allow, and type and message of errors. What was plain text is
    the message of a JSON error here; a good result has the recorded keys."""
    if (recording["status"], recording.get("allow")) != (found["status"], found["allow"]):
        return False
    body = found["body"]
    if "result" in recording:
        return body["ok"] is True and sorted(body["result"]) == recording["result"]
    if "text" in recording:
        return bool(body["error"]["message"] == recording["text"])
    if "ok" in recording["json"]:
        return bool(body == recording["json"])
    return bool({name: body["error"][name] for name in ("message", "type")} == recording["json"]["error"])


class RecordingsTests(SynchronousTestCase):
    """Played and compared."""

    def test_every_recording(self) -> None:
        """Each recording gets the recorded answer or is a known difference; each known difference does differ."""
        wrong = []
        for recording in RECORDINGS:
            found = play(recording)
            key = (recording["release"], recording["name"])
            if same(recording, found) == (key in DIFFERENCES):
                wrong.append((key, recording["status"], found))
        self.assertEqual(wrong, [])

    def test_list(self) -> None:
        """No difference is listed that nothing shows, and the page names each recording that differs."""
        self.assertEqual(set(DIFFERENCES) - {(one["release"], one["name"]) for one in RECORDINGS}, set())
        page = (HERE.parents[1] / "docs" / "compatibility.md").read_text("utf-8")
        for _, name in DIFFERENCES:
            self.assertIn(f"`{name}`", page)
