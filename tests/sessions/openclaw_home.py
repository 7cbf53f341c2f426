# -*- test-case-name: tests.cli.test_sessions -*-
"""A state directory of the real gateway, in its format to the letter: compact lines, a pretty-printed index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORK_ID = "8f1caedc-7e11-4fde-9208-634b4b9ca889"
MAIN_ID = "94364c95-d42e-4588-9184-92019387840a"
AT = "2026-01-30T10:00:0{}.000Z"
AT_MS = 1_769_767_200_000

MAIN_LINES = [
    f'{{"type":"session","version":2,"id":"{MAIN_ID}","timestamp":"2026-01-30T10:00:00.000Z","cwd":"/home/joe/ws"}}',
    '{"type":"model_change","id":"0a1b2c3d","parentId":null,"timestamp":"2026-01-30T10:00:00.100Z",'
    '"provider":"stub","modelId":"stub-1"}',
    '{"type":"thinking_level_change","id":"0a1b2c3e","parentId":"0a1b2c3d","timestamp":"2026-01-30T10:00:00.200Z",'
    '"thinkingLevel":"low"}',
    '{"type":"message","id":"11111111","parentId":"0a1b2c3e","timestamp":"2026-01-30T10:00:01.000Z","message":'
    '{"role":"user","content":[{"type":"text","text":"What is in this picture?"},{"type":"image","data":"aGk=",'
    '"mimeType":"image/png"}],"timestamp":1769767201000}}',
    '{"type":"message","id":"22222222","parentId":"11111111","timestamp":"2026-01-30T10:00:02.000Z","message":'
    '{"role":"assistant","content":[{"type":"thinking","thinking":"I should look","thinkingSignature":"c2ln"},'
    '{"type":"text","text":"Let me look."},'
    '{"type":"toolCall","id":"call_1","name":"read","arguments":{"path":"a.png"}}],'
    '"api":"openai-completions","provider":"stub","model":"stub-1","usage":{"input":11,"output":7,"cacheRead":4,'
    '"cacheWrite":0,"totalTokens":22,"cost":{"input":0,"output":0,"cacheRead":0,"cacheWrite":0,"total":0}},'
    '"stopReason":"toolUse","timestamp":1769767202000}}',
    '{"type":"message","id":"33333333","parentId":"22222222","timestamp":"2026-01-30T10:00:03.000Z","message":'
    '{"role":"toolResult","toolCallId":"call_1","toolName":"read","content":[{"type":"text","text":"a cat"}],'
    '"details":{"bytes":2},"isError":false,"timestamp":1769767203000}}',
    '{"type":"message","id":"44444444","parentId":"33333333","timestamp":"2026-01-30T10:00:04.000Z","message":'
    '{"role":"assistant","content":[{"type":"text","text":"A cat."}],"api":"openai-completions","provider":"stub",'
    '"model":"stub-1","usage":{"input":20,"output":3,"cacheRead":0,"cacheWrite":0,"totalTokens":23},'
    '"stopReason":"stop","timestamp":1769767204000}}',
    '{"type":"custom","customType":"x","data":{},"id":"55555555","parentId":"44444444",'
    '"timestamp":"2026-01-30T10:00:05.000Z"}',
]
"""A transcript with every kind of part."""

MORE = (
    '{"type":"message","id":"66666666","parentId":"55555555","timestamp":"2026-01-30T10:00:06.000Z","message":'
    '{"role":"user","content":"And now?","timestamp":1769767206000}}'
)
"""What was said there later."""

INDEX: dict[str, Any] = {
    "agent:main:main": {
        "sessionId": MAIN_ID,
        "updatedAt": 1769767205000,
        "systemSent": True,
        "abortedLastRun": False,
        "thinkingLevel": "low",
        "label": "Pictures",
        "inputTokens": 20,
        "outputTokens": 3,
        "totalTokens": 23,
        "modelProvider": "stub",
        "model": "stub-1",
        "contextTokens": 128000,
        "deliveryContext": {"channel": "webchat"},
        "lastChannel": "webchat",
        "sessionFile": f"/home/joe/.openclaw/agents/main/sessions/{MAIN_ID}.jsonl",
    },
    "My-Thread": {"sessionId": WORK_ID, "updatedAt": 1769767205000},
    "bad\nkey": {"sessionId": "x", "updatedAt": 1},
    "agent:main:broken": {"updatedAt": 1},
}
"""C{sessions.json}: a main session, a key as the January release kept it, and two entries that no one can use."""


def make_home(state_dir: Path) -> Path:
    """Write it, with two agents and the transcript of a session that was begun anew.

    @return: the directory of agent main's sessions.
    """
    directory = state_dir / "agents" / "main" / "sessions"
    directory.mkdir(parents=True)
    (directory / f"{MAIN_ID}.jsonl").write_text("\n".join(MAIN_LINES) + "\n", "utf-8")
    (directory / f"{WORK_ID}.jsonl").write_text(
        f'{{"type":"session","version":2,"id":"{WORK_ID}","timestamp":"2026-01-30T09:00:00.000Z","cwd":"/"}}\n'
        '{"type":"message","id":"aaaaaaaa","parentId":null,"timestamp":"2026-01-30T09:00:01.000Z","message":'
        '{"role":"user","content":"hello","timestamp":1769763601000}}\n'
        "{half a li\n",
        "utf-8",
    )
    (directory / "00000000-0000-4000-8000-000000000000.jsonl").write_text('{"type":"session"}\n', "utf-8")
    (directory / "sessions.json").write_text(json.dumps(INDEX, indent=2), "utf-8")
    beta = state_dir / "agents" / "beta" / "sessions"
    beta.mkdir(parents=True)
    (beta / "sessions.json").write_text(json.dumps({"main": {"sessionId": "b", "updatedAt": 5}}), "utf-8")
    return directory
