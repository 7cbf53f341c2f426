# -*- test-case-name: tests.models.test_local -*-
"""The embedded model: llama.cpp in a process of its own, to us one more OpenAI-compatible server.

An abort closes the connection, and the server stops between two batches because it was asked for progress. Should it
not, its slot would stay taken: so 5 s after an abort we look, and a slot at work while nobody has heard anything
for that long costs the process its life. Requests waiting then start over with the next process.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from twisted.internet.interfaces import IDelayedCall, IReactorProcess, IReactorTCP, IReactorTime
from twisted.logger import Logger
from twisted.web.http_headers import Headers

from openclaw_tx.config.schema_models import LocalModel
from openclaw_tx.deferreds import spawn
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import OnEvents
from openclaw_tx.models import weights
from openclaw_tx.models.door import HttpFailure
from openclaw_tx.models.http import HttpDoor
from openclaw_tx.models.local_embeddings import LocalEmbeddings
from openclaw_tx.models.openai import speaking
from openclaw_tx.models.provider import EmbeddingHttpProvider, ServedModel, Service
from openclaw_tx.models.refs import LOCAL
from openclaw_tx.models.streaming import StreamingDoor
from openclaw_tx.models.supervisor import INSTALL_COMMAND, ChildSettings, Ready, Supervisor
from openclaw_tx.sending import Turn
from openclaw_tx.values import Embeddings, ModelInfo, ModelReply, ModelRequest, Sampling
from openclaw_tx.wire.openai_completions import Dialect

MODEL = "smollm2-135m"
MAX_TOKENS = 512
"""Longest answer of the embedded model when a request leaves it open."""
IDLE_TIMEOUT_S = 300.0
"""Long, because a request may wait for another one's answer."""
ABORT_GRACE_S = 5.0
DEFAULT_SYSTEM = "You are a helpful assistant."
"""Without a system message the model's own template adds one that makes it talk nonsense."""

RUNTIME = "xllamacpp"
"""The package that is the runtime."""


def has_runtime() -> bool:
    """Whether llama.cpp is installed; nothing is loaded."""
    return importlib.util.find_spec(RUNTIME) is not None


class LocalProvider:
    """A L{openclaw_tx.interfaces.ModelProvider} around a process that is started by the first request."""

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTCP,
        clock: IReactorTime,
        processes: IReactorProcess,
        settings: LocalModel,
        state_dir: Path,
        environ: Mapping[str, str],
        new_id: Callable[[], str],
        new_secret: Callable[[], str],
        turn: Turn | None = None,
        *,
        has_runtime: Callable[[], bool] = has_runtime,
        find_weights: Callable[[Path], Path | None] = weights.find,
    ) -> None:
        """
        @param new_secret: makes the key that the process asks for.
        @param has_runtime: whether llama.cpp is installed; asked at each start, so that nothing need be restarted.
        @param find_weights: where the weights are below a state directory, if they are.
        """
        self._reactor = reactor
        self._clock = clock
        self._settings = settings
        self._state_dir = state_dir
        self._has_runtime = has_runtime
        self._find_weights = find_weights
        self._own = weights.own_path(settings.path, environ)
        self._new_id = new_id
        self._new_secret = new_secret
        self._turn = turn or Turn()
        self._supervisor = Supervisor(processes, clock, self._child_settings, environ)
        self._link: _Link | None = None
        self._check: IDelayedCall | None = None
        name = MODEL if self._own is None else self._own.stem.lower()
        info = ModelInfo(
            provider=LOCAL,
            id=name,
            name="SmolLM2 135M Instruct" if self._own is None else self._own.stem,
            context_window=settings.context_window,
            max_tokens=min(MAX_TOKENS if self._own is None else 4096, settings.context_window),
            response_format=True,
        )
        defaults = Sampling(max_tokens=info.max_tokens, temperature=0.0 if self._own is None else None)
        self._served = ServedModel(info=info, codec=speaking(Dialect(return_progress=True)), defaults=defaults)

    def models(self) -> Sequence[ModelInfo]:
        return [self._served.info]

    async def stream(self, model: str, request: ModelRequest, on_events: OnEvents) -> ModelReply:
        if model != self._served.info.id:
            raise GatewayError("model_not_found", f"Unknown model: {LOCAL}/{model}")
        if not request.system:
            request = msgspec.structs.replace(request, system=DEFAULT_SYSTEM)
        link = self._linked(await self._supervisor.ready())
        try:
            return await link.provider.stream(model, request, on_events)
        except BaseException:
            self._check_later(link)
            raise

    def embedding_model(self) -> str:
        return self._served.info.id

    async def embed(self, model: str, texts: Sequence[str], dimensions: int | None) -> Embeddings:
        """See L{openclaw_tx.interfaces.EmbeddingProvider.embed}; the length of the vectors is the model's own."""
        if model != self._served.info.id:
            raise GatewayError("model_not_found", f"Unknown model: {LOCAL}/{model}")
        link = self._linked(await self._supervisor.ready())
        try:
            return await link.embeddings.embed(model, texts)
        except BaseException:
            self._check_later(link)
            raise

    async def close(self) -> None:
        if self._check is not None:
            self._check.cancel()
            self._check = None
        await self._supervisor.stop()
        if self._link is not None:
            await self._link.close()

    def _child_settings(self) -> ChildSettings:
        """
        @raise GatewayError: C{local_model_not_installed}, naming what is missing and the command to run.
        """
        code = "local_model_not_installed"
        if not self._has_runtime():
            raise GatewayError(code, f"The local model's runtime is not installed. Run: {INSTALL_COMMAND}")
        path = self._own or self._find_weights(self._state_dir)
        if path is None:
            raise GatewayError(code, f"The local model's weights are not installed. Run: {INSTALL_COMMAND}")
        if not path.is_file():
            raise GatewayError(code, "The file of models.local.path or OPENCLAW_LOCAL_MODEL does not exist.")
        return ChildSettings(
            path=path,
            model=self._served.info.id,
            context_window=self._settings.context_window,
            threads=self._settings.threads,
            api_key=self._new_secret(),
        )

    def _linked(self, ready: Ready) -> _Link:
        """The way to the process that serves now."""
        if self._link is None or self._link.ready.number != ready.number:
            before, self._link = (
                self._link,
                _Link(self._reactor, self._clock, ready, self._served, self._new_id, self._turn),
            )
            if before is not None:
                spawn(before.close(), self._log, "closing connections to an old local model process")
        return self._link

    def _check_later(self, link: _Link) -> None:
        if self._check is None and link is self._link:
            self._check = self._clock.callLater(ABORT_GRACE_S, self._check_now, link)

    def _check_now(self, link: _Link) -> None:
        self._check = None
        if link is self._link:
            spawn(self._kill_if_stuck(link), self._log, "looking after the local model")

    async def _kill_if_stuck(self, link: _Link) -> None:
        if not await link.is_busy():
            return
        if self._clock.seconds() - link.door.last_heard >= ABORT_GRACE_S:
            self._supervisor.kill(link.ready.number, "it went on working for nobody after an abort")
        else:
            self._check_later(link)  # at work for somebody else


class _Link:
    """Connections to one process."""

    def __init__(
        self,
        reactor: IReactorTCP,
        clock: IReactorTime,
        ready: Ready,
        served: ServedModel,
        new_id: Callable[[], str],
        turn: Turn,
    ) -> None:
        self.ready = ready
        headers = {"Authorization": f"Bearer {ready.api_key}"}
        self._headers = Headers({name: [value] for name, value in headers.items()})
        self.door = StreamingDoor(
            reactor,
            clock,
            f"{ready.url}/v1",
            connect_timeout_s=ABORT_GRACE_S,
            idle_timeout_s=IDLE_TIMEOUT_S,
            turn=turn,
        )
        self._control = HttpDoor(
            reactor, clock, ready.url, connect_timeout_s=ABORT_GRACE_S, idle_timeout_s=ABORT_GRACE_S
        )
        self.provider = EmbeddingHttpProvider(Service(LOCAL, self.door, headers, new_id), [served])
        self.embeddings = LocalEmbeddings(self.provider, self._control, self._headers)

    async def is_busy(self) -> bool:
        """Whether the process is at work; one that does not say is taken to be."""
        try:
            answer = await self._control.send("GET", self._control.url("slots"), self._headers)
            slots: Any = msgspec.json.decode(await answer.collect())
            return any(slot.get("is_processing") for slot in slots)
        except (HttpFailure, msgspec.MsgspecError, AttributeError, TypeError, RecursionError):
            return True

    async def close(self) -> None:
        """Hang up."""
        await self.door.close()
        await self._control.close()


__all__ = ["MODEL", "RUNTIME", "LocalProvider", "has_runtime"]
