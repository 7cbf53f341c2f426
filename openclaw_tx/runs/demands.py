# -*- test-case-name: tests.runs.test_engine -*-
"""What a client's C{tool_choice} makes of a run (spec 1.1). Pure."""

from __future__ import annotations

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import ToolChoice, ToolSpec


def demands_call(choice: ToolChoice) -> bool:
    """Whether the client insists on a call of one of its tools."""
    return choice.mode in ("required", "named")


def offered(tools: tuple[ToolSpec, ...], choice: ToolChoice) -> tuple[ToolSpec, ...]:
    """The client's tools that its choice leaves; the agent's own are not its to choose from."""
    if choice.mode == "none":
        return ()
    return tuple(tool for tool in tools if tool.name == choice.name) if choice.mode == "named" else tools


def no_call(choice: ToolChoice) -> None:
    """The model is done and has called none of the client's tools.

    @raise GatewayError: C{tool_choice_unmet}: it had to.
    """
    if choice.mode == "required":
        raise GatewayError("tool_choice_unmet", "tool_choice=required was not satisfied by the agent response")
    if choice.mode == "named":
        raise GatewayError(
            "tool_choice_unmet",
            f"tool_choice required a {choice.name} tool call, but the agent did not produce one",
        )


__all__ = ["demands_call", "no_call", "offered"]
