"""LlamaIndex with C{OpenAILike}."""

from __future__ import annotations

from typing import Any

from harness import CANCEL, FINAL, KEY, MODEL, PLAIN, REFUSED, RETRIED, STREAM, STRUCTURED, TOOLS, URL, failure, run
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

llm = OpenAILike(
    model=MODEL, api_base=URL, api_key=KEY, is_chat_model=True, is_function_calling_model=True, context_window=32768
)


class City(BaseModel):
    """What is to be parsed."""

    name: str
    people: int


def chat(text: str) -> Any:
    """One call."""
    return llm.chat([ChatMessage(role="user", content=text)])


def plain() -> Any:
    """An answer."""
    return chat(PLAIN).message.content


def stream() -> Any:
    """An answer in pieces."""
    return "".join(part.delta or "" for part in llm.stream_chat([ChatMessage(role="user", content=STREAM)]))


def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    assert city == "Oslo", city
    return "sunny"


def tools() -> Any:
    """A call of a tool, its result, the answer."""
    tool = FunctionTool.from_defaults(get_weather)
    history = [ChatMessage(role="user", content=TOOLS)]
    called = llm.chat_with_tools([tool], chat_history=history)
    history.append(called.message)
    for call in llm.get_tool_calls_from_response(called):
        result = str(tool.call(**call.tool_kwargs))
        history.append(ChatMessage(role="tool", content=result, additional_kwargs={"tool_call_id": call.tool_id}))
    return llm.chat_with_tools([tool], chat_history=history).message.content


def structured() -> Any:
    """A parsed answer; LlamaIndex asks for it as a tool call."""
    by_tool = STRUCTURED.replace("reply=", "tool=City args=")
    return llm.as_structured_llm(City).chat([ChatMessage(role="user", content=by_tool)]).raw.model_dump()


def cancel() -> Any:
    """Leave after three pieces."""
    chunks = llm.stream_chat([ChatMessage(role="user", content=CANCEL)])
    count = sum(1 for _, _ in zip(range(3), chunks, strict=False))
    chunks.close()
    return count


run(
    plain=plain,
    stream=stream,
    tools=tools,
    structured=structured,
    cancel=cancel,
    refused=lambda: failure(lambda: chat(REFUSED)),
    final=lambda: failure(lambda: chat(FINAL)),
    retried=lambda: failure(lambda: chat(RETRIED)),
)
