"""Starts the projector."""

from adapters.process import main
from services.projector.app import run
from services.projector.settings import ProjectorSettings

if __name__ == "__main__":
    main("projector", ProjectorSettings, run)
