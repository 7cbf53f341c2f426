# -*- test-case-name: tests.ws.test_methods,tests.ws.rpc.test_agent -*-
"""The registry of methods: name -> action, params, handler. One place decides, decodes, answers (spec 2.4, 2.5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from openclaw_tx.errors import ErrorInfo, GatewayError
from openclaw_tx.interfaces import Authoriser
from openclaw_tx.values import Principal, Target
from openclaw_tx.wire.frames import Failure, Request, decode_params, failure_of, refusal, response

P = TypeVar("P")
NO_TARGET = Target()


class Caller(Protocol):
    """The connection a request came over, as far as methods need it."""

    @property
    def principal(self) -> Principal: ...

    @property
    def protocol(self) -> int: ...

    @property
    def role(self) -> str: ...

    @property
    def number(self) -> int:
        """Tells connections apart within the process."""

    def send(self, frame: bytes) -> None:
        """Send a response; silently nothing once the connection is closed."""


class Declined(msgspec.Struct, frozen=True):
    """What a handler returns to answer no, with a payload beside the error."""

    payload: Any
    error: ErrorInfo


class Call(Generic[P]):
    """One request at work.

    @ivar params: decoded.
    @ivar traceparent: W3C trace context of the frame as it came; "" without one.
    """

    __slots__ = ("caller", "id", "params", "traceparent")

    def __init__(self, caller: Caller, id: str, params: P, traceparent: str = "") -> None:
        self.caller = caller
        self.id = id
        self.params = params
        self.traceparent = traceparent

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self.caller.principal

    @property
    def modern(self) -> bool:
        """The connection speaks protocol 4."""
        return self.caller.protocol >= 4

    def respond(self, payload: Any) -> None:
        """Send an answer ahead of the final one, under the same id."""
        self.caller.send(response(self.id, payload))


class Method(NamedTuple):
    """A method as its family declares it."""

    name: str
    action: str
    """For the authoriser."""
    params: type[Any]
    handler: Callable[[Call[Any]], Awaitable[Any]]
    """Returns the payload of the (final) answer, or L{Declined}."""
    role: str = "operator"
    """Connections of this role may call it, and no others."""


class Methods:
    """All methods by name."""

    def __init__(self, families: Iterable[Sequence[Method]], authorise: Authoriser) -> None:
        """
        @raise ValueError: a name is there twice.
        """
        self._methods: dict[str, Method] = {}
        for family in families:
            for method in family:
                if method.name in self._methods:
                    raise ValueError(f"method {method.name} is registered twice")
                self._methods[method.name] = method
        self._authorise = authorise
        self._log = Logger()

    @property
    def names(self) -> Sequence[str]:
        """For C{features.methods}."""
        return list(self._methods)

    def all(self) -> Sequence[Method]:
        """As the families declared them."""
        return list(self._methods.values())

    def action_of(self, name: str) -> str:
        """What a method does, for the authoriser.

        @raise KeyError: there is no such method.
        """
        return self._methods[name].action

    async def serve(self, caller: Caller, request: Request) -> None:
        """Do what a request asks for and answer it. Only cancellation gets out."""
        try:
            answer = await self._answer(caller, request)
            if isinstance(answer, Declined):
                frame = refusal(request.id, _failure(answer.error, caller), answer.payload)
            else:
                frame = response(request.id, answer)
        except CancelledError:
            raise
        except GatewayError as error:
            frame = refusal(request.id, _failure(error.info, caller))
        except Exception:
            self._log.failure("method {name} failed", name=request.method[:100])
            frame = refusal(request.id, Failure(code="UNAVAILABLE", message="internal error"))
        caller.send(frame)

    async def _answer(self, caller: Caller, request: Request) -> Any:
        name = request.method
        if name == "connect":
            raise GatewayError("invalid_request", "connect is only valid as the first request")
        method = self._methods.get(name)
        if (method.role if method is not None else "operator") != caller.role:
            raise GatewayError("invalid_request", f"unauthorized role: {caller.role}")
        if method is None:
            raise GatewayError("invalid_request", f"unknown method: {name[:100]}")
        self._authorise(caller.principal, method.action, NO_TARGET)
        params = decode_params(method.params, request.params, name)
        return await method.handler(Call(caller, request.id, params, request.traceparent))


def _failure(info: ErrorInfo, caller: Caller) -> Failure:
    return failure_of(info, modern=caller.protocol >= 4)
