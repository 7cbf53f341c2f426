"""What a test of an application that embeds the gateway needs: no sockets, no threads, no sleeping.

docs/testing.md shows it at work.
"""

from openclaw_tx.testing.gateway import TOKEN, MemoryGateway
from openclaw_tx.testing.http import MemoryResponse
from openclaw_tx.testing.model import ModelCall, ScriptedModel
from openclaw_tx.testing.websocket import MemoryWebSocket

__all__ = ["TOKEN", "MemoryGateway", "MemoryResponse", "MemoryWebSocket", "ModelCall", "ScriptedModel"]
