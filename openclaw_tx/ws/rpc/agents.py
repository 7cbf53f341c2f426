# -*- test-case-name: tests.ws.rpc.test_agents -*-
"""C{agents.create}, C{agents.update}, C{agents.delete}: agents of the configuration file; C{agents.files.*}: the files
of their workspaces that go into the prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from msgspec import Meta

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime

from openclaw_tx.agents import editing
from openclaw_tx.agents.workspace import MAX_BYTES
from openclaw_tx.auth.actions import ADMIN, missing_scope
from openclaw_tx.auth.sight import agents_for
from openclaw_tx.config.editing import Candidate, Editor, Original
from openclaw_tx.config.live import LiveConfig
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Agents, Models
from openclaw_tx.values import Agent, Principal
from openclaw_tx.wire.frames import NonEmpty
from openclaw_tx.ws.connect import Params
from openclaw_tx.ws.methods import Call, Method
from openclaw_tx.ws.rpc.asks import bad
from openclaw_tx.ws.rpc.catalog import unknown_agent
from openclaw_tx.ws.rpc.config import may_write

MAIN = "main"
_ODD = re.compile(r"[^a-z0-9_-]+")

Entries = list[dict[str, Any]]


class CreateParams(Params, frozen=True):
    """Params of C{agents.create}."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    """The id is made of it."""
    workspace: NonEmpty | None = None
    model: NonEmpty | None = None
    emoji: str = ""
    avatar: str = ""
    """Kept in the file; this gateway shows none."""


class UpdateParams(Params, frozen=True):
    """Params of C{agents.update}; what is not named stays."""

    agent_id: NonEmpty
    name: NonEmpty | None = None
    workspace: NonEmpty | None = None
    model: str | None = ""
    """"" = it stays, null = that of the defaults."""
    emoji: str | None = None
    avatar: str | None = None


class DeleteParams(Params, frozen=True):
    """Params of C{agents.delete}."""

    agent_id: NonEmpty
    delete_files: bool = False
    """Put its workspace aside, unless another agent has the same or one that contains it or lies in it."""


class FilesListParams(Params, frozen=True):
    """Params of C{agents.files.list}."""

    agent_id: NonEmpty


class FilesGetParams(Params, frozen=True):
    """Params of C{agents.files.get}."""

    agent_id: NonEmpty
    name: NonEmpty


class FilesSetParams(Params, frozen=True):
    """Params of C{agents.files.set}."""

    agent_id: NonEmpty
    name: NonEmpty
    content: str
    expected_hash: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{64}$")] = ""
    """Write nothing unless this is the file's C{hash} still."""


class AgentFileMethods:
    """The family of agents' files, and, where there is a configuration file, of agents."""

    def __init__(
        self, agents: Agents, models: Models, live: LiveConfig | None, in_thread: InThread, clock: IReactorTime
    ) -> None:
        """
        @param live: where agents are written; None = nowhere.
        """
        self._agents = agents
        self._models = models
        self._live = live
        self._in_thread = in_thread
        self._writing = DeferredLock()
        self._clock = clock

    def methods(self) -> Sequence[Method]:
        """The family's entries."""
        files = [
            Method("agents.files.list", "agents.files.read", FilesListParams, self.files_list),
            Method("agents.files.get", "agents.files.read", FilesGetParams, self.files_get),
            Method("agents.files.set", "agents.configure", FilesSetParams, self.files_set),
        ]
        if self._live is None or not self._live.has_file:
            return files
        return [
            Method("agents.create", "agents.configure", CreateParams, self.create),
            Method("agents.update", "agents.configure", UpdateParams, self.update),
            Method("agents.delete", "agents.configure", DeleteParams, self.delete),
            *files,
        ]

    # -- agents

    async def create(self, call: Call[CreateParams]) -> Any:
        """Add an agent to the configuration: C{{ok, agentId, name, workspace, model?}}. Its workspace is made with its
        first run."""
        params = call.params
        may_write(call.principal)
        agent_id = _ODD.sub("-", params.name.strip().lower()).strip("-_")[:64]
        if not agent_id:
            raise bad("agents.create", "name has no letter or digit to make an id of")
        if self._agents.get(agent_id) is not None:
            raise GatewayError("invalid_request", f'agent "{agent_id}" already exists')
        if params.model is not None:
            self._models.info(params.model)
        entry: dict[str, Any] = {"id": agent_id, "name": params.name.strip()}
        _set(entry, workspace=params.workspace, model=params.model)
        _identify(entry, params.emoji, params.avatar)
        first = self._agents.default_id

        def add(entries: Entries) -> Entries:
            # Without any entry there is one agent all the same; the new one must not take its place.
            return [*(entries or [{"id": first}]), entry]

        await self._change(add)
        made = self._known("agents.create", call.principal, agent_id)
        answer = {"ok": True, "agentId": agent_id, "name": made.name, "workspace": made.workspace}
        return {**answer, "model": params.model} if params.model else answer

    async def update(self, call: Call[UpdateParams]) -> Any:
        """Change an agent's entry: C{{ok, agentId}}."""
        params = call.params
        may_write(call.principal)
        agent = self._known("agents.update", call.principal, params.agent_id)
        if params.model:
            self._models.info(params.model)

        def change(entries: Entries) -> Entries:
            changed = []
            for old in entries or [{"id": agent.id}]:
                entry = dict(old)
                if entry.get("id") == agent.id:
                    _set(entry, name=params.name, workspace=params.workspace)
                    if params.model is None:
                        entry.pop("model", None)
                    elif params.model:
                        entry["model"] = _chosen(entry.get("model"), params.model)
                    _identify(entry, params.emoji, params.avatar)
                changed.append(entry)
            return changed

        await self._change(change)
        return {"ok": True, "agentId": agent.id}

    async def delete(self, call: Call[DeleteParams]) -> Any:
        """Take an agent out of the configuration: C{{ok, agentId, removedBindings, removed[]}}. The default agent
        stays, and so do sessions and runs. With C{deleteFiles} its workspace is renamed."""
        params = call.params
        may_write(call.principal)
        agent = self._known("agents.delete", call.principal, params.agent_id)
        if agent.is_default:
            raise GatewayError("invalid_request", f'agent "{agent.id}" is the default agent and can not be deleted')
        bound: list[int] = [0]

        def remove(entries: Entries) -> Entries:
            return [entry for entry in entries if entry.get("id") != agent.id]

        def unbind(data: dict[str, Any]) -> None:
            bindings = data.get("bindings")
            if isinstance(bindings, list):
                kept = [each for each in bindings if not (isinstance(each, dict) and each.get("agentId") == agent.id)]
                bound[0] = len(bindings) - len(kept)
                data["bindings"] = kept

        await self._change(remove, unbind)
        removed = []
        if params.delete_files:
            now = int(self._clock.seconds() * 1000)
            others = [other.workspace for other in self._agents.all() if other.id != agent.id]
            places = self._live.places if self._live is not None else ()
            try:
                aside = await self._in_thread(editing.put_aside, agent.workspace, now, others, places)
            except OSError as error:
                failed = [{"path": agent.workspace, "reason": error.strerror or "it can not be renamed"}]
                return {"ok": True, "agentId": agent.id, "removedBindings": bound[0], "failed": failed}
            if aside is not None:
                removed = [{"path": aside or agent.workspace, "method": "trash" if aside else "missing"}]
        return {"ok": True, "agentId": agent.id, "removedBindings": bound[0], "removed": removed}

    async def _change(
        self, change: Callable[[Entries], Entries], also: Callable[[dict[str, Any]], None] = lambda data: None
    ) -> None:
        """Change the list of agents in the file.

        @param also: changes the rest of a copy of what the file says.
        """
        assert self._live is not None

        def edit(editor: Editor, original: Original) -> Candidate:
            data = dict(original.parsed)
            section = dict(data.get("agents") or {})
            if "entries" in section:
                raise GatewayError("invalid_request", "agents.entries is a map: change it with config.patch")
            entries = section.get("list")
            section["list"] = change([dict(entry) for entry in entries or [] if isinstance(entry, dict)])
            data["agents"] = section
            also(data)
            return editor.changed(original, data)

        await self._live.change(edit)

    # -- files

    async def files_list(self, call: Call[FilesListParams]) -> Any:
        """C{{agentId, workspace, files[{name, path, missing, size?, updatedAtMs?}]}}: those that go into the prompt,
        there or not."""
        agent = self._seen("agents.files.list", call.principal, call.params.agent_id)
        found = await self._in_thread(editing.listing, agent.workspace)
        return {**_head(agent, call.principal), "files": [_file_row(file, call.principal) for file in found]}

    async def files_get(self, call: Call[FilesGetParams]) -> Any:
        """C{{agentId, workspace, file{..., content, hash}}}."""
        agent = self._seen("agents.files.get", call.principal, call.params.agent_id)
        name = _checked("agents.files.get", call.params.name)
        found = await self._in_thread(editing.get, agent.workspace, name)
        if found.problem:
            raise GatewayError("invalid_request", f"{name}: {found.problem}")
        return {**_head(agent, call.principal), "file": _file_row(found, call.principal, found.text)}

    async def files_set(self, call: Call[FilesSetParams]) -> Any:
        """Write a file, 2 MiB at most: C{{ok, agentId, workspace, file}}. The next run reads it."""
        agent = self._seen("agents.files.set", call.principal, call.params.agent_id)
        name = _checked("agents.files.set", call.params.name)
        text = call.params.content
        if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            raise bad("agents.files.set", f"content has at most {MAX_BYTES} bytes")
        try:
            async with self._writing:
                found = await self._in_thread(
                    editing.put, agent.workspace, name, text, call.params.expected_hash.lower()
                )
        except editing.Changed as changed:
            details = {"type": "agent_file_conflict", "name": name}
            if changed.digest:
                details["currentHash"] = changed.digest
            said = f'agent file "{name}" changed since it was read'
            raise GatewayError("invalid_request", said, details=details) from None
        except OSError as error:
            raise GatewayError("storage_unavailable", f"{name} can not be written: {error.strerror}") from None
        except UnicodeEncodeError:
            raise GatewayError("invalid_request", f"{name} can not be written: a lone surrogate is not text") from None
        return {"ok": True, **_head(agent, call.principal), "file": _file_row(found, call.principal, found.text)}

    def _known(self, method: str, principal: Principal, agent_id: str) -> Agent:
        agent = agents_for(self._agents, principal).get(agent_id.strip().lower())
        if agent is None:
            raise unknown_agent(method, agent_id)
        return agent

    def _seen(self, method: str, principal: Principal, agent_id: str) -> Agent:
        """An agent whose files the client may know of: they tell of all its conversations."""
        if principal.session_prefix:
            raise missing_scope(ADMIN)
        return self._known(method, principal, agent_id)


def _set(entry: dict[str, Any], **values: str | None) -> None:
    entry.update((name, value.strip()) for name, value in values.items() if value is not None)


def _identify(entry: dict[str, Any], emoji: str | None, avatar: str | None) -> None:
    """Put what is named into C{identity}; an empty text takes it out."""
    identity = dict(entry.get("identity") or {})
    for name, value in (("emoji", emoji), ("avatar", avatar)):
        if value:
            identity[name] = value
        elif value is not None:
            identity.pop(name, None)
    if identity:
        entry["identity"] = identity
    else:
        entry.pop("identity", None)


def _chosen(old: Any, model: str) -> Any:
    """A new first choice; the fallbacks stay."""
    return {**old, "primary": model} if isinstance(old, dict) else model


def _checked(method: str, name: str) -> str:
    if name not in editing.NAMES:
        raise bad(method, f"name must be one of {', '.join(editing.NAMES)}")
    return name


def _head(agent: Agent, principal: Principal) -> dict[str, Any]:
    """Paths are for administrators."""
    return {"agentId": agent.id, "workspace": agent.workspace if ADMIN in principal.scopes else agent.id}


def _file_row(file: editing.Found, principal: Principal, text: str | None = None) -> dict[str, Any]:
    path = file.path if ADMIN in principal.scopes else file.name
    row: dict[str, Any] = {"name": file.name, "path": path, "missing": file.missing}
    if not file.missing:
        row |= {"size": file.size, "updatedAtMs": file.updated_at_ms}
        if file.digest:
            row["hash"] = file.digest
        if text is not None:
            row["content"] = text
    return row


__all__ = ["AgentFileMethods"]
