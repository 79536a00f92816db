"""The operator's hands: the `darkroom` command."""
