"""Environments for the clients under C{.clients}: one of Python for each, one folder for all of Node.

What is there already with the right versions is left as it is.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from tests.e2e.clients.matrix import NODE_PACKAGES, Client
from tests.e2e.processes import REPOSITORY, Child, spawn

HOME = REPOSITORY / ".clients"
SCRIPTS = Path(__file__).parent / "scripts"
INSTALL_SECONDS = 420.0


class CanNotRun(Exception):
    """A client is not there, and why."""


async def ended(child: Child, reactor: IReactorTime, seconds: float) -> int:
    """The exit code of a process; it is killed when it takes too long."""
    late = reactor.callLater(seconds, lambda: child.transport.signalProcess("KILL"))  # type: ignore[union-attr]
    done: Deferred[int] = Deferred()
    child.ended.addBoth(lambda code: (done.callback(code), code)[1])
    code = await done
    if late.active():
        late.cancel()
    return code


async def python_of(client: Client, reactor: IReactorTime) -> str:
    """The interpreter that has the client's packages.

    @raise CanNotRun: they could not be installed.
    """
    home = HOME / client.name
    python = str(home / "bin" / "python")
    stamp, wanted = home / "installed", "\n".join(client.packages)
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    await _do(spawn(["-m", "venv", "--clear", str(home)]), reactor)
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *client.packages]
    await _do(spawn(pip, program=python), reactor)
    stamp.write_text(wanted)
    return python


async def node_of(reactor: IReactorTime) -> tuple[str, Path]:
    """Node, and the folder with its packages and a copy of the scripts.

    @raise CanNotRun: there is no Node, or the packages could not be installed.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise CanNotRun("no Node on the PATH")
    home = HOME / "node"
    manifest = {"private": True, "type": "module", "dependencies": NODE_PACKAGES}
    await install_node(home, json.dumps(manifest), npm, reactor)
    # Modules look for packages beside themselves.
    for script in SCRIPTS.glob("*.mjs"):
        shutil.copy(script, home)
    return node, home


async def install_node(home: Path, manifest: str, npm: str, reactor: IReactorTime, *options: str) -> None:
    """Install what a C{package.json} names into its folder.

    @raise CanNotRun: it can not be done.
    """
    home.mkdir(parents=True, exist_ok=True)
    stamp = home / "installed"
    if stamp.exists() and stamp.read_text() == manifest:
        return
    (home / "package.json").write_text(manifest)
    await _do(spawn(["install", "--prefix", str(home), "--no-audit", "--no-fund", *options], program=npm), reactor)
    stamp.write_text(manifest)


async def _do(child: Child, reactor: IReactorTime) -> None:
    code = await ended(child, reactor, INSTALL_SECONDS)
    if code:
        last = child.output.strip().splitlines()[-1:] or [f"ended with {code}"]
        raise CanNotRun(f"can not be installed: {last[0][:200]}")
