"""The rules. Pure: no clock, no randomness, no await."""
