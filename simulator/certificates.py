"""Certificates: our own authority, and a bundle that trusts it and the public authorities."""

from pathlib import Path

import certifi
import trustme

from adapters.settings import write_secret


def make(folder: Path) -> tuple[Path, Path]:
    """Return the server's PEM (key and chain) and the CA bundle; make them at the first call."""
    server, bundle = folder / "server.pem", folder / "bundle.pem"
    if not (server.exists() and bundle.exists()):
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        write_secret(server, certificate.private_key_and_cert_chain_pem.bytes().decode())
        public = Path(certifi.where()).read_text()
        write_secret(bundle, public + authority.cert_pem.bytes().decode())
    return server, bundle
