"""What a crash, a full disk and a long night do to a gateway: C{python -m bench.drills} (docs/reliability.md)."""
