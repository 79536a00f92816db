"""The `darkroom` command, with which operators run and look after a world."""
