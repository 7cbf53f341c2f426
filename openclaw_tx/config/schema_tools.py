"""Shape of C{tools} (spec 7): which tools there are for whom, and what they may do."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from openclaw_tx.config.section import FilePath, NonNegativeInt, PositiveInt, Section

Security = Literal["deny", "allowlist", "full"]
Ask = Literal["off", "on-miss", "always"]


class ToolPolicy(Section, frozen=True):
    """Which tools may be used: profile, then allow, then deny. Names, `group:*` names and `*` wildcards."""

    profile: Literal["minimal", "coding", "messaging", "full"] | None = None
    """Named set of tools to start from; unset = all."""
    allow: list[str] = []
    """Only these; empty = no restriction."""
    also_allow: list[str] = []
    """These besides the profile's; can not stand beside `allow`."""
    deny: list[str] = []
    """Never these."""
    by_provider: dict[str, ToolPolicy] = {}
    """The same, for one provider (`openai`) or model (`openai/gpt-4o`)."""


class ApplyPatch(Section, frozen=True):
    """C{tools.exec.applyPatch}: the tool C{apply_patch}."""

    enabled: bool = True
    """Offer it wherever `exec` is allowed, or it is itself."""
    workspace_only: bool = True
    """Keep it within the workspace even where `tools.fs.workspaceOnly` is false."""
    allow_models: list[str] = []
    """Models that are offered it, by ref or bare id; empty = all."""


class ExecTool(Section, frozen=True):
    """C{tools.exec}: commands that agents run on this machine. The stricter of this and exec-approvals.json counts."""

    host: Literal["auto", "gateway"] = "auto"
    """Where commands run; both mean this machine, as the user of the gateway."""
    security: Security = "allowlist"
    """deny = none; allowlist = programs of the allowlist and safe ones; full = every command."""
    ask: Ask = "on-miss"
    """When a person is asked: never, for what the allowlist lacks, or for every command."""
    background_ms: Annotated[int, Meta(ge=10, le=120_000)] = 10_000
    """After this long a command goes on in the background, for the tool `process`."""
    timeout_sec: PositiveInt = 1800
    """Longest run of a command."""
    cleanup_ms: PositiveInt = 1_800_000
    """How long a finished background command is remembered."""
    max_output_chars: PositiveInt = 200_000
    """Output kept of a command; of more, the end is kept."""
    approval_timeout_sec: PositiveInt = 120
    """How long a person has to answer; then the command is denied."""
    notify_on_exit: bool = True
    """Tell the agent when a background command has ended."""
    safe_bins: list[str] = field(
        default_factory=lambda: ["jq", "grep", "cut", "sort", "uniq", "head", "tail", "tr", "wc"]
    )
    """Programs that need no allowlist entry as filters of standard input, without arguments that name files."""
    path_prepend: list[FilePath] = []
    """Directories put before PATH."""
    apply_patch: ApplyPatch = field(default_factory=ApplyPatch)


class FsTools(Section, frozen=True):
    """C{tools.fs}: read, write, edit and apply_patch."""

    workspace_only: bool = True
    """Keep them within the agent's workspace; false = wherever the gateway's user may."""


class Perplexity(Section, frozen=True):
    """C{tools.web.search.perplexity}."""

    api_key: str = ""
    """Falls back to PERPLEXITY_API_KEY, then OPENROUTER_API_KEY."""
    base_url: str = ""
    """Empty = https://api.perplexity.ai, or OpenRouter for its keys."""
    model: str = "sonar-pro"
    """Model that searches."""


class Searxng(Section, frozen=True):
    """C{tools.web.search.searxng}: a SearXNG server of your own."""

    base_url: str = ""
    """Its address; falls back to SEARXNG_BASE_URL. It may be a private one."""


class WebSearch(Section, frozen=True):
    """C{tools.web.search}."""

    enabled: bool = True
    """Offer the tool."""
    provider: Literal["", "brave", "perplexity", "searxng"] = ""
    """Empty = the first one that is set up."""
    api_key: str = ""
    """Key for Brave Search; falls back to BRAVE_API_KEY."""
    max_results: Annotated[int, Meta(ge=1, le=10)] = 5
    """Results when the model asks for no number."""
    timeout_seconds: PositiveInt = 30
    """Longest wait."""
    cache_ttl_minutes: NonNegativeInt = 15
    """How long an answer is used again."""
    perplexity: Perplexity = field(default_factory=Perplexity)
    searxng: Searxng = field(default_factory=Searxng)


class WebFetch(Section, frozen=True):
    """C{tools.web.fetch}."""

    enabled: bool = True
    """Offer the tool."""
    max_chars: Annotated[int, Meta(ge=100)] = 20_000
    """Characters of a page at most."""
    max_response_bytes: PositiveInt = 750_000
    """Bytes read of an answer."""
    max_redirects: Annotated[int, Meta(ge=0, le=10)] = 3
    """Redirects followed, each checked like the first URL."""
    timeout_seconds: PositiveInt = 30
    """Longest wait."""
    cache_ttl_minutes: NonNegativeInt = 15
    """How long a page is used again."""
    user_agent: str = ""
    """User-Agent to send; empty = this program's name."""


class WebTools(Section, frozen=True):
    """C{tools.web}."""

    search: WebSearch = field(default_factory=WebSearch)
    fetch: WebFetch = field(default_factory=WebFetch)


class LoopDetection(Section, frozen=True):
    """C{tools.loopDetection}: a model that calls a tool again and again in vain."""

    enabled: bool = True
    """Look for it."""
    history_size: Annotated[int, Meta(ge=4, le=1000)] = 30
    """Calls of one run that are looked back on; a threshold above it is never reached."""
    warning_threshold: Annotated[int, Meta(ge=2)] = 10
    """From so many alike calls with alike results on the model is told."""
    critical_threshold: Annotated[int, Meta(ge=2)] = 20
    """From so many on the call is refused."""
    global_circuit_breaker_threshold: Annotated[int, Meta(ge=2)] = 30
    """From so many on the run is ended."""


class AgentToAgent(Section, frozen=True):
    """C{tools.agentToAgent}: sessions of other agents, for sessions_list, sessions_history and sessions_send."""

    enabled: bool = False
    """Let agents reach each other."""
    allow: list[str] = []
    """Agent ids that take part, with `*` wildcards; empty = all."""


class SessionTools(Section, frozen=True):
    """C{tools.sessions}."""

    visibility: Literal["self", "tree", "agent", "all"] = "agent"
    """Sessions of its own agent that the session tools see: its own, that and those it spawned, or all (which agent and
    all mean alike). Those of other agents are a matter of agentToAgent."""


class SubagentTools(Section, frozen=True):
    """C{tools.subagents}."""

    tools: ToolPolicy = field(default_factory=ToolPolicy)
    """What sub-agents may use, on top of what they may not use anyway."""


class McpServer(Section, frozen=True):
    """An entry of C{mcp.servers}: a server of the Model Context Protocol whose tools agents may use."""

    enabled: bool = True
    """Use it."""
    transport: Literal["", "stdio", "http", "streamable-http"] = ""
    """Empty = stdio with a command, http with a url."""
    command: str = ""
    """Program to start, for stdio."""
    args: list[str] = []
    """Its arguments."""
    env: dict[str, str] = {}
    """Variables that it gets besides PATH, HOME and the like."""
    cwd: FilePath = ""
    """Its working directory; empty = the state directory."""
    url: str = ""
    """Address of the endpoint, for http."""
    headers: dict[str, str] = {}
    """HTTP headers of every request."""
    connect_timeout_ms: PositiveInt = 10_000
    """Longest wait until it is ready."""
    request_timeout_ms: PositiveInt = 60_000
    """Longest wait for an answer, re-armed by progress."""
    allow: list[str] = []
    """Of its tools only these, by its own names; `*` wildcards; empty = all."""


class McpSection(Section, frozen=True):
    """C{mcp}: servers of tools (docs/mcp.md). Their tools are called `<server>__<tool>`."""

    servers: dict[str, McpServer] = {}
    """Servers by name: up to 32 letters, digits, - and _."""


class ToolsSection(ToolPolicy, frozen=True):
    """C{tools}."""

    exec: ExecTool = field(default_factory=ExecTool)
    fs: FsTools = field(default_factory=FsTools)
    web: WebTools = field(default_factory=WebTools)
    loop_detection: LoopDetection = field(default_factory=LoopDetection)
    agent_to_agent: AgentToAgent = field(default_factory=AgentToAgent)
    sessions: SessionTools = field(default_factory=SessionTools)
    subagents: SubagentTools = field(default_factory=SubagentTools)
    plugins: bool = True
    """Offer tools of installed packages that provide openclaw_tx.interfaces.IToolPlugin (docs/tools.md). Takes effect
    at the start of the program, and not where a gateway is embedded."""


class AgentExec(Section, frozen=True):
    """C{agents.list[].tools.exec}: what differs from C{tools.exec} for one agent."""

    security: Security | None = None
    """Unset = as tools.exec says."""
    ask: Ask | None = None
    """Unset = as tools.exec says."""


class AgentFs(Section, frozen=True):
    """C{agents.list[].tools.fs}."""

    workspace_only: bool | None = None
    """Unset = as tools.fs says."""


class AgentTools(ToolPolicy, frozen=True):
    """C{agents.list[].tools}."""

    exec: AgentExec = field(default_factory=AgentExec)
    fs: AgentFs = field(default_factory=AgentFs)


__all__ = [
    "AgentExec",
    "AgentFs",
    "AgentToAgent",
    "AgentTools",
    "ApplyPatch",
    "Ask",
    "ExecTool",
    "FsTools",
    "LoopDetection",
    "McpSection",
    "McpServer",
    "Perplexity",
    "Searxng",
    "Security",
    "SessionTools",
    "SubagentTools",
    "ToolPolicy",
    "ToolsSection",
    "WebFetch",
    "WebSearch",
    "WebTools",
]
