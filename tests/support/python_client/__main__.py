"""`make docs` runs it."""

from tests.support.python_client.writing import write

if __name__ == "__main__":
    write()
