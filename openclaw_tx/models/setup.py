# -*- test-case-name: tests.models.test_apis -*-
"""What the codec of a model is made from, and what it tells of itself."""

from __future__ import annotations

from openclaw_tx.config.schema_models import Compat, ModelDefinition
from openclaw_tx.values.value import Value


class ModelSetup(Value, frozen=True):
    """A model of a provider, as configured."""

    provider: str
    """Provider id."""
    model: ModelDefinition
    """C{id} "" = stands for any model."""
    compat: Compat
    """The provider's, with what the model's own says differently."""
    host: str
    """Of the base URL; some things are known to work at a vendor's own server only."""
    max_tokens: int
    """Longest answer."""

    @property
    def images(self) -> bool:
        """Whether it sees. A model that is not listed may well; its provider knows."""
        return "image" in self.model.input or not self.model.id

    @property
    def thinks(self) -> bool:
        """Whether it can be told to think; likewise."""
        return self.model.reasoning or not self.model.id


class Abilities(Value, frozen=True):
    """What an API can do. Sampling parameters that it lacks are left out of its requests."""

    sampling: tuple[str, ...]
    """Parameters that are sent, by their names in L{openclaw_tx.values.Sampling}."""
    tool_choice: tuple[str, ...] = ("auto", "none", "required", "named")
    """Modes that the vendor holds the model to."""
    result_images: bool = False
    """Images stand inside results of tools; False = in a user's message after them."""
    thinking: str = ""
    """How the vendor is asked to think."""
    thinking_kept: bool = False
    """Signed or encrypted thinking goes back within a round of tools."""
    prompt_cache: str = ""
    """What is said for the vendor's prompt cache; "" = nothing: it has none, or sees to it itself."""
    response_format: str = ""
    """When answers are held to C{response_format}."""
    embeddings: bool = False


__all__ = ["Abilities", "ModelSetup"]
