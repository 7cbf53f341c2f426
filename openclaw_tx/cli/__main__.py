"""C{python -m openclaw_tx.cli}: the same as C{openclaw-tx}."""

from openclaw_tx.cli.main import main

main()
