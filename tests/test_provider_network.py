# -*- test-case-name: tests.test_provider_network -*-
"""Model providers at their worst, below HTTP and above it: every row of L{ROWS} for every API, streamed and not.

A provider is bytes and times alone (L{tests.support.wires}); between them and the client everything is real, and
nothing here knows how the gateway's own client works. To add a case, add a row. docs/models.md has L{ROWS} as a table.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.error import DNSLookupError
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import CODES
from tests.support.house import Heard
from tests.support.provider_network import KIB, MIB, SILENCE, SPEECHES, WORDS, Network, every
from tests.support.wires import End, Refused, Speech, Step, Steps, chunk

DOCS = Path(__file__).parent.parent / "docs" / "models.md"
HEAD = "| what the provider does | the client gets | in a stream | asked |\n|---|---|---|---|\n"

Play = Callable[[Speech], Iterable[Step]]


class Row(NamedTuple):
    """One thing that a provider does, and what comes of it."""

    name: str
    what: str
    """In words, for the table."""
    play: Play | Refused
    code: str = ""
    """Of the error; "" = the answer."""
    text: str | None = None
    """What a stream has said; None = L{WORDS} for an answer, nothing for an error."""
    late: bool = False
    """The failure shows after the head of a stream went out."""
    tries: int = 1
    words: str = ""
    """What the message says."""
    secure: bool = False
    """The provider's address is https."""
    reused: bool = False
    """Its connection may be used again afterwards."""

    @property
    def said(self) -> str:
        """What a stream has said."""
        return self.text if self.text is not None else "" if self.code else WORDS

    def row(self) -> str:
        """Its row in the table."""
        gets, stream = "the answer", "the same"
        if self.code:
            info = CODES[self.code]
            gets = f"{info.status} `{self.code}`, `x-should-retry: {'true' if info.should_retry else 'false'}`"
            if self.late:
                stream = f"200{', what was said' if self.said else ''}, then an error event"
        times = {0: "not at all", 1: "once"}.get(self.tries, f"{self.tries} times")
        return f"| {self.what} | {gets} | {stream} | {times} |\n"


def bytewise(speech: Speech) -> Iterator[Step]:
    """The whole answer in as many reads as it has bytes."""
    return (bytes((byte,)) for byte in b"".join(speech.whole()))


def slowly(data: bytes, seconds: float) -> Iterator[Step]:
    """Byte by byte, with waits."""
    for byte in data:
        yield bytes((byte,))
        yield seconds


def pieces(data: bytes, size: int = 64 * KIB) -> Iterator[bytes]:
    """What a socket makes of it."""
    return (data[start : start + size] for start in range(0, len(data), size))


def unended(speech: Speech) -> list[bytes]:
    """All of the answer but for the end of the body."""
    return speech.whole()[:-1]


def sized(speech: Speech, more: int = 0) -> bytes:
    """The answer with a Content-Length, which may be wrong."""
    return speech.head(f"Content-Length: {len(speech.body) + more}") + speech.body


def padded(speech: Speech) -> list[bytes]:
    """The answer with 7 MiB of blanks in each of its events of text, as a socket gives them out."""
    whole = speech.whole()
    blanks = b"{" + b" " * 7 * MIB
    body = b"".join(
        chunk(frame.data.replace(b"{", blanks, 1)) if frame.text else chunk(frame.data) for frame in speech.frames
    )
    return [whole[0], *pieces(body), whole[-1]]


def plain(speech: Speech, body: bytes, *headers: str, status: str = "200 OK", type: str = "text/html") -> bytes:
    """An answer that is none of a model."""
    return speech.head(*headers, f"Content-Length: {len(body)}", status=status, type=type) + body


PAGE = b"<!doctype html><html><body>Welcome to the airport. data: free</body></html>"
BOMB = gzip.compress(b"x" * 16 * MIB, mtime=0)
STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhey"
FAILED: dict[str, Any] = {"code": "provider_error", "late": True, "tries": 3}
"""Nothing was said, so it is tried again."""
BROKEN: dict[str, Any] = {"code": "provider_error", "late": True, "text": "Hel"}
"""After the first word it is not."""
SILENT: dict[str, Any] = {"code": "provider_timeout", "late": True, "words": f"No answer within {SILENCE} seconds"}

ANSWERS = (
    Row("whole", "answers", lambda it: it.whole(), reused=True),
    Row("bytewise", "sends its answer one byte at a time", bytewise, reused=True),
    Row("one_read", "sends head, answer and end in one packet", lambda it: [b"".join(it.whole())], reused=True),
    Row("sized", "sends a stream with `Content-Length`", lambda it: [sized(it)], reused=True),
    Row("until_close", "ends its answer by closing", lambda it: [it.head("Connection: close"), it.body, End.FIN]),
    Row("http10", "speaks HTTP/1.0", lambda it: [it.head(version="1.0"), it.body, End.FIN]),
    Row("bare_lf", "ends the lines of its head with LF", lambda it: [sized(it).replace(b"\r\n", b"\n")], reused=True),
    Row(
        "interim",
        "sends 100 and 103 before its answer",
        lambda it: [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", *it.whole()],
        reused=True,
    ),
    Row(
        "extensions",
        "sends chunk extensions and trailers",
        lambda it: [
            it.chunked_head,
            chunk(it.body).replace(b"\r\n", b";a=b;c\r\n", 1),
            b"0;last\r\nX-Checksum: 1\r\n\r\n",
        ],
        reused=True,
    ),
    Row(
        "no_type",
        "names no content type",
        lambda it: [it.head("Transfer-Encoding: chunked", type=""), *it.whole()[1:]],
        reused=True,
    ),
    Row(
        "wrong_type",
        "calls its stream `text/plain`",
        lambda it: [it.head("Transfer-Encoding: chunked", type="text/plain"), *it.whole()[1:]],
        reused=True,
    ),
    Row(
        "json_type",
        "calls its stream `application/json`",
        lambda it: [it.head("Transfer-Encoding: chunked", type="application/json"), *it.whole()[1:]],
        reused=True,
    ),
    Row(
        "slow_head",
        f"takes nearly {SILENCE} s for its head",
        lambda it: [10.0, it.chunked_head[:9], 9.0, it.chunked_head[9:], *it.whole()[1:]],
        reused=True,
    ),
    Row(
        "patience",
        "sends comments or blank lines for minutes before its answer",
        lambda it: [it.chunked_head, *every(10, chunk(it.nothing), 18), *it.whole()[1:]],
        reused=True,
    ),
    Row(
        "slow",
        f"pauses for nearly {SILENCE} s in mid-answer, again and again",
        lambda it: [*(step for part in unended(it) for step in (19.0, part)), b"0\r\n\r\n"],
        reused=True,
    ),
    Row("no_end", "says its last word, but never ends the body", lambda it: unended(it)),
    Row("reset_at_end", "resets the connection after its last word", lambda it: [*unended(it), End.RESET]),
    Row("closed_at_end", "closes the connection after its last word", lambda it: [*unended(it), End.FIN]),
    Row(
        "stray",
        "sends another answer after its own",
        lambda it: [b"".join(it.whole()) + STRAY],
    ),
    Row("late_stray", "sends an answer that nobody asked for, a second later", lambda it: [*it.whole(), 1.0, STRAY]),
    Row(
        "gzip",
        "compresses its answer although nobody asked for it",
        lambda it: [it.head("Content-Encoding: gzip", "Connection: close"), gzip.compress(it.body, mtime=0), End.FIN],
    ),
    Row("large_event", "sends 7 MiB in one event", padded, reused=True),
)

FAILURES = (
    Row("refused", "refuses the connection", Refused(), words="refused", **FAILED),
    Row(
        "no_name", "has a name that nobody knows", Refused(DNSLookupError("x")), words="could not be resolved", **FAILED
    ),
    Row("no_connection", "does not take the connection", Refused(None), **SILENT),
    Row(
        "tls_garbage",
        "answers the TLS handshake with something else",
        lambda it: [PAGE],
        secure=True,
        words="The TLS handshake failed",
        **FAILED,
    ),
    Row("tls_closed", "closes in the TLS handshake", lambda it: [End.FIN], secure=True, **FAILED),
    Row("tls_reset", "resets in the TLS handshake", lambda it: [End.RESET], secure=True, **FAILED),
    Row("tls_silence", "is silent in the TLS handshake", lambda it: [], secure=True, **SILENT),
    Row("closed", "closes without an answer", lambda it: [End.FIN], **FAILED),
    Row("reset", "resets without an answer", lambda it: [End.RESET], **FAILED),
    Row("silence", "never answers", lambda it: [], **SILENT),
    Row("slow_headers", "sends its head a byte every two seconds", lambda it: slowly(it.chunked_head, 2), **SILENT),
    Row("silence_after_head", "sends its head and no more", lambda it: [it.chunked_head], **SILENT),
    Row("silence_in_answer", "falls silent in mid-answer", lambda it: it.cut(), text="Hel", **SILENT),
    Row("reset_in_answer", "resets in mid-answer", lambda it: [*it.cut(), End.RESET], **BROKEN),
    Row("closed_in_answer", "closes in mid-answer", lambda it: [*it.cut(), End.FIN], **BROKEN),
    Row("ended_in_answer", "ends the body in mid-answer", lambda it: [*it.cut(), b"0\r\n\r\n"], **BROKEN, reused=True),
    Row(
        "short",
        "sends less than its `Content-Length`",
        lambda it: [it.head("Content-Length: 9999"), it.nothing, End.FIN],
        **FAILED,
    ),
    Row("not_http", "speaks SSH", lambda it: [b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], **FAILED),
    Row("status_line", "sends a status that is no number", lambda it: [b"HTTP/1.1 okay fine\r\n\r\n"], **FAILED),
    Row(
        "two_lengths",
        "sends two `Content-Length` that differ",
        lambda it: [it.head("Content-Length: 5", "Content-Length: 50") + it.body, End.FIN],
        **FAILED,
    ),
    Row(
        "long_header",
        "sends a line of 1 MiB in its head",
        lambda it: [*pieces(it.head("X-Long: " + "x" * MIB))],
        **FAILED,
    ),
    Row(
        "endless_head",
        "sends 1 MiB of header lines and no end",
        lambda it: [it.head()[:-2], *repeat(b"X-Line: y\r\n" * 6400, 16)],
        **FAILED,
    ),
    Row(
        "endless_interim",
        "sends 20,000 times 100 Continue",
        lambda it: repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 2600, 8),
        **FAILED,
    ),
    Row(
        "upgrade",
        "switches protocols",
        lambda it: [it.head("Upgrade: x", "Connection: upgrade", status="101 Switching Protocols"), b"\0\1"],
        **FAILED,
    ),
    Row("bad_chunk", "sends a chunk size that is none", lambda it: [*it.cut(), b"xyz\r\n"], **BROKEN),
    Row("negative_chunk", "sends a negative chunk size", lambda it: [*it.cut(), b"-5\r\nhello\r\n"], **BROKEN),
    Row(
        "endless_chunk_size",
        "sends a chunk size of 64 KiB of digits",
        lambda it: [*it.cut(), b"0" * 64 * KIB],
        **BROKEN,
    ),
    Row(
        "garbage",
        "sends random bytes",
        lambda it: [it.chunked_head, chunk(bytes(range(256)) * 40), b"0\r\n\r\n"],
        **FAILED,
        reused=True,
    ),
    Row(
        "garbage_event",
        "sends an event that is no JSON",
        lambda it: [*it.cut(), chunk(it.event(b"{nonsense"))],
        **BROKEN,
    ),
    Row(
        "not_utf8",
        "sends an event that is no UTF-8",
        lambda it: [*it.cut(), chunk(it.say("LO").replace(b"LO", b"\xc3("))],
        **BROKEN,
    ),
    Row("deep", "sends 100,000 brackets", lambda it: [*it.cut(), chunk(it.event(b"[" * 100_000))], **BROKEN),
    Row("scalar", "sends an event that is a number", lambda it: [*it.cut(), chunk(it.event(b"42"))], **BROKEN),
    Row(
        "huge_event",
        "sends an event of 10 MiB",
        lambda it: [*it.cut(), *(chunk(part) for part in pieces(it.event(b'"' + b"x" * 10 * MIB + b'"')))],
        words="of more than 8388608 bytes",
        **BROKEN,
    ),
    Row(
        "unended_event",
        "sends one line without end",
        lambda it: [*it.cut(), *repeat(chunk(b"x" * 64 * KIB), 200)],
        words="of more than 8388608 bytes",
        **BROKEN,
    ),
    Row("empty", "sends 200 and no body", lambda it: [it.head("Content-Length: 0")], **FAILED, reused=True),
    Row("no_content", "sends 204", lambda it: [it.head(status="204 No Content", type="")], **FAILED, reused=True),
    Row("page", "sends a web page", lambda it: [plain(it, PAGE)], words="text/html", **FAILED, reused=True),
    Row(
        "wrong_json",
        "sends JSON that is no answer",
        lambda it: [plain(it, b'{"hello":1}', type="application/json")],
        **FAILED,
        reused=True,
    ),
    Row(
        "bad_json",
        "sends half an answer as JSON",
        lambda it: [plain(it, b'{"choices":[{"mess', type="application/json")],
        **FAILED,
        reused=True,
    ),
    Row(
        "gzip_bomb",
        "sends a line of 16 MiB as 16 KiB of gzip",
        lambda it: [it.head("Content-Encoding: gzip", "Connection: close"), BOMB, End.FIN],
        **FAILED,
    ),
    Row(
        "gzip_error",
        "sends an error in gzip",
        lambda it: [
            plain(
                it,
                gzip.compress(b'{"error":{"message":"no"}}', mtime=0),
                "Content-Encoding: gzip",
                status="400 Bad Request",
                type="application/json",
            )
        ],
        code="provider_rejected",
        reused=True,
    ),
    *(
        Row(
            f"redirect_{status}",
            f"redirects ({status})",
            lambda it, status=status: [
                plain(it, b"", "Location: http://127.0.0.1:11/v1/steal", status=f"{status} Elsewhere")
            ],
            words="redirects elsewhere",
            reused=True,
            **FAILED,
        )  # type: ignore[misc]
        for status in (301, 302, 303, 307, 308)
    ),
    Row(
        "early_refusal",
        "refuses before it has read the request, and closes",
        lambda it: [
            plain(it, b'{"error":{"message":"too large"}}', status="413 Too Large", type="application/json"),
            End.FIN,
        ],
        code="provider_rejected",
        words="too large",
    ),
    Row(
        "endless_error",
        "refuses with a page without end",
        lambda it: chain(
            [it.head("Transfer-Encoding: chunked", status="400 Bad Request")], every(0.01, chunk(b"x" * 64 * KIB))
        ),
        code="provider_rejected",
    ),
    Row(
        "hanging_error",
        "refuses, and never ends the page",
        lambda it: [it.head("Content-Length: 99", status="400 Bad Request"), b"because"],
        code="provider_rejected",
        late=True,
    ),
)

ROWS = (*ANSWERS, *FAILURES)


class RowTests(SynchronousTestCase):
    """A test for each of L{ROWS}."""

    def play(self, row: Row) -> None:
        """For every API: at once, as a stream, and once more when the provider has recovered."""
        play = row.play

        def fates(speech: Speech) -> list[Steps | Refused]:
            if isinstance(play, Refused):
                return [play]
            return [lambda: play(speech)]

        network = Network(fates, row.secure)
        try:
            for api in SPEECHES:
                with self.subTest(api=api):
                    self.once(row, network, api)
                    self.stream(row, network, api)
                    self.check_connections(row, network, api)
        finally:
            network.close()
        for provider in network.providers.values():
            self.assertEqual([line.ended for line in provider.lines if not line.ended], [])
        self.assertEqual(network.network.strays, [])

    def once(self, row: Row, network: Network, api: str) -> None:
        """HTTP, the answer as a whole."""
        seen = self.tried(row, network, api, stream=False)
        self.assertEqual((seen.status, seen.code), (CODES[row.code].status if row.code else 200, row.code), seen)
        self.assertEqual(seen.text, "" if row.code else row.said)
        self.assertEqual(seen.should_retry, self.retry(row))

    def stream(self, row: Row, network: Network, api: str) -> None:
        """HTTP, as a stream."""
        seen = self.tried(row, network, api, stream=True)
        self.assertEqual((seen.code, seen.text), (row.code, row.said), seen)
        self.assertEqual(seen.status, CODES[row.code].status if row.code and not row.late else 200)
        self.assertEqual(seen.should_retry, None if row.late else self.retry(row))

    def tried(self, row: Row, network: Network, api: str, stream: bool) -> Heard:
        """What comes of one request, and that it is stored as it was told."""
        provider, user = network.providers[api], f"{row.name}-{api}-{stream}".lower()
        before = provider.tries if not row.secure else len(provider.lines)
        seen = network.ask(api, stream, user)
        after = provider.tries if not row.secure else len(provider.lines)
        self.assertEqual((after - before, seen.complete), (row.tries, True), seen)
        self.assertIn(row.words, seen.message)
        self.assertNotIn("key-of", seen.message)
        self.assertEqual(seen.retry_after is not None, seen.should_retry == "true")
        said, ended = (row.said, "error") if row.code else (WORDS, "stop")
        self.assertEqual(network.house.stored(user), [("user", "hi", ""), ("assistant", said, ended)])
        return seen

    def retry(self, row: Row) -> str | None:
        """C{x-should-retry}."""
        return ("true" if CODES[row.code].should_retry else "false") if row.code else None

    def check_connections(self, row: Row, network: Network, api: str) -> None:
        """A second later there is none but that which may be used again."""
        network.house.advance(2)
        lines = network.providers[api].lines
        self.assertLessEqual(sum(not line.ended for line in lines), int(row.reused))
        if row.reused and not row.code:
            self.assertEqual(len(lines), 1)

    def test_table(self) -> None:
        """docs/models.md says just this."""
        self.assertIn(HEAD + "".join(row.row() for row in ROWS), DOCS.read_text("utf-8"))


def _test_of(row: Row) -> Callable[[RowTests], None]:
    def test(self: RowTests) -> None:
        self.play(row)

    test.__doc__ = f"What comes of it when a provider {row.what}."
    return test


for _row in ROWS:
    setattr(RowTests, f"test_{_row.name}", _test_of(_row))
