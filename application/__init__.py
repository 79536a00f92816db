"""What loads, decides and commits, and the ports that it needs. No NATS, no SQL."""
