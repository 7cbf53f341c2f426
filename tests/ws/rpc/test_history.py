# -*- test-case-name: tests.ws.rpc.test_history -*-
"""Pages of a transcript: L{openclaw_tx.ws.rpc.history}, through a whole gateway with a real store."""

from __future__ import annotations

from typing import Any

from openclaw_tx.values import TextPart, ToolResultMessage, UserMessage
from tests.sessions.helpers import answer, user
from tests.ws.rpc.test_sessions import SessionsCase

KEY = "agent:main:main"


class PageTests(SessionsCase):
    """C{offset}, C{nextOffset} and C{hasMore}."""

    def history(self, **params: Any) -> Any:
        """A page."""
        return self.call("chat.history", sessionKey="main", **params)

    def texts(self, page: Any) -> list[str]:
        """What its messages say."""
        return [row["content"][0]["text"] for row in page["messages"]]

    def fill(self, count: int) -> None:
        """Messages that say their number."""
        self.add(KEY, *(user(str(number)) for number in range(count)))

    def test_back_to_the_beginning(self) -> None:
        """Page by page, nothing twice and nothing left out."""
        self.fill(7)
        page = self.history(limit=3)
        self.assertEqual((self.texts(page), page["totalMessages"], page["hasMore"]), (["4", "5", "6"], 7, True))
        self.assertNotIn("offset", page)
        page = self.history(limit=3, offset=page["nextOffset"])
        self.assertEqual((self.texts(page), page["offset"], page["hasMore"]), (["1", "2", "3"], 3, True))
        page = self.history(limit=3, offset=page["nextOffset"])
        self.assertEqual((self.texts(page), page["hasMore"]), (["0"], False))
        self.assertNotIn("nextOffset", page)
        self.assertEqual(self.texts(self.history(offset=50)), [])
        self.assertFalse(self.history(offset=50)["hasMore"])

    def test_places(self) -> None:
        """A message tells its place, the same on every page."""
        self.fill(5)
        places = [row["__openclaw"]["seq"] for row in self.history(limit=2, offset=1)["messages"]]
        self.assertEqual(places, [3, 4])

    def test_room(self) -> None:
        """What does not fit is on the page before."""
        self.add(KEY, user("old"), user("x" * 2000), user("new"))
        page = self.history(maxBytes=1500)
        self.assertEqual((self.texts(page), page["nextOffset"]), (["new"], 1))
        # One that fits nowhere keeps nobody from what stands before it.
        page = self.history(maxBytes=1500, offset=page["nextOffset"])
        self.assertEqual((self.texts(page), page["nextOffset"], page["hasMore"]), ([], 2, True))
        page = self.history(maxBytes=1500, offset=page["nextOffset"])
        self.assertEqual((self.texts(page), page["hasMore"]), (["old"], False))

    def test_room_of_what_is_asked(self) -> None:
        """What a run at work was asked takes no room from the transcript: nothing is passed over for it."""
        self.add(KEY, user("old"), user("x" * 500), user("y" * 500))
        self.memory.model._plays.append(lambda call: None)
        self.call("chat.send", sessionKey="main", message="q" * 800, idempotencyKey="k")
        page = self.history(maxBytes=1200)
        self.assertEqual([text[0] for text in self.texts(page)], ["y", "q"])
        page = self.history(maxBytes=1200, offset=page["nextOffset"])
        self.assertEqual([text[0] for text in self.texts(page)], ["o", "x"])
        # It has no more room than the transcript either.
        self.assertEqual([text[0] for text in self.texts(self.history(maxBytes=900))], ["y"])

    def test_unreadable(self) -> None:
        """A message that can not be read is passed over."""
        self.fill(3)
        self.memory.gateway._house.sessions._jobs.submit(
            lambda connection: connection.driver.execute("UPDATE messages SET body = 'broken' WHERE position = 0")
        )
        page = self.history()
        self.assertEqual((self.texts(page), page["totalMessages"], page["hasMore"]), (["1", "2"], 3, False))
        self.assertEqual([row["__openclaw"]["seq"] for row in page["messages"]], [2, 3])

    def test_cut(self) -> None:
        """Texts have at most C{maxChars} characters; the id of a message stays the same."""
        result = ToolResultMessage(tool_call_id="c", tool_name="t", text="abcdef")
        said = UserMessage(content=(TextPart(text="abc"), TextPart(text="abcdefgh")), timestamp_ms=1)
        self.add(KEY, said, answer("abc"), result)
        whole, short = self.history()["messages"], self.history(maxChars=3)["messages"]
        self.assertEqual([block["text"] for block in short[0]["content"]], ["abc", "abc\n...(truncated)..."])
        self.assertEqual(short[2]["content"][0]["text"], "abc\n...(truncated)...")
        self.assertEqual([row["__openclaw"].get("truncated", False) for row in short], [True, False, True])
        self.assertEqual([row["__openclaw"]["id"] for row in short], [row["__openclaw"]["id"] for row in whole])
        self.assertEqual(whole[2]["content"][0]["text"], "abcdef")

    def test_startup(self) -> None:
        """The first page may come with all the rest."""
        self.fill(5)
        page = self.call("chat.startup", sessionKey="main", limit=2)
        self.assertEqual((self.texts(page), page["nextOffset"]), (["3", "4"], 2))

    def test_refused(self) -> None:
        """What can not be, and what this gateway does not have, by name."""
        for params, said in (
            ({"offset": -1}, "at /offset"),
            ({"maxChars": 0}, "at /maxChars"),
            ({"cursor": "x"}, "unexpected property 'cursor'"),
            ({"messageId": "x"}, "unexpected property 'messageId'"),
        ):
            self.assertIn(said, self.refusal("chat.history", sessionKey="main", **params)[1])
