# -*- test-case-name: tests.wire.test_prompt_report -*-
"""The report of a prompt, in both spellings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import (
    PromptFile,
    PromptReport,
    PromptSection,
    PromptSkill,
    PromptTool,
    RunResult,
    RunState,
)
from openclaw_tx.wire.openapi_answers import answer_schemas
from openclaw_tx.wire.prompt_report import prompt_object, system_prompt_report
from openclaw_tx.wire.run_object import run_object

REPORT = PromptReport(
    mode="full",
    model="p/m",
    context_window=1000,
    workspace="/w",
    file_limit=20,
    total_limit=60,
    chars=300,
    sections=(
        PromptSection(name="identity", chars=50),
        PromptSection(name="tooling", chars=60),
        PromptSection(name="skills", chars=30),
        PromptSection(name="context", chars=100),
    ),
    left_out=("cli",),
    files=(
        PromptFile(name="AGENTS.md", path="/w/AGENTS.md", state="cut", raw_chars=90, chars=20),
        PromptFile(name="SOUL.md", path="/w/SOUL.md", state="left_out", raw_chars=9),
        PromptFile(name="TOOLS.md", path="/w/TOOLS.md", state="missing", chars=40),
        PromptFile(name="USER.md", path="/w/USER.md", state="refused", chars=10, problem="a pipe"),
        PromptFile(name="MEMORY.md", path="/w/MEMORY.md", state="whole", raw_chars=5, chars=5),
    ),
    skills=(PromptSkill(name="weather", chars=25),),
    tools=(
        PromptTool(name="read", summary_chars=10, schema_chars=40, properties=2),
        PromptTool(name="exec", summary_chars=20, schema_chars=22, properties=1),
    ),
    extra_chars=7,
)


def result(**fields: Any) -> RunResult:
    """A run that ended."""
    return RunResult(run_id="r", session_key="k", agent_id="main", status="ok", **fields)


class PromptObjectTests(SynchronousTestCase):
    """L{prompt_object}."""

    def test_values(self) -> None:
        """Numbers as they are, totals worked out."""
        value = prompt_object(REPORT)
        self.assertEqual((value["chars"], value["tokens_estimate"], value["window_share"]), (300, 100, 0.1))
        self.assertEqual((value["extra_system_chars"], value["left_out"]), (7, ["cli"]))
        self.assertEqual(value["sections"][0], {"name": "identity", "chars": 50})
        self.assertEqual(
            value["files"][3],
            {"name": "USER.md", "state": "refused", "raw_chars": 0, "chars": 10, "problem": "a pipe"},
        )
        self.assertEqual(value["skills"], [{"name": "weather", "chars": 25}])
        self.assertEqual((value["tools"]["count"], value["tools"]["schema_chars"]), (2, 62))
        self.assertEqual(
            value["tools"]["entries"][1], {"name": "exec", "summary_chars": 20, "schema_chars": 22, "properties": 1}
        )

    def test_documented(self) -> None:
        """The schema of the OpenAPI document and docs/runs.md have every key, and no other."""
        page = (Path(__file__).parents[2] / "docs" / "runs.md").read_text("utf-8")
        part = page.partition("### The prompt report")[2].partition("\n## ")[0]
        schema = answer_schemas()["PromptReport"]
        value = json.loads(json.dumps(prompt_object(REPORT)))
        pairs = [(value, schema), (value["tools"], schema["properties"]["tools"])]
        for name in ("sections", "files", "skills"):
            pairs.append((value[name][0], schema["properties"][name]["items"]))
        pairs.append((value["tools"]["entries"][0], pairs[1][1]["properties"]["entries"]["items"]))
        for found, described in pairs:
            self.assertEqual(set(found), set(described["properties"]))
            self.assertEqual(set(found), set(described["required"]))
            for key in found:
                self.assertIn(f"`{key}`", part)
        for file in value["files"]:
            self.assertIn(file["state"], schema["properties"]["files"]["items"]["properties"]["state"]["enum"])
            self.assertIn(f"`{file['state']}`", part)

    def test_in_a_run(self) -> None:
        """A run shows it when it has one; it survives being stored; results of before read as they did."""
        self.assertIsNone(run_object(RunState.of(result()))["prompt_report"])
        ended = result(prompt_report=REPORT)
        self.assertEqual(run_object(RunState.of(ended))["prompt_report"], prompt_object(REPORT))
        self.assertEqual(msgspec.json.decode(msgspec.json.encode(ended), type=RunResult), ended)
        old = b'{"run_id":"r","session_key":"k","agent_id":"main","status":"ok"}'
        self.assertEqual(msgspec.json.decode(old, type=RunResult), result())
        self.assertEqual(msgspec.json.encode(result()), old)


class SystemPromptReportTests(SynchronousTestCase):
    """L{system_prompt_report}."""

    def test_spelling(self) -> None:
        """Keys as the recorded gateways have them, in both releases."""
        value = system_prompt_report(
            REPORT, generated_at_ms=5, session_id="s", session_key="k", provider="q", model="n"
        )
        self.assertEqual(
            value,
            {
                "source": "run",
                "generatedAt": 5,
                "sessionId": "s",
                "sessionKey": "k",
                "provider": "q",
                "model": "n",
                "workspaceDir": "/w",
                "bootstrapMaxChars": 20,
                "bootstrapTotalMaxChars": 60,
                "sandbox": {"mode": "off", "sandboxed": False},
                "systemPrompt": {"chars": 300, "projectContextChars": 100, "nonProjectContextChars": 200},
                "injectedWorkspaceFiles": [
                    _file("AGENTS.md", 90, 20, truncated=True),
                    _file("SOUL.md", 9, 0, truncated=True),
                    _file("TOOLS.md", 0, 40, missing=True),
                    _file("USER.md", 0, 10),
                    _file("MEMORY.md", 5, 5),
                ],
                "skills": {"promptChars": 30, "entries": [{"name": "weather", "blockChars": 25}]},
                "tools": {
                    "listChars": 60,
                    "schemaChars": 62,
                    "entries": [
                        {"name": "read", "summaryChars": 10, "schemaChars": 40, "propertiesCount": 2},
                        {"name": "exec", "summaryChars": 20, "schemaChars": 22, "propertiesCount": 1},
                    ],
                },
            },
        )


def _file(name: str, raw: int, shown: int, *, missing: bool = False, truncated: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "path": f"/w/{name}",
        "missing": missing,
        "rawChars": raw,
        "injectedChars": shown,
        "truncated": truncated,
    }
