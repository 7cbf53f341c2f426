"""Sessions, transcripts and the ledger of runs: see docs/sessions.md."""
