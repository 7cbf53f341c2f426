"""LiteLLM as a client."""

from __future__ import annotations

import json
from typing import Any

import litellm
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
from pydantic import BaseModel

litellm.suppress_debug_info = True


class City(BaseModel):
    """What is to be parsed."""

    name: str
    people: int


def ask(messages: Any, **fields: Any) -> Any:
    """One call."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return litellm.completion(model=f"openai/{MODEL}", api_base=URL, api_key=KEY, messages=messages, **fields)


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
    """A call of a tool, its result, the answer."""
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
    messages: list[Any] = [{"role": "user", "content": TOOLS}]
    message = ask(messages, tools=[tool]).choices[0].message
    (call,) = message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Oslo"}, call
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    return ask(messages, tools=[tool]).choices[0].message.content


def structured() -> Any:
    """A parsed answer; LiteLLM leaves out C{response_format} for models it does not know, unless allowed."""
    answer = ask(STRUCTURED, response_format=City, allowed_openai_params=["response_format"])
    return City.model_validate_json(answer.choices[0].message.content).model_dump()


def cancel() -> Any:
    """Leave after three pieces."""
    chunks = ask(CANCEL, stream=True)
    count = sum(1 for _, _ in zip(range(3), chunks, strict=False))
    chunks.completion_stream.close()
    return count


def code(error: Any) -> Any:
    """LiteLLM raises an error of its own; the SDK's, which knows the code, is among its causes."""
    seen: Any = error
    while seen is not None:
        found = getattr(seen, "code", None)
        if isinstance(found, str) and not found.isdigit():
            return found
        seen = seen.__cause__ or seen.__context__
    return None


run(
    plain=plain,
    stream=stream,
    tools=tools,
    structured=structured,
    cancel=cancel,
    refused=lambda: failure(lambda: ask(REFUSED), code),
    final=lambda: failure(lambda: ask(FINAL), code),
    retried=lambda: failure(lambda: ask(RETRIED), code),
)
