"""Starts the command: `python -m cli`."""

import signal


def run() -> None:
    """Run the command. Ctrl-C while it is still being loaded ends it, without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cli.commands import main  # noqa: PLC0415 - not before the line above.

    main()


if __name__ == "__main__":
    run()
