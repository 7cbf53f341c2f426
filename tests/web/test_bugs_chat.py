# -*- test-case-name: tests.web.test_bugs_chat -*-
"""Bugs that come back in every gateway, through the whole of this one: an HTTP client at one end, at the other a
provider that speaks HTTP as badly as some do.

The numbers are those of the project's list of such bugs. Elsewhere: T15 to T18, T24 and T40 in
tests.web.test_chat_stream (T15, T18 and T26 also in tests.wire.test_openai_chat_render), T25 for our own faults there
and in tests.web.test_resource, T28 for thinking and events in tests.web.test_chat_extras, T32 field by field in
tests.wire.test_openai_chat_fields, T33 for limits of structured output in tests.web.test_chat_extras.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from openclaw_tx.testing import MemoryGateway, MemoryResponse

DONE = "[DONE]"
DROP = "drop the connection"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk of a provider."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def call(index: int | None, call_id: str | None = None, name: str | None = None, arguments: str | None = None) -> Any:
    """A chunk with a piece of a tool call."""
    function = {"name": name, "arguments": arguments}
    return delta(tool_calls=[{"index": index, "id": call_id, "type": "function", "function": function}])


class Provider(Resource):
    """Answers each request with the next of its scripts.

    @ivar scripts: lists of chunks; a string is a C{data:} line as it stands, or L{DROP}.
    @ivar bodies: what was asked.
    @ivar dead: below this path the provider greets and hangs up.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[list[Any]] = []
        self.bodies: list[dict[str, Any]] = []
        self.dead = b"nowhere"

    def render_POST(self, request: Request) -> int:
        """One answer."""
        assert request.content is not None and request.channel is not None
        self.bodies.append(json.loads(request.content.read()))
        request.setHeader("content-type", "text/event-stream")
        for step in [delta(role="assistant"), DROP] if request.path.startswith(self.dead) else self.scripts.pop(0):
            if step == DROP:
                request.channel.forceAbortClient()
                return NOT_DONE_YET
            data = step if isinstance(step, str) else json.dumps(step)
            request.write(f"data: {data}\n\n".encode())
        request.finish()
        return NOT_DONE_YET


class ProvidedGateway(MemoryGateway):
    """A gateway whose providers are all one site, below paths of their own."""

    def __init__(self) -> None:
        self.pumps: list[IOPump] = []
        self.site_of_providers: Site | None = None
        models = [{"id": "m", "input": ["text", "image"]}]
        super().__init__(
            {
                "gateway": {"http": {"endpoints": {"responses": {"enabled": True}}}},
                "agents": {"defaults": {"model": {"primary": "one/m", "fallbacks": ["two/m"]}}},
                "models": {
                    "providers": {
                        name: {"baseUrl": f"http://127.0.0.1:9/{name}", "models": models} for name in ("one", "two")
                    }
                },
            }
        )

    def flush(self) -> None:
        """Carry everything that is on its way; connections to a provider succeed."""
        clients = self.clock.tcpClients
        moved = True
        while moved:
            for _, _, factory, _, _ in clients[len(self.pumps) :]:
                client = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 9))
                assert self.site_of_providers is not None
                server = self.site_of_providers.buildProtocol(IPv4Address("TCP", "127.0.0.1", 5000))
                assert server is not None
                ends = (FakeTransport(server, isServer=True), FakeTransport(client, isServer=False))
                self.pumps.append(connect(server, ends[0], client, ends[1]))
            moved = sum(bool(pump.pump()) for pump in self.pumps) > 0 or len(clients) > len(self.pumps)
        super().flush()


class ChatBugs(SynchronousTestCase):
    """One gateway, two providers."""

    def setUp(self) -> None:
        """Everything in memory."""
        self.gateway = ProvidedGateway()
        self.addCleanup(self.gateway.close)
        self.provider = Provider()
        self.gateway.site_of_providers = Site(self.provider, reactor=self.gateway.clock)

    def ask(self, *chunks: Any, stream: bool = True, **fields: Any) -> MemoryResponse:
        """Ask; the provider answers with these chunks.

        @param fields: C{messages} among them, or a plain question.
        """
        if chunks:
            self.provider.scripts.append(list(chunks))
        body = {"messages": [{"role": "user", "content": "q"}], "stream": stream, **fields}
        response = self.gateway.post("/v1/chat/completions", body)
        self.gateway.flush()
        return response

    def text(self, response: MemoryResponse) -> str:
        """What a stream said."""
        return "".join(choice["delta"].get("content") or "" for choice in self.choices(response))

    def choices(self, response: MemoryResponse) -> list[dict[str, Any]]:
        """All choices of a stream."""
        return [choice for event in response.events() if isinstance(event, dict) for choice in event.get("choices", ())]

    def reasons(self, response: MemoryResponse) -> list[str]:
        """The finish reasons of a stream."""
        return [choice["finish_reason"] for choice in self.choices(response) if choice["finish_reason"] is not None]

    def failed(self, response: MemoryResponse, code: str) -> None:
        """The stream ends with an error: four keys, no finish chunk, the end mark."""
        *_, error, done = response.events()
        self.assertEqual((set(error), set(error["error"])), ({"error"}, {"message", "type", "param", "code"}))
        self.assertEqual((error["error"]["code"], done, self.reasons(response)), (code, DONE, []))

    def test_t19_text_beside_the_end(self) -> None:
        """Text in the chunk that ends the answer, text that begins with C{<}, text before a silent end."""
        response = self.ask(delta(content="<b>"), delta("stop", content="x</b>"), DONE)
        self.assertEqual((self.text(response), self.reasons(response)), ("<b>x</b>", ["stop"]))
        response = self.ask(delta(content="<thin"), delta(content="g>"), delta("stop"), DONE)
        self.assertEqual(self.text(response), "<thing>")

    def test_half_an_emoji(self) -> None:
        """Each half in a chunk of its own, escaped: one character at the client. One that stays alone is U+FFFD."""
        halves = [json.dumps(delta(content=text)) for text in ("x\ud83d", "\ude00y")]
        for stream in (True, False):
            response = self.ask(*halves, delta("stop"), DONE, stream=stream)
            said = self.text(response) if stream else response.json()["choices"][0]["message"]["content"]
            self.assertEqual(said, "x\U0001f600y")
        response = self.ask(halves[0], delta("stop"), DONE)
        self.assertEqual((self.text(response), self.reasons(response)), ("x\ufffd", ["stop"]))

    def test_t20_snapshots(self) -> None:
        """A provider that repeats the whole at the end is not heard twice; repeated equal pieces are."""
        parts = ["The quick brown fox ", "jumps over the lazy dog."]
        chunks = [delta(content=part) for part in parts]
        response = self.ask(*chunks, delta("stop", content="".join(parts)), DONE)
        self.assertEqual(self.text(response), "".join(parts))
        response = self.ask(*[delta(content="ha")] * 3, delta("stop"), DONE)
        self.assertEqual(self.text(response), "hahaha")

    def test_t21_no_fallback_after_text(self) -> None:
        """What one model began no other one finishes: an error frame. Before the first word the next model answers."""
        response = self.ask(delta(content="Once upon"), DROP)
        self.assertEqual(self.text(response), "Once upon")
        self.failed(response, "provider_error")
        self.assertEqual(len(self.provider.bodies), 1)

    def test_t21_fallback_before_text(self) -> None:
        """The greeting of a provider is no word."""
        self.provider.dead = b"/one/"
        response = self.ask(delta(content="two"), delta("stop"), DONE)
        self.gateway.advance(60, steps=60)
        self.assertGreater(len(self.provider.bodies), 1)
        self.assertEqual((self.text(response), self.reasons(response)), ("two", ["stop"]))

    def test_t22_empty_answer(self) -> None:
        """An answer without a word is an error of its own, streamed or not, at once or after a tool."""
        response = self.ask(delta("stop", content=""), DONE, stream=False)
        self.assertEqual((response.code, response.json()["error"]["code"]), (502, "empty_response"))
        self.assertEqual(response.headers["x-should-retry"], "false")
        self.failed(self.ask(delta("stop", content=""), DONE), "empty_response")
        self.provider.scripts = [
            [call(0, "c", "agents_list", "{}"), delta("tool_calls"), DONE],
            [delta(content="\n "), delta("stop"), DONE],
        ]
        self.failed(self.ask(), "empty_response")

    def test_t23_reasoning(self) -> None:
        """An answer given as thinking only is the answer; thinking before an answer is not part of it."""
        response = self.ask(delta(reasoning_content="It is"), delta(reasoning_content=" 4."), delta("stop"), DONE)
        self.assertEqual((self.text(response), self.reasons(response)), ("It is 4.", ["stop"]))
        response = self.ask(delta(content="<thi"), delta(content="nk>secret</think>4"), delta("stop"), DONE)
        self.assertEqual(self.text(response), "4")
        self.assertNotIn("secret", response.text())
        response = self.ask(delta(reasoning="secret"), delta(content="4"), delta("stop"), DONE, stream=False)
        self.assertEqual(response.json()["choices"][0]["message"]["content"], "4")
        self.assertNotIn("secret", response.text())

    def test_t25_death_without_an_end(self) -> None:
        """A provider whose stream just ends has not answered."""
        response = self.ask(delta(content="half an"))
        self.assertEqual(self.text(response), "half an")
        self.failed(response, "provider_error")

    def test_t26_parallel_calls(self) -> None:
        """Two calls whose pieces come by turns, one with no arguments at all: id and name once, arguments that join to
        JSON."""
        response = self.ask(
            call(0, "a", "f", ""),
            call(1, "b", "f", '{"x'),
            call(0, None, None, '{"y": [1'),
            call(1, None, None, '": 2}'),
            call(0, None, None, "]}"),
            call(2, "c", "f"),
            delta("tool_calls"),
            DONE,
            tools=[TOOL],
        )
        pieces = [piece for choice in self.choices(response) for piece in choice["delta"].get("tool_calls", ())]
        heads = [(piece["index"], piece["id"], piece["function"]["name"]) for piece in pieces if "id" in piece]
        self.assertEqual(heads, [(0, "a", "f"), (1, "b", "f"), (2, "c", "f")])
        arguments = ["".join(p["function"]["arguments"] for p in pieces if p["index"] == index) for index in range(3)]
        self.assertEqual([json.loads(text) for text in arguments], [{"y": [1]}, {"x": 2}, {}])
        self.assertEqual(self.reasons(response), ["tool_calls"])

    def test_t27_no_finish_reason(self) -> None:
        """A provider that forgets to say why it stopped: tool calls or text tell."""
        response = self.ask(call(0, "a", "f", "{}"), DONE, tools=[TOOL])
        self.assertEqual(self.reasons(response), ["tool_calls"])
        response = self.ask(call(0, "a", "f", "{}"), DONE, tools=[TOOL], stream=False)
        self.assertEqual(response.json()["choices"][0]["finish_reason"], "tool_calls")
        response = self.ask(call(None, "a", "f", "{}"), delta("stop"), DONE, tools=[TOOL])
        self.assertEqual(self.reasons(response), ["tool_calls"])
        response = self.ask(delta(content="x"), DONE)
        self.assertEqual(self.reasons(response), ["stop"])

    def test_t28_content_is_what_was_said(self) -> None:
        """Tools leave no trace in the text, and what the client sends back reaches the model as it was said."""
        self.provider.scripts = [
            [delta(content="Looking."), call(0, "c", "agents_list", "{}"), delta("tool_calls"), DONE],
            [delta(content="Two agents."), delta("stop"), DONE],
        ]
        said = self.text(self.ask())
        self.assertEqual(said, "Looking.\n\nTwo agents.")
        history = [{"role": "user", "content": "q"}, {"role": "assistant", "content": said}]
        self.ask(delta(content="ok"), delta("stop"), DONE, messages=[*history, {"role": "user", "content": "and?"}])
        self.assertEqual(self.provider.bodies[-1]["messages"][1:], [*history, {"role": "user", "content": "and?"}])

    def test_t32_unknown_fields(self) -> None:
        """Harmless ones pass and go no further; those that would change the answer are refused by name."""
        harmless = {"store": True, "metadata": {"a": "b"}, "service_tier": "flex", "zzz": 1}
        response = self.ask(delta(content="x"), delta("stop"), DONE, stream=False, **harmless)
        self.assertEqual(response.code, 200)
        self.assertEqual(set(harmless) & set(self.provider.bodies[-1]), set())
        for name, value in (("n", 2), ("logprobs", True), ("logit_bias", {"1": 1})):
            error = self.ask(stream=True, **{name: value}).json()["error"]
            self.assertEqual((error["code"], error["param"]), ("unsupported_parameter", name))

    def test_t33_limits(self) -> None:
        """The provider's word on why it stopped is the client's, streamed or not; what was asked for reaches it."""
        for reason in ("length", "stop", "content_filter"):
            asked = {"max_tokens": 5, "stop": ["END"], "temperature": None, "tools": None}
            response = self.ask(delta(content="x"), delta(reason), DONE, **asked)
            self.assertEqual(self.reasons(response), [reason])
            response = self.ask(delta(content="x"), delta(reason), DONE, stream=False, **asked)
            self.assertEqual(response.json()["choices"][0]["finish_reason"], reason)
            body = self.provider.bodies[-1]
            self.assertEqual((body["max_tokens"], body["stop"]), (5, ["END"]))
            self.assertNotIn("temperature", body)
        response = self.ask(delta("content_filter"), DONE)
        self.assertEqual((self.text(response), self.reasons(response)), ("", ["content_filter"]))

    def test_t34_shapes_of_messages(self) -> None:
        """Everything that OpenAI's clients send as content."""
        asks = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]
        self.ask(
            delta(content="x"),
            delta("stop"),
            DONE,
            messages=[
                {"role": "developer", "content": [{"type": "text", "text": "be brief"}]},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": []},
                {"role": "assistant", "content": None, "tool_calls": asks},
                {"role": "tool", "tool_call_id": "c", "content": ""},
                {"role": "assistant", "content": None, "function_call": {"name": "g", "arguments": "{}"}},
                {"role": "function", "name": "g", "content": "old"},
            ],
        )
        system, *rest = self.provider.bodies[-1]["messages"]
        self.assertIn("be brief", system["content"])
        self.assertEqual(
            [(message["role"], message["content"]) for message in rest],
            [("user", "a\nb"), ("assistant", None), ("tool", ""), ("assistant", None), ("tool", "old")],
        )
        self.assertEqual(rest[1]["tool_calls"][0]["function"], {"name": "f", "arguments": "{}"})

    def test_images_of_tools(self) -> None:
        """Providers take no images from tools: they follow as the user's, when all results are there."""
        data = "data:image/png;base64,iVBORw0KGgo="
        asks = [
            {"id": call_id, "type": "function", "function": {"name": "shot", "arguments": "{}"}} for call_id in "cd"
        ]
        picture = {"type": "image_url", "image_url": {"url": data}}
        self.ask(
            delta(content="x"),
            delta("stop"),
            DONE,
            messages=[
                {"role": "user", "content": "look"},
                {"role": "assistant", "content": None, "tool_calls": asks},
                {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "taken"}, picture]},
                {"role": "tool", "tool_call_id": "d", "content": "none"},
            ],
        )
        *_, one, two, shown = self.provider.bodies[-1]["messages"]
        self.assertEqual([message["content"] for message in (one, two)], ["taken", "none"])
        self.assertEqual(shown["role"], "user")
        self.assertEqual(shown["content"][1], picture)
