# -*- test-case-name: tests.wire.test_openai_chat -*-
"""Images of a chat request: C{data:} URIs only, within limits; nothing is ever fetched (spec 1.1 Images). Pure."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import Any

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import ImagePart

MAX_IMAGES = 8
"""Images of one message."""

MAX_IMAGE_BYTES = 10 * 1024 * 1024
"""Decoded size of one image."""

MAX_TOTAL_BYTES = 20 * 1024 * 1024
"""Decoded size of all images of one message."""

MIME_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "image/heif"})


def is_image(part: Any) -> bool:
    """Whether a content part claims to be an image."""
    return isinstance(part, dict) and part.get("type") == "image_url"


def read_images(content: Sequence[Any], path: str) -> list[ImagePart]:
    """The images among the parts of one message.

    @param path: path of C{content}, for errors.
    @raise GatewayError: C{invalid_image}; one text for every reason, C{param} names the part.
    """
    images: list[ImagePart] = []
    total = 0
    for index, part in enumerate(content):
        if not is_image(part):
            continue
        param = f"{path}[{index}].image_url"
        image, size = _read(part.get("image_url"), param)
        total += size
        images.append(image)
        if len(images) > MAX_IMAGES or total > MAX_TOTAL_BYTES:
            raise _invalid(param)
    return images


def _read(value: Any, param: str) -> tuple[ImagePart, int]:
    """
    @return: the image, and its decoded size in bytes.
    """
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str) or url[:5].lower() != "data:":
        raise _invalid(param)
    head, comma, data = url[5:].partition(",")
    mime_type, *attributes = head.lower().split(";")
    if not comma or "base64" not in (attribute.strip() for attribute in attributes):
        raise _invalid(param)
    if mime_type.strip() not in MIME_TYPES or not data or len(data) > MAX_IMAGE_BYTES * 4 // 3 + 4:
        raise _invalid(param)
    try:
        size = len(binascii.a2b_base64(data, strict_mode=True))
    except (binascii.Error, ValueError):
        raise _invalid(param) from None
    if not 0 < size <= MAX_IMAGE_BYTES:
        raise _invalid(param)
    return ImagePart(data=data, mime_type=mime_type.strip()), size


def _invalid(param: str) -> GatewayError:
    return GatewayError("invalid_image", "Invalid image_url content in `messages`.", param=param)


__all__ = ["MAX_IMAGES", "MAX_IMAGE_BYTES", "MAX_TOTAL_BYTES", "MIME_TYPES", "is_image", "read_images"]
