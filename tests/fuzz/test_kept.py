# -*- test-case-name: tests.fuzz.test_kept -*-
"""What is written for others and read from files: requests to vendors, transcripts and sessions of OpenClaw's, schemas,
headers and pages."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import AssistantMessage, ModelRequest, TextPart, ToolCall, ToolResultMessage, UserMessage
from openclaw_tx.wire import (
    anthropic_messages,
    google_generative_ai,
    ollama_chat,
    openai_completions,
    openai_responses_calls,
)
from openclaw_tx.wire.control_ui import SECRETS, admits_html, in_script, page, policy, without_secrets
from openclaw_tx.wire.google_schema import Budget, google_schema
from openclaw_tx.wire.headers import header_value
from openclaw_tx.wire.json_schema import Unchecked, complaints
from openclaw_tx.wire.json_schema_flaws import flaws
from openclaw_tx.wire.large_json import MAX_DEPTH, is_too_deep
from openclaw_tx.wire.openclaw_messages import message_object, message_of
from openclaw_tx.wire.openclaw_sessions import entry_object, imported
from openclaw_tx.wire.openclaw_transcript import read
from openclaw_tx.wire.trace import child, parse_trace, trace_header
from tests.fuzz.limits import bounded, examples
from tests.fuzz.material import documents, nearly, repetitions, values, written

WRITERS: list[Any] = [
    (anthropic_messages.encode_request, anthropic_messages.AnthropicDialect()),
    (google_generative_ai.encode_request, google_generative_ai.GoogleDialect()),
    (ollama_chat.encode_request, ollama_chat.OllamaDialect()),
    (openai_completions.encode_request, openai_completions.Dialect()),
    (openai_responses_calls.encode_request, openai_responses_calls.ResponsesDialect()),
]
"""What writes requests to vendors."""


class WrittenTests(SynchronousTestCase):
    """Whatever a model once said, its next request can be written."""

    def conversation(self, arguments: str, result: str) -> ModelRequest:
        """A turn with a call in it."""
        return ModelRequest(
            system="s",
            messages=(
                UserMessage(content=(TextPart(text="hi"),)),
                AssistantMessage(tool_calls=(ToolCall(id="c", name="look", arguments=arguments),)),
                ToolResultMessage(tool_call_id="c", tool_name="look", text=result),
            ),
        )

    def check(self, arguments: str, result: str) -> None:
        """All vendors, and our own file."""
        request = self.conversation(arguments, result)
        for encode, dialect in WRITERS:
            with bounded():
                body = encode("m", request, dialect)
            self.assertIsInstance(json.loads(body), dict)
        with bounded():
            told = json.dumps(message_object(request.messages[1]))
        again = message_of(json.loads(told), 1, Counter())
        assert isinstance(again, AssistantMessage)
        self.assertEqual(again.tool_calls[0].id, "c")

    @examples(35)
    @given(documents({"a": [1, {"b": None}]}), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
    def test_arguments(self, arguments: bytes, result: str) -> None:
        """Arguments are what the model wrote: JSON, nearly JSON, or anything else."""
        self.check(arguments.decode("utf-8", "replace"), result)

    @examples(15)
    @given(st.integers(700, 1000), st.sampled_from(["[]", "{}"]))
    def test_depth(self, depth: int, kind: str) -> None:
        """Near what the interpreter goes down to, nothing depends on how far down the caller stands."""
        half = '{"a":' if kind == "{}" else "["
        self.check('{"x":' + half * depth + "1" + kind[1] * depth + "}", "r")

    @examples(25)
    @given(st.integers(1, 300), st.text('[]{}"\\', max_size=40))
    def test_how_deep(self, depth: int, text: str) -> None:
        """Nesting is counted outside of strings."""
        self.assertEqual(is_too_deep(("[" * depth + "]" * depth).encode()), depth > MAX_DEPTH)
        value = [[text], text * 20]
        self.assertFalse(is_too_deep(json.dumps(value).encode()))


MESSAGE = {"role": "assistant", "timestamp": 5, "content": [
    {"type": "text", "text": "x"}, {"type": "toolCall", "id": "c", "name": "n", "arguments": {}},
    {"type": "thinking", "thinking": "t"}], "usage": {"input": 1}, "stopReason": "stop"}  # fmt: skip
ENTRIES = [
    {"type": "session", "version": 3, "id": "s", "timestamp": "2026-01-01T00:00:00Z", "cwd": "/"},
    {"type": "message", "id": "1", "parentId": None, "timestamp": "2026-01-01T00:00:00Z", "message": MESSAGE},
    {"type": "message", "id": "2", "parentId": "1", "message": {"role": "user", "content": "hi"}},
    {"type": "message", "id": "4", "parentId": "2", "message": {
        "role": "toolResult", "toolCallId": "c", "content": [{"type": "image", "data": "", "mimeType": "x"}]}},
    {"type": "compaction", "id": "3", "parentId": "2", "summary": "s", "firstKeptEntryId": "2", "tokensBefore": 9},
    {"type": "custom_message", "content": [{"type": "text", "text": "x"}]},
    {"type": "branch_summary", "summary": "s"},
]  # fmt: skip
SESSION = {"sessionId": "s", "updatedAt": 5, "modelProvider": "p", "model": "m", "inputTokens": 5, "label": "l",
    "thinkingLevel": "low", "abortedLastRun": True, "sendPolicy": "deny", "lastInteractionAt": "x"}  # fmt: skip


class FileTests(SynchronousTestCase):
    """What another gateway left behind."""

    @examples(110)
    @given(st.lists(documents(*ENTRIES) | st.sampled_from(ENTRIES).map(written), max_size=8))
    def test_transcript(self, lines: list[bytes]) -> None:
        """Nothing makes it fail, and no line loses another one: every line is a message, a fault, or counted."""
        with bounded():
            found = read(lines)
        self.assertLessEqual(len(found.messages), len(lines))
        for message in found.messages:
            self.assertGreaterEqual(message.timestamp_ms, 0)

    @examples(20)
    @given(st.integers(0, 400))
    def test_deep_line(self, depth: int) -> None:
        """A line nested deeper than can be read is a fault like any other."""
        deep = b'{"type":"message","id":"9","message":' + b"[" * (800 + depth) + b"]" * (800 + depth) + b"}"
        found = read([written(ENTRIES[1]), deep, written(ENTRIES[2])])
        self.assertEqual(len(found.messages), 2)

    @examples(90)
    @given(nearly(SESSION))
    def test_session(self, value: Any) -> None:
        """An entry is taken in or refused; what was taken in says the same when it is written and taken in again."""
        with bounded():
            try:
                found = imported("agent:main:x", "main", value)
            except ValueError:
                return
            again = imported("agent:main:x", "main", entry_object(found.entry))
        self.assertEqual(again.entry.session_id, found.entry.session_id)
        self.assertEqual(again.entry.settings, found.entry.settings)
        self.assertEqual((again.entry.label, again.entry.model), (found.entry.label, found.entry.model))
        self.assertEqual(again.faults, found.faults)


SCHEMA = {"type": "object", "required": ["a"], "additionalProperties": False, "$defs": {"d": {"$ref": "#/$defs/d"}},
    "properties": {"a": {"anyOf": [{"type": "string", "pattern": "(a+)+$", "enum": ["x"]}, {"$ref": "#/$defs/d"}]},
        "b": {"type": ["array", "null"], "items": {"allOf": [{"minimum": 1}]}, "prefixItems": [{}], "maxItems": 2},
        "c": {"oneOf": [{"const": 1}, {"not": {"type": "integer", "multipleOf": 2}}], "format": "date"}}}  # fmt: skip
VALUE = {"a": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "b": [1, "x", None], "c": 2, "d": {}}


class SchemaTests(SynchronousTestCase):
    """JSON Schemas are the clients'."""

    @examples(110)
    @given(nearly(SCHEMA, True), nearly(VALUE))
    def test_checked(self, schema: Any, value: Any) -> None:
        """A value is right, wrong in words, or can not be checked; within bounded work, whatever the schema."""
        with bounded():
            try:
                found = complaints(value, schema)
            except Unchecked:
                return
        self.assertTrue(all(isinstance(each, str) for each in found))

    @examples(65)
    @given(nearly(SCHEMA).filter(lambda schema: isinstance(schema, dict)))
    def test_google(self, schema: Any) -> None:
        """What Google takes of it can be written; flaws are told."""
        with bounded():
            try:
                list(flaws(schema))
                json.dumps(google_schema(schema, Budget()))
            except (GatewayError, RecursionError):
                pass


class HeaderTests(SynchronousTestCase):
    """Headers, queries and pages."""

    @examples(65)
    @given(st.binary(max_size=80) | st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,9})?"))
    def test_trace(self, line: bytes) -> None:
        """A trace is read or ignored, and the one that is sent on can be read."""
        text = trace_header([line])
        sent = child(text, "00000000-0000-4000-8000-000000000001")
        found, made = parse_trace(text), parse_trace(sent)
        assert made is not None
        self.assertEqual(found is not None, found is not None and made.trace_id == found.trace_id)
        self.assertEqual(str(made), sent)

    @examples(35)
    @given(st.lists(st.binary(max_size=30), max_size=4), st.sampled_from(["X-Forwarded-For", "origin"]))
    def test_values(self, lines: list[bytes], name: str) -> None:
        """A value is text, whatever the bytes."""
        found = header_value(name, lines)
        self.assertEqual(found is None, not lines)
        self.assertTrue(found is None or found == found.strip())

    @examples(90)
    @given(
        st.lists(st.tuples(st.sampled_from([*SECRETS, "TOKEN", " token", "a"]), st.text(max_size=5))),
        st.text("&=%;+", max_size=6),
    )
    def test_queries(self, fields: list[tuple[str, str]], noise: str) -> None:
        """No link brings a secret: what is left of a query has none."""
        query = "&".join([*(f"{name}={value}" for name, value in fields), noise])
        with bounded():
            left = without_secrets(query)
        self.assertIsNone(without_secrets(left if left is not None else query))

    @examples(25)
    @given(st.text(max_size=20) | st.sampled_from(["</script>", "<!--", "</SCRIPT >", "\u2028"]))
    def test_scripts(self, text: str) -> None:
        """A text in a script is that text, and ends nothing."""
        try:
            found = in_script(text)
        except UnicodeEncodeError:
            return  # a lone surrogate, which no name has
        self.assertEqual(json.loads(found), text)
        self.assertFalse(set(found) & set("<>&\u2028\u2029"))

    @examples(40)
    @given(repetitions("<script>/ ='\"a\nhead", 20_000), st.sampled_from(["", "/a", '/"><script>x</script>']))
    def test_pages(self, html: str, base: str) -> None:
        """Any page can be told where it lies, in time that goes with its length."""
        with bounded(2.0):
            policy(page(html, base))
        whole = page("<html><head></head></html>", base)
        self.assertEqual(whole.count("<script>"), 1)

    @examples(25)
    @given(st.none() | st.text("texhml/*;q=0.,+ ", max_size=40) | repetitions("text/html;q=0,*", 5_000))
    def test_accept(self, text: str | None) -> None:
        """An answer, for any header."""
        with bounded():
            self.assertIsInstance(admits_html(text), bool)


class ValueTests(SynchronousTestCase):
    """The material itself."""

    @examples(20)
    @given(values)
    def test_written(self, value: Any) -> None:
        """All of it can be sent."""
        self.assertIsInstance(written(value), bytes)
