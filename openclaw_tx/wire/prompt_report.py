# -*- test-case-name: tests.wire.test_prompt_report -*-
"""What a system prompt was made of: as C{/v1/runs} shows it, and as OpenClaw's C{systemPromptReport}. Pure.

Source of the second: recordings of releases 2026.1.30 and 2026.9.6.
"""

from __future__ import annotations

from typing import Any

import msgspec

from openclaw_tx.values import PromptReport

CONTEXT = "context"
"""The section that holds the workspace files."""


def prompt_object(report: PromptReport) -> dict[str, Any]:
    """The object C{prompt_report} of a run, and what C{openclaw-tx agents prompt --json} prints."""
    return {
        "mode": report.mode,
        "model": report.model,
        "chars": report.chars,
        "tokens_estimate": report.tokens,
        "context_window": report.context_window,
        "window_share": round(report.share, 4),
        "extra_system_chars": report.extra_chars,
        "sections": [{"name": section.name, "chars": section.chars} for section in report.sections],
        "left_out": list(report.left_out),
        "workspace": report.workspace,
        "bootstrap_max_chars": report.file_limit,
        "bootstrap_total_max_chars": report.total_limit,
        "files": [
            {
                "name": file.name,
                "state": file.state,
                "raw_chars": file.raw_chars,
                "chars": file.chars,
                "problem": file.problem or None,
            }
            for file in report.files
        ],
        "skills": [{"name": skill.name, "chars": skill.chars} for skill in report.skills],
        "tools": {
            "count": len(report.tools),
            "schema_chars": report.schema_chars,
            "entries": [msgspec.to_builtins(tool) for tool in report.tools],
        },
    }


def system_prompt_report(
    report: PromptReport, *, generated_at_ms: int, session_id: str, session_key: str, provider: str, model: str
) -> dict[str, Any]:
    """The same numbers in OpenClaw's spelling.

    @param provider: that answered, and C{model}: the same.
    """
    context = sum(section.chars for section in report.sections if section.name == CONTEXT)
    return {
        "source": "run",
        "generatedAt": generated_at_ms,
        "sessionId": session_id,
        "sessionKey": session_key,
        "provider": provider,
        "model": model,
        "workspaceDir": report.workspace,
        "bootstrapMaxChars": report.file_limit,
        "bootstrapTotalMaxChars": report.total_limit,
        "sandbox": {"mode": "off", "sandboxed": False},
        "systemPrompt": {
            "chars": report.chars,
            "projectContextChars": context,
            "nonProjectContextChars": report.chars - context,
        },
        "injectedWorkspaceFiles": [
            {
                "name": file.name,
                "path": file.path,
                "missing": file.state == "missing",
                "rawChars": file.raw_chars,
                "injectedChars": file.chars,
                "truncated": file.state in ("cut", "left_out"),
            }
            for file in report.files
        ],
        "skills": {
            "promptChars": sum(section.chars for section in report.sections if section.name == "skills"),
            "entries": [{"name": skill.name, "blockChars": skill.chars} for skill in report.skills],
        },
        "tools": {
            "listChars": sum(section.chars for section in report.sections if section.name == "tooling"),
            "schemaChars": report.schema_chars,
            "entries": [
                {
                    "name": tool.name,
                    "summaryChars": tool.summary_chars,
                    "schemaChars": tool.schema_chars,
                    "propertiesCount": tool.properties,
                }
                for tool in report.tools
            ],
        },
    }


__all__ = ["prompt_object", "system_prompt_report"]
