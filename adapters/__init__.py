"""The outside world: one module per thing in it. No rules."""
