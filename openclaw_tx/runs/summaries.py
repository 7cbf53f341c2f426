# -*- test-case-name: tests.runs.test_compaction -*-
"""What a model is asked when it is to summarise a conversation. Pure, and bounded whatever the conversation."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.values import AssistantMessage, CompactionMessage, Message, ToolResultMessage, UserMessage

MAX_PIECES = 8
"""Calls that one summary takes at most; a longer conversation is told in shorter words."""
MAX_SAID = 16_000
"""Characters of one message that the summary is made from; a tool's result has a quarter of it."""
LEAST_SAID = 200
"""Below that, messages of the middle are left out instead."""
MAX_SUMMARY = 40_000
"""Characters of a summary."""
MAX_ASKED = 4000
"""Characters of the user's message that a summary made in the middle of a turn repeats."""

SYSTEM = (
    "You shorten conversations between a user and an assistant that has tools. Your summary takes the place of what "
    "you are given: the assistant goes on from it and sees nothing else of it. Do not continue the conversation and do "
    "not answer anything in it."
)

ASK = (
    "Write the summary that takes the place of all this. Keep what is needed to go on: what the user wants, with all "
    "constraints; what was decided and why; what was done, with what result; what is open, and the next step. Repeat "
    "names, paths, ids, numbers, commands and error messages exactly. Leave out greetings and detours. Use short "
    "headings and lists, and the language of the conversation."
)


def pieces(messages: Sequence[Message], room: int) -> list[str]:
    """The conversation as text, in at most L{MAX_PIECES} pieces.

    @param room: characters of a piece.
    """
    said = MAX_SAID
    while True:
        told = [_told(message, said) for message in messages if not isinstance(message, CompactionMessage)]
        told = [each[:room] for each in told if each]
        packed = _packed(told, room)
        if len(packed) <= MAX_PIECES:
            return packed
        if said <= LEAST_SAID:
            half = MAX_PIECES // 2
            return [*packed[:half], "[A part of the conversation is left out here.]", *packed[half + 1 - MAX_PIECES :]]
        said //= 2


def question(before: str, piece: str, instructions: str) -> str:
    """What the model is asked about one piece.

    @param before: the summary so far; "" = this is the beginning.
    """
    parts = [f"<summary-so-far>\n{before}\n</summary-so-far>"] if before else []
    parts.append(f"<conversation>\n{piece}\n</conversation>")
    parts.append(ASK)
    if before:
        parts.append(
            "The summary so far is part of what yours takes the place of: carry on all of it that still counts."
        )
    if instructions:
        parts.append(f"Heed this besides: {instructions}")
    return "\n\n".join(parts)


def _packed(told: Sequence[str], room: int) -> list[str]:
    packed: list[str] = []
    held: list[str] = []
    length = 0
    for each in told:
        if held and length + len(each) + 2 > room:
            packed.append("\n\n".join(held))
            held, length = [], 0
        held.append(each)
        length += len(each) + 2
    if held:
        packed.append("\n\n".join(held))
    return packed


def _told(message: Message, most: int) -> str:
    if isinstance(message, UserMessage):
        return f"User: {_short(message.text, most)}" if message.text else "User: [image]"
    if isinstance(message, ToolResultMessage):
        kind = "Error" if message.is_error else "Result"
        return f"{kind} of {message.tool_name or 'tool'}: {_short(message.text, most // 4)}"
    assert isinstance(message, AssistantMessage)
    lines = [f"Assistant: {_short(message.text, most)}"] if message.text else []
    lines += [f"Assistant calls {call.name}: {_short(call.arguments, most // 4)}" for call in message.tool_calls]
    return "\n".join(lines)


def _short(text: str, most: int) -> str:
    """Beginning and end of a long text."""
    if len(text) <= most:
        return text
    return f"{text[: most * 2 // 3]} [...] {text[-(most // 4) :]}"


__all__ = ["ASK", "MAX_ASKED", "MAX_PIECES", "MAX_SUMMARY", "SYSTEM", "pieces", "question"]
