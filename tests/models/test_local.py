# -*- test-case-name: tests.models.test_local -*-
"""The embedded model as a provider: a process in memory, and the scripted model server as what it serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request

from openclaw_tx.config.schema_models import LocalModel
from openclaw_tx.errors import GatewayError
from openclaw_tx.models.local import DEFAULT_SYSTEM, LocalProvider
from openclaw_tx.values import ModelRequest, Sampling
from tests.contract import model_provider as contract
from tests.contract.model_provider import prompt
from tests.models.memory import Memory, start
from tests.support.processes import Processes
from tests.support.upstream import Upstream


class Server(Upstream):
    """llama.cpp's server, as far as we use it.

    @ivar busy: what C{/slots} says; None = it gives no sense.
    """

    busy: bool | None = False

    def render_GET(self, request: Request) -> bytes:
        """The slots."""
        assert request.path == b"/slots" and request.getHeader("authorization") == "Bearer secret"
        return b"?" if self.busy is None else b'[{"id":0,"is_processing":%s}]' % str(self.busy).lower().encode()


class Scene:
    """The provider with its runtime and weights in place, unless told otherwise."""

    def __init__(self, *, runtime: bool = True, weights: Path | None = Path(__file__), **settings: Any) -> None:
        self.memory = Memory()
        self.server = self.memory.replace(Server)
        self.processes = Processes()
        environ = settings.pop("environ", {})
        reactor: Any = self.memory.reactor
        self.provider = LocalProvider(
            reactor,
            reactor,
            self.processes,
            LocalModel(**settings),
            Path("/state"),
            environ,
            new_id=lambda: "new-id",
            new_secret=lambda: "secret",
            has_runtime=lambda: runtime,
            find_weights=lambda state: weights,
        )

    def ask(self, request: ModelRequest | str, model: str = "smollm2-135m") -> Any:
        """Start a call."""
        request = prompt(request) if isinstance(request, str) else request
        return start(self.provider.stream(model, request, lambda events: None))

    def serve(self) -> None:
        """The process gets ready, and the network works."""
        self.processes.spawned[-1].ready()
        self.memory.advance(0.2)

    def die(self, code: int | None = 0, signal: int | None = None) -> None:
        """The process ends."""
        self.processes.spawned[-1].end(code, signal)


class ContractTests(contract.ModelProviderContract):
    """L{LocalProvider} keeps the contract, once its process runs."""

    def make(self) -> None:
        scene = Scene()
        self.memory, self.provider = scene.memory, scene.provider
        scene.ask("warm up")
        scene.serve()
        scene.server.exchanges.clear()
        self.addCleanup(scene.die)
        self.scene = scene

    def _close(self) -> None:
        closing = start(self.provider.close())
        self.scene.die()
        self.settle()
        self.successResultOf(closing)
        self.assertEqual(self.memory.open_connections, 0)


class LocalProviderTests(SynchronousTestCase):
    """What is particular to the embedded model."""

    def error(self, called: Any) -> GatewayError:
        """What a call failed with."""
        error: GatewayError = self.failureResultOf(called, GatewayError).value
        return error

    def test_lazy(self) -> None:
        """The first call starts the process and waits for it; the next one uses it."""
        scene = Scene()
        self.assertEqual(scene.processes.spawned, [])
        called = scene.ask("hi")
        self.assertEqual(len(scene.processes.spawned), 1)
        self.assertNoResult(called)
        scene.serve()
        self.assertEqual(self.successResultOf(called).text, "pong")
        again = scene.ask("hi")
        scene.memory.advance(0.2)
        self.successResultOf(again)
        self.assertEqual(len(scene.processes.spawned), 1)

    def test_request(self) -> None:
        """Progress is asked for, so that an abort works; the key is shown; answers are short and repeatable."""
        scene = Scene()
        called = scene.ask("hi")
        scene.serve()
        self.successResultOf(called)
        seen = scene.server.exchanges[0]
        self.assertEqual(seen.headers["authorization"], "Bearer secret")
        self.assertEqual(
            {name: seen.body.get(name) for name in ("return_progress", "max_tokens", "temperature", "model")},
            {"return_progress": True, "max_tokens": 512, "temperature": 0.0, "model": "smollm2-135m"},
        )
        self.assertEqual(seen.body["messages"][0], {"role": "system", "content": "S"})

    def test_there_is_always_a_system_message(self) -> None:
        """Without one the model's own template would add a bad one."""
        scene = Scene()
        called = scene.ask(ModelRequest(system="", messages=prompt("hi").messages, sampling=Sampling(max_tokens=9)))
        scene.serve()
        self.successResultOf(called)
        body = scene.server.exchanges[0].body
        self.assertEqual(body["messages"][0], {"role": "system", "content": DEFAULT_SYSTEM})
        self.assertEqual(body["max_tokens"], 9)

    def test_missing_pieces(self) -> None:
        """No runtime, no weights, no such file: each says which command to run, and no process is started."""
        command = "pip install 'openclaw-tx[local]' && openclaw-tx models install"
        for scene, words in (
            (Scene(runtime=False), command),
            (Scene(weights=None), command),
            (Scene(path="/no/such.gguf"), "models.local.path"),
        ):
            error = self.error(scene.ask("hi", scene.provider.models()[0].id))
            self.assertEqual(error.info.code, "local_model_not_installed")
            self.assertIn(words, str(error))
            self.assertEqual(scene.processes.spawned, [])
            self.assertEqual(scene.memory.reactor.getDelayedCalls(), [])

    def test_other_file(self) -> None:
        """Any GGUF file will do, under its own name; the environment's wins; its parameters are its own affair."""
        path = Path(self.mktemp() + "Qwen.GGUF")
        path.write_bytes(b"GGUF")
        scene = Scene(weights=None, path="/other.gguf", environ={"OPENCLAW_LOCAL_MODEL": str(path)})
        (info,) = scene.provider.models()
        self.assertEqual(info.id, path.stem.lower())
        self.assertEqual(self.error(scene.ask("hi")).info.code, "model_not_found")
        called = scene.ask("hi", info.id)
        self.assertEqual(scene.processes.spawned[0].settings["path"], str(path))
        scene.serve()
        self.successResultOf(called)
        self.assertNotIn("temperature", scene.server.exchanges[0].body)

    def test_death_in_mid_answer(self) -> None:
        """The call fails; the next one gets a new process, under a new connection."""
        scene = Scene()
        called = scene.ask("[[chunks=3 drop=1]]")
        scene.serve()
        self.assertEqual(self.error(called).info.code, "provider_error")
        scene.memory.reactor.advance(11)
        scene.die(None, 9)
        called = scene.ask("hi")
        self.assertEqual(len(scene.processes.spawned), 2)
        scene.serve()
        self.assertEqual(self.successResultOf(called).text, "pong")

    def abort(self, scene: Scene) -> None:
        """A call that is cancelled in mid-answer."""
        called = scene.ask("[[chunks=3 hang=2]]")
        if not scene.processes.spawned[-1].protocol.ready:
            scene.serve()
        scene.memory.advance(0.2)
        called.cancel()
        self.failureResultOf(called, CancelledError)

    def test_abort_that_works(self) -> None:
        """The process is looked at once, 5 s later, and left alone."""
        scene = Scene()
        self.abort(scene)
        self.abort(scene)
        scene.memory.advance(6)
        self.assertEqual(scene.processes.spawned[0].signals, [])
        before = scene.memory.connections
        scene.memory.advance(60, step=1)
        self.assertEqual(scene.memory.connections, before)

    def test_abort_that_does_not(self) -> None:
        """One that goes on working for nobody is killed, and so is one that does not say."""
        for busy in (True, None):
            scene = Scene()
            scene.server.busy = busy
            self.abort(scene)
            scene.memory.advance(4.5)
            self.assertEqual(scene.processes.spawned[0].signals, [])
            scene.memory.advance(1)
            self.assertEqual(scene.processes.spawned[0].signals, ["KILL"])
            scene.die(None, 9)

    def test_busy_for_somebody_else(self) -> None:
        """After an abort the process may work for the next caller; it is killed only when nobody hears from it."""
        scene = Scene()
        scene.server.busy = True
        self.abort(scene)
        other = scene.ask("[[chunks=20 delay=1]]")
        scene.memory.advance(15)
        self.assertEqual(scene.processes.spawned[0].signals, [])
        other.cancel()
        self.failureResultOf(other, CancelledError)
        scene.server.busy = False
        scene.memory.advance(11)
        self.assertEqual(scene.processes.spawned[0].signals, [])

    def test_close(self) -> None:
        """The process ends, pending looks are dropped, and no call is taken any more."""
        scene = Scene()
        self.abort(scene)
        closing = start(scene.provider.close())
        self.assertFalse(scene.processes.spawned[0].stdin_open)
        scene.die()
        scene.memory.advance(0.2)
        self.successResultOf(closing)
        self.assertEqual(self.error(scene.ask("hi")).info.code, "gateway_draining")
        self.assertEqual(scene.memory.open_connections, 0)
