"""The api: HTTP in, decide, commit, query; the front door."""
