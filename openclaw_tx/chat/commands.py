# -*- test-case-name: tests.chat.test_commands -*-
"""Commands in chat messages: which there are, and what a message asks for. Pure (spec 2.10, 4.4).

A command is a message that begins with a slash and a word of L{COMMANDS}; whatever else begins with a slash is a
message like any other. Only chat clients have commands: in C{agent} runs and over HTTP they are plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

Scope = Literal["operator.write", "operator.admin", "operator.approvals"]


class CommandSpec(NamedTuple):
    """A row of L{COMMANDS}."""

    name: str
    help: str
    arguments: str = ""
    """As the help shows them."""
    aliases: tuple[str, ...] = ()
    scope: Scope = "operator.write"
    """What it takes besides being allowed to chat."""
    inline: bool = False
    """With a message behind its first argument it counts for that message alone."""


COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec("help", "Show the most useful commands.", aliases=("h",)),
    CommandSpec("commands", "Show all commands."),
    CommandSpec("status", "Show model, context, tokens and what is at work."),
    CommandSpec("whoami", "Show who you are to the gateway.", aliases=("id",)),
    CommandSpec("new", "Begin a new conversation, with a model and a first message if you like.", "[model] [message]"),
    CommandSpec("reset", "Begin a new conversation.", "[message]"),
    CommandSpec("stop", "Abort what is at work in this conversation, and forget what waits.", aliases=("abort",)),
    CommandSpec(
        "model", "Show or choose the model of this conversation.", "[provider/model | list | default]", inline=True
    ),
    CommandSpec("models", "List the models that can be chosen.", "[provider]"),
    CommandSpec(
        "think",
        "Show or choose how much the model thinks.",
        "[off | minimal | low | medium | high | xhigh | default]",
        ("thinking", "t"),
        inline=True,
    ),
    CommandSpec("verbose", "Show tool calls, or do not.", "[on | off | default]", ("v",)),
    CommandSpec("reasoning", "Show what the model thinks, or do not.", "[on | off | stream | default]", ("reason",)),
    CommandSpec(
        "queue",
        "Show or choose what happens to messages that come while the agent is at work.",
        "[collect | followup | interrupt | steer] [debounce:2s] [cap:20] [drop:summarize | old | new] | default",
    ),
    CommandSpec("send", "Let the agent answer here, or not.", "on | off | inherit", scope="operator.admin"),
    CommandSpec("compact", "Summarise the older part of this conversation.", "[what to heed]"),
    CommandSpec("subagents", "List or stop the sub-agents of this conversation.", "[list | stop]"),
    CommandSpec(
        "approve",
        "Answer a question of exec.",
        "<id> allow-once | allow-always | deny",
        scope="operator.approvals",
    ),
)
"""Every command, in the order of the help."""

STOP_WORDS = frozenset({"/stop", "stop", "esc", "abort", "wait", "exit", "interrupt"})
"""A message that is only this aborts the session's runs."""

USEFUL = ("status", "new", "model", "think", "stop", "compact", "queue")
"""Those that C{/help} shows."""

_BY_NAME = {name: spec for spec in COMMANDS for name in (spec.name, *spec.aliases)}
_HEAD = re.compile(r"/([a-z]+)(?:@\S+)?(?::|(?=\s)|$)\s*", re.IGNORECASE)
LEVELS = ("off", "minimal", "low", "medium", "high", "xhigh")
_LEVELS = {
    "on": "low",
    "none": "off",
    "min": "minimal",
    "mid": "medium",
    "med": "medium",
    "max": "high",
    "highest": "xhigh",
    **{level: level for level in LEVELS},
}
SWITCH = {"on": "on", "true": "on", "yes": "on", "full": "on", "off": "off", "false": "off", "no": "off"}
"""What people write for on and off."""


class Command(NamedTuple):
    """What a message asks for."""

    name: str
    """Of the L{CommandSpec}."""
    text: str
    """What stands behind the name, trimmed."""

    @property
    def spec(self) -> CommandSpec:
        """Its row."""
        return _BY_NAME[self.name]

    @property
    def words(self) -> list[str]:
        """The text by blanks."""
        return self.text.split()


def parse(message: str, triggers: Sequence[str] = ()) -> Command | None:
    """The command that a message is, or begins with; None for any other message.

    @param triggers: further words that begin a new conversation (C{session.resetTriggers}), alone or before a message.
    """
    text = message.strip()
    for trigger in triggers:
        word = trigger.strip()
        if word and text.lower().startswith(word.lower()) and (len(text) == len(word) or text[len(word)].isspace()):
            known = _BY_NAME.get(word.removeprefix("/").lower())
            name = known.name if known is not None and known.name in ("new", "reset") else "reset"
            return Command(name, text[len(word) :].strip())
    found = _HEAD.match(text)
    spec = _BY_NAME.get(found[1].lower()) if found is not None else None
    if found is None or spec is None:
        return None
    return Command(spec.name, text[found.end() :].strip())


def is_stop(message: str) -> bool:
    """Whether a message does nothing but abort what is at work."""
    return message.strip().lower() in STOP_WORDS


def thinking_level(word: str) -> str:
    """A thinking level as people write it, or ""."""
    return _LEVELS.get(word.strip().lower(), "")


def usage_of(spec: CommandSpec) -> str:
    """A command as the help shows it."""
    head = f"/{spec.name}" + (f" {spec.arguments}" if spec.arguments else "")
    also = f" (also {', '.join('/' + alias for alias in spec.aliases)})" if spec.aliases else ""
    return f"{head}{also}: {spec.help}"


def help_text(names: Sequence[str] | None = None) -> str:
    """The commands, a line each; all of them, or some."""
    shown = [spec for spec in COMMANDS if names is None or spec.name in names]
    lines = [usage_of(spec) for spec in shown]
    return "\n".join(["Commands:", *lines, *(["/commands shows all."] if names is not None else [])])


__all__ = [
    "COMMANDS",
    "LEVELS",
    "SWITCH",
    "USEFUL",
    "Command",
    "CommandSpec",
    "help_text",
    "is_stop",
    "parse",
    "thinking_level",
]
