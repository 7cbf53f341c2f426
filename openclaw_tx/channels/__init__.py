"""Other ways than the gateway's own port on which people talk to agents."""
