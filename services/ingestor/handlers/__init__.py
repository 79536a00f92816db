"""What the ingestor does, one file each."""
