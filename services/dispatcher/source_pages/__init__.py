"""Source pages: fetched from addresses that customers name, and turned into plain text."""
