"""How the gateway itself is started."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.servers import ANY_CORE, HERE, Target, Unavailable, free_port, launch
from bench.workloads import ALL

OURS = "openclaw_tx"

STORE = Path("gateway", "openclaw.sqlite")
"""The database of sessions, below the state directory."""


def gateway(stack: ExitStack, stub_port: int, starts: int, store: Path | None = None, workers: int = 0) -> Target:
    """The gateway: token authentication, a state directory of its own, one agent for each workload.

    @param store: a database of sessions to begin with.
    @param workers: how many, on all cores; 0 = one process on its core.
    """
    state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openclaw-bench-")))
    token = secrets.token_hex(24)
    config = state / "openclaw.json"
    config.write_text(json.dumps(_gateway_config(state, token, stub_port), indent=2))
    config.chmod(0o600)
    if store is not None:
        (state / STORE).parent.mkdir(mode=0o700)
        shutil.copy(store, state / STORE)
    twistd = Path(sys.executable).with_name("twistd")
    if not twistd.exists():
        raise Unavailable(f"{twistd} is missing: run this with the Python of an environment that has openclaw-tx")
    target = Target(OURS if store is None else store.stem, free_port(), [f"Authorization: Bearer {token}"])
    target.models = {workload.name: f"openclaw/{workload.name}" for workload in ALL}
    command = [str(twistd), "-n", "--pidfile=", "openclaw"]
    command += ["--config", str(config), "--state-dir", str(state), "--port", str(target.port)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OPENCLAW_", "STUB_"))}
    # An installed package has its bytecode: a start that has to compile everything measures the compiler.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    env |= {"HOME": str(state), "PYTHONPATH": str(HERE.parent)}
    if workers:
        return launch(stack, target, [*command, "--workers", str(workers)], starts, env, core=ANY_CORE)
    return launch(stack, target, command, starts, env)


def _gateway_config(state: Path, token: str, stub_port: int) -> dict[str, object]:
    """A configuration that refuses none of the load."""
    models = sorted({workload.model for workload in ALL})
    return {
        "gateway": {
            "auth": {"mode": "token", "token": token},
            "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
        },
        "agents": {
            "defaults": {"workspace": str(state / "workspace"), "maxConcurrent": 20000, "maxQueued": 20000},
            "list": [{"id": workload.name, "model": f"stub/{workload.model}"} for workload in ALL],
        },
        "models": {
            "mode": "replace",
            "providers": {
                "stub": {
                    "baseUrl": f"http://127.0.0.1:{stub_port}/v1",
                    "apiKey": "bench",
                    "models": [{"id": model} for model in models],
                }
            },
        },
    }
