"""What a system prompt is made of, and how much of it there is."""

from __future__ import annotations

from typing import Literal

from openclaw_tx.values.value import Plain

FileState = Literal["whole", "cut", "left_out", "empty", "missing", "refused"]
"""How a workspace file fared: shown as it is, shown in part, not shown for want of room, nothing in it, not there, or
there but not to be read."""

CHARS_PER_TOKEN = 4
"""What English text and JSON come to, for estimates."""


class PromptSection(Plain, frozen=True):
    """A section of a prompt."""

    name: str
    chars: int


class PromptFile(Plain, frozen=True, omit_defaults=True):
    """A file of the workspace."""

    name: str
    path: str
    state: FileState
    raw_chars: int = 0
    """What it holds."""
    chars: int = 0
    """What of it, or said in its place, is in the prompt."""
    problem: str = ""
    """Why it was refused."""


class PromptTool(Plain, frozen=True):
    """A tool as the model is told of it. The schema goes beside the prompt, not into it."""

    name: str
    summary_chars: int
    """Its description."""
    schema_chars: int
    """JSON Schema of its parameters."""
    properties: int
    """Parameters on the first level."""


class PromptSkill(Plain, frozen=True):
    """A skill that the prompt lists."""

    name: str
    chars: int
    """Its entry in the list."""


class PromptReport(Plain, frozen=True, omit_defaults=True):
    """What went into one system prompt, and how much (docs/agents.md). All sizes are in characters."""

    mode: str
    """The L{openclaw_tx.values.PromptMode}, or C{short} for a model with a small window."""
    model: str
    """Ref of the model that it was made for."""
    context_window: int
    """Tokens."""
    workspace: str
    file_limit: int
    """C{bootstrapMaxChars}."""
    total_limit: int
    """C{bootstrapTotalMaxChars}."""
    chars: int
    """The whole prompt, the client's instructions among it."""
    sections: tuple[PromptSection, ...]
    """In the order of the prompt."""
    left_out: tuple[str, ...] = ()
    """Sections that the model's window has no room for, the first to go first."""
    files: tuple[PromptFile, ...] = ()
    skills: tuple[PromptSkill, ...] = ()
    tools: tuple[PromptTool, ...] = ()
    extra_chars: int = 0
    """The client's own instructions."""

    @property
    def schema_chars(self) -> int:
        """The schemas of all tools."""
        return sum(tool.schema_chars for tool in self.tools)

    @property
    def tokens(self) -> int:
        """An estimate of what the prompt and the tools cost: L{CHARS_PER_TOKEN} characters a token."""
        told = self.chars + sum(len(tool.name) + tool.summary_chars + tool.schema_chars for tool in self.tools)
        return -(-told // CHARS_PER_TOKEN)

    @property
    def share(self) -> float:
        """The part of the model's window that this is, 0.25 for a quarter; 0.0 when the window is not known."""
        return self.tokens / self.context_window if self.context_window else 0.0


__all__ = ["FileState", "PromptFile", "PromptReport", "PromptSection", "PromptSkill", "PromptTool"]
