# -*- test-case-name: tests.tools.test_typed -*-
"""A tool whose parameters are a msgspec Struct: what the built-in tools are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from openclaw_tx.interfaces import ToolContext
from openclaw_tx.tools.schema import parameters_of
from openclaw_tx.values import ToolResult, ToolSpec


class Parameters(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of the parameters of built-in tools: strict, JSON names in camelCase."""


class NotDone(Exception):
    """A tool can not do what was asked of it; the text tells the model why, and what would help."""


P = TypeVar("P", bound=Parameters)


class TypedTool(Generic[P]):
    """Base of built-in tools; implements L{openclaw_tx.interfaces.Tool} around L{run}.

    @cvar name: as the model and the policy see it.
    @cvar description: for the model; its first sentence is the summary in the system prompt.
    @cvar parameters: the Struct of the arguments.
    @cvar aliases: see L{openclaw_tx.interfaces.AliasedTool}.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    parameters: type[P]
    aliases: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self._spec = ToolSpec(name=self.name, description=self.description, parameters=parameters_of(self.parameters))

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        return self._spec

    async def call(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Do it; L{NotDone} becomes an error result.

        @raise msgspec.ValidationError: the arguments were not checked before.
        """
        # Not strict, because JSON Schema counts 3.0 among the integers, and so do some models.
        parameters = msgspec.convert(arguments, self.parameters, strict=False)
        try:
            return await self.run(parameters, context)
        except NotDone as error:
            return ToolResult(text=str(error), is_error=True)

    async def run(self, parameters: P, context: ToolContext) -> ToolResult:
        """What the tool does.

        @raise NotDone: it can not.
        """
        raise NotImplementedError


def json_result(details: Any, *, is_error: bool = False) -> ToolResult:
    """A result whose text is C{details} as readable JSON (spec 7.1)."""
    text = msgspec.json.format(msgspec.json.encode(details), indent=2).decode()
    return ToolResult(text=text, details=details, is_error=is_error)


__all__ = ["NotDone", "Parameters", "TypedTool", "json_result"]
