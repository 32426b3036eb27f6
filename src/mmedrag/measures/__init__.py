"""Measures on arrays: ranking, redundancy, probabilities, intervals. They know no stage."""
