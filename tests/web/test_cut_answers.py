# -*- test-case-name: tests.web.test_cut_answers -*-
"""Answers that a model could not finish or would not give, on both of OpenAI's surfaces, streamed and whole.

What a client reads must be the same on all four ways, and nothing in it made up.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from openclaw_tx.testing import MemoryResponse
from openclaw_tx.values import AssistantMessage
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


class HalfCallTests(Case):
    """Calls that the limit, or a filter, cut off."""

    def test_chat(self) -> None:
        """Such a call is not handed over as one, and its arguments are not made up."""
        for arguments in ("", '{"path', '{"path": "/"'):
            for reason in ("length", "content_filter"):
                cut = (call(0, "c1", "delete_all", arguments), delta(reason), USAGE)
                message, found = self.chat(*cut)
                self.assertEqual((message["content"], message.get("tool_calls"), found), ("", None, reason))
                joined, found = self.chat(*cut, stream=True)
                self.assertEqual((joined["arguments"], found), (arguments, reason))

    def test_text_before_it(self) -> None:
        """The text stays."""
        cut = (delta(content="I shall"), call(0, "c1", "delete_all", '{"'), delta("length"), USAGE)
        for stream in (False, True):
            message, reason = self.chat(*cut, stream=stream)
            self.assertEqual((message["content"], reason), ("I shall", "length"))

    def test_complete_beside_half(self) -> None:
        """No call of a cut answer is to be answered."""
        cut = (call(0, "c1", "delete_all", "{}"), call(1, "c2", "delete_all", "{"), delta("length"), USAGE)
        message, reason = self.chat(*cut)
        self.assertEqual((message.get("tool_calls"), reason), (None, "length"))

    def test_no_name_yet(self) -> None:
        """Cut off before its name, the call is nothing, and no failure of the provider."""
        cut = (delta(content="so"), call(0, "c1", None, None), delta("length"), USAGE)
        for stream in (False, True):
            message, reason = self.chat(*cut, stream=stream)
            self.assertEqual((message["content"], reason), ("so", "length"))

    def test_complete(self) -> None:
        """T17: calls that are complete are calls, whatever ended the answer."""
        for reason in ("length", "content_filter"):
            whole = (call(0, "c1", "delete_all", '{"a": 1}'), delta(reason), USAGE)
            message, found = self.chat(*whole)
            self.assertEqual((message["tool_calls"][0]["function"]["arguments"], found), ('{"a": 1}', "tool_calls"))
            self.assertEqual(self.respond(*whole)["status"], "completed")

    def test_forced(self) -> None:
        """A model that was stopped has not disregarded C{tool_choice}."""
        for cut in ((call(0, "c1", "delete_all", "{"), delta("length")), (delta("length", content="hm"),)):
            message, reason = self.chat(*cut, USAGE, tool_choice="required")
            self.assertEqual((message["content"], reason), ("", "length"))

    def test_responses(self) -> None:
        """The response and the item are incomplete, with what there was of the arguments."""
        for reason, told in (("length", "max_output_tokens"), ("content_filter", "content_filter")):
            for arguments in ("", '{"path'):
                cut = (call(0, "c1", "delete_all", arguments), delta(reason), USAGE)
                for stream in (False, True):
                    found = self.respond(*cut, stream=stream)
                    self.assertEqual((found["status"], found["incomplete_details"]), ("incomplete", {"reason": told}))
                    (item,) = found["output"]
                    self.assertEqual(
                        (item["type"], item["arguments"], item["status"]), ("function_call", arguments, "incomplete")
                    )

    def test_responses_stream(self) -> None:
        """Nothing says that the arguments are complete."""
        cut = (delta(content="I"), call(0, "c1", "delete_all", '{"'), delta("length"), USAGE)
        tools = [{"type": "function", **FUNCTION}]
        response = self.post(RESPONSES, *cut, model="openclaw", input="q", stream=True, tools=tools)
        kinds = [event["type"].removeprefix("response.") for event in response.events()[:-1]]
        self.assertNotIn("function_call_arguments.done", kinds)
        self.assertEqual(kinds[-2:], ["output_item.done", "incomplete"])
        whole = self.respond(*cut)
        self.assertEqual([item["type"] for item in whole["output"]], ["message", "function_call"])
        self.assertEqual(response.events()[-2]["response"]["output"][1]["status"], "incomplete")
        self.assertEqual(whole["output"][0]["phase"], "commentary")

    def test_own_tools(self) -> None:
        """A half call of one of the agent's own tools is not done."""
        self.provider.scripts.append([call(0, "c1", "agents_list", ""), delta("length"), USAGE, DONE])
        message, reason = self.chat()
        self.assertEqual((message["content"], reason, len(self.provider.bodies)), ("", "length", 1))

    def test_transcript(self) -> None:
        """What was said stays in the session, the half call does not, and does not go back to the provider."""
        tools = [{"type": "function", "function": FUNCTION}]
        first = [delta(content="I shall"), call(0, "c1", "delete_all", '{"path'), delta("length")]
        for chunks in (first, [delta("stop", content="ok")]):
            asked = {"messages": [{"role": "user", "content": "q"}], "tools": tools}
            self.assertEqual(self.post(CHAT, *chunks, headers=SESSION, **asked).code, 200)
        self.assertEqual(self.provider.bodies[-1]["messages"][2], {"role": "assistant", "content": "I shall"})
        sessions = self.gateway.gateway._house.sessions
        kept = self.successResultOf(Deferred.fromCoroutine(sessions.transcript("agent:main:work", 99)))
        answers = [message for message in kept if isinstance(message, AssistantMessage)]
        self.assertEqual([(each.text, each.tool_calls) for each in answers], [("I shall", ()), ("ok", ())])
        self.assertEqual(answers[0].stop_reason, "length")

    def test_repeated(self) -> None:
        """A repetition of the request is told the same."""
        for path in (CHAT, RESPONSES):
            for stream in (False, True):
                chunks = [call(0, "c1", "delete_all", '{"path'), delta("length"), USAGE]
                headers = {"Idempotency-Key": f"{path}{stream}"}
                asked: dict[str, Any] = {"messages": [{"role": "user", "content": "q"}]}
                tools: Any = [{"type": "function", "function": FUNCTION}]
                if path == RESPONSES:
                    asked = {"model": "openclaw", "input": "q"}
                first = self.post(path, *chunks, headers=headers, stream=stream, tools=tools, **asked)
                again = self.post(path, headers=headers, stream=stream, tools=tools, **asked)
                self.assertEqual(first.text(), again.text())


class RefusalTests(Case):
    """Refusals, with text before, beside or after them."""

    def test_with_text(self) -> None:
        """Text is content and a refusal is a refusal, on all four ways."""
        text, refusal = delta(content="I can help, [1] but"), (delta(refusal="not "), delta(refusal="with that."))
        end = (delta("stop"), USAGE)
        for chunks in ((text, *refusal, *end), (*refusal, text, *end)):
            for stream in (False, True):
                message, reason = self.chat(*chunks, stream=stream)
                self.assertEqual(
                    (message["content"], message["refusal"], reason), ("I can help, [1] but", "not with that.", "stop")
                )
                (item,) = self.respond(*chunks, stream=stream)["output"]
                parts = {part["type"]: part.get("text") or part.get("refusal") for part in item["content"]}
                self.assertEqual(parts, {"output_text": "I can help, [1] but", "refusal": "not with that."})

    def test_alone(self) -> None:
        """Then there is no content."""
        chunks = (delta(refusal="No."), delta("stop"), USAGE)
        for stream in (False, True):
            message, _ = self.chat(*chunks, stream=stream)
            self.assertEqual((message["content"], message["refusal"]), (None, "No."))
            (item,) = self.respond(*chunks, stream=stream)["output"]
            self.assertEqual(item["content"], [{"type": "refusal", "refusal": "No."}])

    def test_over_tools(self) -> None:
        """What was said and declined before and after a tool, each joined by a blank line."""
        used = [delta(content="Looking."), delta(refusal="Not all."), call(0, "c", "agents_list", "{}")]
        last = (delta(content="Found."), delta(refusal="Not that."), delta("stop"), USAGE)
        for stream in (False, True):
            for path in (CHAT, RESPONSES):
                self.provider.scripts.append([*used, delta("tool_calls"), DONE])
                if path == CHAT:
                    message, _ = self.chat(*last, stream=stream)
                    found = (message["content"], message["refusal"])
                else:
                    (item,) = self.respond(*last, stream=stream)["output"]
                    found = (item["content"][0]["text"], item["content"][1]["refusal"])
                self.assertEqual(found, ("Looking.\n\nFound.", "Not all.\n\nNot that."))

    def test_structured(self) -> None:
        """Where text is withheld, too."""
        wanted = {"type": "json_object"}
        for stream in (False, True):
            chunks = (delta(content='{"a": '), delta(refusal="No."), delta("stop"), USAGE)
            message, _ = self.chat(*chunks, stream=stream, response_format=wanted)
            self.assertEqual((message["content"], message["refusal"]), ('{"a": ', "No."))

    def test_transcript(self) -> None:
        """The session holds both."""
        asked = {"messages": [{"role": "user", "content": "q"}]}
        self.post(CHAT, delta(content="Hm. "), delta(refusal="No."), delta("stop"), headers=SESSION, **asked)
        sessions = self.gateway.gateway._house.sessions
        *_, kept = self.successResultOf(Deferred.fromCoroutine(sessions.transcript("agent:main:work", 99)))
        self.assertEqual(kept.text, "Hm. No.")
