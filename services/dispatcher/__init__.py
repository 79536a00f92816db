"""The dispatcher: acts outwards on what the log says."""
