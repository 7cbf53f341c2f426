"""More than one process for one gateway: a parent with the ports, a chief with all that is shared, relays (docs/workers.md)."""
