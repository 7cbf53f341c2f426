# -*- test-case-name: tests.web.test_pace -*-
# mypy: allow-untyped-calls
"""When a connection is read, and when not: what is held of it has a bound, whoever has it wait."""

from __future__ import annotations

from openclaw_tx.web.refusing import RefusingChannel


class IntakeChannel(RefusingChannel):
    """The reading side of a connection."""

    _slowed = False

    @property
    def has_enough(self) -> bool:
        """Whether nothing more is to be read before a request is done, or the transport has room for answers."""
        if self._handlingRequest:
            return sum(map(len, self._dataBuffer)) > self._optimisticEagerReadSize
        return bool(self._waitingForTransport)

    def rawDataReceived(self, data: bytes) -> None:
        """Bytes of a body, or of the next request. Of a client that does not read its answers no more than enough."""
        super().rawDataReceived(data)
        if self._waitingForTransport and self.has_enough:
            self.hold()  # Twisted believes that it is done already; while a request is served it is not

    def hold(self) -> None:
        """Read no more for now."""
        self._networkProducer.pauseProducing()

    def release(self) -> None:
        """Read on."""
        if not self._slowed:
            self._networkProducer.resumeProducing()

    def slow_down(self) -> None:
        """Read no more before what is here was taken."""
        self._slowed = True
        self._networkProducer.pauseProducing()

    def read_on(self) -> None:
        """What is here was taken: read on, unless there is enough, or a request does not want that."""
        if self._slowed:
            self._slowed = False
            if not (self.has_enough or any(request.is_held_back for request in self.requests)):
                self._networkProducer.resumeProducing()


__all__ = ["IntakeChannel"]
