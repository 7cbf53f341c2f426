# -*- test-case-name: tests.web.test_tools -*-
"""C{POST /tools/invoke}: one of an agent's tools, called directly (spec 1.5, decision D9, GHSA-943q-mwmv-hhvh)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.agents.routing import default_agent, shown
from openclaw_tx.auth.actions import ADMIN
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.config.schema import Config
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models, Tool, ToolContext, Tools
from openclaw_tx.runs.tool_calls import CallContext
from openclaw_tx.sessions.keys import HTTP_SCOPE, canonical_key, checked_key, is_reserved, parse_key
from openclaw_tx.tools.over_http import callable_over_http
from openclaw_tx.tools.schema import named_as_declared
from openclaw_tx.values import Agent, Principal, Target, Usage
from openclaw_tx.web.exchange import Exchange
from openclaw_tx.web.guard import Endpoint, Guard
from openclaw_tx.web.health import Lifecycle
from openclaw_tx.web.once import Once, Reply
from openclaw_tx.web.resource import NewId
from openclaw_tx.web.slots import Slots
from openclaw_tx.wire.json_schema import Unchecked, complaints
from openclaw_tx.wire.tools_invoke import (
    FIELDS,
    ToolsInvokeError,
    ToolsInvokeRequest,
    invalid,
    not_available,
    parse,
    render_error,
    render_result,
)

MAX_BODY = 2 * 1024 * 1024
"""Largest request body."""

MAX_REPLY = 8 * 1024 * 1024
"""Largest result, rendered."""

MAX_AT_WORK = 64
"""Calls at work at the same time."""

FAILED = "tool execution failed"
"""All that a client is told of an exception within a tool."""


class ToolsInvoke(Endpoint):
    """The resource; it can not be switched off, only emptied, with C{gateway.tools.deny}."""

    methods = (b"POST",)
    action = "tools.invoke"
    config_key = ""
    fields = FIELDS

    def __init__(
        self,
        guard: Guard,
        new_id: NewId,
        settings: Callable[[], Config],
        agents: Agents,
        models: Models,
        tools: Tools,
        clock: IReactorTime,
        lifecycle: Lifecycle,
    ) -> None:
        super().__init__(guard, new_id)
        self._settings = settings
        self._agents = agents
        self._models = models
        self._tools = tools
        self._clock = clock
        self._slots = Slots(lifecycle, MAX_AT_WORK)
        self._once = Once(clock)

    def enabled(self) -> bool:
        """Always."""
        return True

    async def serve(self, exchange: Exchange, principal: Principal) -> None:
        """Call the tool; a client that goes away cancels it. See L{Endpoint.serve}."""
        body = await exchange.body(MAX_BODY)
        try:
            request = parse(body)
            reply = await self._invoke(exchange, principal, request, body)
        except ToolsInvokeError as error:
            reply = Reply(error.status, render_error(error))
        exchange.send_json(reply.body, reply.status)

    async def _invoke(
        self, exchange: Exchange, principal: Principal, request: ToolsInvokeRequest, body: bytes
    ) -> Reply:
        """
        @raise ToolsInvokeError: the call was refused; the tool has not been called.
        """
        try:
            agent, session_key = self._address(principal, request)
            self._guard.authorise(principal, self.action, Target(agent_id=agent.id, session_key=session_key))
        except GatewayError as error:
            if error.info.code == "invalid_request":
                raise invalid(str(error)) from None
            raise
        model = primary_model(self._models, agent)
        tool = self._find(agent, model, request.name, owner=is_owner(principal))
        arguments = arguments_for(tool, request)
        context = CallContext(
            agent=agent,
            agents=agents_for(self._agents, principal),
            principal=principal,
            session_key=session_key,
            run_id=f"tools_{self._new_id()}",
            model=model,
            usage=Usage(),
            clock=self._clock,
        )

        async def work() -> Reply:
            with self._slots.one():
                return await self._call(tool, arguments, context, agent.timeout_s)

        if not request.idempotency_key:
            return await work()
        fingerprint = hashlib.sha256(body).digest()
        reply, replayed = await self._once.reply((principal.id, request.idempotency_key), fingerprint, work)
        if replayed:
            exchange.set_header("Idempotency-Replayed", "true")
        return reply

    async def _call(self, tool: Tool, arguments: Mapping[str, Any], context: ToolContext, timeout_s: float) -> Reply:
        """The reply of a tool that was called, good or bad."""
        name = tool.spec.name
        call = Deferred.fromCoroutine(tool.call(arguments, context))
        if timeout_s:
            call.addTimeout(timeout_s, self._clock)
        try:
            result = await call
            if result.is_error:
                raise ToolsInvokeError(400, "tool_error", result.text)
            rendered = render_result(result)
            if len(rendered) > MAX_REPLY:
                raise ToolsInvokeError(500, "tool_error", "the result is too large")
            return Reply(200, rendered)
        except CancelledError:
            raise
        except ToolsInvokeError as error:
            failure = error
        except DeferredTimeout:
            self._log.info("tool {name} was stopped after {seconds} s", name=name, seconds=timeout_s)
            failure = ToolsInvokeError(504, "tool_error", "tool execution timed out")
        except Exception:
            self._log.failure("tool {name} failed", name=name)
            failure = ToolsInvokeError(500, "tool_error", FAILED)
        return Reply(failure.status, render_error(failure))

    def _address(self, principal: Principal, request: ToolsInvokeRequest) -> tuple[Agent, str]:
        """The agent whose tools they are, and the session that they are told.

        @raise GatewayError: C{invalid_request}.
        """
        agents = agents_for(self._agents, principal)
        key = checked_key(request.session_key)
        if is_reserved(key):
            raise GatewayError("invalid_request", "sessionKey: internal sessions can not be used here.")
        parsed = parse_key(key)
        named = request.agent_id.lower() or (parsed.agent_id if parsed is not None else default_agent(agents))
        agent = agents.get(named)
        if agent is None:
            raise GatewayError("invalid_request", f"Unknown agent '{shown(named)}'.")
        if parsed is not None and parsed.agent_id != agent.id:
            raise GatewayError(
                "invalid_request", f"sessionKey belongs to agent '{shown(parsed.agent_id)}', agentId is '{agent.id}'."
            )
        return agent, canonical_key(key, agent.id, prefix=principal.session_prefix, scope=HTTP_SCOPE)

    def _find(self, agent: Agent, model: str, name: str, *, owner: bool) -> Tool:
        """
        @raise ToolsInvokeError: not there, or not for this caller.
        """
        allowed = {tool.spec.name: tool for tool in self._tools.allowed(agent, model)}
        if name not in callable_over_http(allowed, self._settings().gateway.tools, owner=owner):
            raise not_available(shown(name))
        return allowed[name]


def is_owner(principal: Principal) -> bool:
    """Whether C{gateway.tools.allow} is for C{principal}."""
    return ADMIN in principal.scopes


def primary_model(models: Models, agent: Agent) -> str:
    """The ref that policies by provider go by: what an alias stands for."""
    ref = agent.models[0] if agent.models else ""
    try:
        return models.info(ref).ref
    except GatewayError:
        return ref


def arguments_for(tool: Tool, request: ToolsInvokeRequest) -> Mapping[str, Any]:
    """The arguments, C{action} among them if the tool has such a parameter and they do not name one, checked.

    @raise ToolsInvokeError: they do not fit the tool's schema.
    """
    schema = tool.spec.parameters
    arguments = dict(request.args)
    properties = schema.get("properties")
    if request.action and isinstance(properties, Mapping) and "action" in properties:
        arguments.setdefault("action", request.action)
    arguments = dict(named_as_declared(tool, arguments))
    try:
        wrong = complaints(arguments, schema)
    except Unchecked as error:
        wrong = [str(error)]
    if wrong:
        raise invalid(f"Invalid arguments for {tool.spec.name}: " + " ".join(f"{each}." for each in wrong))
    return arguments


__all__ = [
    "FAILED",
    "MAX_AT_WORK",
    "MAX_BODY",
    "MAX_REPLY",
    "ToolsInvoke",
    "arguments_for",
    "is_owner",
    "primary_model",
]
