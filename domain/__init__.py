"""The rules: pure functions, without a clock, dice or input and output."""
