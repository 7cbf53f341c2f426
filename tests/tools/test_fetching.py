# -*- test-case-name: tests.tools.test_fetching -*-
"""URLs of strangers: where a fetch may go, and that it goes nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate, CertificateOptions, KeyPair, PrivateCertificate, optionsForClientTLS
from twisted.internet.task import LoopingCall
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from openclaw_tx.errors import FetchFailed
from openclaw_tx.testing.network import MemoryEndpoint
from openclaw_tx.tools.addresses import literal, not_public, system_resolver
from openclaw_tx.tools.fetching import UrlFetcher, checked_url
from openclaw_tx.values import Fetched, FetchLimits

PUBLIC = "93.184.216.34"
OTHER = "2606:2800:220:1::1"


OURS = """
127.0.0.1 127.8.8.8 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200 168.63.129.16
192.0.0.192 192.88.99.1 198.18.0.1 192.0.2.1 224.0.0.1 240.0.0.1 255.255.255.255
::1 :: ::7f00:1 ::ffff:127.0.0.1 ::ffff:a9fe:a9fe 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::808:808 2002:7f00:1::
::ffff:0:7f00:1 ::ffff:0:a9fe:a9fe
2001:0:0:0:0:0:80ff:fffe fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fec0::1 ff02::1 2001:db8::1 2001:2::1 3fff::1
2606:2800::5efe:7f00:1 x 1.2.3
"""
"""Addresses of this machine, its networks, its cloud, of everybody at once and of nobody."""

LOOPBACK = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.01", "127.0.0.1."]


class Pages(Resource):
    """A web site that does what its paths say.

    @ivar asked: host header and path of each request.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self.headers: list[set[str]] = []
        self.hung_up = 0

    def render_POST(self, request: Request) -> Any:
        """Takes what comes, but where it says to go elsewhere."""
        assert request.content is not None
        self.asked.append((request.getHeader("host") or "", request.content.read().decode()))
        self.headers.append({name.decode().lower() for name, _ in request.requestHeaders.getAllRawHeaders()})
        if request.path == b"/never":
            return NOT_DONE_YET
        request.setResponseCode(302 if request.path == b"/to" else 201)
        request.setHeader("location", "http://127.0.0.1/")
        return b"x" * 200_000

    def render_GET(self, request: Request) -> Any:
        """One page."""
        path = request.uri.decode()
        self.asked.append((request.getHeader("host") or "", path))
        self.headers.append({name.decode().lower() for name, _ in request.requestHeaders.getAllRawHeaders()})
        if path.startswith("/to?"):
            request.setResponseCode(302)
            request.setHeader("location", path[4:])
            return b""
        if path == "/to-bytes":
            request.setResponseCode(302)
            request.setHeader(b"location", b"/stra\xdfe?\xc3\xbc")
            return b""
        if path == "/to-none":
            request.setResponseCode(302)
            request.setHeader(b"location", b"http://[::1/")
            return b""
        if path == "/kind":
            request.setHeader(b"content-type", b"text/\xe4; charset=\xff")
            return b"text"
        if path == "/loop":
            request.redirect(b"/loop")
            return b""
        if path == "/large":
            return b"x" * 1001
        if path.startswith("/never"):
            request.notifyFinish().addErrback(lambda _: setattr(self, "hung_up", self.hung_up + 1))
            if path == "/never/body":
                request.write(b"begun")
            elif path == "/never/head":
                for number in range(2000):
                    request.setHeader(f"x-{number}", "x" * 1000)
                request.write(b"begun")
            elif path == "/never/ending":
                for _ in range(11):
                    request.write(b"x" * 100)
            return NOT_DONE_YET
        if path == "/none":
            request.setResponseCode(404)
            return b"nothing"
        request.setHeader("content-type", "Image/PNG; charset=x")
        return b"picture"


class Net:
    """Names, addresses, and a site behind each public address.

    @ivar connected: address and port of each connection that was asked for.
    """

    def __init__(self) -> None:
        self.clock: Any = MemoryReactorClock()
        self.pages = Pages()
        self.endpoint = MemoryEndpoint(Site(self.pages, reactor=self.clock))
        self.names: dict[str, Sequence[str]] = {"a.example": [PUBLIC], "b.example": [PUBLIC]}
        self.looked_up: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self.dead: set[str] = set()
        self.fetcher = UrlFetcher(self.clock, resolve=self.resolve, connect=self.connect)

    def resolve(self, name: str) -> Deferred[Sequence[str]]:
        """The name server."""
        self.looked_up.append(name)
        return succeed(self.names.get(name, ()))

    def connect(self, address: str, port: int) -> IStreamClientEndpoint:
        """The network."""
        self.connected.append((address, port))
        return Dead() if address in self.dead else self.endpoint

    def post(self, url: str, *, loopback: bool = False) -> list[Any]:
        """What came of a POST so far."""
        found: list[Any] = []
        work = self.fetcher.post(url, b"body", {"X-Sign": "s"}, timeout_s=5, loopback=loopback)
        self.work = Deferred.fromCoroutine(work)
        self.work.addBoth(found.append)
        self.endpoint.flush()
        return found

    def fetch(self, url: str, **limits: Any) -> list[Any]:
        """What came of a fetch so far."""
        found: list[Any] = []
        self.work = Deferred.fromCoroutine(self.fetcher.fetch(url, FetchLimits(max_bytes=1000, **limits)))
        self.work.addBoth(found.append)
        self.endpoint.flush()
        return found


class Dead:
    """Nobody there."""

    def connect(self, protocolFactory: object) -> Deferred[Any]:
        """Refuse."""
        return fail(ConnectionRefusedError())


class AddressTests(SynchronousTestCase):
    """Public or not."""

    def test_public(self) -> None:
        """Addresses of others."""
        for address in ("8.8.8.8", PUBLIC, OTHER, "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"):
            self.assertEqual(not_public(address), "", address)

    def test_not_public(self) -> None:
        """This machine, its networks, its cloud, everybody at once, nobody; also inside of IPv6."""
        for address in OURS.split():
            self.assertNotEqual(not_public(address), "", address)

    def test_spellings(self) -> None:
        """Every way to write an IPv4 address is that address."""
        for text in LOOPBACK:
            self.assertEqual(literal(text), "127.0.0.1", text)
        self.assertEqual(
            literal("[::FFFF:7f00:1]"), str(ip_address("::ffff:7f00:1"))
        )  # Python 3.13 writes it otherwise
        for name in ("a.example", "127.0.0.1.nip.io", "x", "", "1.2.3.4.5", "gg::1"):
            self.assertEqual(literal(name), "", name)


class UrlTests(SynchronousTestCase):
    """What the text of a URL tells."""

    def refused(self, url: str, words: str, hosts: Sequence[str] = ()) -> None:
        """And why."""
        self.assertIn(words, str(self.assertRaises(FetchFailed, checked_url, url, hosts)), url)

    def test_rebuilt(self) -> None:
        """What is asked for is made of what was checked: plain ASCII, no fragment, no case."""
        for url, rebuilt in (
            ("HTTP://A.Example", "http://a.example/"),
            ("https://a.example:8443/x%2Fy?q=ü&r#f", "https://a.example:8443/x%2Fy?q=%C3%BC&r"),
            ("http://bücher.example/", "http://xn--bcher-kva.example/"),
            ("http://a\u3002example./", "http://a.example/"),
        ):
            self.assertEqual(checked_url(url).url, rebuilt)
        self.assertEqual(checked_url("http://\uff11\uff12\uff17.0.0.1/").host, "127.0.0.1")

    def test_refused(self) -> None:
        """Other schemes, users, tricks with separators, local names."""
        for url in ("", "x", "//a.example", "file:///etc/passwd", "ftp://a.example", "gopher://a.example", "data:,x"):
            self.refused(url, "not a URL")
        for url in ("http://a.example@127.0.0.1/", "http://u:p@a.example/", "http://@a.example/"):
            self.refused(url, "a user")
        for url in (
            "http://a.example\\@x/",
            "http://a.example /",
            "http://a.example/\r\nHost: x",
            "http://a\x7f.example",
        ):
            self.refused(url, "not a URL")
        for url in ("http://", "http:///x", "http://a.example:0/", "http://[v1.x]/", "http://a!b.example/"):
            self.assertRaises(FetchFailed, checked_url, url)
        for url in ("http://a.example:99999/", "http://a.example:x/", "http://[::1/"):
            self.refused(url, "not a URL")
        for url in (
            "http://localhost/",
            "http://db/",
            "http://x.localhost/",
            "http://printer.local",
            "http://m.internal/",
        ):
            self.refused(url, "local network")

    def test_hosts(self) -> None:
        """A list of hosts: exact, or below a suffix but not the suffix."""
        hosts = ["Img.Example", "*.cdn.example"]
        for url in ("http://img.example/", "http://IMG.example./", "http://a.cdn.example/", "http://a.b.cdn.example/"):
            checked_url(url, hosts)
        for url in (
            "http://cdn.example/",
            "http://xcdn.example/",
            "http://img.example.evil.example/",
            f"http://{PUBLIC}/",
        ):
            self.refused(url, "list of hosts", hosts)


class FetchTests(SynchronousTestCase):
    """Fetches over a network in memory."""

    def setUp(self) -> None:
        """A network."""
        self.net = Net()
        self.addCleanup(lambda: self.assertEqual(self.net.clock.getDelayedCalls(), []))

    def refused(self, url: str, words: str, **limits: Any) -> None:
        """The fetch fails, and says why."""
        (failure,) = self.net.fetch(url, **limits)
        self.assertIsInstance(failure.value, FetchFailed)
        self.assertIn(words, str(failure.value))

    def test_good(self) -> None:
        """To the address of the name, with the name in the request; no cookies, no credentials, no compression."""
        (fetched,) = self.net.fetch("http://a.example:8080/x?y")
        self.assertEqual(
            fetched,
            Fetched(
                url="http://a.example:8080/x?y", status=200, content_type="image/png", charset="x", body=b"picture"
            ),
        )
        self.assertEqual(self.net.connected, [(PUBLIC, 8080)])
        self.assertEqual(self.net.pages.asked, [("a.example:8080", "/x?y")])
        self.assertEqual(self.net.pages.headers[0] - {"host", "connection"}, {"user-agent", "accept-encoding"})

    def test_any_status(self) -> None:
        """An answer is an answer."""
        (fetched,) = self.net.fetch("http://a.example/none")
        self.assertEqual((fetched.status, fetched.body), (404, b"nothing"))

    def test_private_address(self) -> None:
        """In the URL in any spelling, or behind a name, even if only one of its addresses is."""
        for host in (*LOOPBACK, "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254", "\uff11\uff12\uff17.1"):
            self.refused(f"http://{host}/", "not a public address")
        self.assertEqual(self.net.looked_up, [])
        for addresses in (["10.0.0.1"], [PUBLIC, "127.0.0.1"], ["64:ff9b::7f00:1"], ["fe80::1%eth0"]):
            self.net.names["evil.example"] = addresses
            self.refused("http://evil.example/", "is ")
        self.assertEqual(self.net.connected, [])

    def test_rebinding(self) -> None:
        """A name is looked up once for each hop: what it means a moment later does not count."""
        answers = [[PUBLIC], ["127.0.0.1"]]
        net = self.net
        net.fetcher = UrlFetcher(net.clock, resolve=lambda _: succeed(answers.pop(0)), connect=net.connect)
        (fetched,) = net.fetch("http://a.example/")
        self.assertEqual((fetched.status, len(answers), net.connected), (200, 1, [(PUBLIC, 80)]))

    def test_redirects(self) -> None:
        """Relative and absolute ones are followed; the result says where it came from."""
        (fetched,) = self.net.fetch("http://a.example/to?http://b.example/to?/x")
        self.assertEqual((fetched.status, fetched.url), (200, "http://b.example/x"))
        self.assertEqual([host for host, _ in self.net.pages.asked], ["a.example", "b.example", "b.example"])
        self.assertEqual(self.net.looked_up, ["a.example", "b.example", "b.example"])

    def test_redirects_are_checked(self) -> None:
        """Like the first URL: scheme, user, address, list of hosts."""
        for where, words in (
            ("http://127.0.0.1/", "not a public"),
            ("//0x7f.1/", "not a public"),
            ("http://evil.example/", "not a public"),
            ("file:///etc/passwd", "not a URL of the web"),
            ("http://u@a.example/", "a user"),
            ("http://localhost/", "local network"),
        ):
            self.net.names["evil.example"] = ["169.254.169.254"]
            self.refused(f"http://a.example/to?{where}", words)
        self.refused("http://a.example/to-none", "not a URL")
        self.refused("http://a.example/to?http://b.example/", "list of hosts", hosts=("a.example",))
        self.assertEqual({address for address, _ in self.net.connected}, {PUBLIC})

    def test_bytes(self) -> None:
        """Headers are bytes that need not be UTF-8: a redirect goes where they say, as in a browser."""
        (fetched,) = self.net.fetch("http://a.example/to-bytes")
        self.assertEqual((fetched.url, fetched.body), ("http://a.example/stra%DFe?%C3%BC", b"picture"))
        (fetched,) = self.net.fetch("http://a.example/kind")
        self.assertEqual((fetched.content_type, fetched.charset, fetched.body), ("text/\ufffd", "", b"text"))

    def test_too_many_redirects(self) -> None:
        """Three by default; none at all when so configured."""
        self.refused("http://a.example/loop", "more than 3 redirects", max_redirects=3)
        self.assertEqual(len(self.net.pages.asked), 4)
        self.refused("http://a.example/to?/x", "more than 0", max_redirects=0)

    def test_too_large(self) -> None:
        """Announced or not: no byte more than the limit is kept, and the connection is cut."""
        self.refused("http://a.example/large", "larger than 1000")
        self.refused("http://a.example/never/ending", "larger than 1000")
        self.net.endpoint.flush()
        self.assertEqual(self.net.pages.hung_up, 1)

    def test_cut(self) -> None:
        """Who asks for the beginning only gets just that, announced or not, and the connection is cut."""
        for path in ("/large", "/never/ending"):
            (fetched,) = self.net.fetch(f"http://a.example{path}", cut=True)
            self.assertEqual((fetched.body, fetched.cut), (b"x" * 1000, True), path)
        self.net.endpoint.flush()
        self.assertEqual(self.net.pages.hung_up, 1)
        (fetched,) = self.net.fetch("http://a.example/", cut=True)
        self.assertEqual((fetched.body, fetched.cut), (b"picture", False))

    def test_endless_head(self) -> None:
        """Headers count as well."""
        self.refused("http://a.example/never/head", "no answer")
        self.net.endpoint.flush()
        self.assertEqual(self.net.pages.hung_up, 1)

    def test_timeout(self) -> None:
        """One clock for all of it, whichever part is slow."""
        for path in ("/never", "/never/body"):
            found = self.net.fetch(f"http://a.example{path}", timeout_s=5)
            self.net.clock.advance(4.9)
            self.assertEqual(found, [])
            self.net.clock.advance(0.2)
            self.net.endpoint.flush()
            self.assertIn("longer than 5 s", str(found[0].value))
        self.assertEqual(self.net.pages.hung_up, 2)
        never: Deferred[Sequence[str]] = Deferred()
        self.net.fetcher = UrlFetcher(self.net.clock, resolve=lambda _: never, connect=self.net.connect)
        found = self.net.fetch("http://a.example/", timeout_s=5)
        self.net.clock.advance(6)
        self.assertIn("longer than 5 s", str(found[0].value))

    def test_cancel(self) -> None:
        """T13: whoever asked has gone: the connection is closed at once."""
        for path in ("/never", "/never/body"):
            found = self.net.fetch(f"http://a.example{path}")
            self.net.work.cancel()
            self.net.endpoint.flush()
            self.assertIsInstance(found[0].value, CancelledError)
        self.assertEqual(self.net.pages.hung_up, 2)

    def test_unknown_name(self) -> None:
        """Says so."""
        self.refused("http://nobody.example/", "no address")

    def test_dead_address(self) -> None:
        """The next one is tried, IPv4 first; four at most."""
        self.net.names["a.example"] = [OTHER, PUBLIC]
        self.net.dead = {PUBLIC}
        (fetched,) = self.net.fetch("http://a.example/")
        self.assertEqual((fetched.status, self.net.connected), (200, [(PUBLIC, 80), (OTHER, 80)]))
        self.net.names["a.example"] = [f"8.8.8.{number}" for number in range(9)]
        self.net.dead = set(self.net.names["a.example"])
        self.net.connected.clear()
        self.refused("http://a.example/", "ConnectionRefusedError")
        self.assertEqual(len(self.net.connected), 4)

    def test_system_resolver(self) -> None:
        """The reactor's own, with all the addresses it finds."""
        reactor = Reactor(["1.2.3.4", "5.6.7.8"])
        self.assertEqual(self.successResultOf(system_resolver(reactor)("a.example")), ["1.2.3.4", "5.6.7.8"])
        self.failureResultOf(system_resolver(Reactor([]))("a.example"), FetchFailed)


class Reactor:
    """As much of one as a resolver needs."""

    def __init__(self, addresses: list[str]) -> None:
        self.nameResolver = self
        self._addresses = addresses

    def resolveHostName(self, receiver: Any, name: str) -> None:
        """Answer at once."""
        receiver.resolutionBegan(self)
        for host in self._addresses:
            receiver.addressResolved(type("Address", (), {"host": host}))
        receiver.resolutionComplete()


def certificate(name: str) -> PrivateCertificate:
    """A certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair = KeyPair.load(private, 2)
    return PrivateCertificate.fromCertificateAndKeyPair(
        Certificate.loadPEM(made.public_bytes(serialization.Encoding.PEM)), pair
    )


class TlsTests(TestCase):
    """Over TLS; its buffers need turns of a real reactor, but there is no socket."""

    def fetch(self, served: str, asked: str) -> Deferred[Fetched]:
        """Fetch a page of C{asked} from a server with a certificate for C{served}."""
        net = Net()
        own = certificate(served)
        self.names: list[bytes | None] = []
        options = own.options()
        context = options.getContext()
        context.set_tlsext_servername_callback(lambda connection: self.names.append(connection.get_servername()))
        assert isinstance(options, CertificateOptions)
        net.endpoint = MemoryEndpoint(TLSMemoryBIOFactory(options, False, Site(net.pages, reactor=net.clock)))
        fetcher = UrlFetcher(
            net.clock,
            resolve=net.resolve,
            connect=lambda address, port: net.endpoint,
            context_for=lambda host: optionsForClientTLS(host, trustRoot=Certificate(own.original)),
        )
        pump = LoopingCall(net.endpoint.flush)
        pump.start(0.001)
        self.addCleanup(pump.stop)
        return Deferred.fromCoroutine(fetcher.fetch(f"https://{asked}/x", FetchLimits()))

    async def test_name(self) -> None:
        """The connection goes to an address, but TLS is with the name: in SNI, and in the check of the certificate."""
        fetched = await self.fetch("a.example", "a.example")
        self.assertEqual((fetched.status, self.names), (200, [b"a.example"]))

    async def test_wrong_name(self) -> None:
        """A certificate of somebody else's will not do."""
        await self.assertFailure(self.fetch("b.example", "a.example"), FetchFailed)


class PostTests(SynchronousTestCase):
    """What goes out to URLs of the configuration."""

    def setUp(self) -> None:
        """A net."""
        self.net = Net()
        self.net.names["inside.example"] = ["10.0.0.1"]
        self.net.names["localhost"] = ["127.0.0.1", "::1"]

    def assertNowhere(self, found: list[Any]) -> None:
        """It failed, and nobody was connected to."""
        self.assertIsInstance(found[0].value, FetchFailed)
        self.assertEqual(self.net.connected, [])

    def test_posted(self) -> None:
        """The body arrives; of the answer the status counts, however long it is."""
        self.assertEqual(self.net.post("http://a.example/x"), [201])
        self.assertEqual(self.net.pages.asked, [("a.example", "body")])
        self.assertIn("x-sign", self.net.pages.headers[0])

    def test_redirect(self) -> None:
        """Is not followed."""
        self.assertEqual(self.net.post("http://a.example/to"), [302])
        self.assertEqual(self.net.connected, [(PUBLIC, 80)])

    def test_private(self) -> None:
        """Private addresses are out of bounds, whatever is allowed."""
        for loopback in (False, True):
            for url in ("http://inside.example/", "http://10.0.0.1/", "http://169.254.169.254/", "http://db/"):
                self.assertNowhere(self.net.post(url, loopback=loopback))

    def test_loopback(self) -> None:
        """This machine is not, where it is allowed."""
        for url in ("http://127.0.0.1:81/", "http://localhost:81/", "http://[::1]:81/"):
            self.assertNowhere(self.net.post(url))
        for url in ("http://127.0.0.1:81/", "http://localhost:81/", "http://[::1]:81/"):
            self.assertEqual(self.net.post(url, loopback=True), [201])
        self.assertEqual(self.net.connected, [("127.0.0.1", 81), ("127.0.0.1", 81), ("::1", 81)])

    def test_slow(self) -> None:
        """It takes no longer than is wanted."""
        found = self.net.post("http://a.example/never")
        self.net.clock.advance(6)
        self.assertIsInstance(found[0].value, FetchFailed)
