"""The shares of processes, and the part of one that is alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.schema import Config
from openclaw_tx.config.schema_agents import AgentDefaults, AgentsSection
from openclaw_tx.workers.crew import Crew, shared


def config(most: int) -> Config:
    """One in which so many runs may be at work."""
    return Config(agents=AgentsSection(defaults=AgentDefaults(max_concurrent=most)))


class ShareTests(SynchronousTestCase):
    """L{shared}."""

    @given(st.integers(1, 1000), st.integers(2, 64))
    def test_together(self, most: int, count: int) -> None:
        """All shares together are what is configured, and the chief has one place at least."""
        chief = shared(lambda: config(most), count, chief=True)().agents.defaults.max_concurrent
        relay = shared(lambda: config(most), count, chief=False)().agents.defaults.max_concurrent
        self.assertEqual(chief + relay * (count - 1), most)
        self.assertGreaterEqual(chief, 1)

    def test_of_the_moment(self) -> None:
        """A change of the configuration counts; as long as there is none, the same object is given."""
        current = [config(10)]
        mine = shared(lambda: current[0], 2, chief=False)
        first = mine()
        self.assertIs(mine(), first)
        current[0] = config(20)
        self.assertEqual(mine().agents.defaults.max_concurrent, 10)


class AloneTests(SynchronousTestCase):
    """L{Crew}."""

    def test_nothing_changes(self) -> None:
        """A process that is alone serves everything, itself."""
        crew = Crew()
        settings = object()
        self.assertIs(crew.share(settings), settings)  # type: ignore[arg-type,comparison-overlap]
        self.assertEqual((crew.is_chief, crew.elsewhere, crew.count()), (True, None, 1))
        self.assertEqual((crew.others(), crew.about(), crew.services()), ((), {}, []))
        self.assertEqual(len(crew.entropy(32)), 32)
