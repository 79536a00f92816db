"""Starts the dispatcher."""

from adapters.process import main
from services.dispatcher.app import run
from services.dispatcher.settings import DispatcherSettings

if __name__ == "__main__":
    main("dispatcher", DispatcherSettings, run, calls_provider=True)
