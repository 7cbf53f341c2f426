"""Shape of C{gateway}: the listener, who may use it, what it serves (spec 5.4)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from openclaw_tx.config.section import FilePath, NonNegativeInt, PositiveInt, Section, Slug

Scope = Literal[
    "operator.admin",
    "operator.approvals",
    "operator.pairing",
    "operator.read",
    "operator.talk.secrets",
    "operator.write",
]


class RateLimit(Section, frozen=True):
    """C{gateway.auth.rateLimit}: lockout after wrong secrets."""

    max_attempts: PositiveInt = 10
    """Wrong secrets from one address within the window that lock it out."""
    window_ms: PositiveInt = 60_000
    """Length of the sliding window."""
    lockout_ms: PositiveInt = 300_000
    """How long an address stays locked out."""
    exempt_loopback: bool = True
    """Loopback clients are slowed down instead of locked out (browsers are never exempt)."""


class TrustedProxy(Section, frozen=True):
    """C{gateway.auth.trustedProxy}: identity taken from a header that a listed proxy sets."""

    user_header: str = ""
    """Header that carries the user's name; required in mode trusted-proxy."""
    required_headers: list[str] = []
    """Headers that must be present as well."""
    allow_users: list[str] = []
    """Users let in; empty = every user the proxy names."""
    allow_loopback: bool = False
    """Accept a proxy that connects from loopback."""


class Key(Section, frozen=True):
    """C{gateway.auth.keys[]}: a key of its own for one client, with no more than it needs (docs/authentication.md)."""

    label: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    """Its name in logs and limits; the principal is `key:<label>`."""
    hash: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
    """sha256: and the SHA-256 of the key in hex, never the key; `openclaw-tx keys new` makes both."""
    scopes: list[Scope] = field(default_factory=lambda: ["operator.read", "operator.write"])
    """What it may do."""
    agents: list[Slug] = []
    """Agents it may use and see, the first its default; empty = all."""
    session_prefix: Annotated[str, Meta(max_length=128)] | None = None
    """What names of its sessions begin with; unset = `<label>:` (all sessions with operator.admin), "" = all."""
    rpm: PositiveInt | None = None
    """Requests in a minute; unset = no limit."""
    tpm: PositiveInt | None = None
    """Tokens in a minute, counted when a run has ended; unset = no limit."""
    concurrency: PositiveInt | None = None
    """Runs at a time; unset = no limit."""
    expires: str = ""
    """ISO 8601 time or day from which on it is refused, UTC unless it says otherwise; "" = never."""


class Auth(Section, frozen=True):
    """C{gateway.auth}: one shared secret, an identity-aware proxy, or nothing on loopback."""

    mode: Literal["token", "password", "none", "trusted-proxy"] | None = None
    """Unset = password when only a password is known, otherwise token."""
    token: str | None = None
    """Falls back to OPENCLAW_GATEWAY_TOKEN."""
    password: str | None = None
    """Falls back to OPENCLAW_GATEWAY_PASSWORD."""
    rate_limit: RateLimit = field(default_factory=RateLimit)
    trusted_proxy: TrustedProxy = field(default_factory=TrustedProxy)
    keys: Annotated[list[Key], Meta(max_length=1000)] = []
    """Further keys, each with its own scopes and limits; in the modes token and password."""


class ControlUi(Section, frozen=True):
    """C{gateway.controlUi}: the web page for people, and rules for browser clients of the WebSocket."""

    enabled: bool = True
    """Serve a page to browsers."""
    base_path: str = ""
    """Path that the page lies under, such as /openclaw; empty = it is at the root."""
    root: FilePath = ""
    """Directory of OpenClaw's Control UI, such as dist/control-ui of its package; empty = a small page of our own."""
    allow_insecure_auth: bool = False
    """In a browser on this machine the gateway's secret gets the Control UI the scopes it asks for, without pairing."""
    dangerously_disable_device_auth: bool = False
    """The same in browsers anywhere."""
    allowed_origins: list[str] = []
    """Exact origins (scheme://host:port) let in besides the gateway's own; "*" = every origin."""
    dangerously_allow_host_header_origin_fallback: bool = False
    """Accept any Origin that equals the Host header."""


class Images(Section, frozen=True):
    """C{images} of C{chatCompletions} and C{responses}: images in requests."""

    allow_url: bool = False
    """Fetch images that are named by URL; never from private addresses."""
    url_allowlist: list[str] = []
    """Hosts to fetch from, exact or `*.suffix` (which leaves out the suffix itself); empty = every public host."""
    allowed_mimes: list[Literal["image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "image/heif"]] = (
        field(
            default_factory=lambda: ["image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "image/heif"]
        )
    )
    """Types taken."""
    max_bytes: PositiveInt = 10 * 1024 * 1024
    """Largest image."""
    max_redirects: Annotated[int, Meta(ge=0, le=10)] = 3
    """Redirects followed, each checked like the first URL."""
    timeout_ms: Annotated[int, Meta(ge=100, le=120_000)] = 10_000
    """Longest time for one image."""


class AnswerEndpoint(Section, frozen=True):
    """What the endpoints whose answers are agent runs have in common."""

    enabled: bool = False
    """Serve the endpoint, and GET /v1/models."""
    strict_model: bool = False
    """Refuse a `model` that names no agent, instead of answering with the default agent."""
    model_map: dict[str, str] = {}
    """`model` as clients send it -> what answers: `openclaw/<agent>`, or a model ref for the default agent."""
    images: Images = field(default_factory=Images)
    max_image_parts: PositiveInt = 8
    """Images in one turn."""
    max_total_image_bytes: PositiveInt = 20 * 1024 * 1024
    """Bytes of all images in one turn."""
    max_body_bytes: PositiveInt = 20 * 1024 * 1024
    """Largest request body."""
    keep_alive_seconds: Annotated[float, Meta(ge=0, le=300)] = 15.0
    """Pause between `: ping` comments on a stream; 0 = none."""
    hold_status_seconds: Annotated[float, Meta(ge=0, le=30)] = 2.0
    """How long a stream waits for the provider's first byte before it commits to status 200."""


class ChatCompletions(AnswerEndpoint, frozen=True):
    """C{gateway.http.endpoints.chatCompletions}."""


class Metrics(Section, frozen=True):
    """C{gateway.http.endpoints.metrics}."""

    enabled: bool = True
    """Serve GET /metrics to whoever is authenticated."""


class Responses(AnswerEndpoint, frozen=True):
    """C{gateway.http.endpoints.responses}."""


class Endpoints(Section, frozen=True):
    """C{gateway.http.endpoints}."""

    chat_completions: ChatCompletions = field(default_factory=ChatCompletions)
    responses: Responses = field(default_factory=Responses)
    metrics: Metrics = field(default_factory=Metrics)


class Cors(Section, frozen=True):
    """C{gateway.http.cors}: web pages that may read the answers of the HTTP API; off while nobody is listed."""

    allowed_origins: list[str] = []
    """Exact origins (scheme://host:port); "*" = every page, which can not be had with allowCredentials."""
    allow_credentials: bool = False
    """Let pages send cookies, as a proxy with a login page needs them."""
    max_age_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 600
    """How long a browser may remember the answer to a pre-flight request."""


class Http(Section, frozen=True):
    """C{gateway.http}."""

    cors: Cors = field(default_factory=Cors)
    endpoints: Endpoints = field(default_factory=Endpoints)
    join_retries: bool = False
    """Take the retries of OpenAI's SDKs for what they are: give them the run that the first try started, for 10 min."""


class HttpTools(Section, frozen=True):
    """C{gateway.tools}: tools that POST /tools/invoke may call, on top of the agent's own policy."""

    allow: list[str] = []
    """Of the tools that are never callable over HTTP by default, those that an owner may call all the same."""
    deny: list[str] = []
    """Never these, for nobody."""


class Reload(Section, frozen=True):
    """C{gateway.reload}: what an edit of the configuration file does."""

    mode: Literal["hybrid", "hot", "restart", "off"] = "hybrid"
    """hybrid and restart apply what can be applied and say what needs a restart; hot only applies; off ignores
    edits."""
    debounce_ms: NonNegativeInt = 300
    """Quiet time after the last change before the file is read."""


class Tls(Section, frozen=True):
    """C{gateway.tls}: TLS on the gateway's own port; endpoints given with --endpoint say themselves what they are."""

    enabled: bool = False
    """Serve https:// and wss:// instead of http:// and ws://."""
    auto_generate: bool = True
    """Make a self-signed certificate in the state directory when none is configured."""
    cert_path: FilePath = ""
    """PEM file with the certificate, and its chain after it."""
    key_path: FilePath = ""
    """PEM file with its private key, without a passphrase."""
    ca_path: FilePath = ""
    """PEM file with certificates to send after those of certPath."""


class Remote(Section, frozen=True):
    """C{gateway.remote}: the gateway that the command line talks to in mode remote."""

    url: str = ""
    """Its address, wss://HOST:PORT; ws:// only to loopback and private networks."""
    token: str | None = None
    """Its shared secret."""
    password: str | None = None
    """The same for auth mode password."""
    tls_fingerprint: str = ""
    """SHA-256 of the certificate that it must have: sha256: and 64 hex digits."""


class GatewaySection(Section, frozen=True):
    """C{gateway}: the listener and who may use it."""

    mode: Literal["local", "remote"] | None = None
    """local = this process serves; remote = the command line talks to another gateway."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 18789
    """TCP port; --port and OPENCLAW_GATEWAY_PORT come first."""
    bind: Literal["loopback", "lan", "tailnet", "auto", "custom"] = "loopback"
    """loopback and auto = 127.0.0.1 and ::1; lan = all interfaces; tailnet = loopback and this machine's address in its
    tailnet, if it has one at the start; custom = customBindHost."""
    custom_bind_host: str = ""
    """IP address for bind custom."""
    auth: Auth = field(default_factory=Auth)
    trusted_proxies: list[str] = []
    """Addresses or networks (CIDR) whose forwarding headers are believed."""
    allow_real_ip_fallback: bool = False
    """Believe X-Real-IP of a trusted proxy that sends no X-Forwarded-For."""
    control_ui: ControlUi = field(default_factory=ControlUi)
    http: Http = field(default_factory=Http)
    tools: HttpTools = field(default_factory=HttpTools)
    reload: Reload = field(default_factory=Reload)
    tick_interval_ms: Annotated[int, Meta(ge=1000)] = 30_000
    """Pause between `tick` events to WebSocket clients."""
    shutdown_grace_seconds: Annotated[float, Meta(ge=0)] = 5.0
    """How long SIGTERM lets runs finish before it aborts them."""
    tls: Tls = field(default_factory=Tls)
    remote: Remote = field(default_factory=Remote)
    max_connections: PositiveInt | None = None
    """Open connections of clients; unset = as many as the limit of open files (ulimit -n) leaves room for."""
    max_connections_per_address: PositiveInt | None = None
    """Of these, from one address; unset = half of them. Loopback and trustedProxies have no such bound."""
