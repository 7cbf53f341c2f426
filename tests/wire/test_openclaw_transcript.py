# -*- test-case-name: tests.wire.test_openclaw_transcript -*-
"""Transcripts in the real gateway's format, read and written."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.values import (
    AssistantMessage,
    CompactionMessage,
    ImagePart,
    Message,
    TextPart,
    ToolCall,
    ToolResultMessage,
    Usage,
    UserMessage,
)
from openclaw_tx.wire.large_json import MAX_DEPTH
from openclaw_tx.wire.openclaw_messages import ms_of
from openclaw_tx.wire.openclaw_transcript import Transcript, Writer, read, written
from openclaw_tx.wire.times import iso

HEAD = {"type": "session", "version": 3, "id": "s1", "timestamp": "2026-01-30T10:00:00.000Z", "cwd": "/ws"}
AT = "2026-01-30T10:00:01.500Z"
AT_MS = 1_769_767_201_500


def entry(id: str, parent: str | None, kind: str = "message", **fields: Any) -> dict[str, Any]:
    """An entry of a tree."""
    return {"type": kind, "id": id, "parentId": parent, "timestamp": AT, **fields}


def said(id: str, parent: str | None, text: str, role: str = "user") -> dict[str, Any]:
    """A message of plain text."""
    return entry(id, parent, message={"role": role, "content": [{"type": "text", "text": text}], "timestamp": 5})


def load(*lines: Any) -> Transcript:
    """Read values, or bytes as they are."""
    return read(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)


def texts(transcript: Transcript) -> list[str]:
    """What was said; marks in brackets."""
    return [
        f"[{each.summary} {each.kept}]" if isinstance(each, CompactionMessage) else each.text
        for each in transcript.messages
    ]


class ReadTests(SynchronousTestCase):
    """From files."""

    def test_conversation(self) -> None:
        """Tool calls with results, images, thoughts, counts: every field that has a place here."""
        call = {"type": "toolCall", "id": "c1", "name": "exec", "arguments": {"command": "ls", "n": [1, None]}}
        transcript = load(
            HEAD,
            entry("aaaaaaaa", None, "thinking_level_change", thinkingLevel="low"),
            entry("aaaaaaab", "aaaaaaaa", "model_change", provider="anthropic", modelId="claude"),
            entry(
                "aaaaaaac",
                "aaaaaaab",
                message={
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "look"},
                        {"type": "image", "data": "aGk=", "mimeType": "image/png"},
                    ],
                    "timestamp": 1_769_767_200_000,
                },
            ),
            entry(
                "aaaaaaad",
                "aaaaaaac",
                message={
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "thinkingSignature": "sig"},
                        {"type": "text", "text": "let me see"},
                        call,
                    ],
                    "api": "anthropic-messages",
                    "provider": "anthropic",
                    "model": "claude",
                    "usage": {
                        "input": 10,
                        "output": 5,
                        "cacheRead": 100,
                        "cacheWrite": 20,
                        "totalTokens": 135,
                        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "total": 0},
                    },
                    "stopReason": "toolUse",
                    "timestamp": 1_769_767_201_000,
                },
            ),
            entry(
                "aaaaaaae",
                "aaaaaaad",
                message={
                    "role": "toolResult",
                    "toolCallId": "c1",
                    "toolName": "exec",
                    "content": [
                        {"type": "text", "text": "a.txt"},
                        {"type": "text", "text": "b.txt"},
                        {"type": "image", "data": "aGk=", "mimeType": "image/png"},
                    ],
                    "details": {"exitCode": 0},
                    "isError": False,
                },
            ),
            entry(
                "aaaaaaaf",
                "aaaaaaae",
                message={
                    "role": "assistant",
                    "content": [],
                    "provider": "anthropic",
                    "model": "claude",
                    "usage": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 0},
                    "stopReason": "error",
                    "errorMessage": "overloaded",
                    "timestamp": 7,
                },
            ),
        )
        image = ImagePart(data="aGk=", mime_type="image/png")
        self.assertEqual(
            transcript.messages,
            (
                UserMessage(content=(TextPart(text="look"), image), timestamp_ms=1_769_767_200_000),
                AssistantMessage(
                    text="let me see",
                    reasoning="hm",
                    tool_calls=(ToolCall(id="c1", name="exec", arguments='{"command":"ls","n":[1,null]}'),),
                    stop_reason="tool_calls",
                    provider="anthropic",
                    model="claude",
                    usage=Usage(prompt_tokens=130, completion_tokens=5, cached_tokens=100),
                    timestamp_ms=1_769_767_201_000,
                ),
                ToolResultMessage(
                    tool_call_id="c1",
                    tool_name="exec",
                    text="a.txt\nb.txt",
                    images=(image,),
                    details={"exitCode": 0},
                    timestamp_ms=AT_MS,
                ),
                AssistantMessage(
                    stop_reason="error",
                    provider="anthropic",
                    model="claude",
                    error_message="overloaded",
                    timestamp_ms=7,
                ),
            ),
        )
        self.assertEqual((transcript.session_id, transcript.started_ms), ("s1", 1_769_767_200_000))
        self.assertEqual(transcript.faults, ())
        self.assertEqual(transcript.left_out, {"thinking_level_change": 1, "model_change": 1})

    def test_stop_reasons(self) -> None:
        """OpenClaw's words become ours; a strange one is an ordinary end."""
        for theirs, ours in (
            ("stop", "stop"),
            ("length", "length"),
            ("toolUse", "tool_calls"),
            ("error", "error"),
            ("aborted", "aborted"),
            ("injected", "injected"),
            ("refusal", "stop"),
            (None, "stop"),
        ):
            message = {"role": "assistant", "content": "x", "stopReason": theirs}
            (found,) = load(HEAD, entry("a", None, message=message)).messages
            assert isinstance(found, AssistantMessage)
            self.assertEqual(found.stop_reason, ours)

    def test_tree(self) -> None:
        """Only the branch that the last entry ends; the others are counted."""
        transcript = load(
            HEAD,
            said("1", None, "root"),
            said("2", "1", "left", "assistant"),
            said("3", "2", "further left"),
            said("4", "1", "right", "assistant"),
            said("5", "4", "end"),
        )
        self.assertEqual(texts(transcript), ["root", "right", "end"])
        self.assertEqual(transcript.left_out, {"entries of other branches": 2})

    def test_compaction(self) -> None:
        """The mark keeps the messages from the entry that it names; what is no message does not count."""
        lines = [
            said("1", None, "one"),
            said("2", "1", "two"),
            entry("3", "2", "model_change", provider="p", modelId="m"),
            said("4", "3", "three"),
        ]
        for first, kept in (("1", 3), ("2", 2), ("3", 1), ("4", 1), ("5", 0), ("nope", 0), (None, 0)):
            mark = entry("5", "4", "compaction", summary="sum", firstKeptEntryId=first, tokensBefore=1234)
            transcript = load(HEAD, *lines, mark, said("6", "5", "four"))
            self.assertEqual(texts(transcript), ["one", "two", "three", f"[sum {kept}]", "four"])
            found = transcript.messages[3]
            assert isinstance(found, CompactionMessage)
            self.assertEqual((found.tokens_before, found.timestamp_ms), (1234, AT_MS))

    def test_entries_that_models_read(self) -> None:
        """An extension's message and the summary of a branch are told as the user's; its state is not."""
        transcript = load(
            HEAD,
            entry("1", None, "custom", customType="x", data={"a": 1}),
            entry("2", "1", "custom_message", customType="x", content="note", display=True),
            entry("3", "2", "custom_message", customType="x", content=[{"type": "text", "text": "more"}]),
            entry("4", "3", "branch_summary", fromId="9", summary="we tried"),
            entry("5", "4", "label", targetId="1", label="x"),
        )
        self.assertEqual(texts(transcript), ["note", "more", "we tried"])
        self.assertEqual(transcript.left_out, {"custom": 1, "label": 1})

    def test_first_versions(self) -> None:
        """Entries without ids follow each other; a mark counts lines."""
        plain = [{"type": "message", "message": {"role": "user", "content": text}} for text in ("one", "two", "three")]
        mark = {"type": "compaction", "summary": "sum", "firstKeptEntryIndex": 2, "tokensBefore": 1}
        transcript = load({"type": "session", "id": "s", "timestamp": AT}, *plain, mark)
        self.assertEqual(texts(transcript), ["one", "two", "three", "[sum 2]"])

    def test_broken_lines(self) -> None:
        """Are reported with their number, and do not cut the branch."""
        transcript = load(
            HEAD,
            said("1", None, "one"),
            b'{"type":"message","id":"2","parentId":"1","mess',
            said("3", "2", "three"),
            b"",
            b"[1]",
            b'{"type":5}',
            b"\xff\xfe",
            entry("4", "3", message="what"),
            entry("5", "4", message={"role": "user", "content": 5}),
            entry("6", "5", message={"role": "assistant", "content": {"a": 1}}),
            said("7", "6", "seven"),
        )
        self.assertEqual(texts(transcript), ["one", "three", "seven"])
        self.assertEqual(
            sorted(transcript.faults),
            [
                "line 10: content is no list",
                "line 11: content is no list",
                "line 3: not JSON",
                "line 4: its parent is not there",
                "line 6: not an entry",
                "line 7: not an entry",
                "line 8: not JSON",
                "line 9: a message without content",
            ],
        )

    def test_circle(self) -> None:
        """A parent stands before its child, or is none."""
        transcript = load(said("1", "3", "one"), said("2", "1", "two"), said("3", "3", "three"))
        self.assertEqual(texts(transcript), ["one", "two", "three"])
        self.assertEqual(len(transcript.faults), 2)

    def test_strange_parts(self) -> None:
        """What has no place is counted."""
        content = [{"type": "text", "text": "a"}, {"type": "video"}, 5, {"type": "text"}, {"type": "image"}]
        transcript = load(
            entry("1", None, message={"role": "user", "content": content}),
            entry("2", "1", message={"role": "assistant", "content": [{"type": "redacted"}, "x"]}),
            entry("3", "2", message={"role": "bashExecution", "command": "ls"}),
            entry("4", "3", "hologram"),
        )
        self.assertEqual(texts(transcript), ["a", ""])
        self.assertEqual(sum(transcript.left_out.values()), 8)
        self.assertEqual(transcript.left_out["hologram (unknown)"], 1)

    def test_nothing(self) -> None:
        """No file is too short."""
        self.assertEqual(load(), Transcript("", 0, (), (), {}))
        self.assertEqual(load(HEAD).messages, ())

    @given(st.lists(st.binary(max_size=40) | st.text(max_size=40).map(str.encode), max_size=8))
    def test_anything(self, lines: list[bytes]) -> None:
        """Nothing makes it fail."""
        read(lines)

    def test_deep(self) -> None:
        """A line nested deeper than is taken or can be read is a fault like any other, and loses no other line."""
        depths = (MAX_DEPTH, 100_000)
        lines = [b'{"type":"message","message":' + b"[" * depth + b"]" * depth + b"}" for depth in depths]
        found = read([*lines, b'{"type":"session","id":"s"}'])
        self.assertEqual((found.session_id, found.faults), ("s", ("line 1: nested too deeply", "line 2: not JSON")))

    @given(
        st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["message", "compaction", "custom_message", "branch_summary", "session"])},
                optional={
                    name: st.recursive(
                        st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.floats(),
                        lambda inner: (
                            st.lists(inner, max_size=2)
                            | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "id"]), inner)
                        ),
                        max_leaves=6,
                    )
                    for name in ("id", "parentId", "message", "content", "summary", "timestamp", "firstKeptEntryIndex")
                },
            ),
            max_size=5,
        )
    )
    @settings(deadline=None, max_examples=60)
    def test_any_values(self, values: list[Any]) -> None:
        """Whatever stands where something else should."""
        read(json.dumps(value).encode() for value in values)


def of(*messages: Message) -> list[Any]:
    """The lines that are written, decoded."""
    return [json.loads(line) for line in written("s1", AT_MS, messages, "/ws")]


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)
WORDS = TEXT.filter(lambda text: text != "")
TIMES = st.integers(1, 2**41)
COUNTED = st.builds(
    Usage,
    prompt_tokens=st.just(100),
    completion_tokens=st.integers(0, 9),
    cached_tokens=st.none() | st.integers(1, 50),
    reasoning_tokens=st.none() | st.integers(0, 9),
)
CALLS = st.builds(ToolCall, id=TEXT, name=TEXT, arguments=st.sampled_from(["{}", '{"a":[1,"b"]}', "[1]", "{broken"]))
IMAGES = st.builds(ImagePart, data=TEXT, mime_type=TEXT)
MESSAGES = st.one_of(
    st.builds(
        UserMessage,
        content=st.lists(st.builds(TextPart, text=TEXT) | IMAGES, max_size=3).map(tuple),
        timestamp_ms=TIMES,
    ),
    st.builds(
        AssistantMessage,
        text=TEXT,
        reasoning=TEXT,
        tool_calls=st.lists(CALLS, max_size=2).map(tuple),
        stop_reason=st.sampled_from(["stop", "length", "tool_calls", "error", "aborted", "injected"]),
        provider=TEXT,
        model=TEXT,
        usage=st.just(Usage()) | COUNTED,
        error_message=TEXT,
        timestamp_ms=TIMES,
    ),
    st.builds(
        ToolResultMessage,
        tool_call_id=TEXT,
        tool_name=TEXT,
        text=TEXT,
        images=st.lists(IMAGES, max_size=1).map(tuple),
        is_error=st.booleans(),
        details=st.none() | st.dictionaries(TEXT, st.integers(-9, 9) | TEXT, max_size=2),
        timestamp_ms=TIMES,
    ),
)


class WrittenTests(SynchronousTestCase):
    """To files."""

    def test_shape(self) -> None:
        """A header, then entries that each name their parent, as OpenClaw writes them."""
        lines = of(
            UserMessage(content=(TextPart(text="a"),), timestamp_ms=AT_MS),
            AssistantMessage(
                text="b",
                reasoning="hm",
                tool_calls=(ToolCall(id="c", name="exec", arguments='{"x": 1}'),),
                stop_reason="tool_calls",
                provider="p",
                model="m",
                usage=Usage(prompt_tokens=10, completion_tokens=4, cached_tokens=6),
            ),
            CompactionMessage(summary="sum", kept=1, tokens_before=9, timestamp_ms=AT_MS),
        )
        self.assertEqual(lines[0], {"type": "session", "version": 3, "id": "s1", "timestamp": AT, "cwd": "/ws"})
        self.assertEqual(
            [(line["type"], line["id"], line["parentId"], line["timestamp"]) for line in lines[1:]],
            [
                ("message", "00000001", None, AT),
                ("message", "00000002", "00000001", AT),
                ("compaction", "00000003", "00000002", AT),
            ],
        )
        answer = lines[2]["message"]
        self.assertEqual(
            answer["content"],
            [
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": "b"},
                {"type": "toolCall", "id": "c", "name": "exec", "arguments": {"x": 1}},
            ],
        )
        self.assertEqual(answer["stopReason"], "toolUse")
        self.assertEqual(answer["usage"], {"input": 4, "output": 4, "cacheRead": 6, "cacheWrite": 0, "totalTokens": 14})
        self.assertEqual((lines[3]["firstKeptEntryId"], lines[3]["tokensBefore"]), ("00000002", 9))

    def test_words_that_openclaw_has_not(self) -> None:
        """Become the next best."""
        for ours, theirs in (("interrupted", "aborted"), ("content_filter", "stop")):
            (_, line) = of(AssistantMessage(stop_reason=ours))  # type: ignore[arg-type]
            self.assertEqual(line["message"]["stopReason"], theirs)

    def test_lines_of_our_own(self) -> None:
        """Stand in the tree and are no part of the conversation; marks do not count them."""
        writer = Writer("s1", AT_MS)
        first, second = UserMessage(content=(TextPart(text="a"),)), UserMessage(content=(TextPart(text="b"),))
        lines = [
            writer.header(),
            writer.custom("session", {"key": "k"}),
            writer.message(first),
            writer.custom("unreadable", "?"),
            writer.message(second),
            writer.message(CompactionMessage(summary="sum", kept=2)),
            writer.message(CompactionMessage(summary="all", kept=0)),
        ]
        self.assertEqual(texts(read(lines)), ["a", "b", "[sum 2]", "[all 0]"])
        self.assertEqual(json.loads(lines[3])["parentId"], json.loads(lines[2])["id"])

    def test_times(self) -> None:
        """Milliseconds, in UTC."""
        self.assertEqual(iso(AT_MS), AT)

    def test_no_times(self) -> None:
        """A number that is no time, such as one in microseconds, is not taken for one: what is written from it could
        not be."""
        self.assertEqual([ms_of(number) for number in (AT_MS, AT_MS * 1000, 253402300800000)], [AT_MS, 0, 0])
        self.assertEqual(ms_of(253402300799999), 253402300799999)

    @given(st.lists(MESSAGES | st.builds(CompactionMessage, summary=TEXT, kept=st.integers(0, 3), timestamp_ms=TIMES)))
    @settings(deadline=None, max_examples=60)
    def test_round_trip(self, messages: list[Message]) -> None:
        """What is written is read again as it was."""
        transcript = read(written("s1", 5, messages))
        self.assertEqual((transcript.faults, dict(transcript.left_out)), ((), {}))
        expected = []
        for number, message in enumerate(messages):
            if isinstance(message, CompactionMessage) and message.kept > number:
                message = CompactionMessage(summary=message.summary, kept=number, timestamp_ms=message.timestamp_ms)
            expected.append(message)
        self.assertEqual(list(transcript.messages), expected)
