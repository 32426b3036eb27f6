"""What is known beside the cases: a graph of concepts, learned from a corpus and written by us."""
