# -*- test-case-name: tests.wire.test_frames -*-
"""The frame codec: what is refused and in which words, and that no input makes it fail otherwise."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.frames import (
    MAX_HEAD,
    BadFrame,
    Failure,
    NonEmpty,
    NotJSON,
    decode_params,
    decode_request,
    event_body,
    failure_of,
    numbered,
    refusal,
    response,
    unnumbered,
)


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A nested object."""

    tags: list[NonEmpty] = []


class Sample(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Params with one of each kind."""

    run_id: NonEmpty
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    ratio: float = 0.5
    yes: bool = False
    inner: Inner = msgspec.field(default_factory=Inner)
    names: dict[str, str] = {}
    title: Annotated[str, Meta(pattern=r"\S")] = "x"
    digits: Annotated[str, Meta(pattern=r"^\d+$")] = "0"


def why(data: bytes) -> BadFrame:
    """The refusal of a frame."""
    try:
        decode_request(data)
    except BadFrame as error:
        return error
    raise AssertionError("accepted")


class RequestTests(SynchronousTestCase):
    """L{decode_request}."""

    def test_request(self) -> None:
        """A request, with params left as they are; the optional properties of the newer protocol are known."""
        request = decode_request(
            b'{"type":"req","id":"7","method":"m","params":{"a":[1,2]},"traceparent":"00-ab","expectedProfileId":"p"}'
        )
        self.assertEqual((request.id, request.method, bytes(request.params)), ("7", "m", b'{"a":[1,2]}'))

    def test_params_may_be_absent(self) -> None:
        """A request without params decodes as one with an empty object."""
        request = decode_request(b'{"type":"req","id":"7","method":"m"}')
        self.assertEqual(decode_params(Inner, request.params, "m"), Inner())

    def test_wrong_frames(self) -> None:
        """Each wrong frame is refused in the words of the wire, under its own id where it has one."""
        cases: list[tuple[bytes, Any, str]] = [
            (b"[1]", "invalid", "must be object"),
            (b"null", "invalid", "must be object"),
            (b'{"type":"req","method":"m"}', "invalid", "must have required property 'id'"),
            (b'{"type":"req","id":5,"method":"m"}', 5, "at /id: must be string"),
            (b'{"type":"req","id":2.5,"method":"m"}', 2.5, "at /id: must be string"),
            (b'{"type":"req","id":true,"method":"m"}', "invalid", "at /id: must be string"),
            (b'{"type":"req","id":"1","method":"m","extra":1}', "1", "at root: unexpected property 'extra'"),
            (b'{"type":"req","id":"1","method":""}', "1", "at /method: must NOT have fewer than 1 characters"),
            (b'{"type":"event","event":"x"}', "invalid", "at /type: must be equal to one of the allowed values"),
            (b'{"type":"req","id":"%b","method":"m"}' % (b"x" * 300), "invalid", "at /id: must NOT have more than 256"),
        ]
        for data, reply_to, reason in cases:
            error = why(data)
            self.assertEqual(error.reply_to, reply_to, data[:60])
            self.assertTrue(error.reason.startswith(reason), (error.reason, reason))

    def test_half_an_emoji(self) -> None:
        """What C{JSON.stringify} makes of a text that was cut in an emoji can be read; so can what else is wrong."""
        frame = (
            rb'{"type":"req","id":"1","method":"m","params":{"runId":"Nice \\ud83d","names":{"\ude00":"\ud83d\ude00"}}}'
        )
        params = decode_params(Sample, decode_request(frame).params, "m")
        self.assertEqual((params.run_id, params.names), ("Nice \\ud83d", {"\ufffd": "\U0001f600"}))
        frame = rb'{"type":"req","id":"1","method":"m","params":{"runId":"Nice \ud83d"}}'
        self.assertEqual(decode_params(Sample, decode_request(frame).params, "m").run_id, "Nice \ufffd")
        self.assertEqual(why(rb'{"type":"req","id":"2","method":"\ud83d","more":1}').reply_to, "2")

    def test_unreadable(self) -> None:
        """What is no JSON, not UTF-8, not a number of JSON, or too deep is told apart from a wrong frame."""
        for data in [
            b"",
            b"not json",
            b"{",
            b'{"type":"req","id":"1","method":"m"} x',
            b'{"type":"req","id":"1","method":"m","params":NaN}',
            b'{"type":"req","id":"1","method":"m","params":-Infinity}',
            b'{"type":"req","id":"\xff","method":"m"}',
        ]:
            self.assertRaises(NotJSON, decode_request, data)

    def test_too_deep(self) -> None:
        """A frame that is too deep to be read is refused under its id, if that stands before what is deep."""
        for deep in (b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 40_000 + b"1" + b"}" * 40_000):
            for data, reply_to in [
                (b'{"type":"req","id":"1","method":"m","params":%b}' % deep, "1"),
                (b' { "type" : "req" , "method" : "\\"id\\":1" , "id" : "x\\u0041" , "params" : %b}' % deep, "xA"),
                (b'{"id":7,"params":%b}' % deep, 7),
                (b'{"method":"m","params":%b,"id":"1"}' % deep, "invalid"),
                (b'{"params":{"id":"no"},"x":%b,"id":"1"}' % deep, "invalid"),
                (b'{"type":"req","id":%b}' % deep, "invalid"),
                (b'{"type":"req","id":null,"params":%b}' % deep, "invalid"),
                (b'{"type":"req","id":"%b","params":%b}' % (b"x" * 257, deep), "invalid"),
                (b'{"type":"%b","id":"1","params":%b}' % (b"x" * MAX_HEAD, deep), "invalid"),
                (b'{"type":"req","id":5,"method":"m","params":%b}' % deep, 5),
                (deep, "invalid"),
            ]:
                error = why(data)
                self.assertEqual(error.reply_to, reply_to, data[:60])
        self.assertEqual(why(b'{"type":"req","id":"1","method":"m","params":%b}' % deep).reason, "nested too deeply")

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """No bytes raise anything but the two refusals."""
        try:
            decode_request(data)
        except (BadFrame, NotJSON):
            pass

    @settings(max_examples=300, deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(["type", "id", "method", "params", "traceparent", "zzz"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("req"),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                max_leaves=8,
            ),
        )
    )
    def test_any_object(self, frame: dict[str, Any]) -> None:
        """An object is a request exactly when its parts have the right types."""
        good = (
            set(frame) <= {"type", "id", "method", "params", "traceparent"}
            and frame.get("type") == "req"
            and isinstance(frame.get("id"), str)
            and 0 < len(frame["id"]) <= 256
            and isinstance(frame.get("method"), str)
            and frame["method"] != ""
            and isinstance(frame.get("traceparent", ""), str)
            and len(frame.get("traceparent", "")) <= 128
        )
        try:
            decode_request(json.dumps(frame).encode())
            accepted = True
        except (BadFrame, NotJSON):
            accepted = False
        self.assertEqual(accepted, good)


class ParamsTests(SynchronousTestCase):
    """L{decode_params}."""

    def test_good(self) -> None:
        """Names are camelCase on the wire."""
        self.assertEqual(decode_params(Sample, b'{"runId":"a","count":3}', "m"), Sample(run_id="a", count=3))

    def test_refusals_name_the_property(self) -> None:
        """Each wrong value is refused with its place and what it should be."""
        cases = {
            b"": "must have required property 'runId'",
            b"null": "must be object",
            b"[]": "must be object",
            b'{"runId":""}': "at /runId: must NOT have fewer than 1 characters",
            b'{"runId":null}': "at /runId: must be string",
            b'{"runId":"a","zz":1}': "at root: unexpected property 'zz'",
            b'{"runId":"a","count":0}': "at /count: must be >= 1",
            b'{"runId":"a","count":10}': "at /count: must be <= 9",
            b'{"runId":"a","count":"1"}': "at /count: must be integer",
            b'{"runId":"a","count":1.5}': "at /count: must be integer",
            b'{"runId":"a","ratio":"x"}': "at /ratio: must be number",
            b'{"runId":"a","yes":1}': "at /yes: must be boolean",
            b'{"runId":"a","inner":[]}': "at /inner: must be object",
            b'{"runId":"a","inner":{"x":1}}': "at /inner: unexpected property 'x'",
            b'{"runId":"a","inner":{"tags":["a",""]}}': "at /inner/tags/1: must NOT have fewer than 1 characters",
            b'{"runId":"a","inner":{"tags":3}}': "at /inner/tags: must be array",
            b'{"runId":"a","names":{"k":3}}': "at /names/*: must be string",
            b'{"runId":"a","title":" "}': "at /title: must NOT be blank",
            b'{"runId":"a","digits":"x"}': r"at /digits: must match '^\\d+$'",
            b'{"runId":"\xff"}': "not readable as JSON",
        }
        for data, reason in cases.items():
            error = self.assertRaises(GatewayError, decode_params, Sample, data, "run.do")
            self.assertEqual(error.info.message, f"invalid run.do params: {reason}")
            self.assertEqual(error.info.code, "invalid_request")

    def test_long_names_are_cut(self) -> None:
        """A property name of a megabyte is not sent back whole."""
        error = self.assertRaises(GatewayError, decode_params, Sample, b'{"%b":1}' % (b"x" * 1_000_000), "m")
        self.assertLess(len(error.info.message), 200)


class EncodingTests(SynchronousTestCase):
    """What goes out."""

    def test_response(self) -> None:
        """A good answer; ids of any kind come back as they are."""
        self.assertEqual(
            json.loads(response(5, {"a": "é"})), {"type": "res", "id": 5, "ok": True, "payload": {"a": "é"}}
        )

    def test_refusal(self) -> None:
        """A refusal has only what is known; the final answer of a failed run has a payload too."""
        plain = json.loads(refusal("1", Failure(code="X", message="no")))
        self.assertEqual(plain, {"type": "res", "id": "1", "ok": False, "error": {"code": "X", "message": "no"}})
        full = json.loads(refusal("1", Failure(code="X", message="no"), {"status": "error"}))
        self.assertEqual(full["payload"], {"status": "error"})

    def test_failure_of(self) -> None:
        """Codes are those of the protocol; what may be retried says so, with the time in milliseconds."""
        full = failure_of(GatewayError("queue_full", "full", retry_after=1.5, details={"k": 1}).info)
        self.assertEqual(
            json.loads(refusal("1", full))["error"],
            {
                "code": "UNAVAILABLE",
                "message": "full",
                "retryable": True,
                "retryAfterMs": 1500,
                "details": {"k": 1},
            },
        )
        final = failure_of(GatewayError("run_failed", "broken").info)
        self.assertEqual(json.loads(refusal("1", final))["error"], {"code": "UNAVAILABLE", "message": "broken"})

    def test_missing_scope(self) -> None:
        """Protocol 3 knows no FORBIDDEN."""
        info = GatewayError("insufficient_scope", "missing scope: x", details={"code": "MISSING_SCOPE"}).info
        self.assertEqual(failure_of(info).code, "FORBIDDEN")
        self.assertEqual(
            json.loads(refusal("1", failure_of(info, modern=False)))["error"],
            {"code": "INVALID_REQUEST", "message": "missing scope: x"},
        )

    def test_events(self) -> None:
        """An event is made once and numbered for each connection."""
        body = event_body("tick", b'{"ts":1}', (2, 3))
        self.assertEqual(
            json.loads(numbered(body, 12)),
            {
                "type": "event",
                "event": "tick",
                "payload": {"ts": 1},
                "stateVersion": {"presence": 2, "health": 3},
                "seq": 12,
            },
        )
        self.assertEqual(
            json.loads(unnumbered(event_body("x", b"null"))), {"type": "event", "event": "x", "payload": None}
        )
