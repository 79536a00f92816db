"""What all tests share: a runtime folder for the packaged PostgreSQL, as a login would give."""

import os
import tempfile

if "XDG_RUNTIME_DIR" not in os.environ:
    _runtime = tempfile.TemporaryDirectory(prefix="darkroom-runtime-")
    os.environ["XDG_RUNTIME_DIR"] = _runtime.name

pytest_plugins = ["tests.support.shared_world"]  # Loaded after the line above, which it needs.
