# -*- test-case-name: tests.wire.test_openai_chat_images -*-
"""Images: what their bytes say, and the places of those that are still to be fetched."""

from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import ImagePart, TextPart, ToolResultMessage, UserMessage
from openclaw_tx.wire.openai_chat_images import MAX_URL, ImageReader, ImageRules, filled, sniff
from openclaw_tx.wire.openai_chat_messages import EARLIER_IMAGE, read_messages

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 8
DATA = "data:image/png;base64," + base64.b64encode(PNG).decode()


def image(url: Any = DATA) -> dict[str, Any]:
    """A part."""
    return {"type": "image_url", "image_url": {"url": url}}


class SniffTests(SynchronousTestCase):
    """First bytes."""

    def test_known(self) -> None:
        """Every type that is taken."""
        for data, mime_type in (
            (PNG, "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"GIF87a", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x18ftypheic", "image/heic"),
            (b"\0\0\0\x18ftypmif1", "image/heif"),
        ):
            self.assertEqual(sniff(data), mime_type)

    def test_unknown(self) -> None:
        """Pages, programs, videos, nothing."""
        for data in (b"", b"<html>", b"MZ", b"\0\0\0\x18ftypisom", b"RIFF\0\0\0\0WAVE", b"<svg xmlns=", b"\x89PNG"):
            self.assertEqual(sniff(data), "")


class PlaceTests(SynchronousTestCase):
    """Which images count, and where fetched ones go."""

    def read(self, *messages: dict[str, Any], **rules: Any) -> tuple[tuple[Any, ...], ImageReader]:
        """Read messages."""
        reader = ImageReader(ImageRules(**rules))
        return read_messages(list(messages), images=reader)[0], reader

    def refused(self, param: str, *messages: dict[str, Any], **rules: Any) -> None:
        """The error names the part and nothing else."""
        error = self.assertRaises(GatewayError, self.read, *messages, **rules)
        self.assertEqual((error.info.code, error.info.param), ("invalid_image", param))
        self.assertEqual(error.info.message, "Invalid image_url content in `messages`.")

    def test_urls(self) -> None:
        """They keep their place between others; filling puts each where it belongs."""
        content = [
            {"type": "text", "text": "look"},
            image("https://a.example/1"),
            image(),
            image("https://a.example/2"),
        ]
        messages, reader = self.read({"role": "user", "content": content}, allow_url=True)
        self.assertEqual(
            [(where.url, where.param) for where in reader.urls],
            [("https://a.example/1", "messages[0].content[1]"), ("https://a.example/2", "messages[0].content[3]")],
        )
        one, two = ImagePart(data="MQ==", mime_type="image/gif"), ImagePart(data="Mg==", mime_type="image/jpeg")
        came = ImagePart(data=DATA.partition(",")[2], mime_type="image/png")
        (whole,) = filled(messages, [one, two])
        self.assertEqual(whole.content, (TextPart(text="look"), one, came, two))

    def test_urls_are_off(self) -> None:
        """Unless allowed, and never of a length that nobody means."""
        self.refused("messages[0].content[0]", {"role": "user", "content": [image("https://a.example/1")]})
        long = image("https://a.example/" + "x" * MAX_URL)
        self.refused("messages[0].content[0]", {"role": "user", "content": [long]}, allow_url=True)

    def test_tool_results(self) -> None:
        """Images of tools count in the current turn; earlier ones leave a mark."""
        call = {"id": "c", "type": "function", "function": {"name": "shot", "arguments": "{}"}}
        asks = {"role": "assistant", "content": None, "tool_calls": [call]}
        gives = {"role": "tool", "tool_call_id": "c", "content": [image()]}
        shown = (ImagePart(data=DATA.partition(",")[2], mime_type="image/png"),)
        messages, _ = self.read({"role": "user", "content": "go"}, asks, gives)
        self.assertEqual(messages[-1], ToolResultMessage(tool_call_id="c", tool_name="shot", images=shown))
        messages, _ = self.read({"role": "user", "content": "go"}, asks, gives, {"role": "user", "content": "and?"})
        self.assertEqual(messages[2], ToolResultMessage(tool_call_id="c", tool_name="shot", text=EARLIER_IMAGE.text))
        self.refused(
            "messages[2].content[0]", {"role": "user", "content": "go"}, asks, {**gives, "content": [image("x")]}
        )

    def test_they_count_together(self) -> None:
        """The user's and the tools'."""
        user = {"role": "user", "content": [image(), image()]}
        tool = {"role": "tool", "tool_call_id": "c", "content": [image()]}
        self.refused("messages[1].content[0]", user, tool, max_images=2)
        self.refused("messages[1].content[0]", user, tool, max_total_bytes=3 * len(PNG) - 1)
        messages, reader = self.read(user, tool, max_images=3, max_total_bytes=3 * len(PNG))
        self.assertEqual((len(messages), reader.total), (2, 3 * len(PNG)))

    def test_types(self) -> None:
        """Only those allowed."""
        message = {"role": "user", "content": [image()]}
        self.refused("messages[0].content[0]", message, mime_types=frozenset({"image/gif"}))
        self.assertIsInstance(self.read(message)[0][0], UserMessage)

    def test_jpg(self) -> None:
        """Many clients call JPEG so; what goes on has the right name, and is allowed by that."""
        data = base64.b64encode(b"\xff\xd8\xff\xe0").decode()
        message = {"role": "user", "content": [image(f"data:image/JPG;base64,{data}")]}
        (read,), _ = self.read(message)
        self.assertEqual(read.content, (ImagePart(data=data, mime_type="image/jpeg"),))
        self.refused("messages[0].content[0]", message, mime_types=frozenset({"image/png"}))

    def test_labels(self) -> None:
        """What a C{data:} URI calls an image is put right by its bytes; what is none is refused, whatever it is called.
        What it is must be allowed, and what it is called too."""
        message = {"role": "user", "content": [image(DATA.replace("png", "jpeg"))]}
        (read,) = self.read(message)[0]
        self.assertEqual(read.content, (ImagePart(data=DATA.partition(",")[2], mime_type="image/png"),))
        self.refused("messages[0].content[0]", message, mime_types=frozenset({"image/jpeg"}))
        self.refused("messages[0].content[0]", message, mime_types=frozenset({"image/png"}))
        text = base64.b64encode(b"hello world").decode()
        self.refused("messages[0].content[0]", {"role": "user", "content": [image(f"data:image/png;base64,{text}")]})
