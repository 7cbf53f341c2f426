"""Tests of L{openclaw_tx.workers}."""
