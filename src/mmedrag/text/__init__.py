"""Clinical text as such: its sentences, its language, its sides, and what it says of a finding.

The ground below the stages: recognition, answers, reward features and evaluation read with it, and
it knows none of them.
"""
