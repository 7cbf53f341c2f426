"""Tests of L{openclaw_tx.channels}."""
