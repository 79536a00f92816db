"""The language: ids, events, commits and subjects. Imports msgspec and nothing else."""
