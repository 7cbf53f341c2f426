# -*- test-case-name: tests.wire.test_openai_chat_parts -*-
"""What is said now is passed on or refused by name; what was said earlier is skipped where it can not be passed on."""

from __future__ import annotations

import base64
import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.errors import GatewayError
from openclaw_tx.values import AssistantMessage, TextPart, UserMessage
from openclaw_tx.wire.openai_chat import ChatRequest, parse
from openclaw_tx.wire.openai_responses_files import NOTICE

AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
VIDEO = {"type": "video_url", "video_url": {"url": "https://a.example/1.mp4"}}
TEXT = {"type": "text", "text": "see"}
SUM = ({"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"})
CALL = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}]}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "r"}


def read(*messages: Any) -> ChatRequest:
    """Parse a request with these messages."""
    return parse(json.dumps({"messages": list(messages)}).encode())


def user(content: Any) -> dict[str, Any]:
    """A user entry."""
    return {"role": "user", "content": content}


def file(data: bytes = b"a,b", mime: str = "text/csv", **fields: Any) -> dict[str, Any]:
    """A file part in OpenAI's form."""
    shown = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    return {"type": "file", "file": {"filename": "t.csv", "file_data": shown, **fields}}


class RefusedMixin(SynchronousTestCase):
    """Looks at refusals."""

    def refused(self, param: str, *messages: Any, code: str = "invalid_request") -> None:
        """This is at fault."""
        error = self.assertRaises(GatewayError, read, *messages)
        self.assertEqual((error.info.code, error.info.param), (code, param), str(error))


class PartTests(RefusedMixin):
    """Parts that can not be passed on."""

    def test_of_the_current_message(self) -> None:
        """Alone or beside text."""
        for part in (AUDIO, VIDEO, {"type": "refusal", "refusal": "no"}, {"type": "text", "text": 5}, {}, "x", 5, None):
            self.refused("messages[2].content[0]", *SUM, user([part]))
            self.refused("messages[0].content[1]", user([TEXT, part]))

    def test_words(self) -> None:
        """A part of text without a text is told so; of others it is told which there are."""
        for part, words in (({"type": "text", "text": 5}, "must be a string"), (AUDIO, "Parts of a user message are")):
            self.assertIn(words, str(self.assertRaises(GatewayError, read, user([part]))))

    def test_of_what_nobody_answered_yet(self) -> None:
        """All messages after the last answer, and the whole of a turn in which tools were called."""
        self.refused("messages[2].content[0]", *SUM, user([AUDIO]), user("and?"))
        self.refused("messages[2].content[1]", *SUM, user([TEXT, AUDIO]), CALL, RESULT)
        self.refused("messages[2].content[0]", user("go"), CALL, {**RESULT, "content": [AUDIO]})
        self.refused("messages[0].content[1]", user([TEXT, AUDIO]), {"role": "assistant", "content": "prefill"})
        self.refused("messages[0].content[0]", {"role": "system", "content": [AUDIO]}, user("x"))

    def test_of_earlier_turns(self) -> None:
        """They are skipped, as ever."""
        request = read(user([AUDIO, TEXT, 5]), SUM[1], user([AUDIO]), SUM[1], user("now"))
        answer = AssistantMessage(text="4")
        see, now = (UserMessage(content=(TextPart(text=text),)) for text in ("see", "now"))
        self.assertEqual(request.messages, (see, answer, answer, now))

    def test_where_images_stand(self) -> None:
        """A system message shows none."""
        self.refused(
            "messages[0].content[0]",
            {"role": "system", "content": [{"type": "image_url", "image_url": "x"}]},
            user("x"),
        )

    def test_of_the_assistant(self) -> None:
        """It said them, so nobody refuses them."""
        said = {**CALL, "content": [{"type": "thinking", "thinking": "hm"}]}
        self.assertEqual(len(read(user("go"), said, RESULT).messages), 3)


class FileTests(RefusedMixin):
    """Files of a user: read as those of a response are."""

    def test_text(self) -> None:
        """It goes to the system prompt; a mark stands where it was shown."""
        request = read({"role": "system", "content": "be brief"}, user([TEXT, file()]))
        self.assertEqual(request.messages, (UserMessage(content=(TextPart(text="see\n[file: t.csv]"),)),))
        self.assertEqual(request.extra_system, f'be brief\n\n{NOTICE}\n\n<file name="t.csv">\na,b\n</file>')

    def test_alone(self) -> None:
        """It can be all that a message is."""
        request = read(*SUM, user([file()]))
        self.assertEqual(request.messages[-1], UserMessage(content=(TextPart(text="[file: t.csv]"),)))

    def test_resent(self) -> None:
        """It is read again, and its message is the same."""
        request = read(user([file()]), SUM[1], user("and?"))
        self.assertEqual(request.messages[0], UserMessage(content=(TextPart(text="[file: t.csv]"),)))
        self.assertIn("a,b", request.extra_system)

    def test_refused(self) -> None:
        """What can not be read now."""
        self.refused("messages[0].content[0].file.file_data", user([file(b"%PDF", "application/pdf")]))
        self.refused("messages[0].content[0].file.file_id", user([file(file_id="f")]), code="unsupported_parameter")
        self.refused("messages[0].content[0].file", user([{"type": "file", "file": 5}]))
        self.refused("messages[0].content[0]", user([{"type": "file"}]))
        self.refused("messages[2].content[0]", user("go"), CALL, {**RESULT, "content": [file()]})

    def test_unreadable_and_earlier(self) -> None:
        """It is skipped."""
        request = read(user([TEXT, file(b"%PDF", "application/pdf")]), SUM[1], user("and?"))
        self.assertEqual(request.messages[0], UserMessage(content=(TextPart(text="see"),)))
        self.assertEqual(request.extra_system, "")


class LastMessageTests(RefusedMixin):
    """No older question is answered in the place of one that is not understood."""

    def test_not_understood(self) -> None:
        """It is named, with what is wrong about it."""
        for entry, at in (
            (user(5), ".content"),
            (user({"type": "text", "text": "x"}), ".content"),
            (user(None), ".content"),
            (user(""), ".content"),
            (user(" \n"), ".content"),
            (user([]), ".content"),
            (user([{"type": "text", "text": " "}]), ".content"),
            ({"role": "user"}, ".content"),
            ({"role": "tool", "content": ""}, ".content"),
            ({"role": "User", "content": "x"}, ".role"),
            ({"role": "human", "content": "x"}, ".role"),
            ({"role": ["user"], "content": "x"}, ".role"),
            ({"content": "x"}, ".role"),
            ("x", ""),
            (5, ""),
            (None, ""),
            ([], ""),
        ):
            self.refused(f"messages[2]{at}", *SUM, entry)
            self.refused(f"messages[2]{at}", *SUM, entry, {"role": "system", "content": "be brief"})
            self.refused(f"messages[1]{at}", SUM[1], entry)

    def test_results_and_instructions(self) -> None:
        """A tool's result that is no text would be an empty one, and such instructions none."""
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        called = {"role": "assistant", "tool_calls": [call]}
        for content in ({"sunny": True}, 21.5, False):
            result = {"role": "tool", "tool_call_id": "c1", "content": content}
            self.refused("messages[2].content", user("q"), called, result)
            self.refused("messages[2].content", user("q"), called, result, {**result, "content": "x"}, user("and?"))
            self.refused("messages[1].content", user("q"), {"role": "system", "content": content})
            answered = read(user("q"), called, result, {"role": "assistant", "content": "a"}, user("and?"))
            self.assertEqual(len(answered.messages), 5)

    def test_before_an_answer_that_is_begun(self) -> None:
        """What the assistant is to begin with does not make an older question the current one."""
        self.refused("messages[2].content", *SUM, user(None), {"role": "assistant", "content": "prefill"})

    def test_what_may_follow_the_current_message(self) -> None:
        """What an assistant says, even nothing, and words for the system prompt."""
        for entry in (
            {"role": "assistant", "content": ""},
            {"role": "assistant", "content": 5},
            {"role": "system", "content": " "},
            {"role": "developer", "content": "be brief"},
        ):
            self.assertEqual(len(read(user("q"), entry).messages), 1)

    def test_elsewhere(self) -> None:
        """Before the current message they are skipped, and so they are when there is nothing else."""
        self.assertEqual(len(read("x", user(5), {"role": "human", "content": "x"}, *SUM, None, user("q")).messages), 3)
        self.assertEqual(read({"role": "human", "content": "x"}, user(5)).messages, ())
