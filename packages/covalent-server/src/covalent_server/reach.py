"""Where a server is reached: at which addresses, under which names, with which certificate; and what is refused."""

from __future__ import annotations

import hashlib
import platform
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from covalent_server.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from covalent_server.settings import Settings

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
#: The addresses that stand for every one of the machine's.
_EVERY: Final = ("0.0.0.0", "::")  # noqa: S104 - recognised here, and bound to only on request


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a server shows to who connects with encryption."""

    context: ssl.SSLContext
    #: Its SHA-256, by which this machine's commands know it whatever name they connect to.
    fingerprint: str
    #: The host names and addresses in it.
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where a server is reached."""

    #: By commands and workers of this machine.
    url: str
    #: By others.
    public_url: str
    #: What a request may name as its host. The address at which it arrives may be named, too.
    names: frozenset[str]
    certificate: Certificate | None = None

    def answers_to(self, name: str, arrived_at: str) -> bool:
        """Whether a request for that host is meant for this server; ``arrived_at`` is the address it came in by.

        A page of another site can make its own name lead here, but not write an address in its name's place.
        """
        name = name.lower().rstrip(".")
        known = name in self.names or f"*.{name.partition('.')[2]}" in self.names
        return known or (bool(name) and name == arrived_at)


def of(settings: Settings, port: int) -> Reach:
    """Where a server with these settings and that port is reached; raises SettingsError for what is not to be."""
    certificate = _certificate(settings)
    if settings.exposed and certificate is None and not settings.insecure:
        raise SettingsError(
            f"beyond this machine (host {settings.host}) the server speaks with encryption: give --tls-cert FILE and "
            "--tls-key FILE, or reach it through an SSH tunnel; --insecure speaks without, and then tokens and values "
            "can be read on their way"
        )
    if certificate is not None and settings.local_interpreters and "localhost" not in certificate.names:
        raise SettingsError(
            f"the workers of local_interpreters reach the server as localhost, which {settings.tls_cert} is not for; "
            "give it a certificate that names localhost, too, or leave local_interpreters out"
        )
    scheme = "http" if certificate is None else "https"
    names = [*settings.host_names, *(certificate.names if certificate else ())]
    if settings.exposed:
        names += [settings.host, platform.node().lower()]
    here = "localhost" if settings.host in (*_LOOPBACK[:2], *_EVERY) else settings.host
    known = settings.host if settings.host not in _EVERY else _announced(names)
    return Reach(
        url=f"{scheme}://{_literal(here)}:{port}",
        public_url=f"{scheme}://{_literal(known if settings.exposed else here)}:{port}",
        names=frozenset({*_LOOPBACK, *names}),
        certificate=certificate,
    )


def _announced(names: list[str]) -> str:
    """The first name that is of use elsewhere."""
    return next(name for name in names if name not in (*_LOOPBACK, *_EVERY) and not name.startswith("*."))


def _literal(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _certificate(settings: Settings) -> Certificate | None:
    if settings.tls_cert is None and settings.tls_key is None:
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise SettingsError("a certificate and its key belong together: give both --tls-cert FILE and --tls-key FILE")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_password)
        shown, names = _shown(context, settings.tls_cert)
    except ssl.SSLCertVerificationError as error:
        raise SettingsError(
            f"the certificate {settings.tls_cert} would be refused: {error.verify_message}; give one that is valid"
        ) from None
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the certificate {settings.tls_cert} and the key {settings.tls_key} cannot be used: {error}; both are "
            "PEM files, the key is the certificate's and has no password"
        ) from None
    return Certificate(context=context, fingerprint=hashlib.sha256(shown).hexdigest(), names=tuple(names))


def _no_password() -> str:
    raise ValueError("the key has a password")


def _shown(server: ssl.SSLContext, trusted: Path) -> tuple[bytes, Iterator[str]]:
    """The certificate that clients are shown, and the names in it: seen in a connection from here to here."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(trusted)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True))
    waits = True
    while waits:
        waits = False
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                waits = True
    return ends[0].getpeercert(binary_form=True) or b"", _names(ends[0].getpeercert() or {})


def _names(certificate: Any) -> Iterator[str]:
    for kind, name in certificate.get("subjectAltName", ()):
        if kind == "DNS":
            yield name.lower()
        elif kind == "IP Address":
            yield str(ip_address(name))
