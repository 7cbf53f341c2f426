# -*- test-case-name: tests.config.test_image_model -*-
"""Which model looks at images."""

from __future__ import annotations

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from openclaw_tx.config.image_model import image_models
from openclaw_tx.config.schema_agents import AgentsSection


class ImageModelsTests(SynchronousTestCase):
    """An agent's own choice before the defaults'."""

    def test_choice(self) -> None:
        """A ref, or an object with fallbacks; none at all when nobody says."""
        section = msgspec.convert(
            {
                "defaults": {"imageModel": {"primary": "p/a", "fallbacks": ["p/b", "p/a"]}},
                "list": [
                    {"id": "own", "imageModel": "p/c"},
                    {"id": "object", "imageModel": {"primary": "p/d", "fallbacks": ["p/e"]}},
                    {"id": "empty", "imageModel": {}},
                    {"id": "silent"},
                ],
            },
            AgentsSection,
        )
        for agent_id, refs in (
            ("own", ("p/c",)),
            ("object", ("p/d", "p/e")),
            ("empty", ("p/a", "p/b")),
            ("silent", ("p/a", "p/b")),
            ("unknown", ("p/a", "p/b")),
        ):
            self.assertEqual(image_models(section, agent_id), refs, agent_id)
        self.assertEqual(image_models(AgentsSection(), "main"), ())
