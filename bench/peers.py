"""How those are started that the gateway is compared with.

nginx is the system's and aiohttp comes from pip. The others are measured only where they are installed already: an
option names the command, or an environment variable.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.servers import HERE, OUT, Launcher, Target, Unavailable, free_port, launch, raise_file_limit
from bench.workloads import ALL

AIOHTTP = "aiohttp==3.14.5"

NAMED = {"litellm": "BENCH_LITELLM", "portkey": "BENCH_PORTKEY", "openclaw": "BENCH_OPENCLAW"}
"""Peer -> environment variable that holds the command it is started with."""

SLOW_START = 120.0
"""Seconds that a named peer gets to listen."""


def aiohttp_proxy(stack: ExitStack, stub_port: int, starts: int) -> Target:
    """aiohttp_proxy.py in a virtual environment of its own under out/."""
    venv = OUT / "venv"
    python, ready = venv / "bin" / "python", venv / AIOHTTP
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", AIOHTTP]
        if subprocess.run(pip).returncode:
            raise Unavailable(f"pip cannot install {AIOHTTP}")
        ready.touch()
    target = Target("aiohttp", free_port())
    command = [str(python), str(HERE / "aiohttp_proxy.py"), str(target.port), f"http://127.0.0.1:{stub_port}"]
    return launch(stack, target, command, starts)


_NGINX = """\
# One worker, no buffering, kept upstream connections: close to the least that a relay can cost.
worker_processes 1;
daemon off;
error_log nginx-error.log error;
pid nginx.pid;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path nginx-body;
    proxy_temp_path nginx-proxy;
    fastcgi_temp_path nginx-fastcgi;
    uwsgi_temp_path nginx-uwsgi;
    scgi_temp_path nginx-scgi;
    upstream stub {{
        server 127.0.0.1:{stub_port};
        keepalive 4096;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=16384;
        location / {{
            proxy_pass http://stub;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 3600s;
        }}
    }}
}}
"""


def nginx(stack: ExitStack, stub_port: int, starts: int) -> Target:
    """The system's nginx, if it has one."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if binary is None:
        raise Unavailable("is not installed")
    home = OUT / "nginx"
    home.mkdir(exist_ok=True)
    files = raise_file_limit()
    target = Target("nginx", free_port())
    text = _NGINX.format(files=files, connections=files, port=target.port, stub_port=stub_port)
    (home / "nginx.conf").write_text(text)
    command = [binary, "-p", str(home), "-c", str(home / "nginx.conf")]
    return launch(stack, target, command, starts)


def _private(stack: ExitStack, name: str) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-bench-")))


def _command(name: str) -> list[str]:
    """What a peer is started with.

    @raise Unavailable: nothing was named, or it is not there.
    """
    words = shlex.split(os.environ.get(NAMED[name], ""))
    if not words:
        raise Unavailable(f"needs an installation named by {NAMED[name]}")
    if shutil.which(words[0]) is None:
        raise Unavailable(f"{words[0]} is not there")
    return words


def litellm(stack: ExitStack, stub_port: int, starts: int) -> Target:
    """The LiteLLM proxy: one worker, a master key, every model of the stub by its name."""
    command, home, key = _command("litellm"), _private(stack, "litellm"), f"sk-{secrets.token_hex(16)}"
    models = sorted({workload.model for workload in ALL})
    ways = [
        {
            "model_name": model,
            "litellm_params": {
                "model": f"openai/{model}",
                "api_base": f"http://127.0.0.1:{stub_port}/v1",
                "api_key": "bench",
            },
        }
        for model in models
    ]
    config = home / "config.yaml"  # JSON is YAML
    config.write_text(json.dumps({"model_list": ways, "general_settings": {"master_key": key}}))
    target = Target("litellm", free_port(), [f"Authorization: Bearer {key}"])
    command += ["--config", str(config), "--host", "127.0.0.1", "--port", str(target.port), "--num_workers", "1"]
    env = {**os.environ, "HOME": str(home), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return launch(stack, target, command, 1, env, SLOW_START)


def portkey(stack: ExitStack, stub_port: int, starts: int) -> Target:
    """The Portkey gateway, which is told by headers where to relay to."""
    command, home = _command("portkey"), _private(stack, "portkey")
    headers = ["x-portkey-provider: openai", f"x-portkey-custom-host: http://127.0.0.1:{stub_port}/v1"]
    target = Target("portkey", free_port(), [*headers, "Authorization: Bearer bench"])
    command += [f"--port={target.port}", "--headless"]
    return launch(stack, target, command, 1, {**os.environ, "HOME": str(home)}, SLOW_START)


def openclaw(stack: ExitStack, stub_port: int, starts: int) -> Target:
    """OpenClaw's own gateway: token authentication, a state directory of its own, one agent for each workload."""
    command, home, token = _command("openclaw"), _private(stack, "openclaw"), secrets.token_hex(24)
    target = Target("openclaw", free_port(), [f"Authorization: Bearer {token}"], slow=True)
    target.models = {workload.name: f"openclaw/{workload.name}" for workload in ALL}
    config = home / "openclaw.json"
    config.write_text(json.dumps(_openclaw_config(home, token, stub_port, target.port)))
    config.chmod(0o600)
    command += ["gateway", "run", "--port", str(target.port)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("OPENCLAW_")}
    env |= {"HOME": str(home), "OPENCLAW_STATE_DIR": str(home), "OPENCLAW_CONFIG_PATH": str(config)}
    return launch(stack, target, command, 1, env, SLOW_START)


def _openclaw_config(home: Path, token: str, stub_port: int, port: int) -> dict[str, object]:
    """The configuration of the gateway's own measurement, as OpenClaw wants it."""
    models = [
        {"id": model, "name": model, "contextWindow": 128_000, "maxTokens": 4096, "input": ["text"], "reasoning": False}
        for model in sorted({workload.model for workload in ALL})
    ]
    provider = {
        "baseUrl": f"http://127.0.0.1:{stub_port}/v1",
        "apiKey": "bench",
        "api": "openai-completions",
        "models": models,
    }
    agents = [{"id": workload.name, "model": f"stub/{workload.model}"} for workload in ALL]
    return {
        "gateway": {
            "mode": "local",
            "bind": "loopback",
            "port": port,
            "auth": {"mode": "token", "token": token},
            "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
        },
        "agents": {"defaults": {"workspace": str(home / "workspace"), "maxConcurrent": 64}, "list": agents},
        "models": {"mode": "replace", "providers": {"stub": provider}},
    }


PEERS: dict[str, Launcher] = {
    "nginx": nginx,
    "aiohttp": aiohttp_proxy,
    "litellm": litellm,
    "portkey": portkey,
    "openclaw": openclaw,
}


def present() -> Iterator[str]:
    """Names of the peers that are looked for when nobody says which: a named one only where it is named."""
    for name in PEERS:
        if name not in NAMED or os.environ.get(NAMED[name]):
            yield name
