"""One file a thing that the api does."""
