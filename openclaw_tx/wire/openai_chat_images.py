# -*- test-case-name: tests.wire.test_openai_chat_images -*-
"""Images of a chat request, within limits: C{data:} URIs, and where it is allowed URLs that somebody else must fetch
(spec 1.1 Images). Pure.

Every refusal has the same text; C{param} names the part. What exactly was wrong with a URL is for the log.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import ImagePart, Spoken, ToolResultMessage, UserMessage, Value

MIME_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "image/heif"})

MISNOMERS = {"image/jpg": "image/jpeg"}
"""What clients call a type that has another name."""

MAX_URL = 4096
"""Longest URL, in characters."""


class ImageRules(Value, frozen=True):
    """What is accepted."""

    allow_url: bool = False
    mime_types: frozenset[str] = MIME_TYPES
    max_images: int = 8
    """In the current turn."""
    max_bytes: int = 10 * 1024 * 1024
    """Decoded size of one image."""
    max_total_bytes: int = 20 * 1024 * 1024
    """Decoded size of all images."""


class ImageUrl(Value, frozen=True):
    """An image that is elsewhere."""

    url: str
    param: str
    """The part of the request that names it."""


class ImageReader:
    """Reads the images of one request, which count together.

    @ivar urls: images still to be fetched, in the order of their places in the messages (L{filled}).
    @ivar total: decoded size of those that came along, in bytes.
    """

    def __init__(self, rules: ImageRules) -> None:
        self.urls: list[ImageUrl] = []
        self.total = 0
        self._rules = rules
        self._count = 0

    def read(self, content: Any, path: str) -> tuple[ImagePart, ...]:
        """The images among the parts of one message; one that is still to be fetched is there without data.

        @param content: anything; what is no list has no images.
        @param path: path of C{content}, for errors.
        @raise GatewayError: C{invalid_image}.
        """
        if not isinstance(content, list):
            return ()
        return tuple(self._part(part, f"{path}[{index}]") for index, part in enumerate(content) if is_image(part))

    def _part(self, part: dict[str, Any], param: str) -> ImagePart:
        self._count += 1
        if self._count > self._rules.max_images:
            raise invalid_image(param)
        value = part.get("image_url")
        url = value.get("url") if isinstance(value, dict) else value
        if not isinstance(url, str):
            raise invalid_image(param)
        if url[:5].lower() == "data:":
            return self._data(url, param)
        if not self._rules.allow_url or len(url) > MAX_URL:
            raise invalid_image(param)
        self.urls.append(ImageUrl(url=url, param=param))
        return ImagePart(data="", mime_type="")

    def _data(self, url: str, param: str) -> ImagePart:
        limit = self._rules.max_bytes
        head, comma, data = url[5:].partition(",")
        mime_type, *attributes = head.lower().split(";")
        if not comma or "base64" not in (attribute.strip() for attribute in attributes):
            raise invalid_image(param)
        mime_type = mime_type.strip()
        if (
            MISNOMERS.get(mime_type, mime_type) not in self._rules.mime_types
            or not data
            or len(data) > limit * 4 // 3 + 4
        ):
            raise invalid_image(param)
        try:
            image = binascii.a2b_base64(data, strict_mode=True)
        except (binascii.Error, ValueError):
            raise invalid_image(param) from None
        self.total += len(image)
        if not 0 < len(image) <= limit or self.total > self._rules.max_total_bytes:
            raise invalid_image(param)
        # What the client calls it is a hope: providers look at the bytes, and refuse the whole request.
        found = sniff(image)
        if found not in self._rules.mime_types:
            raise invalid_image(param)
        return ImagePart(data=data, mime_type=found)


def is_image(part: Any) -> bool:
    """Whether a content part claims to be an image."""
    return isinstance(part, dict) and part.get("type") == "image_url"


def filled(messages: Sequence[Spoken], images: Sequence[ImagePart]) -> tuple[Spoken, ...]:
    """The messages with fetched images in the places that L{ImageReader.read} left for them, in order."""
    waiting = iter(images)
    return tuple(_filled(message, waiting) for message in messages)


def _filled(message: Spoken, waiting: Iterator[ImagePart]) -> Spoken:
    if isinstance(message, UserMessage):
        parts = [next(waiting) if isinstance(part, ImagePart) and not part.data else part for part in message.content]
        return replace(message, content=tuple(parts))
    if isinstance(message, ToolResultMessage) and message.images:
        return replace(message, images=tuple(part if part.data else next(waiting) for part in message.images))
    return message


_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_HEIC = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"})
_HEIF = frozenset({b"mif1", b"msf1"})


def sniff(data: bytes) -> str:
    """The MIME type of an image by its first bytes (WHATWG MIME Sniffing; ISO 23008-12 for HEIF); "" = none known."""
    for magic, mime_type in _MAGIC:
        if data.startswith(magic):
            return mime_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return "image/heic" if brand in _HEIC else "image/heif" if brand in _HEIF else ""
    return ""


def invalid_image(param: str) -> GatewayError:
    """C{invalid_image}, the same whatever was wrong."""
    field = param.partition("[")[0]
    return GatewayError("invalid_image", f"Invalid image_url content in `{field}`.", param=param)


__all__ = ["MIME_TYPES", "ImageReader", "ImageRules", "ImageUrl", "filled", "invalid_image", "is_image", "sniff"]
