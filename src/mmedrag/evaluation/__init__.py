"""Measures what the system retrieves, each figure with its protocol (docs/guide/evaluation.md)."""
