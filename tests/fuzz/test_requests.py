# -*- test-case-name: tests.fuzz.test_requests -*-
"""Bodies and frames of clients: read, or refused by the declared error; what was read means the same when it is
written again, by any writer of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES, GatewayError
from openclaw_tx.wire import (
    approvals,
    frames,
    openai_chat,
    openai_embeddings,
    openai_responses,
    run_events,
    run_request,
    tools_invoke,
)
from openclaw_tx.wire.halves import whole
from openclaw_tx.wire.openai_chat_render import error_body
from openclaw_tx.ws.connect import ConnectParams
from tests.fuzz.limits import bounded, examples
from tests.fuzz.material import documents, repetitions

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
CHAT = {
    "model": "openclaw:main",
    "stream": True,
    "stream_options": {"include_usage": True, "openclaw_events": True},
    "messages": [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "nothing"},
        {"role": "user", "content": "And?"},
    ],
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": False,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
    },
    "max_completion_tokens": 10,
    "max_tokens": 10,
    "temperature": 1,
    "top_p": 0.5,
    "n": 1,
    "seed": 7,
    "stop": ["x"],
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "user": "ada",
    "reasoning_effort": "low",
    "metadata": {"a": "b"},
    "modalities": ["text"],
    "store": True,
}
RESPONSE = {
    "model": "openclaw", "stream": True, "instructions": "Be kind.", "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"},
            {"type": "input_image", "image_url": PIXEL},
            {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}]},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"role": "assistant", "content": "so"}, {"role": "user", "content": "and?"},
    ],
    "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}], "tool_choice": "auto",
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}, "max_output_tokens": 5,
    "previous_response_id": "resp_1", "temperature": 1, "top_p": 1, "metadata": {"a": "b"}, "include": [],
    "reasoning": {"effort": "low"}, "truncation": "disabled", "user": "ada", "store": False,
}  # fmt: skip
EMBEDDING = {"model": "openclaw", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 8, "user": "ada"}
RUN = {"message": "hi", "agent": "main", "session": "desk", "model": "openclaw", "stream": False}
INVOKE = {"tool": "session_status", "args": {"a": 1}, "action": "x", "sessionKey": "main", "agentId": "main"}
CONNECT = {
    "minProtocol": 3, "maxProtocol": 4, "client": {"id": "x", "version": "1", "platform": "p", "mode": "m"},
    "role": "operator", "scopes": ["operator.read"], "caps": ["tool-events"], "commands": [], "permissions": {},
    "device": {"id": "d", "publicKey": "k", "signature": "s", "signedAt": 1, "nonce": "n"}, "auth": {"token": "t"},
    "locale": "en", "userAgent": "x", "pathEnv": "/bin",
}  # fmt: skip
FRAME = {"type": "req", "id": "1", "method": "connect", "params": CONNECT, "traceparent": "00-1-2-01"}

BODIES: dict[Any, list[Any]] = {
    openai_chat.parse: [CHAT, {"messages": [{"role": "user", "content": "hi"}]}],
    openai_responses.parse: [RESPONSE, {"model": "x", "input": "hi"}],
    openai_embeddings.parse: [EMBEDDING, {"model": "x", "input": "hi"}],
    run_request.parse_run: [RUN, CHAT],
    tools_invoke.parse: [INVOKE],
    approvals.parse_answer: [{"decision": "allow-once"}],
}
"""What reads a body, and what it reads."""
JSON_MARKS = '{}[]",:\\0aeE.-+ \n'


class BodyTests(SynchronousTestCase):
    """What is POSTed."""

    def read(self, parse: Callable[[bytes], Any], body: bytes) -> Any:
        """What a body says; None when it was refused as it has to be."""
        with bounded():
            try:
                return parse(body)
            except GatewayError as error:
                self.assertIn(error.info.code, CODES)
                self.assertEqual(set(json.loads(error_body(error.info))["error"]), {"message", "type", "param", "code"})
            except tools_invoke.ToolsInvokeError as error:
                self.assertIs(json.loads(tools_invoke.render_error(error))["ok"], False)
        return None

    def check(self, parse: Callable[[bytes], Any], body: bytes) -> None:
        """The same again, and from the same JSON written by another writer."""
        found = self.read(parse, body)
        if found is None:
            return
        self.assertEqual(parse(body), found)
        again = json.dumps(json.loads(body.strip() or b"{}"), allow_nan=False, ensure_ascii=False, indent=1)
        self.assertEqual(self.read(parse, whole(again).encode("utf-8")), found, body)

    def test_seeds(self) -> None:
        """What the others begin with is read."""
        for parse, seeds in BODIES.items():
            for seed in seeds:
                if (parse, seed) != (run_request.parse_run, CHAT):  # streams, which a run does not
                    self.assertIsNotNone(self.read(parse, json.dumps(seed).encode()), (parse, seed))

    @examples(180)
    @given(st.data(), st.sampled_from(list(BODIES)))
    def test_nearly_right(self, data: st.DataObject, parse: Any) -> None:
        """A good body with something else about it."""
        self.check(parse, data.draw(documents(*BODIES[parse])))

    @examples(20)
    @given(st.sampled_from(list(BODIES)), repetitions(JSON_MARKS))
    def test_long(self, parse: Any, text: str) -> None:
        """The same characters again and again, alone and within a text that is said."""
        self.check(parse, text.encode("utf-8"))
        for seed in BODIES[parse]:
            name = next(iter(seed))
            self.check(parse, json.dumps({**seed, name: text}).encode("utf-8"))


class FrameTests(SynchronousTestCase):
    """What comes over a WebSocket."""

    @examples(110)
    @given(documents(FRAME, {"type": "req", "id": "1", "method": "health"}))
    def test_nearly_right(self, data: bytes) -> None:
        """It is a request that can be written again, no request that can be answered, or no JSON."""
        with bounded():
            try:
                request = frames.decode_request(data)
            except frames.NotJSON:
                return
            except frames.BadFrame as error:
                answer = json.loads(frames.refusal(error.reply_to, frames.Failure(code="X", message=error.reason)))
                self.assertTrue(isinstance(answer["id"], str | int | float), answer)
                return
        if len(memoryview(request.params)):
            self.assertEqual(frames.decode_request(frames.encode(request)), request)
        self.assertLessEqual(len(request.id), frames.MAX_ID)
        # The text of params that nobody has decoded yet may be any bytes.
        self.assertEqual(json.loads(data.decode("utf-8", "replace"))["id"], request.id)

    @examples(110)
    @given(documents(CONNECT))
    def test_connect(self, data: bytes) -> None:
        """What a client says of itself."""
        with bounded():
            try:
                params = frames.decode_params(ConnectParams, data, "connect")
            except GatewayError as error:
                self.assertTrue(error.info.message.startswith("invalid connect params: "))
                self.assertLess(len(error.info.message), 400)
                return
        self.assertEqual(frames.decode_params(ConnectParams, frames.encode(params), "connect"), params)

    @examples(20)
    @given(repetitions(JSON_MARKS))
    def test_long(self, text: str) -> None:
        """Neither long frames nor long names take long."""
        for data in (text.encode(), json.dumps({**FRAME, "method": text, "id": text}).encode()):
            with bounded():
                try:
                    frames.decode_request(data)
                except (frames.NotJSON, frames.BadFrame):
                    pass


class CursorTests(SynchronousTestCase):
    """Where a client says it stands."""

    @examples(35)
    @given(st.none() | st.text(max_size=25), st.none() | st.text(max_size=25) | st.integers(0, 2**70).map(str))
    def test_cursor(self, header: str | None, query: str | None) -> None:
        """A number that was told, or a refusal that names what was wrong."""
        try:
            found = run_events.cursor_of(header, query)
        except GatewayError as error:
            self.assertIn(error.info.param, ("Last-Event-ID", "after"))
        else:
            self.assertEqual(run_events.cursor_of(str(found), None), found)
            self.assertEqual(str(found), (header or query or "0").lstrip("0") or "0")
