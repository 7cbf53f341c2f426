# -*- test-case-name: tests.sessions.test_migrations -*-
"""Statements about what processes leave when they die; a part of L{openclaw_tx.sessions.schema}."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Integer, Text, bindparam, delete, insert, select
from sqlalchemy.sql import ClauseElement

from openclaw_tx.sessions.statements import Statement
from openclaw_tx.sessions.tables import ENDED, run_steps, runs


class LeftStatements:
    """Steps of turns that are at work, and ends of sub-agents that nobody was told."""

    def __init__(self, ready: Callable[[ClauseElement], Statement]) -> None:
        """
        @param ready: compiles a statement.
        """
        run_id, session_id = bindparam("the_run", type_=Text), bindparam("the_session", type_=Text)
        number = bindparam("the_number", type_=Integer)
        of_run = run_steps.c.run_id == run_id
        self.add_step = ready(insert(run_steps))
        self.delete_step = ready(delete(run_steps).where(of_run, run_steps.c.number == number))
        self.steps = ready(select(run_steps.c.told, run_steps.c.body).where(of_run).order_by(run_steps.c.number))
        self.delete_steps = ready(delete(run_steps).where(of_run))
        of_session = select(runs.c.run_id).where(runs.c.session_id == session_id)
        self.delete_steps_of_session = ready(delete(run_steps).where(run_steps.c.run_id.in_(of_session)))

        tellers = runs.alias()
        teller = select(tellers.c.run_id).where(
            tellers.c.run_id == bindparam("the_prefix", type_=Text).concat(runs.c.run_id)
        )
        self.untold_children = ready(
            select(runs)
            .where(
                ENDED,
                runs.c.run_trigger == "subagent",
                runs.c.owner != bindparam("the_owner", type_=Text),
                ~teller.exists(),
            )
            .order_by(runs.c.ended_at_ms, runs.c.run_id)
            .limit(bindparam("the_limit", type_=Integer))
        )


__all__ = ["LeftStatements"]
