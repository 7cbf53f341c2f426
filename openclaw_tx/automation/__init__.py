"""What starts runs without a client: jobs by the clock, heartbeats, hooks."""
