# -*- test-case-name: tests.channels.test_automation -*-
"""Sends what came of a run to a channel: where it is wanted, else where somebody last spoke to the agent from."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Channels, Run, Sessions
from openclaw_tx.sessions.keys import main_key
from openclaw_tx.values import DeliveryRoute, RunResult


class Postman:
    """Knows the channels, and the main sessions."""

    _log = Logger()

    def __init__(
        self, channels: Callable[[], Channels], sessions: Sessions, main: Callable[[str], str] = main_key
    ) -> None:
        """
        @param channels: the channels, once there are any.
        @param main: gives the key of an agent's main session.
        """
        self._main = main
        self._channels = channels
        self._sessions = sessions

    async def route(
        self, agent_id: str, channel: str = "", to: str = "", account_id: str = "", session_key: str = ""
    ) -> DeliveryRoute:
        """Where a message of an agent goes.

        @param channel: "" and C{last} = that of the session.
        @param session_key: the session that was last spoken to from somewhere; "" = the agent's main one.
        @raise GatewayError: as L{Channels.route}.
        """
        entry = await self._sessions.get(session_key or self._main(agent_id))
        return self._channels().route(entry, channel=channel, to=to, account_id=account_id)

    def knows(self, channel: str) -> bool:
        """Whether there is a channel of that name; "" and C{last} name none, and will do."""
        name = channel.strip().lower()
        return name in ("", "last") or any(one.name == name for one in self._channels().status())

    async def send(self, route: DeliveryRoute, result: RunResult) -> None:
        """Send an answer, if there is one.

        @raise GatewayError: as L{Channels.send}.
        """
        if result.status == "ok" and (result.text.strip() or result.media):
            await self._channels().send(route, result.text.strip(), result.media, delivery_id=result.run_id)

    async def follow(self, run: Run) -> None:
        """Take the answer of a run that nobody waits for to where its session was last spoken to from, if that is the
        channel that it speaks on. Chat clients of the gateway's own port hear of it by themselves."""
        request = run.request
        entry = await self._sessions.get(request.session_key)
        if entry is None or entry.settings.last_channel != request.channel:
            return
        try:
            route = self._channels().route(entry, channel=request.channel)
        except GatewayError:
            return  # those of the gateway's own port have nowhere to be sent to
        try:
            await self.send(route, await run.result())
        except GatewayError as error:
            self._log.warn("the answer of {run} does not arrive: {error}", run=request.run_id, error=error.info.message)


def no_postman() -> GatewayError:
    """There are no channels."""
    return GatewayError("no_channels", "there are no channels")


__all__ = ["Postman", "no_postman"]
