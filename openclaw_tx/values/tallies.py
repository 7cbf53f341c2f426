"""What happened in sessions, counted by the quarter of an hour."""

from __future__ import annotations

from openclaw_tx.values.conversation import Usage
from openclaw_tx.values.value import Plain, Value

QUARTER_MS = 15 * 60 * 1000
"""No time zone of today begins its days within one, so days of all of them are sums of quarters."""

MAX_TOKENS = 2**40
"""A provider that counts more for one call does not count right; sums of such counts still fit into 64 bits."""


class ModelCalls(Plain, frozen=True, array_like=True):
    """Calls of one model. Counts that the provider did not give are left out."""

    provider: str
    model: str
    calls: int = 0
    input_tokens: int = 0
    """Of prompts, without those that came out of the provider's cache."""
    output_tokens: int = 0
    cached_tokens: int = 0

    def plus(self, other: ModelCalls) -> ModelCalls:
        """The sum; the model is this one's."""
        return ModelCalls(
            provider=self.provider,
            model=self.model,
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
        )


def one_call(provider: str, model: str, usage: Usage) -> ModelCalls | None:
    """A call by what its answer says; None = it does not say: it is a note, or a client's account of an answer."""
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        return None
    cached = _sane(usage.cached_tokens)
    return ModelCalls(
        provider=provider,
        model=model,
        calls=1,
        input_tokens=max(0, _sane(usage.prompt_tokens) - cached),
        output_tokens=_sane(usage.completion_tokens),
        cached_tokens=cached,
    )


def _sane(tokens: int | None) -> int:
    return min(max(0, tokens or 0), MAX_TOKENS)


class SessionQuarter(Plain, frozen=True, array_like=True):
    """What happened in a session in a quarter of an hour."""

    number: int
    """Quarters since 1970, UTC."""
    first_ms: int
    """Time of the first message, epoch milliseconds,"""
    last_ms: int
    """and of the last."""
    user: int = 0
    """Messages of users,"""
    assistant: int = 0
    """and of the agent; those that only call tools, too."""
    tool_results: int = 0
    errors: int = 0
    """Tools that failed, and answers that were cut off."""
    tools: dict[str, int] = {}
    """How often each was called."""
    models: tuple[ModelCalls, ...] = ()
    waits: dict[int, int] = {}
    """How long after a user's message its answers came: how often, by L{wait_step}."""
    wait_ms: int = 0
    """All waits together, milliseconds,"""
    shortest_ms: int = 0
    """the shortest"""
    longest_ms: int = 0
    """and the longest."""


class SessionTally(Value, frozen=True):
    """What happened in a session, as far as its transcript was read."""

    session_id: str
    quarters: tuple[SessionQuarter, ...] = ()
    """Those in which something did, in order."""
    whole: bool = True
    """The transcript was read to its end."""


class Tallies(Value, frozen=True):
    """Of several sessions."""

    tallies: tuple[SessionTally, ...]
    """In the order they were asked for."""
    read_bytes: int
    """How much of transcripts was read for them; what was read before is remembered."""


def wait_step(ms: int) -> int:
    """A wait among steps that are an eighth of a doubling apart."""
    exact = 8 * max(1, ms)
    power = exact.bit_length() - 4
    return (power << 3) + (exact >> power) - 8


def step_ms(step: int) -> int:
    """The longest wait of a step, milliseconds."""
    power, eighth = divmod(step, 8)
    return (((9 + eighth) << power) - 1) // 8


__all__ = ["QUARTER_MS", "ModelCalls", "SessionQuarter", "SessionTally", "Tallies", "one_call", "step_ms", "wait_step"]
