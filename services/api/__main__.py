"""Starts the api."""

from adapters.process import main
from services.api.app import run
from services.api.settings import ApiSettings

if __name__ == "__main__":
    main("api", ApiSettings, run)
