"""A local server that speaks fal's real protocol over HTTPS and draws real images.

Submitting to it costs no money. No production code imports it.
"""
