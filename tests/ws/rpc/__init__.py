"""Tests of the WebSocket methods."""
