"""One file a thing that the projector does."""
