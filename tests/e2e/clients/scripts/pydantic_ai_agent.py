"""pydantic-ai's agents."""

from __future__ import annotations

from typing import Any

from harness import CANCEL, FINAL, KEY, MODEL, PLAIN, REFUSED, RETRIED, STREAM, STRUCTURED, TOOLS, URL, failure, run
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=URL, api_key=KEY))


class City(BaseModel):
    """What is to be parsed."""

    name: str
    people: int


def plain() -> Any:
    """An answer."""
    return Agent(model).run_sync(PLAIN).output


async def stream() -> Any:
    """An answer in pieces."""
    async with Agent(model).run_stream(STREAM) as answer:
        return "".join([text async for text in answer.stream_text(delta=True, debounce_by=None)])


def tools() -> Any:
    """The agent calls its tool and goes on."""
    agent = Agent(model)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """Tells the weather of a city."""
        assert city == "Oslo", city
        return "sunny"

    return agent.run_sync(TOOLS).output


def structured() -> Any:
    """A parsed answer, by C{response_format} and by an output tool."""
    by_tool = STRUCTURED.replace("reply=", "tool=final_result args=")
    assert Agent(model, output_type=City).run_sync(by_tool).output == City(name="Oslo", people=700000)
    return Agent(model, output_type=NativeOutput(City)).run_sync(STRUCTURED).output.model_dump()


async def cancel() -> Any:
    """Leave after three pieces."""
    count = 0
    async with Agent(model).run_stream(CANCEL) as answer:
        async for _ in answer.stream_text(delta=True, debounce_by=None):
            count += 1
            if count == 3:
                await answer.cancel()
                break
    return count


def code(error: Any) -> Any:
    """A C{ModelHTTPError} carries the error object as its body."""
    return error.body["code"]


run(
    plain=plain,
    stream=stream,
    tools=tools,
    structured=structured,
    cancel=cancel,
    refused=lambda: failure(lambda: Agent(model).run_sync(REFUSED), code),
    final=lambda: failure(lambda: Agent(model).run_sync(FINAL), code),
    retried=lambda: failure(lambda: Agent(model).run_sync(RETRIED), code),
)
