"""Recipes for the learned parts. Needs torch; they write checkpoints and nothing else."""
