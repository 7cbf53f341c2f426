"""What is known of a conversation besides its messages."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from openclaw_tx.values.conversation import Message, Usage
from openclaw_tx.values.value import Plain, Value


class SessionSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What people and agents have set for one session; "" = nobody did. JSON names are those of OpenClaw's entries."""

    thinking_level: str = ""
    """off, minimal, low, medium, high or xhigh."""
    verbose_level: str = ""
    """on or off: tell of tool calls."""
    reasoning_level: str = ""
    """on, off or stream: tell of thoughts."""
    elevated_level: str = ""
    response_usage: str = ""
    """on, tokens, full or off: a line about token use below answers."""
    provider_override: str = ""
    model_override: str = ""
    """Model id at C{provider_override}."""
    auth_profile_override: str = ""
    send_policy: Literal["", "allow", "deny"] = ""
    group_activation: str = ""
    queue_mode: str = ""
    queue_debounce_ms: int | None = None
    queue_cap: int | None = None
    queue_drop: str = ""
    exec_host: str = ""
    exec_security: str = ""
    exec_ask: str = ""
    exec_node: str = ""
    spawned_by: str = ""
    """Key of the session whose run started this one's."""
    cleanup: Literal["", "keep", "delete"] = ""
    """What becomes of a sub-agent's session when its end has been told."""
    display_name: str = ""
    subject: str = ""
    channel: str = ""
    chat_type: str = ""
    compaction_count: int = 0
    memory_flush_at: int = 0
    """Epoch milliseconds."""
    memory_flush_compaction_count: int | None = None
    """C{compaction_count} at the last memory flush."""
    last_channel: str = ""
    """The channel that somebody last spoke here from; answers that are to be delivered go there."""
    last_to: str = ""
    last_account_id: str = ""
    icon: str = ""
    """An emoji, or the name of one of the Control UI's icons."""
    color: str = ""
    category: str = ""
    """The group that people have put it into."""
    pinned_at: int = 0
    """When somebody pinned it to the top of lists, epoch milliseconds; 0 = nobody did."""
    last_read_at: int = 0
    """When somebody last read what was said, epoch milliseconds."""
    marked_unread_at: int = 0
    """When somebody wanted it to be read again, epoch milliseconds; 0 = nobody does."""

    @property
    def model_ref(self) -> str:
        """The model chosen for the session, C{provider/model}; "" = none was."""
        if not self.model_override:
            return ""
        return f"{self.provider_override}/{self.model_override}" if self.provider_override else self.model_override


class LastRun(Plain, frozen=True, rename="camel", omit_defaults=True):
    """How the run that ended last in a session came out."""

    run_id: str
    status: Literal["done", "failed", "killed", "timeout"]
    """OpenClaw's words: C{killed} was aborted by somebody."""
    ended_at_ms: int
    started_at_ms: int = 0
    """0 = it never came to its turn."""
    error: str = ""
    """Why it failed, in one line."""

    @property
    def runtime_ms(self) -> int:
        """How long it was at work."""
        return max(0, self.ended_at_ms - self.started_at_ms) if self.started_at_ms else 0


class SessionEntry(Value, frozen=True, omit_defaults=True):
    """A session besides its transcript. Field names are OpenClaw's."""

    key: str
    agent_id: str
    session_id: str
    created_at_ms: int
    """When this conversation of the key began."""
    updated_at_ms: int
    aborted_last_run: bool = False
    model_provider: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    """Prompt size of the last model call: what the context now holds."""
    label: str = ""
    extra: dict[str, Any] = {}
    """Entry fields of OpenClaw that this gateway does not interpret; kept as they are."""
    settings: SessionSettings = SessionSettings()
    interacted_at_ms: int = 0
    """When somebody last spoke here, epoch milliseconds: no heartbeat, no cron job, no change of settings."""
    title: str = ""
    """The beginning of what a user first said, in one line; "" = nobody said anything yet."""
    preview: str = ""
    """The beginning of what was said last, in one line."""
    last_run: LastRun | None = None
    """None = none has ended in this conversation, or it is not known how."""


class Compacted(Value, frozen=True):
    """What became of a wish to summarise a conversation."""

    compacted: bool
    reason: str = ""
    """Why nothing was done."""
    summary: str = ""
    kept: int = 0
    """Messages that the model still reads as they are."""
    tokens_before: int = 0
    """Estimated size of the conversation."""
    tokens_after: int = 0
    usage: Usage = Usage()
    """What the summary has cost."""


class SessionFilter(Value, frozen=True):
    """Which sessions are wanted; what is empty asks for nothing."""

    agent_id: str = ""
    search: str = ""
    """Part of a key, a label or a title, in any case; or a whole session id."""
    label: str = ""
    """Exactly this label."""
    spawned_by: str = ""
    """Key of the session whose runs started them."""
    since_ms: int = 0
    """Used at this time or later."""
    hidden: tuple[str, ...] = ()
    """Keys that are not wanted, two at most."""
    pinned_first: bool = False
    """What is pinned comes before all others, what was pinned last first."""


class SessionPage(Value, frozen=True):
    """A part of a list of sessions, newest first."""

    entries: tuple[SessionEntry, ...]
    total: int
    """How many there are in all."""


class TranscriptPage(Value, frozen=True):
    """A part of a transcript, oldest first."""

    messages: tuple[Message, ...]
    positions: tuple[int, ...]
    """Where each of them stands, from 0. One that can not be read is missing."""
    first: int
    """Where the page begins, whether that can be read or not."""
    total: int
    """How many messages the transcript has."""
    pending: tuple[Message, ...] = ()
    """On the newest page: what a run at work was asked. It joins the transcript with the answer."""


class SessionChange(Value, frozen=True):
    """What has become of a session, told when it is durable."""

    key: str
    agent_id: str
    reason: Literal["begin", "run", "patch", "reset", "delete", "inject", "compact"]
    """C{begin}: a run is noted with what it was asked; C{run}: its turn was stored; C{inject}: messages were put in
    outside of any run."""
    entry: SessionEntry | None = None
    """What it is now; None = it is no more."""
    messages: tuple[Message, ...] = ()
    """What was added to its transcript; of C{begin} what will be."""
    position: int = 0
    """Of the first of them, from 0."""
    told: frozenset[int] = frozenset()
    """Which of them were told before, when the run began."""
    run_id: str = ""
    ok: bool = True
    """The run ended well."""


class Step(Value, frozen=True):
    """A message of a turn that is not over, written down in case that the process dies."""

    number: int
    """Its place among those that the turn has added to its input, from 0."""
    message: Message


class UsageRow(Value, frozen=True):
    """What the runs of an hour took, of one agent with one model. Counts that providers did not give are left out."""

    hour: int
    """Hours since 1970, UTC."""
    agent_id: str
    provider: str
    """"" = the run came to no model."""
    model: str
    runs: int
    input_tokens: int
    """Of prompts, without those that came out of the provider's cache."""
    output_tokens: int
    cached_tokens: int
    lone_runs: int = 0
    """Those among them that had no session, and so left no transcript,"""
    lone_input_tokens: int = 0
    """and what they took."""
    lone_output_tokens: int = 0
    lone_cached_tokens: int = 0

    @property
    def lone(self) -> UsageRow:
        """Only the runs without a session."""
        return UsageRow(
            hour=self.hour,
            agent_id=self.agent_id,
            provider=self.provider,
            model=self.model,
            runs=self.lone_runs,
            input_tokens=self.lone_input_tokens,
            output_tokens=self.lone_output_tokens,
            cached_tokens=self.lone_cached_tokens,
        )


class Removed(Value, frozen=True):
    """A session that is no more."""

    session_id: str
    archived: tuple[str, ...] = ()
    """Paths of the files that its transcript was kept in."""
    agent_id: str = ""
    """Whose it was."""


__all__ = [
    "Compacted",
    "LastRun",
    "Removed",
    "SessionChange",
    "SessionEntry",
    "SessionFilter",
    "SessionPage",
    "SessionSettings",
    "Step",
    "TranscriptPage",
    "UsageRow",
]
