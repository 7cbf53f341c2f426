# -*- test-case-name: tests.models.test_supervisor -*-
"""The life of the embedded model's process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.models import child
from openclaw_tx.models.supervisor import ChildSettings, Supervisor
from tests.models.memory import outcome, start
from tests.support.processes import Process, Processes

SETTINGS = ChildSettings(path=Path("/w.gguf"), model="m", context_window=512, threads=0, api_key="key-1")


class SupervisorTests(SynchronousTestCase):
    """L{Supervisor}."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.processes = Processes()
        self.missing: GatewayError | None = None
        environ = {"PATH": "/bin", "OPENAI_API_KEY": "x", "GH_TOKEN": "x", "OMP_WAIT_POLICY": "active"}
        self.supervisor = Supervisor(self.processes, self.clock, self.settings, environ)

    def settings(self) -> ChildSettings:
        """What a start is made with."""
        if self.missing is not None:
            raise self.missing
        return SETTINGS

    def ready(self) -> list[Any]:
        """Ask for the process."""
        return outcome(start(self.supervisor.ready()))

    @property
    def process(self) -> Process:
        """The newest one."""
        return self.processes.spawned[-1]

    def error(self, result: list[Any]) -> GatewayError:
        """What the asking came to."""
        (failure,) = result
        error: GatewayError = failure.value
        self.assertIsInstance(error, GatewayError)
        return error

    def test_start(self) -> None:
        """Nothing runs before it is needed; the key goes over stdin, and no secret into the environment."""
        self.assertEqual(self.processes.spawned, [])
        result = self.ready()
        self.assertEqual(self.process.command, [sys.executable, "-P", child.__file__])
        self.assertEqual(self.process.env, {"PATH": "/bin", "OMP_WAIT_POLICY": "passive"})
        self.assertEqual(
            self.process.settings,
            {"path": "/w.gguf", "model": "m", "context_window": 512, "threads": 0, "api_key": "key-1"},
        )
        self.assertEqual(result, [])
        self.process.ready("http://127.0.0.1:5")
        self.assertEqual((result[0].url, result[0].api_key, result[0].number), ("http://127.0.0.1:5", "key-1", 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_start_for_many(self) -> None:
        """All who ask get the same process; one who gives up takes nothing from the others."""
        gone = start(self.supervisor.ready())
        others = [self.ready(), self.ready()]
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.process.ready()
        self.assertEqual([result[0].number for result in (*others, self.ready())], [1, 1, 1])
        self.assertEqual(len(self.processes.spawned), 1)

    def test_output_in_any_shape(self) -> None:
        """The line may come in pieces, among noise; a flood of noise is not kept."""
        result = self.ready()
        for piece in (b"loading...\n[1]\n3\n", b'{"rea', b'dy": "http://h', b':1"}\nmore'):
            self.assertEqual(result, [])
            self.process.protocol.outReceived(piece)
        self.assertEqual(result[0].url, "http://h:1")
        self.process.protocol.outReceived(b'{"ready": "http://other"}\n')
        self.assertEqual(self.ready()[0].url, "http://h:1")

    def test_missing_pieces(self) -> None:
        """What is missing is said at once and looked for again the next time."""
        self.missing = GatewayError("local_model_not_installed", "run this")
        self.assertIs(self.error(self.ready()), self.missing)
        self.missing = None
        self.ready()
        self.assertEqual(len(self.processes.spawned), 1)
        self.end_quietly()

    def end_quietly(self) -> None:
        """Leave no timer behind."""
        self.process.ready()

    def test_spawn_fails(self) -> None:
        """No more processes: an error, and no harm."""
        self.processes.error = OSError(11, "Resource temporarily unavailable")
        self.assertEqual(self.error(self.ready()).info.code, "provider_error")
        self.processes.error = None
        result = self.ready()
        self.process.ready()
        self.assertEqual(result[0].number, 2)

    def test_deaths_before_ready(self) -> None:
        """Each way to die has its words."""
        for report, code, killer, wanted, words in (
            ({"error": "import", "message": "libgomp.so.1: no"}, 3, None, "local_model_not_installed", "libgomp1"),
            (
                {"error": "import", "message": "No module"},
                3,
                None,
                "local_model_not_installed",
                "openclaw-tx models install",
            ),
            ({"error": "load", "message": "x"}, 4, None, "provider_error", "GGUF"),
            ({}, None, signal.SIGKILL, "provider_error", "signal 9"),
            ({}, 7, None, "provider_error", "status 7"),
            ({}, 0, None, "provider_error", "status 0"),
            ({}, None, signal.SIGILL, "local_model_not_installed", "AVX2"),
        ):
            self.setUp()
            result = self.ready()
            self.process.say(report)
            self.process.protocol.errReceived(b"x" * 100_000)
            self.process.end(code, killer)
            error = self.error(result)
            self.assertEqual(error.info.code, wanted)
            self.assertIn(words, str(error))
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_wrong_processor_is_final(self) -> None:
        """A processor does not change: no second try."""
        self.ready()
        self.process.end(None, signal.SIGILL)
        self.assertIn("AVX2", str(self.error(self.ready())))
        self.assertEqual(len(self.processes.spawned), 1)

    def test_each_has_an_error_of_his_own(self) -> None:
        """However often it is asked in vain: an error that is raised again and again would hold on to all who asked."""
        results = [self.ready() for _ in range(2)]
        self.process.end(None, signal.SIGILL)
        results += [self.ready() for _ in range(2)]
        self.assertEqual(len({id(self.error(result)) for result in results}), 4)

    def test_back_off_and_giving_up(self) -> None:
        """1, 2, 4, 8 s between quick deaths; after the fifth nothing is tried any more."""
        result = self.ready()
        for wait in (1, 2, 4, 8):
            self.process.end(1)
            self.assertEqual(self.error(result).info.code, "provider_error")
            result, before = self.ready(), len(self.processes.spawned)
            self.clock.advance(wait - 0.1)
            self.assertEqual(len(self.processes.spawned), before)
            self.clock.advance(0.1)
            self.assertEqual(len(self.processes.spawned), before + 1)
        self.process.end(1)
        self.assertIn("5 times", str(self.error(self.ready())))
        self.clock.advance(1000)
        self.assertIn("5 times", str(self.error(self.ready())))
        self.assertEqual(len(self.processes.spawned), 5)

    def test_a_long_life_clears_the_record(self) -> None:
        """After a death in old age the next one starts at once."""
        for _ in range(8):
            result = self.ready()
            self.process.ready()
            self.assertEqual(len(result), 1)
            self.clock.advance(11)
            self.process.end(None, signal.SIGSEGV)
        self.assertEqual(len(self.processes.spawned), 8)

    def test_never_ready(self) -> None:
        """One that does not get ready is killed."""
        result = self.ready()
        self.clock.advance(60)
        self.assertEqual(self.process.signals, ["KILL"])
        self.process.end(None, signal.SIGKILL)
        self.assertIn("60 seconds", str(self.error(result)))

    def test_cancel_during_back_off(self) -> None:
        """Waiting for the next start can be given up."""
        self.ready()
        self.process.end(1)
        waiting = start(self.supervisor.ready())
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_kill(self) -> None:
        """Only the process that is meant is killed, and that is no death of its own making."""
        self.ready()
        self.process.ready()
        self.supervisor.kill(7, "x")
        self.assertEqual(self.process.signals, [])
        self.supervisor.kill(1, "x")
        self.assertEqual(self.process.signals, ["KILL"])
        self.process.end(None, signal.SIGKILL)
        self.supervisor.kill(1, "x")
        result = self.ready()
        self.assertEqual(len(self.processes.spawned), 2)
        self.process.ready()
        self.assertEqual(result[0].number, 2)

    def test_stop(self) -> None:
        """Its stdin is closed; if it does not end it is killed; afterwards nothing starts any more."""
        self.successResultOf(start(Supervisor(self.processes, self.clock, self.settings, {}).stop()))
        self.ready()
        self.process.ready()
        stopped = outcome(start(self.supervisor.stop()))
        self.assertFalse(self.process.stdin_open)
        self.clock.advance(2.9)
        self.assertEqual((self.process.signals, stopped), ([], []))
        self.clock.advance(0.2)
        self.assertEqual(self.process.signals, ["KILL"])
        self.process.end(None, signal.SIGKILL)
        self.assertEqual(stopped, [None])
        self.assertEqual(self.error(self.ready()).info.code, "gateway_draining")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_while_starting(self) -> None:
        """Those who wait for it are told."""
        waiting = self.ready()
        stopped = outcome(start(self.supervisor.stop()))
        self.process.end(0)
        self.assertEqual((stopped, len(waiting)), ([None], 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ChildTests(SynchronousTestCase):
    """L{openclaw_tx.models.child} itself, as far as it goes without its runtime."""

    def test_without_runtime(self) -> None:
        """It says that it can not import its runtime, as one line of JSON, and ends."""
        settings = json.dumps({"path": "x", "model": "m", "context_window": 512, "threads": 1, "api_key": "k"})
        command = [sys.executable, "-I", "-S", child.__file__]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(settings + "\n")
            process.stdin.flush()
            said = json.loads(process.stdout.readline())
            self.assertEqual(process.wait(60), 3)
        self.assertEqual(said["error"], "import")
        self.assertIn("xllamacpp", said["message"])
