"""The seams between rooms: C{typing.Protocol} only (and one zope interface, for L{twisted.plugin}), no code.

A room above the ground floor talks to another one only through these. Implementations: L{openclaw_tx.runs},
L{openclaw_tx.models}, L{openclaw_tx.tools}, L{openclaw_tx.sessions}, L{openclaw_tx.agents}, L{openclaw_tx.auth};
embedders may hand in their own models and tools.
"""

from openclaw_tx.interfaces.auth import Authenticator, Authoriser, Meter, Peer, WholePeer
from openclaw_tx.interfaces.automation import Jobs, Waker
from openclaw_tx.interfaces.channels import Channels, Conversations, Delivery, IChannel, IChannelPlugin, Receive
from openclaw_tx.interfaces.models import Agents, Embedder, EmbeddingProvider, ModelProvider, Models, OnEvents
from openclaw_tx.interfaces.plugins import IToolPlugin
from openclaw_tx.interfaces.runs import Compactor, Push, Run, RunEngine, RunTimes, SystemEvents
from openclaw_tx.interfaces.sessions import BackgroundRuns, SessionNews, Sessions, TurnStart, UsageStore
from openclaw_tx.interfaces.tools import (
    AliasedTool,
    Approvals,
    ApprovalsFile,
    ConcurrentTool,
    ConditionalTool,
    Fetcher,
    Poster,
    Tool,
    ToolContext,
    Tools,
    ToolSource,
)
from openclaw_tx.interfaces.workers import DistantRun, Elsewhere, Taken

__all__ = [
    "Agents",
    "AliasedTool",
    "Approvals",
    "ApprovalsFile",
    "Authenticator",
    "Authoriser",
    "BackgroundRuns",
    "Channels",
    "Compactor",
    "ConcurrentTool",
    "ConditionalTool",
    "Conversations",
    "Delivery",
    "DistantRun",
    "Elsewhere",
    "Embedder",
    "EmbeddingProvider",
    "Fetcher",
    "IChannel",
    "IChannelPlugin",
    "IToolPlugin",
    "Jobs",
    "Meter",
    "ModelProvider",
    "Models",
    "OnEvents",
    "Peer",
    "Poster",
    "Push",
    "Receive",
    "Run",
    "RunEngine",
    "RunTimes",
    "SessionNews",
    "Sessions",
    "SystemEvents",
    "Taken",
    "Tool",
    "ToolContext",
    "ToolSource",
    "Tools",
    "TurnStart",
    "UsageStore",
    "Waker",
    "WholePeer",
]
