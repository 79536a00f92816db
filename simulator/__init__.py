"""A local server that speaks fal's real protocol over HTTPS and draws real images, for no money. No
production code imports it, and it uses none of what production knows of fal: signing, requests and
replies are written here a second time, so that a mistake in one of the two is found by the other.
"""
