"""The ingestor: takes in results, stores what jobs made, and settles the jobs."""
