"""instructor over OpenAI's SDK."""

from __future__ import annotations

from typing import Any

import instructor
from harness import KEY, MODEL, REFUSED, RETRIED, STRUCTURED, URL, failure, run
from openai import OpenAI
from pydantic import BaseModel

openai = OpenAI(base_url=URL, api_key=KEY)
BY_TOOL = STRUCTURED.replace("reply=", "tool=City args=")


class City(BaseModel):
    """What is to be parsed."""

    name: str
    people: int


def ask(text: str, mode: instructor.Mode = instructor.Mode.TOOLS) -> Any:
    """One call."""
    client = instructor.from_openai(openai, mode=mode)
    messages: Any = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=MODEL, messages=messages, response_model=City)


def stream() -> Any:
    """A parsed answer that grows."""
    client = instructor.from_openai(openai)
    messages: Any = [{"role": "user", "content": BY_TOOL.replace("tool=City", "tool=PartialCity")}]
    *_, last = client.chat.completions.create_partial(model=MODEL, messages=messages, response_model=City)
    return last.model_dump()


def structured() -> Any:
    """A parsed answer, in each way that instructor asks for one."""
    by_tool = ask(BY_TOOL).model_dump()
    for mode in (instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA):
        assert ask(STRUCTURED, mode).model_dump() == by_tool, mode
    return by_tool


def code(error: Any) -> Any:
    """The SDK's error is the cause of instructor's."""
    seen: Any = error
    while seen is not None and getattr(seen, "code", None) is None:
        seen = seen.__cause__ or seen.__context__
    return getattr(seen, "code", None)


run(
    stream=stream,
    structured=structured,
    refused=lambda: failure(lambda: ask(REFUSED), code),
    retried=lambda: failure(lambda: ask(RETRIED), code),
)
