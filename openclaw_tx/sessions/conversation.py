# -*- test-case-name: tests.sessions.test_conversation -*-
"""What a client resends and the session already holds; and repair of tool calls and results. Pure.

OpenAI clients send the conversation with each request, sessions remember it: L{unheld} brings the two together
(design decision 14), so that a history never doubles.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple, TypeVar

from openclaw_tx.values import AssistantMessage, CompactionMessage, Message, Spoken, ToolResultMessage, UserMessage

MAX_COMPARED = 4000
"""How many of the client's newest messages are compared; older ones count as held."""

MAX_PLACES = 16
"""How many places in the history one of the client's messages is looked for, the newest ones."""

MISSING_RESULT = "No result was recorded for this tool call."
"""Text of a result that L{repaired} had to make up."""

_AnyMessage = TypeVar("_AnyMessage", bound=Message)


def unheld(history: Sequence[Message], messages: Sequence[Spoken]) -> tuple[Spoken, ...]:
    """Which of the client's messages the session does not hold yet, in their order.

    The last one is the current message and always new. The others are looked for in the history, in order:

      - User messages are the same when their text is, tool results when their call is; white space never counts.
      - The client sees one answer where the session may hold several messages with tools of the agent in between;
        they are compared as one. An answer to the same message is the same answer, whatever its words: a client may
        have got a shorter or differently joined text, and the session's own account wins.
      - What L{without_failed} leaves out of the history is not held: who resends it wants it read.
      - When the history ends as the client's messages begin (the usual case: all of it resent, or a sliding window),
        what follows is new. Otherwise (an edited or a branched history) the longest common sequence is held and the
        rest is new: an edited question comes with its answer. It was added behind what follows it for the client, so
        what is held in another place is held, too; or each request would add it again.

    @param history: the transcript, oldest first.
    @param messages: the client's conversation, oldest first.
    """
    if len(messages) < 2 or not history:
        return tuple(messages)
    past = messages[:-1][-MAX_COMPARED:]
    visible = frozenset(_call_ids(past))
    held = _groups(without_failed([each for each in history if not isinstance(each, CompactionMessage)]), visible)
    client = _groups(past, visible)
    if client and client[0].words:
        client = _placed(client, held)
    held_keys = [group.key for group in held]
    keys = [group.key for group in client]
    overlap = _overlap(held_keys, keys)
    if overlap >= 2 or overlap == len(keys) or overlap == len(held_keys):
        new = client[overlap:]
    else:
        common = _common(held_keys, keys)
        elsewhere = Counter(held_keys) - Counter(keys[number] for number in common)
        new = []
        for number, group in enumerate(client):
            if number in common:
                continue
            if elsewhere[group.key]:
                elsewhere[group.key] -= 1
            else:
                new.append(group)
    return (*(message for group in new for message in group.messages), messages[-1])


def without_failed(history: Sequence[_AnyMessage]) -> list[_AnyMessage]:
    """A history without the turns that failed before a word was said, as far as the model does not get to read them
    (L{openclaw_tx.runs.context.model_messages}): the record keeps them."""
    kept: list[_AnyMessage] = []
    for message in history:
        if not _came_to_nothing(message):
            kept.append(message)
            continue
        while kept and _is_silent(kept[-1]):
            kept.pop()  # for that it failed
        while kept and isinstance(kept[-1], UserMessage):
            kept.pop()
    return kept


def _came_to_nothing(message: Message) -> bool:
    return isinstance(message, AssistantMessage) and message.stop_reason in ("error", "aborted") and _is_silent(message)


def _is_silent(message: Message) -> bool:
    """Whether it is an answer that the model is not shown."""
    if not isinstance(message, AssistantMessage) or message.text or message.tool_calls or message.unanswered:
        return False
    return message.stop_reason != "interrupted"


def repaired(messages: Sequence[Spoken]) -> tuple[Spoken, ...]:
    """A conversation in which every tool call is followed at once by exactly one result (spec 4.3).

    Results of no call and second results are dropped, displaced ones are moved to their call, missing ones are made up
    as errors. A call id may be used again by a later message; results belong to its latest use before them.

    @param messages: history and current turn together, oldest first; a result may stand in another turn than its call.
    """
    slots: list[list[Spoken | None]] = []
    awaited: dict[str, list[tuple[list[Spoken | None], int]]] = {}
    for message in messages:
        if isinstance(message, ToolResultMessage):
            places = awaited.get(message.tool_call_id)
            if places:
                slot, number = places.pop(0)
                slot[number] = message
            continue
        slot = [message]
        slots.append(slot)
        if isinstance(message, AssistantMessage):
            for call in message.tool_calls:
                awaited[call.id] = []
            for call in message.tool_calls:
                awaited[call.id].append((slot, len(slot)))
                slot.append(None)
    return tuple(
        message if message is not None else _made_up(slot[0], number - 1)
        for slot in slots
        for number, message in enumerate(slot)
    )


def _made_up(message: Spoken | None, number: int) -> ToolResultMessage:
    assert isinstance(message, AssistantMessage)
    call = message.tool_calls[number]
    return ToolResultMessage(
        tool_call_id=call.id,
        tool_name=call.name,
        text=MISSING_RESULT,
        is_error=True,
        timestamp_ms=message.timestamp_ms,
    )


class _Group(NamedTuple):
    """One message as the client sees it: an assistant's may be several of ours."""

    key: Hashable
    """Equal for messages that are the same."""
    words: str
    """An answer's text without white space; "" for other messages."""
    calls: frozenset[str]
    messages: tuple[Spoken, ...]


def _call_ids(messages: Sequence[Spoken]) -> list[str]:
    """Ids of the tool calls that the client knows of."""
    ids = []
    for message in messages:
        if isinstance(message, ToolResultMessage):
            ids.append(message.tool_call_id)
        elif isinstance(message, AssistantMessage):
            ids.extend(call.id for call in message.tool_calls)
    return ids


def _groups(messages: Sequence[Spoken], visible: frozenset[str]) -> list[_Group]:
    """The messages as the client sees them, without tools it does not know of and answers that say nothing."""
    groups: list[_Group] = []
    before: Hashable = None
    answer: list[AssistantMessage] = []

    def close() -> None:
        if not answer:
            return
        words = _words("".join(message.text for message in answer))
        calls = frozenset(call.id for message in answer for call in message.tool_calls) & visible
        if words or calls:
            key = ("assistant", calls, before if before is not None else words)
            groups.append(_Group(key, words, calls, tuple(answer)))
        answer.clear()

    for message in messages:
        if isinstance(message, AssistantMessage):
            answer.append(message)
            continue
        key: Hashable
        if isinstance(message, UserMessage):
            key = ("user", _words(message.text))
        elif message.tool_call_id in visible:
            key = ("tool", message.tool_call_id)
        else:
            continue
        close()
        groups.append(_Group(key, "", frozenset(), (message,)))
        before = key
    close()
    return groups


def _words(text: str) -> str:
    return "".join(text.split())


def _placed(client: list[_Group], held: Sequence[_Group]) -> list[_Group]:
    """A window that begins with an answer does not say what it answers: its words tell. A greeting may have been added
    behind another answer, and is held as the end of that."""
    first = client[0]
    for group in held:
        if group.words == first.words and group.calls == first.calls:
            return [first._replace(key=group.key), *client[1:]]
    if any(group.words.endswith(first.words) and group.calls >= first.calls for group in held):
        return client[1:]
    return client


def _overlap(held: Sequence[Hashable], client: Sequence[Hashable]) -> int:
    """Length of the longest beginning of C{client} that C{held} ends with (Knuth-Morris-Pratt: linear)."""
    if not client:
        return 0
    fallback = [0] * len(client)
    length = 0
    for number in range(1, len(client)):
        while length and client[number] != client[length]:
            length = fallback[length - 1]
        length += client[number] == client[length]
        fallback[number] = length
    length = 0
    for key in held:
        if length == len(client):
            length = fallback[length - 1]
        while length and key != client[length]:
            length = fallback[length - 1]
        length += key == client[length]
    return length


def _common(held: Sequence[Hashable], client: Sequence[Hashable]) -> set[int]:
    """Positions in C{client} of the longest sequence that both have in common (Hunt-Szymanski, from the end).

    Of several longest ones it is that which begins first in C{client}.
    """
    places: dict[Hashable, list[int]] = {}
    for place in range(len(held) - 1, -1, -1):
        found = places.setdefault(held[place], [])
        if len(found) < MAX_PLACES:
            found.append(place)
    # starts[n - 1]: minus the last place where a common sequence of length n can begin; ascending.
    starts: list[int] = []
    options: list[list[tuple[int, int]]] = []
    for key in reversed(client):
        option = []
        for place in reversed(places.get(key, ())):
            length = bisect_left(starts, -place)
            starts[length : length + 1] = [-place]
            option.append((length + 1, place))
        options.append(option)
    options.reverse()
    wanted, after = len(starts), -1
    common = set()
    for number, option in enumerate(options):
        for length, place in option:
            if length == wanted and place > after:
                common.add(number)
                wanted, after = wanted - 1, place
                break
    return common


__all__ = ["MISSING_RESULT", "repaired", "unheld"]
