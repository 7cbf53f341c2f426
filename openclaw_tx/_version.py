"""The version of openclaw_tx, in one place so that packaging need not import Twisted."""

__version__ = "0.1.0"
