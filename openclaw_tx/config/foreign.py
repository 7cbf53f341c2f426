# -*- test-case-name: tests.config.test_foreign -*-
"""What a real C{openclaw.json} holds that this gateway does not use (D24).

Such keys are taken out before the strict decode and named once in a warning. Two kinds are refused instead:
settings that would leave people with less protection than they asked for if they were ignored, and settings that
OpenClaw itself has moved elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openclaw_tx.config.decode import allowed
from openclaw_tx.config.paths import Issues, Path, render
from openclaw_tx.config.schema_channels import ChannelsSection
from openclaw_tx.config.schema_models import ProviderDefinition

_SECTIONS = (
    "$schema meta acp wizard diagnostics cli crestodian update browser ui secrets plugins nodeHost "
    "multiAgent broadcast audio media tts approvals web discovery canvasHost talk memory vault proxy"
)
SECTIONS = frozenset(_SECTIONS.split())
"""Whole sections of OpenClaw's configuration without a counterpart here."""

_AGENT = (
    "imageGenerationModel musicGenerationModel videoGenerationModel pdfModel utilityModel agentRuntime "
    "runtime cliBackends contextPruning contextLimits embeddedPi embeddedAgent "
    "elevatedDefault fastModeDefault toolProgressDetail "
    "blockStreamingDefault blockStreamingBreak blockStreamingChunk blockStreamingCoalesce humanDelay typingMode "
    "typingIntervalSeconds sandbox groupChat tts params cwd contextInjection "
    "bootstrapPromptTruncationWarning repoRoot"
)

_MEMORY_SEARCH = "sources multimodal experimental remote fallback outputDimensionality local store chunking sync cache"

_TOOLS = "media links message elevated sandbox toolsBySender codeMode toolSearch experimental github"

_EXEC = "node pathPrependMode strictInlineEval notifyOnExitEmptySuccess safeBinTrustedDirs safeBinProfiles pty mode"

KEYS: dict[str, str] = {
    "env": "shellEnv",
    "gateway": "tailscale nodes push webchat terminal cliAgents publicOrigin roles "
    "channelHealthCheckMinutes channelStaleEventThresholdMinutes channelMaxRestartsPerHour handshakeTimeoutMs",
    "gateway.remote": "transport sshTarget sshIdentity sshHostKeyPolicy enabled",
    "gateway.auth": "allowTailscale identityScopes",
    "gateway.controlUi": "embedSandbox allowExternalEmbedUrls environment communityInvite github experimental "
    "automaticallyFetchFavicons toolTitles",
    "gateway.reload": "deferralTimeoutMs",
    "gateway.http": "securityHeaders",
    "gateway.http.endpoints": "embeddings",
    "gateway.http.endpoints.responses": "files maxUrlParts",
    "agents": "ownership",
    "agents.defaults": f"{_AGENT} imageMaxDimensionPx imageQuality mediaMaxMb pdfMaxBytesMb pdfMaxPages timeFormat "
    "envelopeTimezone envelopeTimestamp envelopeElapsed additionalSystemPrompt systemPromptOverride "
    "mediaGenerationAutoProviderFallback systemAgent silentReply silentReplyRewrite",
    "agents.defaults.memorySearch": _MEMORY_SEARCH,
    "agents.defaults.memorySearch.query": "hybrid",
    "agents.defaults.model": "timeoutMs",
    "agents.defaults.imageModel": "timeoutMs",
    "agents.defaults.compaction": "mode provider thinkingLevel maxHistoryShare recentTurnsPreserve identifierPolicy "
    "identifierInstructions customInstructions qualityGuard midTurnPrecheck postIndexSync postCompactionSections "
    "timeoutSeconds truncateAfterCompaction maxActiveTranscriptBytes notifyUser keepRecentMessages",
    "agents.defaults.compaction.memoryFlush": "systemPrompt forceFlushTranscriptBytes model",
    "agents.defaults.heartbeat": "includeReasoning directPolicy suppressToolErrorWarnings "
    "lightContext isolatedSession skipWhenBusy timeoutSeconds includeSystemPromptSection",
    "agents.defaults.models.*": "streaming agentRuntime codeMode",
    "agents.defaults.subagents": "maxSpawnDepth announceTimeoutMs requireAgentId",
    "agents.list[]": f"{_AGENT} agentDir models statusUpdates compaction reasoningDefault verboseDefault "
    "contextTokens skipBootstrap",
    "agents.list[].memorySearch": _MEMORY_SEARCH,
    "agents.list[].memorySearch.query": "hybrid",
    "agents.list[].imageModel": "timeoutMs",
    "agents.list[].heartbeat": "includeReasoning directPolicy suppressToolErrorWarnings "
    "lightContext isolatedSession skipWhenBusy timeoutSeconds includeSystemPromptSection",
    "agents.list[].subagents": "requireAgentId",
    "agents.list[].model": "timeoutMs",
    "agents.list[].identity": "avatar",
    "agents.list[].tools": f"{_TOOLS} web loopDetection agentToAgent sessions subagents",
    "agents.list[].tools.exec": f"{_EXEC} backgroundMs timeoutSec cleanupMs safeBins pathPrepend notifyOnExit "
    "applyPatch",
    "tools": _TOOLS,
    "tools.exec": _EXEC,
    "tools.web.search": "gemini grok kimi firecrawl exa tavily openaiCodex",
    "tools.web.search.perplexity": "inlineCitations",
    "tools.web.fetch": "readability firecrawl maxCharsCap ssrfPolicy provider useTrustedEnvProxy",
    "tools.loopDetection": "detectors unknownToolThreshold postCompactionGuard",
    "tools.subagents": "model",
    "mcp": "sessionIdleTtlMs apps",
    "mcp.servers.*": "type auth oauth sslVerify clientCert clientKey toolFilter supportsParallelToolCalls codex",
    "skills": "allowBundled install limits workshop",
    "skills.load": "watch watchDebounceMs allowSymlinkTargets",
    "skills.entries.*": "apiKey env config",
    "auth.profiles.*": "displayName",
    "auth.cooldowns": "billingBackoffHoursByProvider authPermanentBackoffMinutes authPermanentMaxMinutes "
    "overloadedProfileRotations overloadedBackoffMs rateLimitedProfileRotations",
    "messages": "messagePrefix responsePrefix visibleReplies groupChat inbound ackReaction ackReactionScope "
    "removeAckAfterReply suppressToolErrors statusReactions tts usageTemplate responseUsage",
    "commands": "native nativeSkills bash bashForegroundMs config mcp plugins debug restart useAccessGroups "
    "ownerAllowFrom ownerDisplay ownerDisplaySecret allowFrom modelsWrite",
    "bindings[]": "type comment session acp",
    "bindings[].match": "roles",
    "cron": "webhook webhookToken retry sessionRetention runLog failureAlert failureDestination triggers",
    "hooks": "gmail internal presets transformsDir",
    "hooks.mappings[]": "deliver channel to transform",
    "models": "bedrockDiscovery proxy pricing",
    "models.providers.*": "injectNumCtxForOpenAICompat request maxTokens contextWindow contextTokens params "
    "agentRuntime localService region",
    "models.providers.*.models[].cost": "tieredPricing",
    "models.providers.*.models[]": "contextTokens params agentRuntime thinkingLevelMap mediaInput baseUrl",
    "models.providers.*.models[].compat": "supportsTools supportsStrictMode "
    "supportsLongCacheRetention supportedReasoningEfforts reasoningEffortMap thinkingFormat requiresToolResultName "
    "requiresAssistantAfterToolResult requiresThinkingAsText requiresStringContent "
    "requiresOpenAiAnthropicToolPayload toolSchemaProfile unsupportedToolSchemaKeywords nativeWebSearchTool "
    "toolCallArgumentsEncoding strictMessageKeys visibleReasoningDetailTypes openRouterRouting "
    "vercelGatewayRouting zaiToolStream cacheControlFormat sendSessionAffinityHeaders",
    "session": "groupScope mainKey maintenance threadBindings parentForkMaxTokens typingMode typingIntervalSeconds",
    "session.sendPolicy.rules[].match": "rawKeyPrefix",
    "logging": "consoleLevel redactSensitive redactPatterns",
}
"""Path of an object in our sections (C{[]} = each item, C{*} = each value) -> its keys that are not used here."""

_NO_SANDBOX = 'this gateway has no sandbox; set it to "off" and narrow the agent\'s tools with tools.allow and deny'

REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "gateway.tailscale.mode": (("off",), 'run "tailscale serve" beside the gateway yourself, and set this to "off"'),
    "gateway.auth.allowTailscale": (
        (False,),
        "Tailscale identities are not accepted here; use a token and set this to false",
    ),
    "gateway.auth.identityScopes": (({},), "scopes of single users can not be set here; remove it"),
    "gateway.roles": (({},), "roles are not enforced here; remove it"),
    "agents.defaults.sandbox.mode": (("off",), _NO_SANDBOX),
    "agents.list[].sandbox.mode": (("off",), _NO_SANDBOX),
    "tools.exec.host": (("auto", "gateway"), 'commands run on this machine only; set it to "gateway"'),
    "mcp.servers.*.toolFilter": (({},), "name the tools to be used in allow instead, and remove it"),
    "agents.list[].tools.exec.host": (("auto", "gateway"), "commands run on this machine only; remove it"),
}
"""Path -> values that may be ignored, and what to do instead of any other."""

MOVED: dict[str, str] = {
    "agent": "was moved: put model, workspace and the like under agents.defaults",
    "routing": "was moved: agents go under agents.list, bindings under bindings",
    "identity": "was moved: give it to an agent, agents.list[].identity",
    "gateway.token": "was moved to gateway.auth.token",
    "gateway.password": "was moved to gateway.auth.password",
}
"""Settings of old that OpenClaw refuses as well."""

_APIS = (
    "openai-completions openai-responses openai-codex-responses openai-chatgpt-responses azure-openai-responses "
    "anthropic-messages google-generative-ai google-vertex github-copilot bedrock-converse-stream ollama pi-messages"
)
APIS = frozenset(_APIS.split())
"""Dialects that OpenClaw speaks with providers."""

AUTHS = frozenset({"api-key", "aws-sdk", "oauth", "token"})
"""Ways in which OpenClaw proves itself to providers."""


def prune(data: dict[str, Any], issues: Issues) -> list[str]:
    """Take out of C{data} what is not used here; what must not be ignored goes to C{issues}.

    @param data: changed in place; its C{agents.list} is in the form of L{openclaw_tx.config.load}.
    @return: paths that were ignored, each once, C{[]} and C{*} standing for any item.
    """
    for path, advice in MOVED.items():
        for parent, key, place in list(_find(data, path)):
            del parent[key]
            issues.append((render(place), advice))
    for path, (harmless, advice) in REFUSED.items():
        for parent, key, place in _find(data, path):
            if parent[key] is not None and parent[key] not in harmless:
                issues.append((render(place), advice))
    served = _mcp_servers(data)
    served += _channels(data)
    ignored = [key for key in data if key in SECTIONS]
    for key in ignored:
        del data[key]
    for path, keys in KEYS.items():
        for name in keys.split():
            found = list(_find(data, f"{path}.{name}"))
            for parent, key, _ in found:
                del parent[key]
            if found:
                ignored.append(f"{path}.{name}")
    return ignored + served + _unserved(data) + _session_store(data)


def _find(data: dict[str, Any], pattern: str) -> Iterator[tuple[dict[str, Any], str, Path]]:
    """Every place that matches C{pattern}: the object that holds it, its key there, its path."""
    places: list[tuple[Any, Path]] = [(data, ())]
    *parents, last = pattern.replace("[]", ".[]").split(".")
    for part in parents:
        found: list[tuple[Any, Path]] = []
        for value, path in places:
            if part == "[]" and isinstance(value, list):
                found.extend((item, (*path, index)) for index, item in enumerate(value))
            elif part == "*" and isinstance(value, dict):
                found.extend((item, (*path, key)) for key, item in value.items())
            elif isinstance(value, dict) and part in value:
                found.append((value[part], (*path, part)))
        places = found
    for value, path in places:
        if isinstance(value, dict) and last in value:
            yield value, last, (*path, last)


def _unserved(data: dict[str, Any]) -> list[str]:
    """Leave out providers and models whose dialect or credentials are OpenClaw's but not ours yet."""
    apis = APIS - set(allowed(ProviderDefinition, "api"))
    auths = AUTHS - set(allowed(ProviderDefinition, "auth"))
    ignored = []
    section = data.get("models")
    providers = section.get("providers") if isinstance(section, dict) else None
    if not isinstance(providers, dict):
        return []
    for name, provider in list(providers.items()):
        if not isinstance(provider, dict):
            continue
        path = render(("models", "providers", name))
        if _in(provider.get("api"), apis):
            ignored.append(f"{path} (api {provider['api']})")
            del providers[name]
        elif _in(provider.get("auth"), auths):
            ignored.append(f"{path} (auth {provider['auth']})")
            del providers[name]
        elif isinstance(models := provider.get("models"), list):
            kept = [model for model in models if not (isinstance(model, dict) and _in(model.get("api"), apis))]
            if len(kept) < len(models):
                ignored.append(f"{path}.models[] (of another api)")
                provider["models"] = kept
    return ignored


def _mcp_servers(data: dict[str, Any]) -> list[str]:
    """Leave out MCP servers of the old transport with two addresses; other names of two settings become ours."""
    section = data.get("mcp")
    servers = section.get("servers") if isinstance(section, dict) else None
    ignored: list[str] = []
    if not isinstance(servers, dict):
        return ignored
    for name, server in list(servers.items()):
        if not isinstance(server, dict):
            continue
        if "sse" in (server.get("transport"), server.get("type")):
            ignored.append(f"{render(('mcp', 'servers', name))} (transport sse)")
            del servers[name]
            continue
        for other, ours in (("workingDirectory", "cwd"), ("connectionTimeoutMs", "connectTimeoutMs")):
            if other in server:
                server.setdefault(ours, server.pop(other))
    return ignored


def _channels(data: dict[str, Any]) -> list[str]:
    """Leave out OpenClaw's own channels, and bindings of programs that are no agents of ours."""
    section, ignored = data.get("channels"), []
    if isinstance(section, dict):
        ours = set(ChannelsSection.__struct_encode_fields__)
        ignored = [render(("channels", name)) for name in section if name not in ours]
        data["channels"] = {name: value for name, value in section.items() if name in ours}
    bindings = data.get("bindings")
    if isinstance(bindings, list):
        kept = [item for item in bindings if not (isinstance(item, dict) and item.get("type") == "acp")]
        if len(kept) < len(bindings):
            ignored.append("bindings[] (type acp)")
            data["bindings"] = kept
    return ignored


def _in(value: Any, known: frozenset[str]) -> bool:
    return isinstance(value, str) and value in known


def _session_store(data: dict[str, Any]) -> list[str]:
    """OpenClaw's C{session.store} names its sessions.json; ours is a database URL."""
    section = data.get("session")
    store = section.get("store") if isinstance(section, dict) else None
    if isinstance(section, dict) and isinstance(store, str) and "://" not in store and store.endswith(".json"):
        del section["store"]
        return ["session.store (a sessions.json; sessions live in the database of the state directory)"]
    return []
