"""One file a thing that the ingestor does."""
