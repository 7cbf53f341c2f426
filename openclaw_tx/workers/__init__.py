"""More than one process for one gateway: a parent that has the ports, a chief that has all that is shared, and relays
(docs/workers.md)."""
