"""Section 3.6: the reward model (eq. 5), its features and its checkpoint."""
