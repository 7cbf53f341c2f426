"""OpenAI's Python SDK."""

from __future__ import annotations

import json
from typing import Any

from harness import (
    CANCEL,
    FINAL,
    KEY,
    MODEL,
    PLAIN,
    REFUSED,
    RETRIED,
    STREAM,
    STRUCTURED,
    TOOLS,
    URL,
    WEATHER,
    failure,
    run,
)
from openai import OpenAI
from pydantic import BaseModel

client = OpenAI(base_url=URL, api_key=KEY)


class City(BaseModel):
    """What is to be parsed."""

    name: str
    people: int


def ask(text: str, **fields: Any) -> Any:
    """One call."""
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}], **fields)


def plain() -> Any:
    """An answer."""
    answer = ask(PLAIN)
    assert answer.usage.total_tokens == 18, answer
    return answer.choices[0].message.content


def stream() -> Any:
    """An answer in pieces, with usage."""
    chunks = list(ask(STREAM, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.total_tokens == 18, chunks[-1]
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def tools() -> Any:
    """A call of a tool, its result, the answer; the SDK puts the streamed pieces together."""
    tool: Any = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER, "strict": True}}
    messages: list[Any] = [{"role": "user", "content": TOOLS}]
    with client.chat.completions.stream(model=MODEL, messages=messages, tools=[tool]) as streamed:
        message = streamed.get_final_completion().choices[0].message
    (call,) = message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Oslo"}, call
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[tool])
    return answer.choices[0].message.content


def structured() -> Any:
    """A parsed answer."""
    messages: Any = [{"role": "user", "content": STRUCTURED}]
    answer = client.chat.completions.parse(model=MODEL, messages=messages, response_format=City)
    return answer.choices[0].message.parsed.model_dump()


def cancel() -> Any:
    """Leave after three pieces."""
    with ask(CANCEL, stream=True) as chunks:
        return sum(1 for _, _ in zip(range(3), chunks, strict=False))


run(
    plain=plain,
    stream=stream,
    tools=tools,
    structured=structured,
    cancel=cancel,
    refused=lambda: failure(lambda: ask(REFUSED)),
    final=lambda: failure(lambda: ask(FINAL)),
    retried=lambda: failure(lambda: ask(RETRIED)),
)
