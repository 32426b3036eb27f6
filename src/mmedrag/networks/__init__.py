"""Torch networks that training and evaluation share."""
