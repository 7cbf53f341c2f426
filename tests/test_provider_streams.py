# -*- test-case-name: tests.test_provider_streams -*-
"""Streams of model providers that are cut anywhere or never end, and providers whose certificate nobody vouches for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from pathlib import Path
from time import time

from twisted.internet.ssl import PrivateCertificate
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.certificates import generate
from tests.support.house import Heard
from tests.support.provider_network import KIB, MIB, SPEECHES, WORDS, Network, every
from tests.support.wires import End, Step, chunk, speeches


class CutTests(SynchronousTestCase):
    """The answer, cut at every byte: what a whole event said was said, and nothing else was.

    A client either has the whole answer, or what had come of it and an error; two answers are never glued together.
    """

    def cut(self, api: str, data: bytes, counts: Sequence[int], end: End, stream: bool, start: int = 0) -> None:
        """Cut C{data} at every byte from C{start} on. The next try gets an answer.

        @param counts: how many bytes it takes until each frame of the L{Speech} is one.
        """
        speech = SPEECHES[api]
        network = Network(lambda _: [])
        provider, complete = network.providers[api], False
        try:
            for position in range(start, len(data)):
                short: list[Step] = [data[:position], end]
                provider.fates = [lambda short=short: short, lambda: [*speech.whole(), End.FIN]]  # type: ignore[misc]
                before = provider.tries
                said = "".join(
                    frame.text for frame, needed in zip(speech.frames, counts, strict=True) if needed <= position
                )
                seen = network.ask(api, stream)
                tries = provider.tries - before
                told = (position, data[:position][-60:], seen)
                self.assertTrue(seen.complete, told)
                if not said:
                    self.assertEqual((seen.status, seen.code, seen.text, tries), (200, "", WORDS, 2), told)
                    continue
                self.assertEqual(tries, 1, told)
                if seen.code:
                    self.assertFalse(complete, told)
                    self.assertEqual((seen.code, seen.text), ("provider_error", said if stream else ""), told)
                else:
                    complete = True
                    self.assertEqual((seen.status, seen.text, said), (200, WORDS, WORDS), told)
        finally:
            network.close()
        self.assertTrue(complete)
        self.assertEqual([line.ended for line in provider.lines if not line.ended], [])

    def reset(self, api: str) -> None:
        """A chunked stream, reset; the client reads a stream."""
        speech = SPEECHES[api]
        data, counts = speech.chunked_head, []
        for frame in speech.frames:
            data += chunk(frame.data)
            counts.append(len(data) - 2)
        self.cut(api, data, counts, End.RESET, stream=True)

    def closed(self, api: str) -> None:
        """A stream that ends with its connection, closed in good order, somewhere after its first frame; the client
        waits for the whole answer."""
        speech = SPEECHES[api]
        data, counts = speech.head("Connection: close"), []
        for frame in speech.frames:
            data += frame.data
            counts.append(len(data))
        self.cut(api, data, counts, End.FIN, stream=False, start=counts[0])


class EndlessTests(SynchronousTestCase):
    """Streams that never end, and never stop for long enough to be silent."""

    def endless(self, api: str, *steps: Iterable[Step]) -> Heard:
        """What a client sees of it as a stream; nobody is connected afterwards."""
        network = Network(lambda speech: [lambda: chain(speech.cut(), *steps)])
        try:
            seen = network.ask(api, stream=True)
            network.house.advance(1)
            self.assertEqual([line.ended for line in network.providers[api].lines], ["client"])
        finally:
            network.close()
        return seen

    def test_nothing(self) -> None:
        """Comments and blank lines may come for as long as a run may take, but no more than 256 MiB of them."""
        for api, filler in (("openai-completions", b": " + b"x" * MIB + b"\n"), ("ollama", b" " * MIB + b"\n")):
            seen = self.endless(api, repeat(chunk(filler), 300))
            self.assertEqual((seen.code, seen.text, seen.complete), ("provider_error", "Hel", True))
            self.assertIn("larger than allowed", seen.message)
            seen = self.endless(api, every(5, chunk(b"\n")))
            self.assertEqual((seen.code, seen.text, seen.complete), ("run_timeout", "Hel", True))

    def test_words(self) -> None:
        """A run that says more than 8 Mi characters is stopped; so is one that thinks or asks for more."""
        for api in SPEECHES:
            for kind in ("text", "think", "args"):
                speech = speeches()[api]
                if not speech.says(kind):
                    continue
                begun = speech.say("lookup", "call") if kind == "args" else speech.nothing
                seen = self.endless(api, [chunk(begun)], repeat(chunk(speech.say("x" * 64 * KIB, kind)), 200))
                self.assertEqual((seen.code, seen.complete), ("run_failed", True), (api, kind, seen.message))
                self.assertIn("grew past", seen.message)
                self.assertEqual(len(seen.text) // (64 * KIB), 128 if kind == "text" else 0)


class CertificateTests(SynchronousTestCase):
    """A provider that does speak TLS."""

    def test_unknown(self) -> None:
        """Nobody vouches for its certificate: it is told no word, and the client why."""
        files = [Path(self.mktemp()), Path(self.mktemp())]
        generate(*files, time(), ["127.0.0.1"])
        own = PrivateCertificate.loadPEM(b"".join(each.read_bytes() for each in files))
        network = Network(lambda speech: [speech.whole], secure=True)
        self.addCleanup(network.close)
        for provider in network.providers.values():
            provider.eager = False
            provider.listener = TLSMemoryBIOFactory(own.options(), False, provider)
        for api, provider in network.providers.items():
            for stream in (False, True):
                seen = network.ask(api, stream)
                self.assertEqual((seen.status, seen.code), (200 if stream else 502, "provider_error"))
                self.assertIn("The TLS handshake failed: the server's certificate is not trusted", seen.message)
            self.assertEqual((provider.requests, len(provider.lines)), ([], 6))
            self.assertEqual({line.ended for line in provider.lines}, {"client"})


def _cuts_of(api: str, name: str) -> Callable[[CutTests], None]:
    def test(self: CutTests) -> None:
        getattr(self, name)(api)

    test.__doc__ = f"{api}: {(getattr(CutTests, name).__doc__ or '').lower()}"
    return test


for _api in SPEECHES:
    for _name in ("reset", "closed"):
        setattr(CutTests, f"test_{_name}_{_api.replace('-', '_')}", _cuts_of(_api, _name))
