# -*- test-case-name: tests.channels.test_routing -*-
"""Which agent answers what comes over a channel (spec 5.4). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from openclaw_tx.config.schema_channels import Binding, BindingMatch
from openclaw_tx.values import InboundMessage

_KINDS = {"direct": "dm"}


def agent_for(bindings: Sequence[Binding], message: InboundMessage, default_account: str) -> str:
    """The agent of the most specific binding that fits, of equal ones the first; "" = none fits.

    @param default_account: the account that a binding means which names none.
    """
    fitting = [binding for binding in bindings if _fits(binding.match, message, default_account)]
    best = max(fitting, key=lambda binding: specificity(binding.match), default=None)
    return best.agent_id.strip().lower() if best is not None else ""


def specificity(match: BindingMatch) -> int:
    """How much a binding asks for: peer before guild, team, account, and the channel as a whole."""
    asked = (match.peer is not None, bool(match.guild_id), bool(match.team_id), match.account_id.strip() != "*")
    return next((len(asked) - number for number, one in enumerate(asked) if one), 0)


def _fits(match: BindingMatch, message: InboundMessage, default_account: str) -> bool:
    account = match.account_id.strip().lower() or default_account.lower()
    peer = match.peer
    return (
        match.channel.strip().lower() == message.channel
        and account in ("*", message.account_id.lower())
        and (not match.guild_id or match.guild_id == message.guild_id)
        and (not match.team_id or match.team_id == message.team_id)
        and (
            peer is None
            or (_KINDS.get(peer.kind, peer.kind) == message.peer.kind and peer.id.lower() == message.peer.id.lower())
        )
    )


__all__ = ["agent_for", "specificity"]
