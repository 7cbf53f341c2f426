"""The model server's name can not be resolved for a while; in memory, with a resolver that fails."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from zope.interface import implementer

from bench.drills.place import Place
from openclaw_tx.testing.gateway import TOKEN
from tests.support.house import House

NAME = "models.example"
CONFIG: dict[str, Any] = {"models": {"providers": {"stub": {"baseUrl": f"http://{NAME}:9/v1"}}}}
ASK = {"messages": [{"role": "user", "content": "hi"}]}


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """It has ended already."""


@implementer(IHostnameResolver)
class Resolver:
    """Knows one address, or none.

    @ivar works: whether it does.
    """

    def __init__(self) -> None:
        self.works = True

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> _Resolution:
        """At once."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        if self.works:
            resolutionReceiver.addressResolved(IPv4Address("TCP", "127.0.0.1", portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


async def dns(place: Place) -> None:
    """A clear error that says so, without the name; and an answer as soon as there is an address again."""
    house = House(CONFIG)
    resolver = house.clock.nameResolver = Resolver()
    authorized = {"Authorization": f"Bearer {TOKEN}"}

    def ask() -> Any:
        client = house.post(ASK, authorized)
        house.advance(10, 0.1)
        return client.response

    try:
        resolver.works = False
        refused = ask()
        error = refused.json["error"]
        place.expect((refused.status, error["code"]) == (502, "provider_error"), f"{refused.status} {error}")
        place.expect("could not be resolved" in error["message"], error["message"])
        place.expect(NAME not in error["message"], error["message"])
        place.expect(refused.header("x-should-retry") == "true", f"headers: {refused.headers}")
        resolver.works = True
        waited = 0
        while (answered := ask()).status != 200:
            waited += 10
            place.expect(waited <= 120, f"two minutes later still {answered.status} {answered.body!r}")
        place.expect(answered.json["choices"][0]["message"]["content"] == "pong", f"{answered.body!r}")
        place.figures |= {"error": error["code"], "answers again after, s": waited}
    finally:
        house.close()
