"""The engine: an agent run from admission to its one terminal event."""
