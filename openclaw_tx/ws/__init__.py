"""The Gateway WebSocket protocol: a sans-I/O connection machine over one autobahn adapter (docs/protocol.md)."""
