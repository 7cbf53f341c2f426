# -*- test-case-name: tests.wire.test_openai_responses_render -*-
"""Responses and their events: complete for OpenAI's own models, in strict mode."""

from __future__ import annotations

import json
from typing import Any

from openai.types.responses import Response as OpenAIResponse
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES, GatewayError
from openclaw_tx.values import MessageEnded, RunResult, TextDelta, ToolCall, Usage
from openclaw_tx.wire.openai_chat_render import escape
from openclaw_tx.wire.openai_responses import parse
from openclaw_tx.wire.openai_responses_render import EventWriter, Response

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
RUN = "resp_11111111-2222-4333-8444-555555555555"
USAGE = Usage(prompt_tokens=11, completion_tokens=7, cached_tokens=3, reasoning_tokens=2)
CALL = ToolCall(id="c1", name="f", arguments='{"a":1}')
TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}


def response(**fields: Any) -> Response:
    """A response to a request with these fields."""
    return Response(RUN, 7, parse(json.dumps({"model": "gpt-4o", "input": "hi", **fields}).encode()))


def result(**fields: Any) -> RunResult:
    """A run that went well."""
    return RunResult(
        run_id=RUN, session_key="k", agent_id="main", status="ok", usage=USAGE, ended_at_ms=9_500, **fields
    )


def checked(found: Any) -> Any:
    """A response object that OpenAI's own model takes without bending anything, with every key it requires."""
    OpenAIResponse.model_validate(found, strict=True)
    required = {name for name, field in OpenAIResponse.model_fields.items() if field.is_required()}
    assert required | {"error", "incomplete_details", "instructions", "metadata", "temperature", "top_p"} <= set(found)
    return found


def events(frames: bytes) -> list[dict[str, Any]]:
    """The events in frames that were stamped; each is checked, and has its kind in both places."""
    blocks = frames.split(b"\n\n")
    assert blocks.pop() == b""
    found = []
    for block in blocks:
        first, second = block.decode().split("\n")
        event = json.loads(second.removeprefix("data: "))
        assert first == f"event: {event['type']}", first
        EVENTS.validate_python(event, strict=True)
        found.append(event)
    return found


class WholeTests(SynchronousTestCase):
    """Answers that are not streamed."""

    def whole(self, found: RunResult, **fields: Any) -> Any:
        """The object."""
        return checked(json.loads(response(**fields).whole(found)))

    def test_text(self) -> None:
        """Ids derive from the run; usage has all its details."""
        found = self.whole(result(payloads=("a", "b")))
        self.assertEqual((found["id"], found["object"], found["model"]), (RUN, "response", "gpt-4o"))
        self.assertEqual((found["created_at"], found["completed_at"], found["status"]), (7, 9, "completed"))
        self.assertEqual(
            found["output"],
            [
                {
                    "type": "message",
                    "id": "msg_11111111-2222-4333-8444-555555555555",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "a\n\nb", "annotations": [], "logprobs": []}],
                    "phase": "final_answer",
                    "status": "completed",
                }
            ],
        )
        self.assertEqual(
            found["usage"],
            {
                "input_tokens": 11,
                "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
                "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 2},
                "total_tokens": 18,
            },
        )

    def test_unknown_usage(self) -> None:
        """Is null, not made up."""
        found = RunResult(run_id=RUN, session_key="k", agent_id="main", status="ok", payloads=("a",))
        self.assertIsNone(self.whole(found)["usage"])

    def test_echo(self) -> None:
        """What was asked for is told; what has no effect reads as not set."""
        found = self.whole(
            result(payloads=("a",)),
            instructions="INS",
            tools=[TOOL, {"type": "function", "function": {"name": "g"}}],
            tool_choice={"type": "function", "function": {"name": "g"}},
            max_output_tokens=5,
            temperature=0.5,
            top_p=1,
            parallel_tool_calls=False,
            reasoning={"effort": "low", "summary": "auto"},
            metadata={"k": "v"},
            user="u",
            store=False,
            previous_response_id="resp_0",
            truncation="auto",
            service_tier="flex",
            text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
            max_tool_calls=3,
        )
        told = {
            "instructions": "INS",
            "tool_choice": {"type": "function", "name": "g"},
            "max_output_tokens": 5,
            "temperature": 0.5,
            "top_p": 1,
            "parallel_tool_calls": False,
            "reasoning": {"effort": "low", "summary": None},
            "metadata": {"k": "v"},
            "user": "u",
            "store": False,
            "previous_response_id": "resp_0",
            "truncation": "disabled",
            "service_tier": "default",
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
            "max_tool_calls": None,
        }
        self.assertEqual({name: found[name] for name in told}, told)
        self.assertEqual(found["tools"][0], TOOL)
        self.assertEqual(found["tools"][1]["name"], "g")

    def test_tool_calls(self) -> None:
        """An item each, behind what was said with them; C{{}} for no arguments."""
        found = self.whole(
            result(payloads=("let me see",), tool_calls=(CALL, ToolCall(id="c2", name="g", arguments=""))),
            tools=[TOOL],
        )
        message, first, second = found["output"]
        self.assertEqual((message["phase"], found["status"]), ("commentary", "completed"))
        self.assertEqual(
            first,
            {
                "type": "function_call",
                "id": "call_11111111-2222-4333-8444-555555555555_0",
                "call_id": "c1",
                "name": "f",
                "arguments": '{"a":1}',
                "status": "completed",
            },
        )
        self.assertEqual((second["arguments"], second["id"][-2:]), ("{}", "_1"))
        (alone,) = self.whole(result(tool_calls=(CALL,)))["output"]
        self.assertEqual(alone["type"], "function_call")

    def test_incomplete(self) -> None:
        """Says why; a refusal is a part of its own kind."""
        for finish, reason in (("length", "max_output_tokens"), ("content_filter", "content_filter")):
            found = self.whole(result(payloads=("a",), finish_reason=finish))
            self.assertEqual((found["status"], found["incomplete_details"]), ("incomplete", {"reason": reason}))
            self.assertEqual((found["output"][0]["status"], found["completed_at"]), ("incomplete", None))
        self.assertEqual(self.whole(result(finish_reason="content_filter"))["output"], [])

    def test_refusal(self) -> None:
        """A refusal is a part of its own kind."""
        found = self.whole(result(payloads=("no",), refusal=True))
        self.assertEqual(found["output"][0]["content"], [{"type": "refusal", "refusal": "no"}])


class EventTests(SynchronousTestCase):
    """Streams."""

    def setUp(self) -> None:
        """A writer."""
        self.writer = EventWriter(response(tools=[TOOL]))

    def stamped(self, *frames: bytes) -> list[dict[str, Any]]:
        """Events, whose numbers have no hole."""
        found = events(self.writer.stamp(b"".join(frames)))
        self.assertEqual([event["sequence_number"] for event in found], list(range(len(found))))
        for event in found:
            if "response" in event:
                checked(event["response"])
        return found

    def kinds(self, found: list[dict[str, Any]]) -> list[str]:
        """Without their common beginning."""
        return [event["type"].removeprefix("response.") for event in found]

    def test_text(self) -> None:
        """The whole sequence, and what it adds up to."""
        writer = self.writer
        found = self.stamped(
            writer.opened(),
            writer.text_begins(),
            writer.text(escape("a\0\n")),
            writer.text(escape('"') + escape("\u2028b")),
            writer.finish(result(payloads=('a\0\n"\u2028b',))),
        )
        self.assertEqual(
            self.kinds(found),
            [
                "created",
                "in_progress",
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
                "output_item.done",
                "completed",
            ],
        )
        self.assertEqual("".join(event["delta"] for event in found[4:6]), found[6]["text"])
        self.assertEqual(found[-1]["response"]["output"], [found[-2]["item"]])
        self.assertEqual(
            found[-1]["response"], json.loads(response(tools=[TOOL]).whole(result(payloads=('a\0\n"\u2028b',))))
        )
        self.assertEqual(found[0]["response"]["status"], "in_progress")

    def test_tool_calls(self) -> None:
        """Interleaved arguments; the stream's response is that of a whole answer."""
        writer = self.writer
        calls = (CALL, ToolCall(id="c2", name="g", arguments="{}"))
        ended = result(payloads=("x",), tool_calls=calls)
        found = self.stamped(
            writer.opened(),
            writer.text_begins(),
            writer.text(b"x"),
            writer.tool_call(0, "c1", "f"),
            writer.tool_call(1, "c2", "g"),
            writer.arguments(0, '{"a"'),
            writer.arguments(1, "{}"),
            writer.arguments(0, ":1}"),
            writer.finish(ended),
        )
        self.assertEqual(
            self.kinds(found)[5:],
            ["output_item.added"] * 2
            + ["function_call_arguments.delta"] * 3
            + ["output_text.done", "content_part.done", "output_item.done"]
            + ["function_call_arguments.done", "output_item.done"] * 2
            + ["completed"],
        )
        self.assertEqual([event["output_index"] for event in found[5:10]], [1, 2, 1, 2, 1])
        self.assertEqual(found[5]["item"]["arguments"], "")
        self.assertEqual(found[5]["item"]["status"], "in_progress")
        self.assertEqual(found[-1]["response"], json.loads(response(tools=[TOOL]).whole(ended)))

    def test_text_after_a_call(self) -> None:
        """Items stay in the order in which they began."""
        writer = self.writer
        found = self.stamped(
            writer.opened(),
            writer.tool_call(0, "c1", "f"),
            writer.text_begins(),
            writer.text(b"x"),
            writer.arguments(0, '{"a":1}'),
            writer.finish(result(payloads=("x",), tool_calls=(CALL,))),
        )
        self.assertEqual([item["type"] for item in found[-1]["response"]["output"]], ["function_call", "message"])
        done = [event["output_index"] for event in found if event["type"] == "response.output_item.done"]
        self.assertEqual(done, [0, 1])

    def test_refusal(self) -> None:
        """A refusal has events of its own."""
        writer = self.writer
        self.assertEqual(writer.aside(MessageEnded()), b"")
        ended = result(payloads=("I cannot",), refusal=True)
        found = self.stamped(
            writer.opened(),
            writer.aside(TextDelta(text="I can", refusal=True)),
            writer.aside(TextDelta(text="not", refusal=True)),
            writer.finish(ended),
        )
        self.assertEqual(
            self.kinds(found)[2:8],
            ["output_item.added", "content_part.added", *["refusal.delta"] * 2, "refusal.done", "content_part.done"],
        )
        self.assertEqual(found[-1]["response"]["output"][0]["content"], [{"type": "refusal", "refusal": "I cannot"}])
        self.assertEqual(found[-1]["response"], checked(json.loads(response(tools=[TOOL]).whole(ended))))

    def test_text_and_refusal(self) -> None:
        """Two parts of one message, in the order in which they began; each done in its place."""
        ended = result(payloads=("so no",), refusal=True, answered="so", declined=" no")
        for first in ("text", "refusal"):
            self.writer = writer = EventWriter(response(tools=[TOOL]))
            text = writer.text_begins() + writer.text(b"s") if first == "text" else b""
            refusal = writer.aside(TextDelta(text=" no", refusal=True))
            more = (writer.text_begins() if first == "refusal" else b"") + writer.text(b"o" if text else b"so")
            self.assertEqual(writer.text_begins(), b"")
            found = self.stamped(writer.opened(), text, refusal, more, writer.finish(ended))
            kinds = ("output_text", "refusal") if first == "text" else ("refusal", "output_text")
            whole = {"output_text": "so", "refusal": " no"}
            for place, kind in enumerate(kinds):
                of_it = [event for event in found if event.get("content_index") == place]
                self.assertEqual(of_it[0]["part"]["type"], kind)
                self.assertEqual("".join(each.get("delta", "") for each in of_it), whole[kind])
                self.assertEqual([each["type"][9:] for each in of_it[-2:]], [f"{kind}.done", "content_part.done"])
            (message,) = found[-1]["response"]["output"]
            self.assertEqual([part["type"] for part in message["content"]], list(kinds))
        (message,) = json.loads(response().whole(ended))["output"]
        self.assertEqual([part.get("text", part.get("refusal")) for part in message["content"]], ["so", " no"])

    def test_incomplete(self) -> None:
        """Ends with an event of its own."""
        writer = self.writer
        text = writer.opened() + writer.text_begins() + writer.text(b"x")
        found = self.stamped(text, writer.finish(result(payloads=("x",), finish_reason="length")))
        self.assertEqual(found[-1]["type"], "response.incomplete")
        self.assertEqual(found[-1]["response"]["incomplete_details"], {"reason": "max_output_tokens"})

    def test_cut_calls(self) -> None:
        """A call in which the model was stopped is incomplete, as far as it came; also where it did not show before."""
        half = ToolCall(id="c1", name="f", arguments='{"a')
        nothing = ToolCall(id="c2", name="g", arguments="")
        ended = result(finish_reason="length", cut_calls=(half, nothing))
        whole = checked(json.loads(response(tools=[TOOL]).whole(ended)))
        for shown in (True, False):
            self.writer = writer = EventWriter(response(tools=[TOOL]))
            frames = [writer.opened()]
            if shown:
                frames += [writer.tool_call(0, "c1", "f"), writer.arguments(0, '{"a'), writer.tool_call(1, "c2", "g")]
            found = self.stamped(*frames, writer.finish(ended))
            self.assertEqual([event["delta"] for event in found if "delta" in event], ['{"a'])
            self.assertEqual(found[-1]["response"], whole)
            self.assertNotIn("function_call_arguments.done", self.kinds(found))
        told = [(item["arguments"], item["status"]) for item in whole["output"]]
        self.assertEqual(told, [('{"a', "incomplete"), ("", "incomplete")])

    def test_every_failure(self) -> None:
        """OpenAI's closed list of codes holds for each of ours, which is told beside it."""
        for code, expected in (
            ("provider_rate_limit", "rate_limit_exceeded"),
            ("context_length_exceeded", "invalid_prompt"),
            ("provider_error", "server_error"),
        ):
            failed = self._failed(code)
            self.assertEqual((failed["status"], failed["error"]["code"]), ("failed", expected))
            self.assertEqual((failed["error"]["openclaw_code"], failed["error"]["message"]), (code, "it broke"))
        for code in CODES:
            self._failed(code)

    def _failed(self, code: str) -> Any:
        writer = EventWriter(response())
        (found,) = events(writer.stamp(writer.failed(GatewayError(code, "it broke").info)))
        self.assertEqual(found["type"], "response.failed")
        return checked(found["response"])

    def test_joined_text_leaves_no_hole(self) -> None:
        """Numbers are given when frames are written, also when they are written one by one."""
        writer = self.writer
        first = writer.stamp(writer.opened() + writer.text_begins())
        second = writer.stamp(writer.text(b"a" + b"b"))
        third = writer.stamp(writer.finish(result(payloads=("ab",))) + b"data: [DONE]\n\n")
        numbers = [
            event["sequence_number"] for event in events(first + second + third.removesuffix(b"data: [DONE]\n\n"))
        ]
        self.assertEqual(numbers, list(range(9)))
