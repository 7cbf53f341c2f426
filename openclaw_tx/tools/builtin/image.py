# -*- test-case-name: tests.tools.test_image -*-
"""C{image}: have a model look at an image (spec 7.1)."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from openclaw_tx.config.image_model import image_models
from openclaw_tx.config.schema import Config
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import FetchFailed, GatewayError
from openclaw_tx.interfaces import Fetcher, Models, ToolContext
from openclaw_tx.tools.below import read_below, reason
from openclaw_tx.tools.typed import Parameters, TypedTool
from openclaw_tx.tools.untrusted import wrapped
from openclaw_tx.values import Agent, FetchLimits, ImagePart, ModelRequest, TextPart, ToolResult, UserMessage
from openclaw_tx.wire.openai_chat_images import MIME_TYPES, sniff

MAX_BYTES = 6 * 1024 * 1024
"""Largest image."""

PROMPT = "Describe the image."


class ImageParameters(Parameters, frozen=True):
    """Arguments of C{image}."""

    image: Annotated[
        str,
        Meta(
            min_length=1, max_length=900_000, description="Path in the workspace, http or https address, or data: URL"
        ),
    ]
    prompt: Annotated[str, Meta(max_length=20_000, description="What to tell about it")] = PROMPT


class ImageTool(TypedTool[ImageParameters]):
    """Reads or fetches an image and asks a model about it: the configured one, or the first of the agent's own that
    sees images. Where there is none, the tool is not offered."""

    name = "image"
    description = "Look at an image and answer a question about it. Takes PNG, JPEG, GIF, WebP or HEIC up to 6 MiB."
    parameters = ImageParameters
    concurrent = True

    def __init__(
        self,
        settings: Callable[[], Config],
        models: Models,
        fetcher: Fetcher,
        in_thread: InThread,
        new_id: Callable[[], str],
    ) -> None:
        """
        @param settings: gives the configuration of the moment.
        @param in_thread: where files are read.
        @param new_id: makes ids that can not be guessed.
        """
        super().__init__()
        self._settings = settings
        self._models = models
        self._fetcher = fetcher
        self._in_thread = in_thread
        self._new_id = new_id

    def offered(self, agent: Agent, model_ref: str) -> bool:
        """See L{openclaw_tx.interfaces.ConditionalTool.offered}."""
        return bool(self._refs(agent))

    async def run(self, parameters: ImageParameters, context: ToolContext) -> ToolResult:
        """What the model says. C{details} tells which one, and what it has used, which counts as the run's."""
        try:
            data = await self._data(parameters.image.strip(), context.agent)
            mime_type = sniff(data)
            if mime_type not in MIME_TYPES:
                raise ValueError("it is no image of a kind that is known")
        except (FetchFailed, OSError, ValueError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            return ToolResult(text=f"The image can not be used: {why}.", is_error=True)
        part = ImagePart(data=base64.b64encode(data).decode("ascii"), mime_type=mime_type)
        message = UserMessage(content=(TextPart(text=parameters.prompt.strip() or PROMPT), part))
        request = ModelRequest(system="", messages=(message,))
        try:
            reply = await self._models.stream(self._refs(context.agent), request, lambda events: None)
        except GatewayError as error:
            return ToolResult(text=f"No model could look at the image: {error}", is_error=True)
        details = {
            "model": f"{reply.provider}/{reply.model}",
            "mimeType": mime_type,
            "bytes": len(data),
            "usage": msgspec.to_builtins(reply.usage),
        }
        text = reply.text.strip()
        if not text:
            return ToolResult(
                text="The model said nothing about the image.", details=details, is_error=True, usage=reply.usage
            )
        if _is_url(parameters.image):
            # What an image of somebody else's says, its description may repeat.
            text = wrapped(text, f"a model's description of {parameters.image.strip()[:500]}", self._new_id)
        return ToolResult(text=text, details=details, usage=reply.usage)

    def _refs(self, agent: Agent) -> tuple[str, ...]:
        """Models to try; () = none."""
        return image_models(self._settings().agents, agent.id) or next(
            ((ref,) for ref in agent.models if self._sees(ref)), ()
        )

    def _sees(self, ref: str) -> bool:
        try:
            return "image" in self._models.info(ref).input
        except GatewayError:
            return False

    async def _data(self, image: str, agent: Agent) -> bytes:
        """
        @raise FetchFailed: it could not be fetched.
        @raise OSError: it could not be read.
        @raise ValueError: it is elsewhere than an image may be, or too large.
        """
        if _is_url(image):
            return await self._fetched(image)
        if image[:5].lower() == "data:":
            return _decoded(image)
        relative = _relative(image, agent.workspace)
        return await self._in_thread(read_below, agent.workspace, relative, MAX_BYTES)

    async def _fetched(self, url: str) -> bytes:
        web = self._settings().tools.web.fetch
        limits = FetchLimits(max_bytes=MAX_BYTES, max_redirects=web.max_redirects, timeout_s=web.timeout_seconds)
        fetched = await self._fetcher.fetch(url, limits, {"Accept": "image/*"})
        if fetched.status != 200:
            raise ValueError(f"the server answered {fetched.status}")
        return fetched.body


def _is_url(image: str) -> bool:
    return image.strip()[:8].lower().startswith(("http://", "https://"))


def _decoded(url: str) -> bytes:
    """The bytes of a C{data:} URL (RFC 2397) in base64.

    @raise ValueError: it has none.
    """
    head, comma, data = url.partition(",")
    try:
        if not comma or not head.lower().endswith(";base64"):
            raise ValueError
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError:  # binascii.Error is one
        raise ValueError("it is no data: URL with base64") from None


def _relative(path: str, workspace: str) -> str:
    """A path below the workspace, however it is written.

    @raise ValueError: it leads elsewhere.
    """
    found = os.path.relpath(os.path.normpath(os.path.join(workspace, path)), workspace) if "\0" not in path else ".."
    if found == os.pardir or found.startswith(os.pardir + os.sep):
        raise ValueError("it is not in the workspace")
    return found


__all__ = ["ImageParameters", "ImageTool"]
