"""Starts the ingestor."""

from adapters.process import main
from services.ingestor.app import run
from services.ingestor.settings import IngestorSettings

if __name__ == "__main__":
    main("ingestor", IngestorSettings, run, calls_provider=True)
