"""The course of a patient: studies in time, what became of each finding, and like courses."""
