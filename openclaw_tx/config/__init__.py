"""The configuration: its shape, how it is read, and how edits reach a running gateway."""
