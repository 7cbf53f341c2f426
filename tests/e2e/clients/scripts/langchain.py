"""LangChain with C{langchain-openai}."""

from __future__ import annotations

from typing import Any

from harness import CANCEL, FINAL, KEY, MODEL, PLAIN, REFUSED, RETRIED, STREAM, STRUCTURED, TOOLS, URL, failure, run
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

model = ChatOpenAI(base_url=URL, api_key=KEY, model=MODEL, stream_usage=True)


class City(BaseModel):
    """What is to be parsed."""

    name: str
    people: int


@tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    assert city == "Oslo", city
    return "sunny"


def plain() -> Any:
    """An answer."""
    answer = model.invoke(PLAIN)
    assert answer.usage_metadata["total_tokens"] == 18, answer
    return answer.content


def stream() -> Any:
    """An answer in pieces, added up as LangChain does."""
    total = None
    for chunk in model.stream(STREAM):
        total = chunk if total is None else total + chunk
    assert total.usage_metadata["total_tokens"] == 18, total
    return total.content


def tools() -> Any:
    """A call of a tool, its result, the answer."""
    bound = model.bind_tools([get_weather])
    messages: list[Any] = [HumanMessage(TOOLS)]
    called = bound.invoke(messages)
    messages.append(called)
    for call in called.tool_calls:
        messages.append(ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]))
    return bound.invoke(messages).content


def structured() -> Any:
    """A parsed answer."""
    return model.with_structured_output(City, method="json_schema").invoke(STRUCTURED).model_dump()


def cancel() -> Any:
    """Leave after three pieces."""
    chunks = model.stream(CANCEL)
    count = sum(1 for _, _ in zip(range(3), chunks, strict=False))
    chunks.close()
    return count


run(
    plain=plain,
    stream=stream,
    tools=tools,
    structured=structured,
    cancel=cancel,
    refused=lambda: failure(lambda: model.invoke(REFUSED)),
    final=lambda: failure(lambda: model.invoke(FINAL)),
    retried=lambda: failure(lambda: model.invoke(RETRIED)),
)
