"""Synthetic cases (section 5.1, the demo): drawn images with reports that are true of them."""
