"""What every configuration section is built from."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from openclaw_tx.config.redact import PARENTS, names_secret, redact

LARGEST = 2**53 - 1
"""What an integer is at most where nothing smaller is said: what every JSON reader keeps exact."""

PositiveInt = Annotated[int, Meta(ge=1)]
NonNegativeInt = Annotated[int, Meta(ge=0)]
NO_CONTROLS = r"^(?![\s\S]*[\x00-\x1f\x7f])"
FilePath = Annotated[str, Meta(pattern=NO_CONTROLS)]
"""Of a file or directory. One with a NUL would be refused by the system, at each use."""
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class Section(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of every section: strict, immutable, JSON names in camelCase. Its text forms show no secret: they get into
    tracebacks, logs and debuggers."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        shown = []
        for name, key in zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True):
            value = getattr(self, name)
            if value and not isinstance(value, bool) and (key in PARENTS or names_secret(key)):
                value = ...
            shown.append((name, redact(value, key) if isinstance(value, str) else value))
        return shown
