# -*- test-case-name: tests.ws.rpc.test_quoting -*-
"""What a chat message refers to: the message that it replies to, and what the user is looking at. Pure.

The agent is told within the message. So it is kept, and arrives whatever becomes of the message: a run of its own, or a
part of one that is at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from openclaw_tx.values import AssistantMessage, Message, TranscriptPage, UserMessage
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.rpc.history import message_row

QUOTED = 2000
"""Characters of a message that a reply repeats."""
LOOKED_THROUGH = 400
"""Newest messages that somebody may reply to."""


class WorkContext(Params, frozen=True):
    """What the user is looking at while writing. Texts of a client: no more than what the user says."""

    page: Annotated[str, Meta(min_length=1, max_length=64)]
    title: Annotated[str, Meta(max_length=1000)] = ""
    session_key: Annotated[str, Meta(max_length=512)] = ""
    session_id: Annotated[str, Meta(max_length=128)] = ""
    agent_id: Annotated[str, Meta(max_length=128)] = ""
    workspace: Annotated[str, Meta(max_length=4096)] = ""
    file: Annotated[str, Meta(max_length=4096)] = ""
    selection: Annotated[str, Meta(max_length=8000)] = ""


def replied_to(page: TranscriptPage, message_id: str) -> Message | None:
    """The message of an id, the newest first: C{__openclaw.id} of C{chat.history}."""
    said = (each for each in reversed(page.messages) if isinstance(each, UserMessage | AssistantMessage))
    return next((each for each in said if message_row(each)["__openclaw"]["id"] == message_id), None)


def in_reply(text: str, message: Message) -> str:
    """A message that begins with what it replies to, quoted."""
    who = "assistant" if isinstance(message, AssistantMessage) else "user"
    said = message.text.strip() if isinstance(message, UserMessage | AssistantMessage) else ""
    quoted = said if len(said) <= QUOTED else said[:QUOTED].rstrip() + "…"
    lines = [f"[In reply to the {who}:]", *quoted.splitlines()]
    return _paragraphs("\n".join(f"> {line}".rstrip() for line in lines), text)


def in_context(text: str, context: WorkContext) -> str:
    """A message that ends with what the user is looking at."""
    seen = msgspec.to_builtins(context)
    lines = [f"{name}: {' '.join(value.split())}" for name, value in seen.items() if value.strip()]
    return _paragraphs(text, "\n".join(["[The user is looking at:]", *lines]))


def _paragraphs(*texts: str) -> str:
    found: Sequence[str] = [text for text in texts if text.strip()]
    return "\n\n".join(found)


__all__ = ["LOOKED_THROUGH", "WorkContext", "in_context", "in_reply", "replied_to"]
