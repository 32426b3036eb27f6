"""Section 3.5: the similarity graph (eq. 3 and 4), and diversity."""
