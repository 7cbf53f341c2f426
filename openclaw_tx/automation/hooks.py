# -*- test-case-name: tests.automation.test_hooks -*-
"""What a hook makes the gateway do: wake an agent, or have it answer (spec 1.8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from twisted.logger import Logger

from openclaw_tx.automation import templates
from openclaw_tx.automation.postman import Postman
from openclaw_tx.automation.principals import HOOKS
from openclaw_tx.automation.reporting import report
from openclaw_tx.automation.rules import main_session
from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_automation import HookMapping, HooksSection
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, Run, Waker
from openclaw_tx.sessions.keys import canonical_key, is_reserved, parse_key
from openclaw_tx.tools.background import Background
from openclaw_tx.tools.untrusted import wrapped

MAX_WAKE = 3000
"""Characters of a text that wakes; the rest is cut."""

Mode = Literal["now", "next-heartbeat"]


class HookBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Base of the bodies of requests: unknown properties are refused."""


class WakeBody(HookBody, frozen=True):
    """Body of C{/wake}."""

    text: Annotated[str, Meta(min_length=1, max_length=100_000, pattern=r"\S")]
    mode: Mode = "now"


class AgentBody(HookBody, frozen=True):
    """Body of C{/agent}."""

    message: Annotated[str, Meta(min_length=1, max_length=200_000, pattern=r"\S")]
    name: Annotated[str, Meta(max_length=100)] = ""
    """Of the sender, for the agent and for the main session."""
    agent_id: Annotated[str, Meta(max_length=64)] = ""
    session_key: Annotated[str, Meta(max_length=512)] = ""
    wake_mode: Mode = "now"
    """When the main session's agent looks at what came of it."""
    deliver: bool = False
    """Send the answer over a channel."""
    channel: Annotated[str, Meta(max_length=64)] = ""
    """Over which; "" or C{last} = where somebody last spoke to the agent's main session from."""
    to: Annotated[str, Meta(max_length=256)] = ""
    """To whom, on that channel."""
    model: Annotated[str, Meta(max_length=256)] = ""
    thinking: Literal["", "off", "minimal", "low", "medium", "high", "xhigh"] = ""
    timeout_seconds: Annotated[int, Meta(ge=1, le=604_800)] | None = None


class HookDesk:
    """Takes what hooks bring. The runs are of a principal of their own that may run agents and nothing else."""

    def __init__(
        self,
        settings: Callable[[], Config],
        agents: Agents,
        models: Models,
        background: Background,
        waker: Waker,
        new_id: Callable[[], str],
        postman: Postman | None = None,
    ) -> None:
        """
        @param settings: the configuration of the moment.
        @param new_id: makes UUIDs.
        """
        self._settings = settings
        self._agents = agents
        self._models = models
        self._background = background
        self._waker = waker
        self._new_id = new_id
        self._postman = postman
        self._log = Logger()

    @property
    def rules(self) -> HooksSection:
        """C{hooks} of the moment."""
        return self._settings().hooks

    def wake(self, body: WakeBody) -> None:
        """Note a text in the main session of the default agent."""
        text = _cut(body.text.strip())
        if not self.rules.allow_unsafe_external_content:
            text = f"News from a hook.\n{wrapped(text, 'hook', self._new_id)}"
        self._wake(self._agents.default_id, text, body.mode)

    def agent(self, body: AgentBody) -> Run:
        """Have an agent answer; its main session is told what it said.

        @raise GatewayError: C{invalid_request} naming the property; else as L{openclaw_tx.interfaces.RunEngine.start}.
        """
        if body.deliver and self._postman is None:
            raise _wrong("deliver", "this gateway has no channels to deliver to")
        if self._postman is not None and not self._postman.knows(body.channel):
            raise _wrong("channel", "there is no such channel")
        name = " ".join(body.name.split()) or "Hook"
        message = body.message.strip()
        if not self.rules.allow_unsafe_external_content:
            message = wrapped(message, f"hook {name}", self._new_id)
        agent_id = self._agent(body.agent_id)
        return self._start(body, name, message, agent_id, self._session(body.session_key, agent_id, asked=True))

    def mapping(self, path: str, payload: Any) -> HookMapping | None:
        """The mapping for a request; None = there is none.

        @param path: below C{hooks.path}, without slashes at its ends.
        """
        source = payload.get("source") if isinstance(payload, dict) else None
        for mapping in self.rules.mappings:
            match = mapping.match
            if match.path and match.path.strip("/") != path:
                continue
            if match.source and match.source != source:
                continue
            return mapping
        return None

    def mapped(self, mapping: HookMapping, payload: Any, headers: Mapping[str, str]) -> Run | None:
        """Do what a mapping says.

        @param headers: of the request, names in lower case.
        @return: the run; None for C{wake}.
        @raise GatewayError: as L{agent}.
        """
        name = " ".join(mapping.name.split()) or mapping.id or "Hook"
        agent_id = self._agent(mapping.agent_id, configured=True)
        template = mapping.text_template if mapping.action == "wake" else mapping.message_template
        if not templates.filled(template, payload, headers):
            raise _wrong("text" if mapping.action == "wake" else "message", "the mapping makes nothing of this request")
        if mapping.allow_unsafe_external_content:
            text = templates.filled(template, payload, headers)
        else:
            most = MAX_WAKE if mapping.action == "wake" else None
            text = templates.apart(template, payload, headers, f"hook {name}", self._new_id, most)
        if mapping.action == "wake":
            self._wake(agent_id, text, mapping.wake_mode)
            return None
        asked = templates.has_places(mapping.session_key)
        key = templates.filled(mapping.session_key, payload, headers)
        body = AgentBody(
            message=text,
            wake_mode=mapping.wake_mode,
            model=mapping.model,
            thinking=mapping.thinking,
            timeout_seconds=mapping.timeout_seconds,
        )
        return self._start(body, name, text, agent_id, self._session(key, agent_id, asked=asked))

    # -- inside

    def _start(self, body: AgentBody, name: str, message: str, agent_id: str, key: str) -> Run:
        timeout = body.timeout_seconds
        run = self._background.run(
            HOOKS,
            agent_id,
            key,
            message,
            prefix="hook",
            trigger="hook",
            model=self._models.info(body.model).ref if body.model else "",
            thinking=body.thinking,
            timeout_s=float(timeout) if timeout is not None else None,
            durable=True,  # who sent it is told at once that it is taken: the ledger is to know of it while it waits
        )
        try:
            self._background.go_on(self._report(run, name, body), f"hook {run.request.run_id}")
        except GatewayError:
            run.abort("queue_full")
            raise
        return run

    async def _report(self, run: Run, name: str, body: AgentBody) -> None:
        """Tell the main session what was said, unless it was said there, and the channel that the hook named."""
        result = await run.result()
        if body.deliver and self._postman is not None:
            try:
                route = await self._postman.route(run.request.agent_id, body.channel, body.to)
                await self._postman.send(route, result)
            except GatewayError as error:
                self._log.warn("the answer to {name} is not delivered: {why}", name=name, why=error.info.message)
        news = report(result, name if name == "Hook" else f"Hook {name}")
        if news and run.request.session_key != main_session(self._settings(), run.request.agent_id):
            self._wake(run.request.agent_id, news, body.wake_mode)

    def _wake(self, agent_id: str, text: str, mode: Mode) -> None:
        self._waker.wake(agent_id, main_session(self._settings(), agent_id), text, now=mode == "now", reason="hook")

    def _agent(self, named: str, *, configured: bool = False) -> str:
        """
        @param configured: the operator names it.
        """
        agent_id = named.strip().lower()
        if not agent_id:
            return self._agents.default_id
        allowed = self.rules.allowed_agent_ids
        may = configured or allowed is None or "*" in allowed or agent_id in allowed
        if not may or self._agents.get(agent_id) is None:
            raise _wrong("agentId", f"unknown agent {agent_id!r}")
        return agent_id

    def _session(self, key: str, agent_id: str, *, asked: bool) -> str:
        """
        @param asked: the request names it, rather than the operator.
        """
        rules, key = self.rules, key.strip()
        if not key:
            usual = canonical_key(rules.default_session_key or f"hook:{self._new_id()}", agent_id)
            # It may name an agent: of another one it is the session of that name.
            return canonical_key(parsed.rest, agent_id) if (parsed := parse_key(usual)) is not None else usual
        if asked:
            if not rules.allow_request_session_key:
                raise _wrong("sessionKey", "requests may not name it (hooks.allowRequestSessionKey)")
            bare = parsed.rest if (parsed := parse_key(key)) is not None else key
            prefixes = rules.allowed_session_key_prefixes
            if prefixes and not bare.lower().startswith(tuple(prefix.lower() for prefix in prefixes)):
                raise _wrong("sessionKey", f"must begin with one of {', '.join(prefixes)}")
        if is_reserved(key):
            raise _wrong("sessionKey", "lies in a namespace of the gateway's own")
        whole = canonical_key(key, agent_id)
        owner = parse_key(whole)
        if owner is None or owner.agent_id != agent_id:
            raise _wrong("sessionKey", f"belongs to another agent than {agent_id}")
        return whole


def _cut(text: str) -> str:
    return text if len(text) <= MAX_WAKE else f"{text[:MAX_WAKE]} [cut]"


def _wrong(field: str, message: str) -> GatewayError:
    return GatewayError("invalid_request", f"{field}: {message}", param=field)


__all__ = ["AgentBody", "HookDesk", "WakeBody"]
