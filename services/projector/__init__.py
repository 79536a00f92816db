"""The projector: turns the log into read models, and announces what changed."""
