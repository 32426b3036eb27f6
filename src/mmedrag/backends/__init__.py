"""Engines for corpora that outgrow one machine; each is an extra of its own."""
