"""Section 3.6: the generators, and what they make of the evidence."""
