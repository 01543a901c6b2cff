"""Where a webhook may be sent, and what of an answer counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from covalent_server.engine.sending import Target, UnvettedAddressError, is_open, post, vetted

CLOSED = [
    *(
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",  # noqa: S104 - nothing listens there
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
    ),
    *("100.64.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "2002:a00:1::"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "not an address", ""),
]
#: Names that a resolver takes for this machine.
DISGUISED = ["localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "0x7f.1", "::1", "0"]


class Receiver(BaseHTTPRequestHandler):
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(params=[200, 302, 404, 500])
def receiver(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    class Answering(Receiver):
        status = request.param

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, request.param
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_of_the_open_internet_is_closed(address: str) -> None:
    assert not is_open(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_the_open_internet_is_open(address: str) -> None:
    assert is_open(address)


@pytest.mark.parametrize("host", DISGUISED)
def test_this_machine_is_known_by_any_name(host: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the resolver may know it or not
        vetted(host, 80, ())


def test_only_success_counts_and_no_redirect_is_followed(receiver: tuple[int, int]) -> None:
    port, status = receiver
    target = Target(url=f"http://127.0.0.1:{port}/hook?a=b", allowed=("127.0.0.1",))
    if status == 200:
        post(target, b"{}", {})
    else:
        with pytest.raises(OSError, match=f"answered {status}"):
            post(target, b"{}", {})


@pytest.mark.parametrize("receiver", [200], indirect=True)
def test_who_is_not_allowed_by_name_is_not_connected_to(receiver: tuple[int, int]) -> None:
    for url in (f"http://127.0.0.1:{receiver[0]}/", f"https://127.0.0.1:{receiver[0]}/"):
        with pytest.raises(UnvettedAddressError):
            post(Target(url=url), b"{}", {})
