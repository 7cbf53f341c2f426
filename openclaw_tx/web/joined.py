# -*- test-case-name: tests.web.test_chat_stream,tests.web.test_chat_extras,tests.web.test_responses_stream -*-
"""The texts of several messages as one, piece by piece."""

from __future__ import annotations


class Joined:
    """Texts of several messages, joined as the whole answer joins them: by a blank line; blank ones are left out.

    @ivar speaking: the message has said something: more of it may be shown as it is.
    @ivar spoke: an earlier message has.
    """

    __slots__ = ("_blank", "speaking", "spoke")

    def __init__(self) -> None:
        self.speaking = False
        self.spoke = False
        self._blank = ""

    def begin(self, text: str) -> str:
        """Text at the start of a message.

        @return: what is to be shown by now: "" as long as it is blank.
        """
        self._blank += text
        if not self._blank.strip():
            return ""
        shown = f"\n\n{self._blank}" if self.spoke else self._blank
        self._blank = ""
        self.speaking = True
        return shown

    def ended(self) -> None:
        """The message has."""
        self._blank = ""
        self.spoke = self.spoke or self.speaking
        self.speaking = False


__all__ = ["Joined"]
