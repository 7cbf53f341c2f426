# -*- test-case-name: tests.ws.rpc.test_agent -*-
"""From what a client asks to a run request: the session, the images, the thinking level. Pure, but for one look-up.

Every refusal is C{invalid <method> params: ...}, in the words of the wire where it has any.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from openclaw_tx.auth.sight import agents_for
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Sessions
from openclaw_tx.sessions.keys import canonical_key, in_scope, is_reserved, main_key, parse_key
from openclaw_tx.values import ImagePart, Part, Principal, TextPart
from openclaw_tx.wire.frames import encode
from openclaw_tx.ws.hello import MAX_IMAGE
from openclaw_tx.ws.rpc.catalog import unknown_agent

THINKING = ("off", "minimal", "low", "medium", "high", "xhigh")
MAX_IMAGES = 20
MAX_MARKS = 30
"""Marks on one letter that are put in order: no script has as many (UAX #15, 13)."""
_CONTROLS = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""All control characters (category Cc) but line breaks and tabs."""
_MADE_OF_MARKS = "\u0f73\u0f75\u0f81"
"""Marks that are said to be none, but are put together of some."""
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class Attachment(msgspec.Struct, frozen=True, rename="camel"):
    """A file that comes with a message. Only images are supported; further properties are ignored, as on the wire."""

    type: str = ""
    mime_type: str = ""
    file_name: str = ""
    content: Any = None
    """Base64, or a data URL."""


class Seat(NamedTuple):
    """Who answers, and where it is kept."""

    agent_id: str
    session_key: str


def bad(method: str, what: str) -> GatewayError:
    """The refusal of a param."""
    return GatewayError("invalid_request", f"invalid {method} params: {what}")


def seat(
    method: str,
    agents: Agents,
    principal: Principal,
    agent_id: str,
    session_key: str,
    explicit: str,
    scope: str = "per-sender",
    *,
    reserved: bool = False,
    removed: bool = False,
) -> Seat:
    """Choose agent and session.

    A session key that names an agent decides; one that does not belongs to the chosen agent (decision D33). An agent
    alone means its main session, nothing at all a session of its own for this request.

    @param principal: who asks: agents that it may not use do not exist, and its session names get its prefix.
    @param explicit: name of that session, e.g. the idempotency key; "" = there is none, and nothing at all means the
        default agent's main session.
    @param scope: C{session.scope}: where it is C{global}, main sessions and those of single requests are one.
    @param reserved: the session may be one of the gateway's own: nothing is said in it.
    @param removed: its agent may have been removed: it is only read.
    @raise GatewayError: the agent is unknown, agent and key disagree, or the key is reserved or malformed.
    """
    agents, prefix = agents_for(agents, principal), principal.session_prefix
    chosen = agent_id.strip().lower()
    if chosen and agents.get(chosen) is None:
        raise unknown_agent(method, agent_id)
    if not session_key.strip():
        if chosen or not explicit or (scope == "global" and not prefix):
            chosen = chosen or agents.default_id
            return Seat(chosen, in_scope(main_key(chosen, prefix), chosen, scope))
        chosen = agents.default_id
        return Seat(chosen, canonical_key(f"explicit:{explicit}", chosen, prefix=prefix))
    if is_reserved(session_key) and not reserved:
        raise bad(method, "sessionKey lies in a namespace of the gateway's own")
    try:
        key = canonical_key(session_key, chosen or agents.default_id, prefix=prefix, scope=scope)
    except GatewayError as error:
        raise bad(method, error.info.message) from None
    named = parse_key(key)
    owner = named.agent_id if named is not None else chosen or agents.default_id
    if chosen and owner != chosen:
        raise bad(method, f'agent "{chosen}" does not match session key agent "{owner}"')
    if agents.get(owner) is None and (principal.agents or not removed):
        raise unknown_agent(method, owner)
    return Seat(owner, in_scope(key, owner, scope))


async def as_stored(sessions: Sessions, place: Seat, key: str) -> Seat:
    """The seat under exactly this key, if there is such a session: keys of HTTP headers keep their case, others are
    kept in lower case. Whether the client may know of it is for the authoriser, as of any key."""
    exact = key.strip()
    if exact != place.session_key and exact.lower() == place.session_key and await sessions.get(exact) is not None:
        return Seat(place.agent_id, exact)
    return place


def clean(method: str, text: str) -> str:
    """A message as it is kept: NFC, without control characters but for line breaks and tabs.

    @raise GatewayError: it contains null bytes.
    """
    if "\0" in text:
        raise bad(method, "message must not contain null bytes")
    return _CONTROLS.sub("", composed(text))


def composed(text: str) -> str:
    """C{text} in NFC, but for letters with more than L{MAX_MARKS} marks, which stay as they are: to put these in order
    takes the square of their number, and nothing else gets its turn meanwhile."""
    if text.isascii():
        return text
    marks = "".join(char for char in set(text) if unicodedata.combining(char) or char in _MADE_OF_MARKS)
    pieces = re.split(f"([{marks}]{{{MAX_MARKS + 1},}})", text) if marks else [text]
    pieces[::2] = (unicodedata.normalize("NFC", piece) for piece in pieces[::2])
    return "".join(pieces)


def said(method: str, message: str, attachments: Sequence[Attachment]) -> tuple[Part, ...]:
    """A message with its images, as the model gets it.

    @raise GatewayError: as L{clean}, L{with_images}.
    """
    return with_images(method, clean(method, message), attachments)


def with_images(method: str, text: str, attachments: Sequence[Attachment]) -> tuple[Part, ...]:
    """The same of what L{clean} has seen.

    @raise GatewayError: nothing is said, or as L{images}.
    """
    if not text.strip() and not attachments:
        raise GatewayError("invalid_request", "message or attachment required")
    seen = images(method, attachments)
    return (TextPart(text=text), *seen) if text.strip() else seen


def check_run_id(method: str, key: str) -> None:
    """The key of a request becomes the id of its run, and part of session keys, URLs and log lines.

    @raise GatewayError: it has control characters.
    """
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in key):
        raise bad(method, "idempotencyKey must not contain control characters")


def images(method: str, attachments: Sequence[Attachment]) -> tuple[ImagePart, ...]:
    """The images that came along; what the bytes are counts, not what they are said to be.

    @raise GatewayError: something that is no image, no base64, or too large.
    """
    if len(attachments) > MAX_IMAGES:
        raise bad(method, f"attachments: at most {MAX_IMAGES}")
    return tuple(_image(method, number, attachment) for number, attachment in enumerate(attachments))


def _image(method: str, number: int, attachment: Attachment) -> ImagePart:
    where = f"attachments/{number}"
    if not isinstance(attachment.content, str):
        raise bad(method, f"{where}: content must be a base64 string")
    text = attachment.content
    if text.startswith("data:"):
        text = text.partition(",")[2]
    if len(text) * 3 // 4 > MAX_IMAGE + 2:
        raise bad(method, f"{where}: an image has at most {MAX_IMAGE} bytes")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise bad(method, f"{where}: content is not base64") from None
    mime = next((mime for magic, mime in _MAGIC if data.startswith(magic)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        mime = "image/webp"
    if not mime:
        raise bad(method, f"{where}: only PNG, JPEG, GIF and WebP images are supported")
    return ImagePart(data=text, mime_type=mime)


def thinking_level(method: str, thinking: str) -> str:
    """A thinking level that a client names.

    @raise GatewayError: there is no such level.
    """
    if thinking and thinking not in THINKING:
        raise bad(method, f"thinking must be one of {', '.join(THINKING)}")
    return thinking


def fingerprint(method: str, params: msgspec.Struct) -> str:
    """Digest of what was asked, by which a repeated key is told from a reused one."""
    return hashlib.sha256(method.encode() + b"\0" + encode(params)).hexdigest()
