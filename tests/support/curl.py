"""A stand-in for curl on machines without it: the few options that the walk-throughs use."""

import argparse
import os
import ssl
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

HTTP_ERROR, TIMED_OUT = 22, 28


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-f", action="store_true")
    parser.add_argument("-N", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    parser.add_argument("-o", dest="output")
    parser.add_argument("--max-time", type=float, default=60.0)
    parser.add_argument("url")
    options = parser.parse_args()
    method = options.method or ("POST" if options.body is not None else "GET")
    headers = dict(header.split(": ", 1) for header in options.headers)
    deadline = time.monotonic() + options.max_time
    try:
        with ExitStack() as opened:
            output = sys.stdout.buffer
            if options.output:
                output = opened.enter_context(Path(options.output).open("wb"))
            answer = opened.enter_context(
                httpx.stream(
                    method,
                    options.url,
                    headers=headers,
                    content=options.body,
                    timeout=options.max_time,
                    verify=_trusted(),
                )
            )
            if options.f and answer.is_error:
                return HTTP_ERROR
            for chunk in answer.iter_raw():
                output.write(chunk)
                output.flush()
                if time.monotonic() > deadline:
                    return TIMED_OUT
    except httpx.TimeoutException:
        return TIMED_OUT
    return 0


def _trusted() -> ssl.SSLContext | bool:
    """Trust what the environment variable names, as curl does."""
    bundle = os.environ.get("CURL_CA_BUNDLE")
    return ssl.create_default_context(cafile=bundle) if bundle else True


if __name__ == "__main__":
    sys.exit(main())
