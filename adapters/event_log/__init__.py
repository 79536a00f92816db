"""The log in JetStream: appending to it, reading it, following it."""
