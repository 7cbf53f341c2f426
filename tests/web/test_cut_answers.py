# -*- test-case-name: tests.web.test_cut_answers -*-
"""Answers that a model could not finish or would not give, on both of OpenAI's surfaces, streamed and whole.

What a client reads must be the same on all four ways, and nothing in it made up.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from openclaw_tx.testing import MemoryResponse
from tests.web.test_bugs_chat import DONE, ProvidedGateway, Provider, call, delta

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
FUNCTION = {"name": "delete_all", "parameters": {"type": "object"}}
SESSION = {"x-openclaw-session-key": "work"}


class Case(SynchronousTestCase):
    """A gateway and a provider that speaks HTTP."""

    def setUp(self) -> None:
        """Everything in memory."""
        self.gateway = ProvidedGateway()
        self.addCleanup(self.gateway.close)
        self.provider = Provider()
        self.gateway.site_of_providers = Site(self.provider, reactor=self.gateway.clock)

    def post(self, path: str, *chunks: Any, headers: Any = None, **fields: Any) -> MemoryResponse:
        """Ask; the provider answers with these chunks."""
        if chunks:
            self.provider.scripts.append([*chunks, DONE])
        response = self.gateway.post(path, fields, headers=headers)
        self.gateway.flush()
        return response

    def chat(self, *chunks: Any, stream: bool = False, tools: bool = True, **fields: Any) -> tuple[Any, str]:
        """
        @return: the message (of a stream, what its deltas add up to), and the reason why it ended.
        """
        if tools:
            fields["tools"] = [{"type": "function", "function": FUNCTION}]
        asked = {"messages": [{"role": "user", "content": "q"}], "stream": stream, **fields}
        response = self.post(CHAT, *chunks, **asked)
        self.assertEqual(response.code, 200, response.text())
        if not stream:
            (choice,) = response.json()["choices"]
            self.assertTrue(response.json()["usage"]["total_tokens"])
            return choice["message"], choice["finish_reason"]
        choices = [choice for event in response.events()[:-1] for choice in event["choices"]]
        joined: dict[str, Any] = {"content": None, "refusal": None, "arguments": None}
        for choice in choices:
            told = choice["delta"]
            for name in ("content", "refusal"):
                if told.get(name) is not None:
                    joined[name] = (joined[name] or "") + told[name]
            for piece in told.get("tool_calls", ()):
                joined["arguments"] = (joined["arguments"] or "") + piece["function"]["arguments"]
        (reason,) = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
        return joined, reason

    def respond(self, *chunks: Any, tools: bool = True, stream: bool = False, **fields: Any) -> Any:
        """
        @return: the response object; of a stream, that of its last event.
        """
        if tools:
            fields["tools"] = [{"type": "function", **FUNCTION}]
        response = self.post(RESPONSES, *chunks, model="openclaw", input="q", stream=stream, **fields)
        self.assertEqual(response.code, 200, response.text())
        if not stream:
            return response.json()
        *_, last, _ = response.events()
        self.assertEqual(last["type"], f"response.{last['response']['status']}")
        return last["response"]


USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 20, "total_tokens": 31}}


class LimitTests(Case):
    """The token limit, or a filter, before the first word."""

    def test_nothing_said(self) -> None:
        """That is an answer without text, with the reason and what it has cost, and no failure."""
        for reason, told in (("length", "max_output_tokens"), ("content_filter", "content_filter")):
            for chunks in (
                (delta(reason), USAGE),
                (delta(content=" \n"), delta(reason), USAGE),
                (delta(content="<think>It is"), delta(reason), USAGE),
            ):
                message, found = self.chat(*chunks, max_completion_tokens=20)
                self.assertEqual((message["content"].strip(), found), ("", reason))
                message, found = self.chat(*chunks, stream=True, max_completion_tokens=20)
                self.assertEqual((message["content"], found), (None, reason))
                for stream in (False, True):
                    response = self.respond(*chunks, stream=stream, max_output_tokens=20)
                    self.assertEqual(
                        (response["status"], response["incomplete_details"], response["output"]),
                        ("incomplete", {"reason": told}, []),
                    )
                    self.assertEqual(response["usage"]["total_tokens"], 31)

    def test_after_a_tool(self) -> None:
        """Also when the agent has used its tools before."""
        self.provider.scripts.append([call(0, "c", "agents_list", "{}"), delta("tool_calls"), DONE])
        message, reason = self.chat(delta("length"), USAGE)
        self.assertEqual((message["content"], reason), ("", "length"))

    def test_forced(self) -> None:
        """A model that was stopped has not disregarded C{tool_choice}: there is no way of telling."""
        message, reason = self.chat(delta("length", content="Let me"), USAGE, tool_choice="required")
        self.assertEqual((message["content"], reason), ("", "length"))

    def test_still_empty(self) -> None:
        """T22: nothing at all, and no reason for it, is the error it was."""
        self.assertEqual(self.post(CHAT, delta("stop"), messages=[{"role": "user", "content": "q"}]).code, 502)


class ThinkingTests(Case):
    """A model that came no further than its thinking."""

    def test_not_the_answer(self) -> None:
        """Cut off or filtered, thinking is not shown for the answer, on no way."""
        for reason in ("length", "content_filter"):
            chunks = (delta(reasoning_content="secret plan"), delta(reason), USAGE)
            message, found = self.chat(*chunks)
            self.assertEqual((message["content"], found), ("", reason))
            message, found = self.chat(*chunks, stream=True)
            self.assertEqual((message["content"], found), (None, reason))
            for stream in (False, True):
                self.assertEqual(self.respond(*chunks, stream=stream)["output"], [])

    def test_the_answer(self) -> None:
        """T23: a model that ended well and has only thought has answered."""
        for stream in (False, True):
            message, reason = self.chat(delta(reasoning_content="It is 4."), delta("stop"), USAGE, stream=stream)
            self.assertEqual((message["content"], reason), ("It is 4.", "stop"))
