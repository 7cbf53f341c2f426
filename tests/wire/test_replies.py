# -*- test-case-name: tests.wire.test_replies -*-
"""What holds for the readers of every vendor's answers, tried on the streams of their documentation."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import ModelEvent, ReasoningDelta, TextDelta, Usage
from openclaw_tx.wire.replies import MAX_TOOL_CALLS
from openclaw_tx.wire.upstream import UpstreamError
from tests.wire.vendors import READERS, STREAMS, on_the_wire, read, read_events, told_calls

SAID = "Hellö, wörld \U0001f600"
APIS = sorted(READERS)


def texts(events: list[ModelEvent], kind: type[TextDelta] | type[ReasoningDelta] = TextDelta) -> list[str]:
    """The deltas of a kind."""
    return [event.text for event in events if isinstance(event, kind)]


class StreamTests(SynchronousTestCase):
    """The same for all."""

    def test_text(self) -> None:
        """Text as it comes; empty deltas, pings and events that nobody knows say nothing; cached tokens are part of
        the prompt."""
        for api in APIS:
            events, reply = read_events(api, *STREAMS[api]["text"])
            self.assertEqual(texts(events), ["Hellö", ", wörld \U0001f600"], api)
            self.assertEqual(len(events), 2)
            self.assertEqual((reply.text, reply.finish_reason, reply.refusal), (SAID, "stop", False))
            self.assertEqual((reply.usage.prompt_tokens, reply.usage.completion_tokens), (1125, 15), api)
            self.assertEqual(reply.usage.cached_tokens, None if api == "ollama" else 1000, api)
            self.assertEqual(reply.opaque, "")

    def test_tools(self) -> None:
        """Thinking apart from text, calls with their arguments; those without any are told as C{{}}."""
        for api in APIS:
            events, reply = read_events(api, *STREAMS[api]["tools"])
            self.assertEqual("".join(texts(events, ReasoningDelta)), "Two cities, two calls.", api)
            self.assertEqual(reply.reasoning, "Two cities, two calls.")
            one, two = reply.tool_calls
            self.assertEqual((one.name, json.loads(one.arguments)), ("get_weather", {"city": "Paris"}))
            self.assertEqual((two.name, two.arguments), ("get_time", "{}"))
            self.assertEqual(reply.finish_reason, "tool_calls")
            self.assertEqual(reply.usage.completion_tokens, 89, api)
            self.assertEqual(reply.usage.reasoning_tokens, None if api == "ollama" else 30, api)
            self.assertEqual(told_calls(events), list(reply.tool_calls), api)
            self.assertEqual(bool(reply.opaque), api != "ollama")

    def test_one_id_for_two_calls(self) -> None:
        """The second gets an id of its own, in the stream as in the whole."""
        tried = []
        for api in APIS:
            _, reply = read_events(api, *STREAMS[api]["tools"])
            one, two = reply.tool_calls
            text = json.dumps(STREAMS[api]["tools"])
            if two.id not in text:
                continue
            tried.append(api)
            events, reply = read_events(api, *json.loads(text.replace(two.id, one.id)))
            again, other = reply.tool_calls
            self.assertEqual(again, one, api)
            self.assertEqual((other.name, other.arguments), (two.name, two.arguments))
            self.assertNotIn(other.id, ("", one.id))
            self.assertEqual(told_calls(events), [again, other])
        self.assertIn("anthropic-messages", tried)
        self.assertIn("openai-responses", tried)

    @given(st.sampled_from(APIS), st.sampled_from(("text", "tools")), st.sampled_from(("\n", "\r\n")), st.data())
    def test_any_split(self, api: str, kind: str, end: str, data: st.DataObject) -> None:
        """Wherever the network cuts the bytes, and whatever ends the lines, the same events come out."""
        sent = on_the_wire(api, STREAMS[api][kind], end)
        cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=12)))
        pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
        self.assertEqual(read(api, *pieces), read_events(api, *STREAMS[api][kind]))

    def test_byte_by_byte(self) -> None:
        """The worst of all splits."""
        for api in APIS:
            for kind in ("text", "tools"):
                sent = on_the_wire(api, STREAMS[api][kind])
                pieces = [sent[place : place + 1] for place in range(len(sent))]
                self.assertEqual(read(api, *pieces), read(api, sent))

    def test_cut_off(self) -> None:
        """Wherever a stream ends before the event that ends it, that is an error, not an end."""
        for api in APIS:
            for kind in ("text", "tools"):
                stream = STREAMS[api][kind]
                # With Anthropic the reason comes an event before the end, and is as good as that.
                whole = len(stream) - (1 if api == "anthropic-messages" else 0)
                for length in range(whole):
                    error = self.assertRaises(UpstreamError, read_events, api, *stream[:length])
                    self.assertIn("broke off", error.message)
                self.assertEqual(read_events(api, *stream[:whole])[1], read_events(api, *stream)[1])

    def test_halves_of_characters(self) -> None:
        """A character that was cut in two is put together again; half a one is U+FFFD. So are those in thinking, in
        arguments, and in whatever else is kept."""
        streams: dict[str, list[str]] = {
            "anthropic-messages": [
                r'{"type":"content_block_start","index":0,"content_block":{"type":"thinking"}}',
                r'{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a\ud83d"}}',
                r'{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"\ude00"}}',
                r'{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"\ud83d"}}',
                r'{"type":"content_block_stop","index":0}',
                r'{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"x\ud83d"}}',
                r'{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\ude00y\ud83d"}}',
                r'{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"\ud83d","name":"f"}}',
                r'{"type":"content_block_delta","index":2,"delta":{"partial_json":"{\"a\":\"\ud83d"}}',
                r'{"type":"content_block_delta","index":2,"delta":{"partial_json":"\ude00\"}"}}',
                r'{"type":"content_block_stop","index":2}',
                r'{"type":"message_stop"}',
            ],
            "openai-responses": [
                r'{"type":"response.reasoning_text.delta","output_index":0,"delta":"a\ud83d"}',
                r'{"type":"response.reasoning_text.delta","output_index":0,"delta":"\ude00"}',
                r'{"type":"response.output_text.delta","output_index":1,"delta":"x\ud83d"}',
                r'{"type":"response.output_text.delta","output_index":1,"delta":"\ude00y\ud83d"}',
                r'{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call",'
                r'"call_id":"\ud83d","name":"f"}}',
                r'{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"a\":\"\ud83d"}',
                r'{"type":"response.function_call_arguments.delta","output_index":2,"delta":"\ude00"}',
                r'{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call",'
                r'"call_id":"\ud83d","name":"f","arguments":"{\"a\":\"\ud83d\ude00\"}"}}',
                r'{"type":"response.completed","response":{}}',
            ],
            "google-generative-ai": [
                r'{"candidates":[{"content":{"parts":[{"thought":true,"text":"a\ud83d"},{"text":"x\ud83d"}]}}]}',
                r'{"candidates":[{"content":{"parts":[{"thought":true,"text":"\ude00"},{"text":"\ude00y\ud83d"}]}}]}',
                r'{"candidates":[{"content":{"parts":[{"functionCall":{"id":"\ud83d","name":"f",'
                r'"args":{"a":"\ud83d\ude00"}}}]},"finishReason":"STOP"}],"usageMetadata":{"x\ud83d":1}}',
            ],
            "ollama": [
                r'{"message":{"thinking":"a\ud83d","content":"x\ud83d"}}',
                r'{"message":{"thinking":"\ude00","content":"\ude00y\ud83d"}}',
                r'{"message":{"tool_calls":[{"id":"\ud83d","function":{"name":"f","arguments":'
                r'{"a":"\ud83d\ude00"}}}]},"done":true,"x":"\ud83d"}',
            ],
        }
        for api in APIS:
            lines = [line if api == "ollama" else f"data: {line}\n" for line in streams[api]]
            events, reply = read(api, *[f"{line}\n".encode() for line in lines])
            self.assertEqual((reply.text, reply.reasoning), ("x\U0001f600y\ufffd", "a\U0001f600"), api)
            self.assertEqual("".join(texts(events)), reply.text, api)
            (call,) = reply.tool_calls
            self.assertEqual((call.id, json.loads(call.arguments)), ("\ufffd", {"a": "\U0001f600"}), api)
            self.assertEqual(told_calls(events), [call], api)
            reply.opaque.encode()
            self.assertEqual("\U0001f600" in reply.opaque, api == "anthropic-messages")

    def test_call_cut_short(self) -> None:
        """The limit, or a filter, in the middle of a call: it stays as it came, and nothing is made up."""
        for half in ("", '{"ci'):
            item = {"type": "function_call", "id": "i", "call_id": "c", "name": "f", "arguments": ""}
            place = {"output_index": 0, "item": item}
            grown = {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": half}
            block = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
            piece = {"type": "input_json_delta", "partial_json": half}
            for reason, wanted in (("max_output_tokens", "length"), ("content_filter", "content_filter")):
                ended: dict[str, object] = {"status": "incomplete", "incomplete_details": {"reason": reason}}
                ended["output"] = [{**item, "arguments": half}]
                stop = "max_tokens" if wanted == "length" else "refusal"
                for api, stream in {
                    "openai-responses": [
                        {"type": "response.output_item.added", **place},
                        grown,
                        {"type": "response.incomplete", "response": ended},
                    ],
                    "anthropic-messages": [
                        {"type": "content_block_start", "index": 0, "content_block": block},
                        {"type": "content_block_delta", "index": 0, "delta": piece},
                        {"type": "content_block_stop", "index": 0},
                        {"type": "message_delta", "delta": {"stop_reason": stop}},
                        {"type": "message_stop"},
                    ],
                }.items():
                    events, reply = read_events(api, *stream)
                    (call,) = reply.tool_calls
                    self.assertEqual((reply.finish_reason, call.name, call.arguments), (wanted, "f", half), api)
                    self.assertEqual(told_calls(events), [call], api)

    def test_no_arguments(self) -> None:
        """A call that the model ended without any has the empty object."""
        for api, stream in {
            "ollama": [{"message": {"tool_calls": [{"function": {"name": "f"}}]}}, {"done": True}],
            "anthropic-messages": [
                {"type": "content_block_start", "content_block": {"type": "tool_use", "id": "c", "name": "f"}},
                {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
            ],
        }.items():
            events, reply = read_events(api, *stream)
            self.assertEqual((reply.tool_calls[0].arguments, told_calls(events)[0].arguments), ("{}", "{}"), api)

    def test_unreadable(self) -> None:
        """Broken JSON, wrong types, invalid UTF-8 and deep nesting are errors of the provider, said in our words."""
        deep = b'{"error":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        wrong = b'{"index":"x","output_index":"x","candidates":3,"message":3}'
        for api in APIS:
            for payload in (b"{", b"[1]", b'"x"', b'{"type":5,"candidates":3,"done":"x"}', b"\xff", deep, wrong):
                sent = payload + b"\n" if api == "ollama" else b"data: " + payload + b"\n\n"
                error = self.assertRaises(UpstreamError, read, api, sent)
                self.assertIn("can not be read", error.message, (api, payload[:20]))

    def test_page_of_html(self) -> None:
        """What is no stream at all is not taken for an empty answer."""
        for api in APIS:
            for page in (b"", b"<html>\n<body>502</body>\n</html>\n"):
                self.assertRaises(UpstreamError, read, api, page)

    def test_huge_event(self) -> None:
        """One that does not end is given up, and what it holds is bounded."""
        for api in APIS:
            error = self.assertRaises(GatewayError, read, api, *[b"data: " + b"x" * 1024 * 1024] * 10)
            self.assertEqual(error.info.code, "provider_error")

    def test_too_many_calls(self) -> None:
        """A model that calls without end is stopped."""
        call = {"name": "f", "args": {}}
        chunk = {"candidates": [{"content": {"parts": [{"functionCall": call}] * (MAX_TOOL_CALLS + 1)}}]}
        self.assertRaises(UpstreamError, read_events, "google-generative-ai", chunk)

    def test_nothing_counts_after_the_end(self) -> None:
        """What follows the last event is not read."""
        for api in ("anthropic-messages", "openai-responses", "ollama"):
            sent = on_the_wire(api, STREAMS[api]["text"])
            self.assertEqual(read(api, sent + b"data: {\n\n")[1].text, SAID)

    def test_usage_unknown(self) -> None:
        """What nobody counted is unknown, not 0."""
        for api, stream in {
            "anthropic-messages": [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}],
            "openai-responses": [{"type": "response.completed", "response": {"status": "completed"}}],
            "google-generative-ai": [{"candidates": [{"finishReason": "STOP"}], "usageMetadata": {}}],
            "ollama": [{"done": True}],
        }.items():
            self.assertEqual(read_events(api, *stream)[1].usage, Usage(), api)
