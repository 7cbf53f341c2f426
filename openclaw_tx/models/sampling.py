# -*- test-case-name: tests.models.test_registry -*-
"""Generation parameters: defaults of a model or of the configuration under those of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from openclaw_tx.values import ModelRequest, Sampling


def with_defaults(request: ModelRequest, defaults: Sampling) -> ModelRequest:
    """C{request} with the parameters that it leaves open taken from C{defaults}."""
    if defaults == Sampling():
        return request
    asked = request.sampling
    values = {
        name: getattr(defaults if getattr(asked, name) in (None, ()) else asked, name)
        for name in Sampling.__struct_fields__
    }
    return msgspec.structs.replace(request, sampling=Sampling(**values))


def sampling_of(params: Mapping[str, Any]) -> Sampling:
    """The C{params} of an entry of C{agents.defaults.models}; names may be C{maxTokens} or C{max_tokens}.

    @raise ValueError: a name that is no generation parameter, or a value of the wrong type; says which.
    """
    named = {re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", key): key for key in params}
    for name, key in named.items():
        if name not in Sampling.__struct_fields__:
            raise ValueError(f"{key} is not a generation parameter")
    try:
        return msgspec.convert({name: params[key] for name, key in named.items()}, Sampling)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


__all__ = ["sampling_of", "with_defaults"]
