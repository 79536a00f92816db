"""The `.env` file: read into the environment when this is imported, before libraries are that look
there for themselves. fal's client reads its host, and aiohttp the trusted certificates
(SSL_CERT_FILE), when they are imported. What the environment has already wins.
"""

import os

from dotenv import load_dotenv

ENV_FILE = os.environ.get("DARKROOM_ENV_FILE", ".env")
unread = ""  # Why it cannot be read.
if ENV_FILE:
    try:
        load_dotenv(ENV_FILE)
    except (OSError, UnicodeDecodeError) as error:
        unread = f"{ENV_FILE}: cannot be read: {error}"
