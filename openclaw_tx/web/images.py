# -*- test-case-name: tests.web.test_chat_extras -*-
"""Images that a request names by URL: fetched before the run begins, within the limits of the configuration."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import NoReturn, TypeVar

from msgspec.structs import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from openclaw_tx.config.schema_gateway import AnswerEndpoint
from openclaw_tx.errors import FetchFailed
from openclaw_tx.interfaces import Fetcher
from openclaw_tx.values import FetchLimits, ImagePart
from openclaw_tx.wire.openai_chat import ChatRequest
from openclaw_tx.wire.openai_chat_images import ImageRules, ImageUrl, filled, invalid_image, sniff
from openclaw_tx.wire.openai_responses import ResponsesRequest

Asked = TypeVar("Asked", ChatRequest, ResponsesRequest)


def rules_of(settings: AnswerEndpoint) -> ImageRules:
    """What the configuration of the moment accepts."""
    images = settings.images
    return ImageRules(
        allow_url=images.allow_url,
        mime_types=frozenset(images.allowed_mimes),
        max_images=settings.max_image_parts,
        max_bytes=images.max_bytes,
        max_total_bytes=settings.max_total_image_bytes,
    )


class ImageLoader:
    """Puts images into requests that only name them."""

    _log = Logger()

    def __init__(self, fetcher: Fetcher | None) -> None:
        """
        @param fetcher: None = no URL is ever fetched.
        """
        self._fetcher = fetcher

    async def load(self, asked: Asked, settings: AnswerEndpoint) -> Asked:
        """The request with all its images. Cancelling closes the connections.

        @raise GatewayError: C{invalid_image}; why is in the log only.
        """
        if not asked.image_urls:
            return asked
        images = settings.images
        limits = FetchLimits(
            max_bytes=images.max_bytes,
            max_redirects=images.max_redirects,
            timeout_s=images.timeout_ms / 1000,
            hosts=tuple(images.url_allowlist),
        )
        found = await self._all(asked.image_urls, limits, frozenset(images.allowed_mimes))
        total = asked.image_bytes
        for where, data in zip(asked.image_urls, found, strict=True):
            total += len(data)
            if total > settings.max_total_image_bytes:
                self._refuse(where, "the images are too large together")
        parts = [ImagePart(data=base64.b64encode(data).decode("ascii"), mime_type=sniff(data)) for data in found]
        return replace(asked, messages=filled(asked.messages, parts), image_urls=())

    async def _all(self, urls: Sequence[ImageUrl], limits: FetchLimits, mime_types: frozenset[str]) -> list[bytes]:
        """Fetch side by side; the first failure ends the others."""
        fetches = [Deferred.fromCoroutine(self._one(where, limits, mime_types)) for where in urls]
        try:
            return [await fetch for fetch in fetches]
        finally:
            for fetch in fetches:
                fetch.addErrback(lambda _: None)
                fetch.cancel()

    async def _one(self, where: ImageUrl, limits: FetchLimits, mime_types: frozenset[str]) -> bytes:
        if self._fetcher is None:
            raise invalid_image(where.param)
        try:
            fetched = await self._fetcher.fetch(where.url, limits, {"Accept": ", ".join(sorted(mime_types))})
        except CancelledError:
            raise
        except FetchFailed as error:
            self._refuse(where, str(error))
        if fetched.status != 200:
            self._refuse(where, f"the server answered {fetched.status}")
        if sniff(fetched.body) not in mime_types:
            self._refuse(where, "what came is no image of an allowed type")
        return fetched.body

    def _refuse(self, where: ImageUrl, reason: str) -> NoReturn:
        self._log.info("image at {param} was refused: {reason}", param=where.param, reason=reason)
        raise invalid_image(where.param)


__all__ = ["ImageLoader", "rules_of"]
