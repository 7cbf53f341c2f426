# -*- test-case-name: tests.tools.test_typed -*-
"""The base of built-in tools."""

from __future__ import annotations

import msgspec

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.interfaces import Tool, ToolContext
from openclaw_tx.tools.typed import Parameters, TypedTool, json_result
from openclaw_tx.values import ToolResult
from tests.tools.doubles import Context, result_of


class AddParameters(Parameters, frozen=True):
    """Two numbers."""

    first_number: int
    second_number: int = 1


class Add(TypedTool[AddParameters]):
    """Adds."""

    name = "add"
    description = "Add."
    parameters = AddParameters

    async def run(self, parameters: AddParameters, context: ToolContext) -> ToolResult:
        """The sum."""
        return json_result({"sum": parameters.first_number + parameters.second_number, "run": context.run_id})


class TypedToolTests(SynchronousTestCase):
    """A tool made of a Struct."""

    def test_spec(self) -> None:
        """The spec is made once, from the Struct."""
        tool: Tool = Add()
        self.assertEqual(tool.spec.name, "add")
        self.assertEqual(list(tool.spec.parameters["properties"]), ["firstNumber", "secondNumber"])
        self.assertIs(tool.spec, tool.spec)

    def test_call(self) -> None:
        """Arguments arrive typed, with defaults; the result is JSON in text and an object in details."""
        result = result_of(self, Add().call({"firstNumber": 2}, Context()))
        self.assertEqual(result.details, {"sum": 3, "run": "r1"})
        self.assertEqual(msgspec.json.decode(result.text), result.details)

    def test_whole_float(self) -> None:
        """3.0 is an integer to JSON Schema, so it is one here."""
        self.assertEqual(result_of(self, Add().call({"firstNumber": 3.0}, Context())).details["sum"], 4)

    def test_unchecked_arguments(self) -> None:
        """Arguments that nobody checked are an error, not a surprise."""
        self.failureResultOf(
            Deferred.fromCoroutine(Add().call({"firstNumber": "two"}, Context())), msgspec.ValidationError
        )
