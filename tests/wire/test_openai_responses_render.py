# -*- test-case-name: tests.wire.test_openai_responses_render -*-
"""Responses and their events: complete for OpenAI's own models, in strict mode."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response as OpenAIResponse
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES, GatewayError
from openclaw_tx.values import MessageEnded, RunResult, TextDelta, ToolCall, Usage
from openclaw_tx.wire.openai_chat_render import escape
from openclaw_tx.wire.openai_responses import parse
from openclaw_tx.wire.openai_responses_items import MAX_PROBED, GrowingCall
from openclaw_tx.wire.openai_responses_render import Response
from openclaw_tx.wire.openai_responses_stream import EventWriter

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
RUN = "resp_11111111-2222-4333-8444-555555555555"
MESSAGE = "msg_11111111-2222-4333-8444-555555555555"
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

    def say(self, text: str) -> bytes:
        """What a stream does with text."""
        begun = self.writer.text_begins()
        return begun + self.writer.text(escape(text)) if self.writer.said(text) else begun

    def called(self, index: int, call: ToolCall) -> list[bytes]:
        """What a stream does with a call."""
        return [self.writer.tool_call(index, call.id, call.name), self.writer.arguments(index, call.arguments)]

    def in_turn(self, found: list[dict[str, Any]]) -> list[tuple[int, str]]:
        """Position and kind of all that has to do with items. Each was closed before the next began, with all that had
        been told of it, and the response in the end holds them as they were closed."""
        told, open_, closed, growing = [], None, [], ""
        for event in found:
            kind = event["type"].removeprefix("response.")
            if "output_index" not in event:
                continue
            told.append((event["output_index"], kind))
            if kind == "output_item.added":
                self.assertEqual((open_, event["output_index"]), (None, len(closed)))
                open_, growing = event["output_index"], ""
            self.assertEqual(event["output_index"], open_)
            growing += event.get("delta", "")
            if kind in ("output_text.done", "refusal.done", "function_call_arguments.done"):
                self.assertEqual(event.get("text", event.get("refusal", event.get("arguments"))), growing or "{}")
            if kind == "output_item.done":
                closed.append(event["item"])
                open_ = None
        self.assertEqual(found[-1]["response"]["output"], closed)
        return told

    def test_tool_calls(self) -> None:
        """One item after the other; the stream's response is that of a whole answer."""
        writer = self.writer
        calls = (CALL, ToolCall(id="c2", name="g", arguments="{}"))
        ended = result(payloads=("x",), tool_calls=calls)
        found = self.stamped(
            writer.opened(),
            self.say("x"),
            writer.tool_call(0, "c1", "f"),
            writer.arguments(0, '{"a"'),
            writer.arguments(0, ":1}"),
            writer.tool_call(1, "c2", "g"),
            writer.arguments(1, "{}"),
            writer.aside(MessageEnded()),
            writer.finish(ended),
        )
        self.assertEqual(
            self.in_turn(found),
            [
                *((0, f"{kind}.{what}") for kind, what in (("output_item", "added"), ("content_part", "added"))),
                *((0, f"output_text.{what}") for what in ("delta", "done")),
                *((0, f"{kind}.done") for kind in ("content_part", "output_item")),
                (1, "output_item.added"),
                *((1, f"function_call_arguments.{what}") for what in ("delta", "delta", "done")),
                (1, "output_item.done"),
                (2, "output_item.added"),
                *((2, f"function_call_arguments.{what}") for what in ("delta", "done")),
                (2, "output_item.done"),
            ],
        )
        added = [event["item"] for event in found if event["type"] == "response.output_item.added"]
        self.assertEqual((added[1]["arguments"], added[1]["status"]), ("", "in_progress"))
        self.assertEqual(found[-1]["response"], json.loads(response(tools=[TOOL]).whole(ended)))

    def test_done_at_once(self) -> None:
        """What is complete is told so when the next item begins, or the message ends: not only with the run."""
        writer = self.writer
        self.stamped(self.say("x"))
        self.assertEqual(self.kinds(events(writer.stamp(writer.tool_call(0, "c1", "f"))))[-2:][0], "output_item.done")
        writer.arguments(0, '{"a":1}')
        done = self.kinds(events(writer.stamp(writer.aside(MessageEnded()))))
        self.assertEqual(done, ["function_call_arguments.done", "output_item.done"])
        self.assertEqual(self.kinds(events(writer.stamp(writer.finish(result(tool_calls=(CALL,)))))), ["completed"])

    def test_calls_side_by_side(self) -> None:
        """The first goes on as it comes, the others wait for its end, and lose nothing."""
        writer = self.writer
        calls = tuple(ToolCall(id=f"c{n}", name="f", arguments=f'{{"a":"{n}}}"}}') for n in range(3))
        frames = [writer.opened(), *(writer.tool_call(n, call.id, "f") for n, call in enumerate(calls))]
        self.assertEqual(frames[2:], [b"", b""])
        for at in range(len(calls[0].arguments)):
            frames += (writer.arguments(n, call.arguments[at]) for n, call in reversed(list(enumerate(calls))))
        found = self.stamped(*frames, writer.aside(MessageEnded()), writer.finish(result(tool_calls=calls)))
        told = self.in_turn(found)
        self.assertEqual(told.count((0, "function_call_arguments.delta")), len(calls[0].arguments))
        self.assertEqual(told.count((1, "function_call_arguments.delta")), 1)
        self.assertEqual([call["arguments"] for call in found[-1]["response"]["output"]], [c.arguments for c in calls])

    @given(
        st.lists(st.tuples(st.integers(-1, 3), st.integers(1, 9)), max_size=40),
        st.lists(st.sampled_from(['{"a":1}', "{}", "", '{"s":"}{"}', '{"a"', " "]), min_size=4, max_size=4),
    )
    @settings(max_examples=200, deadline=None)
    def test_any_order(self, steps: list[tuple[int, int]], arguments: list[str]) -> None:
        """However a model jumps between text and calls, items follow one another and nothing of them is lost."""
        self.writer = writer = EventWriter(response())
        frames, said, grown = [writer.opened()], "", dict[int, str]()
        for index, length in [*steps, *((index, 99) for index in list(dict(steps)) if index >= 0)]:
            if index < 0:
                frames.append(self.say("x" * length))
                said += "x" * length
                continue
            if index not in grown:
                frames.append(writer.tool_call(index, f"c{index}", "f"))
            before = grown.setdefault(index, "")
            grown[index] = arguments[index][: len(before) + length]
            if len(grown[index]) > len(before):
                frames.append(writer.arguments(index, grown[index][len(before) :]))
        calls = tuple(ToolCall(id=f"c{n}", name="f", arguments=grown.get(n, "")) for n in range(4))
        found = self.stamped(*frames, writer.finish(result(payloads=(said,) if said else (), tool_calls=calls)))
        self.in_turn(found)
        output = found[-1]["response"]["output"]
        told = {item["call_id"]: item["arguments"] for item in output if item["type"] == "function_call"}
        self.assertEqual(told, {f"c{n}": whole or "{}" for n, whole in grown.items()})
        texts = [item["content"][0]["text"] for item in output if item["type"] == "message"]
        self.assertEqual("".join(texts), said)

    def test_calls_that_never_look_complete(self) -> None:
        """Wait for the end: of no arguments, and of broken ones."""
        writer = self.writer
        calls = (
            ToolCall(id="c1", name="f", arguments=""),
            ToolCall(id="c2", name="f", arguments='{"a":}'),
            ToolCall(id="c3", name="f", arguments="{}"),
        )
        frames = [writer.opened()]
        for index, call in enumerate(calls):
            frames += (writer.tool_call(index, call.id, "f"), writer.arguments(index, call.arguments or " "))
        frames.append(writer.aside(MessageEnded()))
        self.assertEqual([len(events(writer.stamp(frame))) for frame in frames], [2, 1, 1, 0, 0, 0, 0, 0])
        self.writer = writer = EventWriter(response(tools=[TOOL]))
        for index, call in enumerate(calls):
            writer.tool_call(index, call.id, "f")
            writer.arguments(index, call.arguments)
        found = self.stamped(writer.finish(result(tool_calls=calls)))
        self.assertEqual([item["arguments"] for item in found[-1]["response"]["output"]], ["{}", '{"a":}', "{}"])

    def test_patience_with_arguments_has_a_bound(self) -> None:
        """Arguments that look complete again and again are not read again and again for ever."""
        call = GrowingCall("i", 0, "c", "f")
        call.add('{"a":"' + "x" * MAX_PROBED + "}")
        self.assertFalse(call.complete())
        call.add('"}')
        self.assertFalse(call.complete())
        piecewise = GrowingCall("i", 0, "c", "f")
        for piece in ('{"a":"', *["x" * (MAX_PROBED // 4)] * 8):
            piecewise.add(piece)
            self.assertFalse(piecewise.complete())
        piecewise.add('"}')
        self.assertTrue(piecewise.complete(), "pieces that do not look like an end cost no patience")
        patient = GrowingCall("i", 0, "c", "f")
        patient.add('{"a":"' + "x" * MAX_PROBED + '"}')
        self.assertTrue(patient.complete())

    def test_text_after_a_call(self) -> None:
        """Is a message of its own behind it, once the call is whole; what comes behind a whole call is none of it."""
        writer = self.writer
        frames = [writer.opened(), self.say("a"), writer.tool_call(0, "c1", "f"), self.say("b"), self.say("c")]
        self.assertEqual(frames[-2:], [b"", b""])
        frames += (writer.arguments(0, '{"a":1}'), writer.arguments(0, " "), self.say("d"))
        frames.append(writer.finish(result(payloads=("abcd",), tool_calls=(CALL,))))
        found = self.stamped(*frames)
        self.in_turn(found)
        output = found[-1]["response"]["output"]
        self.assertEqual([item["type"] for item in output], ["message", "function_call", "message"])
        self.assertEqual([output[at]["content"][0]["text"] for at in (0, 2)], ["a", "bcd"])
        self.assertEqual([item["id"] for item in output[::2]], [MESSAGE, f"{MESSAGE}_1"])

    def test_failure_of_a_field(self) -> None:
        """It is called what this API calls it."""
        failure = GatewayError(
            "structured_output_failed", "not as `response_format` says", param="response_format"
        ).info
        (found,) = events(self.writer.stamp(self.writer.failed(failure)))
        error = found["response"]["error"]
        self.assertEqual((error["param"], error["message"]), ("text.format", "not as `text.format` says"))

    def test_failure_in_an_item(self) -> None:
        """It stays in the response, incomplete, with what was told of it; what was closed before stays complete."""
        writer = self.writer
        failure = GatewayError("provider_error", "it broke").info
        self.say("half")
        (found,) = events(writer.stamp(writer.failed(failure)))
        (item,) = checked(found["response"])["output"]
        self.assertEqual((item["content"][0]["text"], item["status"]), ("half", "incomplete"))
        writer.tool_call(0, "c1", "f")
        writer.arguments(0, '{"a"')
        writer.tool_call(1, "c2", "f")
        (found,) = events(writer.stamp(writer.failed(failure)))
        message, call = checked(found["response"])["output"]
        self.assertEqual((message["status"], call["status"], call["arguments"]), ("completed", "incomplete", '{"a"'))

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

    def test_cut_beside_a_whole_call(self) -> None:
        """A call that was told whole is not to be done either, and the response says so in the end."""
        half = ToolCall(id="c2", name="g", arguments='{"a')
        ended = result(payloads=("x",), finish_reason="length", cut_calls=(CALL, half))
        writer = self.writer
        found = self.stamped(
            writer.opened(),
            self.say("x"),
            *(part for at, call in enumerate((CALL, half)) for part in self.called(at, call)),
            writer.finish(ended),
        )
        done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
        self.assertEqual([item["status"] for item in done], ["completed", "completed", "incomplete"])
        output = found[-1]["response"]["output"]
        self.assertEqual([item["status"] for item in output], ["completed", "incomplete", "incomplete"])
        self.assertEqual(output[1:], json.loads(response(tools=[TOOL]).whole(ended))["output"][1:])

    def test_refusal_while_a_call_is_open(self) -> None:
        """Waits for its end, and is a refusal still."""
        writer = self.writer
        frames = [writer.opened(), writer.tool_call(0, "c1", "f"), writer.aside(TextDelta(text="no", refusal=True))]
        self.assertEqual(frames[-1], b"")
        frames += (self.say("but"), writer.arguments(0, '{"a":1}'), writer.aside(TextDelta(text="pe", refusal=True)))
        ended = result(payloads=("nobutpe",), refusal=True, answered="but", declined="nope", tool_calls=(CALL,))
        found = self.stamped(*frames, writer.finish(ended))
        self.assertEqual([event["delta"] for event in found if "delta" in event], ['{"a":1}', "no", "but", "pe"])
        message = found[-1]["response"]["output"][1]
        self.assertEqual([part.get("text", part.get("refusal")) for part in message["content"]], ["nope", "but"])

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
