"""Where a server is reached, and what is refused before it listens."""

from __future__ import annotations

import platform
import ssl
from pathlib import Path

import pytest

from covalent_server import reach, settings
from covalent_server.errors import SettingsError
from tests.certificates import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.certify("Covalent.example.org", "*.covalent.example.org", "10.1.2.3")


def known(tmp_path: Path, **flags: object) -> settings.Settings:
    return settings.load(flags, {"HOME": str(tmp_path)})


def with_tls(tmp_path: Path, pair: Pair, **flags: object) -> settings.Settings:
    return known(tmp_path, tls_cert=str(pair.certificate), tls_key=str(pair.key), **flags)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_on_loopback_nothing_is_asked_for(host: str, tmp_path: Path) -> None:
    found = known(tmp_path, host=host)
    assert not found.exposed
    assert found.interpreters is None
    reached = reach.of(found, 5)
    assert reached.certificate is None
    assert reached.url.startswith("http://")
    assert not reached.answers_to(platform.node(), "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "covalent.example.org"])  # noqa: S104
def test_beyond_loopback_it_is_refused_without_encryption(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--tls-cert FILE and --tls-key FILE.*--insecure"):
        reach.of(known(tmp_path, host=host), 5)


def test_who_says_so_goes_without(tmp_path: Path) -> None:
    found = known(tmp_path, host="0.0.0.0", insecure=True)  # noqa: S104
    reached = reach.of(found, 5)
    assert reached.url == "http://localhost:5"
    assert reached.public_url == f"http://{platform.node().lower()}:5"
    assert found.interpreters == frozenset()


def test_what_the_certificate_names_is_answered_to(tmp_path: Path, pair: Pair) -> None:
    reached = reach.of(with_tls(tmp_path, pair, host="0.0.0.0"), 5)  # noqa: S104
    assert reached.public_url == "https://covalent.example.org:5"
    names = ["COVALENT.example.org", "covalent.example.org.", "a.covalent.example.org", "10.1.2.3", platform.node()]
    assert all(reached.answers_to(name, "") for name in [*names, "localhost", "127.0.0.1", "::1"])
    foreign = ["example.org", "a.b.covalent.example.org", "10.1.2.4", "", "*.covalent.example.org.evil"]
    assert not any(reached.answers_to(name, "") for name in foreign)


def test_the_address_that_a_request_arrives_at_is_answered_to(tmp_path: Path, pair: Pair) -> None:
    reached = reach.of(with_tls(tmp_path, pair, host="0.0.0.0"), 5)  # noqa: S104
    assert reached.answers_to("192.168.7.8", "192.168.7.8")
    assert not reached.answers_to("192.168.7.8", "192.168.7.9")


def test_names_that_were_given_stand_first(tmp_path: Path, pair: Pair) -> None:
    reached = reach.of(with_tls(tmp_path, pair, host="::", host_names="*.inside, gateway.example.org"), 5)
    assert reached.public_url == "https://gateway.example.org:5"
    assert reached.answers_to("gateway.example.org", "")
    assert reached.answers_to("any.inside", "")


def test_the_oldest_encryption_is_refused(tmp_path: Path, pair: Pair) -> None:
    certificate = reach.of(with_tls(tmp_path, pair), 5).certificate
    assert certificate is not None
    assert certificate.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert len(certificate.fingerprint) == 64


def test_half_a_pair_is_refused(tmp_path: Path, pair: Pair) -> None:
    for flags in ({"tls_cert": str(pair.certificate)}, {"tls_key": str(pair.key)}):
        with pytest.raises(SettingsError, match="belong together"):
            reach.of(known(tmp_path, **flags), 5)


def test_a_certificate_that_everybody_would_refuse_is_refused(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(SettingsError, match="would be refused: certificate has expired"):
        reach.of(with_tls(tmp_path, authority.certify("late.example.org", days=0)), 5)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    other = authority.certify("other.example.org")
    with pytest.raises(SettingsError, match="cannot be used"):
        reach.of(with_tls(tmp_path, Pair(certificate=pair.certificate, key=other.key)), 5)


def test_a_missing_file_is_named(tmp_path: Path, pair: Pair) -> None:
    gone = tmp_path / "gone.pem"
    with pytest.raises(SettingsError, match=r"gone\.pem"):
        reach.of(with_tls(tmp_path, Pair(certificate=gone, key=pair.key)), 5)


def test_local_workers_need_a_certificate_for_localhost(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    allowed = {"host": "0.0.0.0", "local_interpreters": "/usr/bin/python3"}  # noqa: S104
    with pytest.raises(SettingsError, match="names localhost, too"):
        reach.of(with_tls(tmp_path, pair, **allowed), 5)
    found = with_tls(tmp_path, authority.certify("both.example.org", "localhost"), **allowed)
    assert reach.of(found, 5).url == "https://localhost:5"
    assert found.interpreters == frozenset({"/usr/bin/python3"})
