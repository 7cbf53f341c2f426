# -*- test-case-name: tests.tools.test_exec_gate -*-
"""Whether a command may run: policy, allowlist, and a person's word, in this order (spec 7.3, docs/approvals.md)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_tools import Ask, Security
from openclaw_tx.deferreds import InThread
from openclaw_tx.errors import GatewayError
from openclaw_tx.interfaces import Approvals, Sessions, ToolContext
from openclaw_tx.tools.allowlist import Verdict, finder, judge
from openclaw_tx.tools.approvals_file import ApprovalsFile
from openclaw_tx.tools.exec_policy import FileRules, Posture, posture, tools_of
from openclaw_tx.values import Approval, ApprovalRequested, ApprovalResolved

MAX_SHOWN = 2000
"""Characters of a variable that a person is shown; of a longer one he is told that it is."""


class Refused(Exception):
    """The command is not run; the text is for the model."""


class Wish(NamedTuple):
    """What a model wants to run."""

    command: str
    cwd: str
    """Absolute."""
    variables: Mapping[str, str]
    """What it sets in the environment."""
    path: str
    """C{PATH} of the command."""
    security: Security | None = None
    ask: Ask | None = None


class ExecGate:
    """Asks whoever has to be asked."""

    def __init__(
        self,
        settings: Callable[[], Config],
        sessions: Sessions,
        approvals: Approvals,
        file: ApprovalsFile,
        in_thread: InThread,
        environment: Callable[[], Mapping[str, str]],
        new_id: Callable[[], str],
    ) -> None:
        """
        @param environment: that of the gateway, for C{HOME}.
        """
        self._settings = settings
        self._sessions = sessions
        self._approvals = approvals
        self._file = file
        self._in_thread = in_thread
        self._environment = environment
        self._new_id = new_id
        self._log = Logger()

    async def admit(self, wish: Wish, context: ToolContext) -> str:
        """What to hand to the shell: the command, or where the allowlist lets it pass its proved form.

        @raise Refused: nothing.
        """
        try:
            rules = await self._file.rules(context.agent.id, self._environment().get("HOME", ""))
        except GatewayError as error:
            raise Refused(f"The command was not run: {error}.") from None
        current = await self._posture(wish, context, rules)
        if current.security == "deny":
            raise Refused("Commands are switched off here (exec security is deny).")
        verdict = await self._judge(wish, rules)
        passes = current.security == "full" or not verdict.reason
        if passes and current.ask != "always":
            return await self._pass(wish, verdict, current.security, context)
        if current.ask == "off":
            raise Refused(f"The command was not run, because {verdict.reason}, and nobody is asked (exec ask is off).")
        decision = await self._ask(wish, verdict, current, context)
        if decision == "deny":
            raise Refused("The command was denied by a person. Do not try it again in another form.")
        if decision is None:
            return await self._fall_back(wish, verdict, current, context)
        if decision == "allow-always" and verdict.missing:
            await self._note(
                self._file.allow(context.agent.id, [program.real for program in verdict.missing], wish.command, current)
            )
        return wish.command

    async def _posture(self, wish: Wish, context: ToolContext, rules: FileRules | None) -> Posture:
        entry = await self._sessions.get(context.session_key)
        securities: list[str] = [wish.security or ""]
        asks: list[str] = [wish.ask or ""]
        if entry is not None:
            if entry.settings.exec_host not in ("", "auto", "gateway"):
                raise Refused(f"The session's exec host is {entry.settings.exec_host}, which there is none of here.")
            securities.append(entry.settings.exec_security)
            asks.append(entry.settings.exec_ask)
        config = self._settings()
        own = tools_of(config.agents.entries, context.agent.id)
        return posture(config.tools, own, rules, securities, asks)

    async def _judge(self, wish: Wish, rules: FileRules | None) -> Verdict:
        search = wish.path.split(os.pathsep)
        return await self._in_thread(
            judge,
            wish.command,
            finder(wish.cwd, search),
            rules.patterns if rules is not None else (),
            frozenset(self._settings().tools.exec.safe_bins),
            wish.variables,
        )

    async def _pass(self, wish: Wish, verdict: Verdict, security: Security, context: ToolContext) -> str:
        if security == "full":
            return wish.command
        if verdict.matched:
            await self._note(self._file.used(context.agent.id, dict(verdict.matched), wish.command))
        return verdict.command

    async def _fall_back(self, wish: Wish, verdict: Verdict, current: Posture, context: ToolContext) -> str:
        """Nobody answered."""
        if current.fallback == "full" and current.security == "full":
            return wish.command
        if current.fallback != "deny" and not verdict.reason:
            return await self._pass(wish, verdict, "allowlist", context)
        seconds = self._settings().tools.exec.approval_timeout_sec
        raise Refused(f"The command needs a person's word, and nobody gave it within {seconds} s. It was not run.")

    async def _ask(
        self, wish: Wish, verdict: Verdict, current: Posture, context: ToolContext
    ) -> Literal["allow-once", "allow-always", "deny"] | None:
        now_ms = int(context.clock.seconds() * 1000)
        approval = Approval(
            id=self._new_id(),
            command=wish.command,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + self._settings().tools.exec.approval_timeout_sec * 1000,
            agent_id=context.agent.id,
            session_key=context.session_key,
            run_id=context.run_id,
            cwd=wish.cwd,
            security=current.security,
            ask=current.ask,
            resolved_path=verdict.programs[0].real if len(verdict.programs) == 1 else "",
            owner_id=context.principal.id,
            env=tuple(_shown(f"{name}={value}") for name, value in wish.variables.items()),
            reason=verdict.reason,
            can_always=verdict.always and current.security == "allowlist" and current.ask != "always",
        )
        context.report(ApprovalRequested(call_id=context.call_id, approval=approval))
        try:
            decision = await self._approvals.ask(approval)
        except GatewayError as error:
            context.report(ApprovalResolved(call_id=context.call_id, approval_id=approval.id, decision="deny"))
            raise Refused(f"The command was not run: {error}") from None
        context.report(
            ApprovalResolved(
                call_id=context.call_id,
                approval_id=approval.id,
                decision=decision or "deny",
                expired=decision is None,
            )
        )
        return decision

    async def _note(self, work: object) -> None:
        """Write to the file; what could not be written is logged, for the word was given all the same."""
        try:
            await work  # type: ignore[misc]
        except CancelledError:
            raise
        except GatewayError:
            pass  # the file has said so
        except Exception:
            self._log.failure("the approvals file could not be written")


def _shown(text: str) -> str:
    more = len(text) - MAX_SHOWN
    return text if more <= 0 else f"{text[:MAX_SHOWN]} [cut: {more} more characters]"


__all__ = ["ExecGate", "Refused", "Wish"]
