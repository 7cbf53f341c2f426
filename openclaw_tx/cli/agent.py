# -*- test-case-name: tests.cli.test_agent -*-
"""C{openclaw-tx agent}: one turn of an agent, its answer on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from openclaw_tx.cli.errors import CommandError
from openclaw_tx.cli.output import json_text
from openclaw_tx.cli.place import Place, here
from openclaw_tx.cli.remote import remote_options, target_of

if TYPE_CHECKING:
    from openclaw_tx.cli.answer import Answer
    from openclaw_tx.cli.client import GatewayClient

GRACE_SECONDS = 30.0
"""How much longer than the run itself the command waits for its answer."""

LEAST_SECONDS = 10.0
"""It waits at least this long."""

ABORT_SECONDS = 2.0
"""Longest wait for the gateway to confirm an abort."""


@click.command()
@click.option("-m", "--message", required=True, help="What to say; - reads it from standard input.")
@click.option("--agent", "agent_id", metavar="ID", help="Which agent answers [default: the default agent].")
@click.option("--session-key", metavar="KEY", help="Session to talk in [default: main].")
@click.option("--json", "as_json", is_flag=True, help="Print only the final result, as JSON.")
@click.option("--local", is_flag=True, help="Run the agent in this process, without a gateway.")
@click.option(
    "--timeout", type=click.IntRange(0), metavar="SECONDS", help="Longest run; 0 = no limit [default: as configured]."
)
@remote_options
@here
def agent(
    place: Place,
    message: str,
    agent_id: str | None,
    session_key: str | None,
    as_json: bool,
    local: bool,
    timeout: int | None,
    url: str | None,
    token: str | None,
    password: str | None,
) -> None:
    """Say something to an agent and print its answer as it comes.

    The exit code is 1 when the run fails. Ctrl-C aborts the run.
    """
    from openclaw_tx.cli import reactor
    from openclaw_tx.cli.answer import terminal_answer

    if message == "-":
        message = sys.stdin.read()
    if not message.strip():
        raise CommandError("there is nothing to say: the message is empty")
    if local and (url or token or password):
        raise click.UsageError("--local uses no gateway: it goes without --url, --token and --password")
    loaded = place.load()
    turn = Turn(
        message=message,
        agent_id=agent_id,
        session_key=session_key,
        timeout=timeout,
        wait=wait_for(loaded.config.agents.defaults.timeout_seconds if timeout is None else timeout),
        answer=None if as_json else terminal_answer(),
    )
    if local:
        from openclaw_tx.cli.local import run_here

        reactor.run(lambda running: run_here(running, loaded, turn))
        return
    from openclaw_tx.cli.client import connect, endpoint_of

    target = target_of(loaded, url, token, password)

    async def talk(running: Any) -> None:
        client = await connect(target, endpoint_of(target, running), running, turn.on_event)
        try:
            await turn.over(client)
        finally:
            await client.close()

    reactor.run(talk)


def wait_for(timeout: int) -> float | None:
    """Seconds to wait for the answer of a run of C{timeout} seconds at most; None = as long as it takes."""
    return max(LEAST_SECONDS, timeout + GRACE_SECONDS) if timeout else None


class Turn:
    """One question and its answer."""

    def __init__(
        self,
        message: str,
        agent_id: str | None,
        session_key: str | None,
        timeout: int | None,
        wait: float | None,
        answer: Answer | None,
        new_id: Callable[[], str] | None = None,
        echo: Callable[[str], None] = click.echo,
    ) -> None:
        """
        @param timeout: longest run in seconds, as asked for; None = the gateway's own.
        @param wait: longest wait for the result in seconds.
        @param answer: takes the answer as it comes; None = only the result is printed, as JSON.
        @param new_id: makes the run's id.
        @param echo: prints the JSON.
        """
        from uuid import uuid4

        self.message = message
        self.agent_id = agent_id
        self.session_key = session_key
        self.timeout = timeout
        self.answer = answer
        self.run_id = (new_id or (lambda: str(uuid4())))()
        self._wait = wait
        self._echo = echo
        self._full_key = session_key or "main"

    def on_event(self, event: str, payload: Any) -> None:
        """Take an event of the gateway."""
        if event != "agent" or not isinstance(payload, dict) or payload.get("runId") != self.run_id:
            return
        data = payload.get("data")
        if self.answer is None or not isinstance(data, dict):
            return
        stream = payload.get("stream")
        if stream == "assistant":
            delta = str(data.get("delta") or "")
            if delta == data.get("text"):
                self.answer.message_ended()  # the whole text so far is this piece, so it begins a message
            self.answer.text(delta)
        elif stream == "tool" and data.get("phase") == "start":
            self.answer.tool(str(data.get("name")))

    async def over(self, client: GatewayClient) -> None:
        """Ask through a gateway; abort the run when this is cancelled or fails on our side.

        @raise CommandError: the run failed, in the gateway's words.
        """
        params: dict[str, Any] = {
            "message": self.message,
            "idempotencyKey": self.run_id,
            "sessionKey": self.session_key or "main",
            "channel": "cli",
        }
        if self.agent_id:
            params["agentId"] = self.agent_id
        if self.timeout is not None:
            params["timeout"] = self.timeout
        try:
            self.show(await client.call("agent", params, self._wait, self._accepted))
        except CommandError:
            self.end_line()
            raise
        except OSError:
            await self._abort(client)  # nobody reads what we write any more
            raise
        except BaseException:
            await self._abort(client)
            self.end_line()
            raise

    def end_line(self) -> None:
        """Leave the cursor at the start of a line."""
        if self.answer is not None:
            self.answer.end_line()

    def show(self, payload: Any) -> None:
        """Print the result."""
        if self.answer is None:
            self._echo(json_text(payload))
            return
        result = payload.get("result") if isinstance(payload, dict) else None
        payloads = result.get("payloads") if isinstance(result, dict) else None
        found = payloads if isinstance(payloads, list) else []
        self.answer.end([str(item["text"]) for item in found if isinstance(item, dict) and item.get("text")])

    def _accepted(self, _: str, payload: Any) -> None:
        self._full_key = str(payload.get("sessionKey") or self._full_key)

    async def _abort(self, client: GatewayClient) -> None:
        params = {"sessionKey": self._full_key, "runId": self.run_id}
        if self.agent_id:
            params["agentId"] = self.agent_id
        try:
            await client.call("chat.abort", params, ABORT_SECONDS)
        except CommandError:
            pass  # the gateway is gone, or the run had ended


__all__ = ["Turn", "agent"]
