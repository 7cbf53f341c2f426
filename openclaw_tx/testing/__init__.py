"""What a test of an application that embeds the gateway needs: no sockets, no threads, no sleeping.

docs/testing.md shows it at work.
"""

from openclaw_tx.testing.model import ModelCall, ScriptedModel

__all__ = ["ModelCall", "ScriptedModel"]
