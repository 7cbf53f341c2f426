# -*- test-case-name: tests.wire.test_sse -*-
"""The reader of server-sent events, against the rules of WHATWG HTML and against networks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.wire.sse import SseDecoder

STREAM = (
    '\ufeffdata: {"a":1}\r\n\r\n: ping\ndata: zw\u00f6lf \u2028\x85\ndata:two\n\nid: 3\nevent: x\rdata\r\r'
    "data: [DONE]\n\n"
)
PAYLOADS = [b'{"a":1}', "zw\u00f6lf \u2028\x85\ntwo".encode(), b"", b"[DONE]"]


def decode(*pieces: bytes) -> list[bytes]:
    """Everything that a stream in these pieces holds."""
    decoder = SseDecoder()
    return [payload for piece in pieces for payload in decoder.feed(piece)] + decoder.finish()


class SseDecoderTests(SynchronousTestCase):
    """L{SseDecoder}."""

    def test_whole(self) -> None:
        """BOM, comments, other fields, all line ends, several data lines, an empty one; odd separators are text."""
        self.assertEqual(decode(STREAM.encode()), PAYLOADS)

    def test_split_at_every_byte(self) -> None:
        """Where the network cuts makes no difference, within characters and line ends too."""
        raw = STREAM.encode()
        for cut in range(len(raw) + 1):
            self.assertEqual(decode(raw[:cut], raw[cut:]), PAYLOADS, cut)
        self.assertEqual(decode(*(raw[i : i + 1] for i in range(len(raw)))), PAYLOADS)

    @given(st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1), max_size=5), st.data())
    def test_any_payloads_any_cuts(self, texts: list[str], data: st.DataObject) -> None:
        """What was sent comes out, however it was cut and with whichever line end."""
        end = data.draw(st.sampled_from(["\n", "\r", "\r\n"]))
        raw = "".join(f"data: {text}{end}{end}" for text in texts).encode("utf-8", "surrogatepass")
        cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=4)))
        pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        self.assertEqual(decode(*pieces), [text.encode("utf-8", "surrogatepass") for text in texts])

    def test_fast_path_agrees(self) -> None:
        """Once whole events come in whole reads, odd ones among them are still read by the rules."""
        decoder = SseDecoder()
        decoder.feed(b"data: 0\n\n")
        self.assertEqual(
            decoder.feed(b"data: 1\n\n: note\n\ndata:2\ndata: 3\n\nevent: x\ndata: 4\n\n\n\ndata: 5\n\n"),
            [b"1", b"2\n3", b"4", b"5"],
        )

    def test_events_leave_as_they_complete(self) -> None:
        """An event is given out by the very read that completes it."""
        decoder = SseDecoder()
        self.assertEqual(decoder.feed(b"data: one\n"), [])
        self.assertEqual(decoder.feed(b"\ndata: two"), [b"one"])
        self.assertEqual(decoder.feed(b"\n\n"), [b"two"])

    def test_missing_last_blank_line(self) -> None:
        """A server that closes right after its last line has said that line."""
        self.assertEqual(decode(b"data: [DONE]"), [b"[DONE]"])
        self.assertEqual(decode(b"data: a\n\ndata: [DONE]\n"), [b"a", b"[DONE]"])
        self.assertEqual(decode(b""), [])

    def test_bound(self) -> None:
        """An event without end does not fill the memory, be it one line, many lines or a comment."""
        for piece in (b"data: xxxxxxxx", b"data: xxxxxxxx\n", b": xxxxxxxxxxxx"):
            decoder = SseDecoder(max_event_bytes=100)
            with self.assertRaises(GatewayError) as caught:
                for _ in range(20):
                    decoder.feed(piece)
            self.assertEqual(caught.exception.info.code, "provider_error")

    def test_bound_is_for_each_event(self) -> None:
        """Any number of events below the bound pass, cut or not."""
        decoder = SseDecoder(max_event_bytes=100)
        for _ in range(50):
            self.assertEqual(decoder.feed(b"data: " + b"x" * 80) + decoder.feed(b"\n\n"), [b"x" * 80])
        self.assertEqual(len(decoder.feed(b"data: 0123456789\n\n" * 50)), 50)
        self.assertEqual(decoder.feed(b"data: " + b"x" * 60) + decoder.finish(), [b"x" * 60])
