"""The ingestor: takes in what the world says, stores what jobs made, and settles them."""
