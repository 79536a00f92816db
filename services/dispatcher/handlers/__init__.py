"""One file a thing that the dispatcher does."""
