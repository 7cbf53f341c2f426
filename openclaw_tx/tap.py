# -*- test-case-name: tests.test_tap -*-
"""C{twistd openclaw}: options, then configuration, then the service."""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import MultiService
from twisted.python import usage


class Options(usage.Options):
    """Options of C{twistd openclaw} and C{twist openclaw}."""

    synopsis = "[options]"
    longdesc = (
        "Serves your agents on one port: an OpenAI-compatible HTTP API (POST /v1/chat/completions) and the OpenClaw "
        "Gateway WebSocket protocol. Run `openclaw-tx setup` once to write a configuration with a token of your own."
    )
    optParameters = [
        [
            "config",
            "c",
            None,
            "Configuration file [default: $OPENCLAW_CONFIG_PATH, else openclaw.json in the state dir]",
        ],
        ["state-dir", None, None, "Directory for sessions and models [default: $OPENCLAW_STATE_DIR or ~/.openclaw]"],
        ["port", "p", None, "TCP port [default: $OPENCLAW_GATEWAY_PORT, gateway.port, or 18789]", int],
        [
            "token",
            None,
            None,
            "Shared secret clients must send; other users can see it in the process list, so prefer "
            "$OPENCLAW_GATEWAY_TOKEN or gateway.auth.token",
        ],
        ["password", None, None, "The same for auth mode password"],
    ]
    optFlags = [["verbose", "v", "Log each HTTP request and each run"]]

    def __init__(self) -> None:
        super().__init__()
        self["endpoints"] = []

    def opt_endpoint(self, description: str) -> None:
        """
        Listen here instead of on bind and port; may be given several times. A Twisted endpoint: tcp:PORT:interface=IP,
        ssl:PORT:privateKey=KEY.pem:certKey=CERT.pem, unix:/PATH, systemd:domain=INET:name=NAME.
        """
        self["endpoints"].append(description)

    opt_e = opt_endpoint


def makeService(options: Options, reactor: Any = None) -> MultiService:
    """The gateway as a service that listens.

    @raise SystemExit: with one line that says what is wrong and where.
    """
    if reactor is None:
        from twisted.internet import reactor
    from openclaw_tx.gateway import StartupError, serve

    try:
        return serve(
            reactor,
            dict(os.environ),
            config_path=options["config"],
            state_dir=options["state-dir"],
            port=options["port"],
            endpoints=options["endpoints"],
            token=options["token"],
            password=options["password"],
            verbose=bool(options["verbose"]),
        )
    except StartupError as error:
        raise SystemExit(f"openclaw: {error}") from None
