"""A gateway with webhooks, and what is posted to them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.channels.signing import SIGNATURE, TIMESTAMP, is_genuine, signed
from openclaw_tx.errors import FetchFailed
from openclaw_tx.testing import MemoryGateway
from openclaw_tx.testing.http import MemoryResponse
from openclaw_tx.values import SessionEntry

SECRET = "a-secret-for-webhooks"
OUT_SECRET = "another-secret-for-it"
URL = "https://service.example/in"


class Posted:
    """A request that went out."""

    def __init__(self, url: str, body: bytes, headers: Mapping[str, str], loopback: bool) -> None:
        self.url = url
        self.body = body
        self.headers = dict(headers)
        self.loopback = loopback

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)

    def is_signed(self, secret: str) -> bool:
        """Whether the receiver would find it genuine."""
        return is_genuine(secret, self.headers[TIMESTAMP], self.headers[SIGNATURE], self.body)


class ScriptedPoster:
    """Posts nothing.

    @ivar posted: what it was to post.
    @ivar answers: a status for each, or a reason why there is none; 200 when there are no more.
    @ivar held: answers nothing until it is fired.
    """

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.answers: list[int | str] = []
        self.held: Deferred[None] | None = None

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float, loopback: bool = False
    ) -> int:
        """See L{openclaw_tx.interfaces.Poster.post}."""
        self.posted.append(Posted(url, body, headers, loopback))
        if self.held is not None:
            await self.held
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, str):
            raise FetchFailed(answer)
        return answer


class WebhookCase(SynchronousTestCase):
    """A gateway with the webhooks C{ops} and C{shop}."""

    config: Mapping[str, Any] = {}

    def setUp(self) -> None:
        """Serve them."""
        self.poster = ScriptedPoster()
        self.ids = itertools.count(1)
        self.memory = MemoryGateway(
            {
                "channels": {
                    "webhook": {
                        "ops": {"secret": SECRET, "outUrl": URL, "outSecret": OUT_SECRET, "maxBodyBytes": 2000},
                        "shop": {"secret": SECRET[::-1], "outUrl": URL, "agentId": "beta"},
                    }
                },
                **self.config,
            },
            poster=self.poster,
        )
        self.addCleanup(self.memory.close)

    def send(self, body: Any, name: str = "ops", *, secret: str = "", age: float = 0, **headers: str) -> MemoryResponse:
        """A signed request."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8")
        secret = secret or (SECRET if name == "ops" else SECRET[::-1])
        own = signed(secret, self.memory.clock.seconds() - age, data)
        return self.memory.post(f"/channels/webhook/{name}", data, token=None, headers={**own, **headers})

    def say(
        self, text: str, peer: str = "ann", *, name: str = "ops", kind: str = "dm", id: str = "", **more: Any
    ) -> MemoryResponse:
        """Somebody says something."""
        message = {"id": id or f"m{next(self.ids)}", "peer": {"kind": kind, "id": peer}, "text": text, **more}
        return self.send(message, name)

    def answer(self, text: str) -> None:
        """The agent answers what it was asked last."""
        call = self.memory.model.calls[-1]
        call.text(text)
        call.finish()
        self.memory.advance(1)

    def entry(self, key: str) -> SessionEntry | None:
        """A session of the store."""
        found: SessionEntry | None = self.successResultOf(
            Deferred.fromCoroutine(self.memory.gateway._house.sessions.get(key))
        )
        return found

    @property
    def said(self) -> list[str]:
        """Texts that went out."""
        return [posted.json["text"] for posted in self.poster.posted]


__all__ = ["OUT_SECRET", "SECRET", "URL", "Posted", "ScriptedPoster", "WebhookCase"]
