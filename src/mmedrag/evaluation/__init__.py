"""Measures what the system retrieves, each figure with its protocol (docs/evaluation.md)."""
