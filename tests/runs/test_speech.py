# -*- test-case-name: tests.runs.test_speech -*-
"""What a run has said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.runs.speech import Speech
from openclaw_tx.runs.stored import condensed
from openclaw_tx.values import RunResult, TextDelta

PIECES = st.lists(st.tuples(st.text("a \n", max_size=3), st.booleans()), max_size=5)


def worth(texts: list[str]) -> list[str]:
    """Those that say something."""
    return [text for text in texts if text.strip()]


class SpeechTests(SynchronousTestCase):
    """Messages, and answer and refusal in them."""

    @given(st.lists(PIECES, max_size=4))
    def test_any(self, messages: list[list[tuple[str, bool]]]) -> None:
        """Whatever is said, at any time, whether the last message is closed or not."""
        speech = Speech()
        for number, message in enumerate(messages):
            if number:
                speech.close()
            for text, declines in message:
                speech.add(text, declines)
        kinds = [
            "\n\n".join(worth(["".join(text for text, of in message if of is kind) for message in messages]))
            for kind in (False, True)
        ]
        texts = worth(["".join(text for text, _ in message) for message in messages])
        self.assertEqual((list(speech.texts), speech.apart()), (texts, tuple(kinds)))
        speech.close()
        self.assertEqual((list(speech.texts), speech.apart(), speech.open_text), (texts, tuple(kinds), ""))


class ResultTests(SynchronousTestCase):
    """How a result tells them apart, and the shortest story of it."""

    def test_parts(self) -> None:
        """None, all, some; what was stored before there were parts is all."""
        for fields, content, refused in (
            ({}, "a\n\nb", ""),
            ({"refusal": True}, "", "a\n\nb"),
            ({"refusal": True, "declined": "a\n\nb"}, "", "a\n\nb"),
            ({"refusal": True, "declined": "b", "answered": "a"}, "a", "b"),
        ):
            found = RunResult(
                run_id="r",
                session_key="k",
                agent_id="main",
                status="ok",
                payloads=("a", "b"),
                **fields,  # type: ignore[arg-type]
            )
            self.assertEqual((found.content, found.refused), (content, refused))
            told = [entry.event for entry in condensed(found) if isinstance(entry.event, TextDelta)]
            for kind, text in ((False, content), (True, refused)):
                self.assertEqual("\n\n".join(event.text for event in told if event.refusal is kind), text)
