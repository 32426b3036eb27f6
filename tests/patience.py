"""How long a test waits for what must happen."""

PATIENCE = 600
"""Seconds, as many as nothing needs on the busiest machine: what takes longer hangs."""
