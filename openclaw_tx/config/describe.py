# -*- test-case-name: tests.config.test_describe -*-
"""The documentation of the configuration, made from its shape.

C{python -m openclaw_tx.config.describe > docs/configuration.md} writes the page; a test holds the two together.
"""

from __future__ import annotations

import ast
import inspect as source
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args, get_origin

import msgspec
from msgspec import inspect

from openclaw_tx.config import foreign
from openclaw_tx.config.reload import EFFECTS
from openclaw_tx.config.schema import Config
from openclaw_tx.config.section import LARGEST, Section

INTRODUCTION = """\
# Configuration

This page is made from the code: `python -m openclaw_tx.config.describe > docs/configuration.md`.

The gateway reads one [JSON5](https://json5.org) file: JSON with comments, trailing commas, single quotes and
unquoted keys. No file means defaults. A real `openclaw.json` loads: what this gateway does not use is
[ignored with one warning](#ignored-keys-of-openclaw), and what would be unsafe to ignore is refused. Every other
unknown key, wrong type or value out of bounds is an error that names its path, and all of them are reported at once.

## Where it is

| | in this order |
|---|---|
| state directory | `--state-dir`, `OPENCLAW_STATE_DIR`, `~/.openclaw-<profile>` with `OPENCLAW_PROFILE`, \
`~/.openclaw`, an existing `~/.clawdbot`, `~/.moltbot` or `~/.moldbot` |
| file | `--config`, `OPENCLAW_CONFIG_PATH`, `openclaw.json` in the state directory, there an existing \
`clawdbot.json`, `moltbot.json` or `moldbot.json` |
| port | `--port`, `OPENCLAW_GATEWAY_PORT` when it is a port, `gateway.port`, 18789 |
| secret | `gateway.auth.token` or `password`, then `OPENCLAW_GATEWAY_TOKEN` or `OPENCLAW_GATEWAY_PASSWORD` |

The old names `CLAWDBOT_STATE_DIR`, `CLAWDBOT_CONFIG_PATH`, `CLAWDBOT_GATEWAY_PORT`, `CLAWDBOT_GATEWAY_TOKEN` and
`CLAWDBOT_GATEWAY_PASSWORD` are read with a warning. Variables that are not set are looked up in `.env` of the working
directory, then in `.env` of the state directory, then in `env.vars`. A `.env` file can not move the state directory
or the configuration.

## A first file

```json5
{
  gateway: {
    auth: { token: "${OPENCLAW_GATEWAY_TOKEN}" },
    http: { endpoints: { chatCompletions: { enabled: true } } },
  },
  models: {
    providers: {
      openai: { baseUrl: "https://api.openai.com/v1", models: [{ id: "gpt-4o" }] },
    },
  },
  agents: {
    defaults: { model: "openai/gpt-4o" },
    list: [{ id: "main", default: true }, { id: "beta", model: "openai/gpt-4o" }],
  },
}
```

## Includes and variables

- `$include: "file.json5"`, in any object, puts that file's content in its place; a list of files is merged in order,
  and the keys beside `$include` are merged over it: objects key by key, lists one after the other, of all else the
  last. Names are relative to the file that includes. Ten levels, 4 MiB altogether, no circles.
- `${NAME}` in a string is the environment variable (upper case); one that is missing or empty is an error.
  `$${NAME}` is the text `${NAME}`. `{source: "env", id: "NAME"}` in place of a string does the same.
- `~` at the start of a path is `HOME`. Other relative paths start at the working directory.

## Edits while the gateway runs

The file, its includes and the `.env` files are watched. An edit applies once they have been quiet for
`gateway.reload.debounceMs`. One that can not be used changes nothing: the last good configuration stays and the log
says what is wrong. What needs a restart keeps its old value until then, and the log names it.

Programs edit it with `openclaw-tx config set` ([command line](cli.md)) or, over the wire, with `config.set`,
`config.patch` and `config.apply` ([protocol](protocol.md)): the whole is checked before anything is written, comments
stay, the old file is kept as `openclaw.json.bak`. With `OPENCLAW_CONFIG_READONLY=1` nobody writes it that way.
"""

IGNORED = """
## Ignored keys of OpenClaw

Whole sections: {sections}.

Keys inside the sections above (`[]` = each item of a list, `*` = each value of a map):

{keys}

A provider or model whose `api` or `auth` OpenClaw knows and this gateway does not is left out with a warning, and a
`session.store` that names a `sessions.json` is ignored.

Refused, because ignoring them would be unsafe:

{refused}
"""


class Row(NamedTuple):
    """A setting."""

    path: str
    type: str
    default: str
    text: str


def markdown() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "\n| change of | takes effect |\n|---|---|\n"]
    parts += [
        f"| `{path}` | {'at once' if effect == 'hot' else 'at the next start'} |\n"
        for path, effect in EFFECTS.items()
        if path
    ]
    parts.append("\nThe longest key that fits decides.\n")
    for field in msgspec.structs.fields(Config):
        section, place = top_section(field)
        rows = list(_rows(section, place))
        parts.append(f"\n## `{field.encode_name}`\n\n{_summary(section)}\n\n{_table(rows)}")
    parts.append(
        IGNORED.format(
            sections=", ".join(f"`{name}`" for name in sorted(foreign.SECTIONS)),
            keys="\n".join(
                f"- `{path}`: {', '.join(f'`{key}`' for key in sorted(keys.split()))}"
                for path, keys in foreign.KEYS.items()
            ),
            refused="\n".join(
                f"- `{path}` other than `{_json(harmless[0])}`: {advice}."
                for path, (harmless, advice) in foreign.REFUSED.items()
            ),
        )
    )
    return "".join(parts)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the configuration; without what is ignored."""
    return msgspec.json.schema(Config)


def settings_rows() -> Iterator[Row]:
    """Every setting of the configuration, with what is said of it."""
    for field in msgspec.structs.fields(Config):
        yield from _rows(*top_section(field))


def _table(rows: list[Row]) -> str:
    lines = ["| key | type | default | |", "|---|---|---|---|"]
    for row in rows:
        cells = (f"`{row.path}`", row.type, f"`{row.default}`" if row.default else "", row.text)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _rows(section: type[Section], path: str) -> Iterator[Row]:
    """A section's settings, those of the sections in it behind it; a section inside itself is only named."""
    yield from _walk(section, path, (section,))


def _walk(section: type[Section], path: str, outer: tuple[type, ...]) -> Iterator[Row]:
    texts, defaults = source_of(section)
    shape = inspect.type_info(section)
    assert isinstance(shape, inspect.StructType)
    for field in shape.fields:
        place = f"{path}.{field.encode_name}"
        inner, suffix = _inner(field.type)
        default = "" if field.required else defaults[field.name]
        if inner is not None and not suffix and not isinstance(field.type, inspect.UnionType):
            yield from _walk(inner, place, (*outer, inner))
            continue
        text = texts.get(field.name, "") or (_summary(inner) if inner is not None else "")
        if inner is not None and inner in outer:
            yield Row(place, type_in_words(field.type), default, f"{text} Its values have the keys of `{path}`.")
            continue
        required = "**Required.** " if field.required else ""
        yield Row(place, type_in_words(field.type), default, required + text)
        if inner is not None:
            yield from _walk(inner, place + suffix, (*outer, inner))


def _inner(kind: inspect.Type) -> tuple[type[Section] | None, str]:
    """The section inside a type, and how its place in it is written."""
    if isinstance(kind, inspect.StructType):
        return _section(kind.cls), ""
    if isinstance(kind, inspect.ListType):
        return _inner(kind.item_type)[0], "[]"
    if isinstance(kind, inspect.DictType):
        return _inner(kind.value_type)[0], ".*"
    if isinstance(kind, inspect.UnionType):
        return next((found for found in (_inner(choice) for choice in kind.types) if found[0]), (None, ""))
    return None, ""


def type_in_words(kind: inspect.Type) -> str:
    """A type for people."""
    if isinstance(kind, inspect.UnionType):
        return " or ".join(type_in_words(choice) for choice in kind.types if not isinstance(choice, inspect.NoneType))
    if isinstance(kind, inspect.LiteralType):
        return ", ".join(f"`{choice}`" for choice in kind.values)
    if isinstance(kind, inspect.ListType):
        return f"list of {type_in_words(kind.item_type)}"
    if isinstance(kind, inspect.DictType):
        return f"map of {type_in_words(kind.value_type)}"
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        name = "integer" if isinstance(kind, inspect.IntType) else "number"
        bounds = [f"≥ {kind.ge:g}" if kind.ge is not None else "", f"≤ {kind.le:g}" if kind.le is not None else ""]
        if kind.le == LARGEST:
            bounds.pop()  # that goes without saying
        return " ".join([name, *filter(None, bounds)])
    names: dict[type, str] = {inspect.StrType: "string", inspect.BoolType: "boolean", inspect.StructType: "object"}
    return names.get(type(kind), "anything")


def top_section(field: msgspec.structs.FieldInfo) -> tuple[type[Section], str]:
    """The section of a top-level key, and how the path of its settings begins; of a list it is that of its items."""
    if get_origin(field.type) is list:
        return _section(get_args(field.type)[0]), f"{field.encode_name}[]"
    return _section(field.type), field.encode_name


def _section(kind: Any) -> type[Section]:
    assert isinstance(kind, type) and issubclass(kind, Section)
    return kind


def _summary(section: type[Section]) -> str:
    """The first paragraph of a section's docstring, in Markdown."""
    return " ".join((section.__doc__ or "").split()).replace("C{", "`").replace("}", "`")


def source_of(section: type[msgspec.Struct]) -> tuple[dict[str, str], dict[str, str]]:
    """Of each field the string literal that follows it, and its default as JSON or, where it is computed, as code."""
    texts: dict[str, str] = {}
    code: dict[str, str] = {}
    name = ""
    for node in _statements(section):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            code[name] = ast.unparse(node.value) if node.value is not None and _is_computed(node.value) else ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            texts[name] = " ".join(str(node.value.value).split())
            name = ""
    defaults = {field.name: code.get(field.name) or _json(_default(field)) for field in msgspec.structs.fields(section)}
    return texts, defaults


def _statements(section: type[msgspec.Struct]) -> Iterator[ast.stmt]:
    """What stands in the bodies of a section and of those it extends, the most general first."""
    for each in reversed(section.__mro__):
        if issubclass(each, msgspec.Struct) and each is not msgspec.Struct:
            definition = ast.parse(textwrap.dedent(source.getsource(each))).body[0]
            assert isinstance(definition, ast.ClassDef)
            # The docstring is about the section; what stands behind a field is about the field.
            yield from definition.body[1 if ast.get_docstring(definition) is not None else 0 :]


def _is_computed(node: ast.expr) -> bool:
    """Whether a default depends on the machine: it calls something other than msgspec's C{field}."""
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
    return any(not (isinstance(call.func, ast.Name) and call.func.id == "field") for call in calls)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default in (msgspec.NODEFAULT, msgspec.UNSET) else field.default


def _json(value: Any) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


if __name__ == "__main__":
    sys.stdout.write(markdown())
