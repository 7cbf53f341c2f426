"""The OpenClaw Gateway for Twisted."""
