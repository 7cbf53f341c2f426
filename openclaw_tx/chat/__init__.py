"""The chat path: commands in messages, and messages that come while the agent is at work (spec 2.10, 3.9)."""
