"""Requests as bytes, good ones and bad ones, and what must come of each."""

from __future__ import annotations

from typing import NamedTuple

from openclaw_tx.testing.gateway import TOKEN

BODY = b'{"messages":[{"role":"user","content":"hi"}]}'
SIZE = len(BODY)


def post(*lines: str, body: bytes = BODY, host: str = "Host: gateway", version: str = "1.1") -> bytes:
    """A chat request with these lines in its head."""
    head = [f"POST /v1/chat/completions HTTP/{version}", host, f"Authorization: Bearer {TOKEN}", *lines, "", ""]
    return (
        "\r\n".join(line for number, line in enumerate(head) if line or number > len(head) - 3).encode("latin-1") + body
    )


def get(target: bytes = b"/healthz", *lines: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    """A request without a body."""
    return b"\r\n".join([method + b" " + target + b" HTTP/" + version, b"Host: gateway", *lines, b"", b""])


def chunked(data: bytes) -> bytes:
    """A chat request whose body is exactly this."""
    return post("Transfer-Encoding: chunked", body=data)


class Bad(NamedTuple):
    """Bytes that are no request to be understood in one way."""

    name: str
    data: bytes
    status: int = 400


BAD = (
    # Smuggling: which bytes are the body?
    Bad("length and chunked", post("Transfer-Encoding: chunked", f"Content-Length: {SIZE}", body=b"0\r\n\r\n")),
    Bad("chunked and length", post(f"Content-Length: {SIZE}", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
    Bad("two lengths", post("Content-Length: 0", f"Content-Length: {SIZE}")),
    Bad("the same length twice", post(f"Content-Length: {SIZE}", f"Content-Length: {SIZE}")),
    Bad("a list of lengths", post(f"Content-Length: {SIZE}, {SIZE}")),
    Bad("a length with a sign", post(f"Content-Length: +{SIZE}")),
    Bad("a negative length", post("Content-Length: -1")),
    Bad("a length in hexadecimal", post("Content-Length: 0x10")),
    Bad("a length with an underscore", post("Content-Length: 1_0")),
    Bad("a length in superscript", post("Content-Length: \xb2")),
    Bad("a length of 5000 digits", post(f"Content-Length: {SIZE:05000}")),
    Bad("no length in the length", post("Content-Length:")),
    Bad("a blank before the colon", post(f"Content-Length : {SIZE}")),
    Bad("chunked and more", post("Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n")),
    Bad("chunked twice in a line", post("Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n")),
    Bad("chunked in two lines", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
    Bad("not quite chunked", post("Transfer-Encoding: xchunked", body=b"0\r\n\r\n")),
    Bad("chunked after a control character", post("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n")),
    Bad("gzip", post("Transfer-Encoding: gzip", body=b"0\r\n\r\n")),
    Bad("identity beside a length", post("Transfer-Encoding: identity", f"Content-Length: {SIZE}")),
    Bad("chunked in HTTP/1.0", post("Transfer-Encoding: chunked", body=b"0\r\n\r\n", version="1.0")),
    # Chunks
    Bad("a chunk size with a sign", chunked(b"+5\r\nhello\r\n0\r\n\r\n")),
    Bad("a negative chunk size", chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
    Bad("a chunk size with a prefix", chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    Bad("a chunk size with a blank", chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    Bad("a chunk size that is none", chunked(b"zz\r\nhello\r\n0\r\n\r\n")),
    Bad("no chunk size", chunked(b"\r\nhello\r\n0\r\n\r\n")),
    Bad("a chunk size of 2000 digits", chunked(b"0" * 2000 + b"5\r\nhello\r\n0\r\n\r\n")),
    Bad("a chunk that goes on", chunked(b"5\r\nhelloXX0\r\n\r\n")),
    Bad("a chunk size that ends with LF", chunked(b"5\nhello\r\n0\r\n\r\n")),
    Bad("a chunk extension with LF", chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n")),
    Bad("a chunk extension of 2000 bytes", chunked(b"5;" + b"a" * 2000 + b"\r\nhello\r\n0\r\n\r\n")),
    Bad("trailers without end", chunked(b"0\r\n" + b"X: y\r\n" * 20_000)),
    # Hosts and targets: who is asked for what?
    Bad("no host", post(f"Content-Length: {SIZE}", host="")),
    Bad("two hosts", post(f"Content-Length: {SIZE}", "Host: other")),
    Bad("the same host twice", post(f"Content-Length: {SIZE}", "Host: gateway")),
    Bad("a list of hosts", post(f"Content-Length: {SIZE}", host="Host: a, b")),
    Bad("a host with a path", post(f"Content-Length: {SIZE}", host="Host: a/b")),
    Bad("a host with a user", post(f"Content-Length: {SIZE}", host="Host: a@b")),
    Bad("a port that is none", post(f"Content-Length: {SIZE}", host="Host: a:b")),
    Bad("a target without a slash", get(b"xhealthz")),
    Bad("another scheme", get(b"ftp://gateway/healthz")),
    Bad("an absolute target without a host", get(b"http:///healthz")),
    Bad("an absolute target with a user", get(b"http://a:b@gateway/healthz")),
    Bad("a star", get(b"*")),
    Bad("a tunnel", get(b"gateway:443", method=b"CONNECT")),
    Bad("NUL in the target", get(b"/heal\0thz")),
    Bad("a byte over 126 in the target", get(b"/\xa0")),
    # Lines
    Bad("a folded line", post(f"Content-Length: {SIZE}", "X-A: b\r\n c")),
    Bad("a folded length", post(f"Content-Length:\r\n {SIZE}")),
    Bad("a folded encoding", post("Transfer-Encoding:\r\n\tchunked", body=b"0\r\n\r\n")),
    Bad("a blank before the first field", b"GET /healthz HTTP/1.1\r\n X: y\r\nHost: gateway\r\n\r\n"),
    Bad("a blank before the request", b" " + get()),
    Bad("LF alone", get().replace(b"\r\n", b"\n") + b"\r\n"),
    Bad("LF in a field", get(b"/healthz", b"X: y\nZ: z")),
    Bad("CR in a field", get(b"/healthz", b"X: y\rZ: z")),
    Bad("NUL in a field", get(b"/healthz", b"X: y\0")),
    Bad("NUL in a name", get(b"/healthz", b"X\0: y")),
    Bad("a name that is no token", get(b"/healthz", b"X Y: y")),
    Bad("a name beyond ASCII", get(b"/healthz", b"X\xff: y")),
    Bad("no name", get(b"/healthz", b": y")),
    Bad("no colon", get(b"/healthz", b"hello")),
    Bad("tabs in the request line", b"GET\t/healthz\tHTTP/1.1\r\nHost: gateway\r\n\r\n"),
    Bad("two blanks in the request line", b"GET  /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n"),
    Bad("a method that is no token", get(method=b"G(T")),
    Bad("HTTP/0.9", b"GET /healthz\r\n"),
    Bad("HTTP/1.2", get(version=b"1.2")),
    Bad("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Bad("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    Bad("empty lines", b"\r\n" * 5000),
    # Sizes
    Bad("a target of 20 KiB", get(b"/" + b"a" * 20 * 1024), 414),
    Bad("a target without end", b"GET /" + b"a" * 200_000, 414),
    Bad("a field of 20 KiB", get(b"/healthz", b"X: " + b"y" * 20 * 1024), 431),
    Bad("a field without end", b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000, 431),
    Bad("many fields", get(b"/healthz", *[b"X: y"] * 100), 431),
    Bad("100,000 fields", get(b"/healthz", *[b"X: y"] * 100_000), 431),
    Bad("a folded field without end", b"GET / HTTP/1.1\r\nX: y\r\n" + b" y\r\n" * 20_000),
)
"""Each is refused with one answer in JSON, and its connection ends."""


class Odd(NamedTuple):
    """Bytes that are a request, though few would write it so."""

    name: str
    data: bytes
    status: int = 200


ODD = (
    Odd("a plain one", get()),
    Odd("a chunked one", chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (SIZE, BODY))),
    Odd("chunk extensions and trailers", chunked(b"%x;a=b;c\r\n%s\r\n0;d\r\nX: y\r\n\r\n" % (SIZE, BODY))),
    Odd("CHUNKED", post("Transfer-Encoding: CHUNKED", body=b"%X\r\n%s\r\n00\r\n\r\n" % (SIZE, BODY))),
    Odd("a length with zeros", post(f"Content-Length: 000{SIZE}")),
    Odd("a host that is empty", post(f"Content-Length: {SIZE}", host="Host:")),
    Odd("a host with a port", post(f"Content-Length: {SIZE}", host="Host: [::1]:18789")),
    Odd("an absolute target", get(b"http://other/healthz")),
    Odd("an absolute target without a path", get(b"HTTP://other:80")),
    Odd("an absolute target with a query", get(b"http://other?a=b")),
    Odd("an empty line before", b"\r\n" + get()),
    Odd("any expectation", post(f"Content-Length: {SIZE}", "Expect: wonders")),
    Odd("an upgrade to HTTP/2", get(b"/healthz", b"Connection: Upgrade", b"Upgrade: h2c")),
    Odd("everything about the server", get(b"*", method=b"OPTIONS"), 405),
    Odd("a trace", get(method=b"TRACE"), 405),
    Odd("a method in small letters", get(method=b"get"), 405),
    Odd("a method of its own", get(method=b"BREW"), 405),
    Odd("two slashes", get(b"//healthz"), 404),
    Odd("dots", get(b"/v1/../healthz"), 404),
    Odd("a slash that is hidden", get(b"/v1%2fmodels"), 404),
    Odd("a fragment", get(b"/healthz#x"), 404),
    Odd("NUL that is hidden", get(b"/healthz%00"), 404),
)
"""Each is answered, and the next request on its connection is, too."""
