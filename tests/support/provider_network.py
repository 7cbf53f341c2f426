"""The whole gateway before providers that are bytes and times alone, and pieces of what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

from tests.support.house import Heard, House, _Network
from tests.support.outages import TOKEN
from tests.support.wires import RawProvider, Refused, Speech, Step, Steps, Wires, speeches

SPEECHES = speeches()
KIB, MIB = 1024, 1024 * 1024
SILENCE = 20
"""C{timeoutSeconds} of the providers."""
PATIENCE = 900
"""Seconds an answer may take, by the gateway's clock."""
WORDS = "Hello"
"""What every L{Speech} says."""


def every(seconds: float, data: bytes, times: int | None = None) -> Iterator[Step]:
    """The same again and again."""
    for _ in repeat(None) if times is None else repeat(None, times):
        yield data
        yield seconds


class Network:
    """The whole gateway before one provider for each API, each of which does the same.

    @ivar providers: API -> what stands at its address.
    """

    def __init__(self, play: Callable[[Speech], Sequence[Steps | Refused]], secure: bool = False) -> None:
        """
        @param play: what becomes of the requests for an API, one after the other; the last one for ever.
        """
        scheme = "https" if secure else "http"
        self.ports = {api: 100 + number for number, api in enumerate(SPEECHES)}
        configured = {
            api: {
                "api": api,
                "baseUrl": f"{scheme}://127.0.0.1:{port}/v1",
                "apiKey": "key-of-mine",
                "models": [{"id": "m"}],
                "timeoutSeconds": SILENCE,
            }
            for api, port in self.ports.items()
        }
        models = {"mode": "replace", "providers": configured}
        self.house = House({"models": models, "agents": {"defaults": {"model": "ollama/m"}}})
        self.network = Wires(self.house.clock)
        self.providers = {
            api: RawProvider(self.house.clock, *play(speech), eager=secure) for api, speech in SPEECHES.items()
        }
        self.network.providers = {self.ports[api]: provider for api, provider in self.providers.items()}
        self.house.network = self.network
        self.house.memory._endpoints[-1] = _Network(self.network)  # type: ignore[call-overload]

    def ask(self, api: str, stream: bool, user: str = "") -> Heard:
        """A chat request; what its client has in the end.

        @param user: names the session, "" = there is none.
        """
        body: dict[str, Any] = {"model": "openclaw", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
        if user:
            body["user"] = user
        client = self.house.post(body, {"Authorization": f"Bearer {TOKEN}", "x-openclaw-model": f"{api}/m"})
        seen = self.house.hear(client, stream, PATIENCE)
        client.reset()
        self.house.clients.remove(client)
        return seen

    def close(self) -> None:
        """End it; nothing is left."""
        self.house.close()
