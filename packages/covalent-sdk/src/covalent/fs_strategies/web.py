"""Files on web servers: fetched with GET, stored with PUT."""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from covalent.errors import FileTransferError
from covalent.fs_strategies.strategy import End, FileTransferStrategy
from covalent.secret import revealed

#: How much is in memory at a time, in bytes.
_CHUNK_BYTES: Final = 1 << 20
#: What stands in an address as it is, besides letters of ASCII and digits: %, for what is written in bytes already.
_ADDRESS: Final = "%/:?#[]@!$&'()*+,;=~"
_HELP: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "it wants to know who asks: strategy=ct.fs_strategies.HTTP(headers={'Authorization': …})",
    HTTPStatus.FORBIDDEN: "it refuses who asks: check what the credentials of the strategy's headers allow",
    HTTPStatus.NOT_FOUND: "nothing is there: check the address",
    HTTPStatus.METHOD_NOT_ALLOWED: "it takes no files there: a file is sent with PUT",
    HTTPStatus.TOO_MANY_REQUESTS: "it wants fewer requests: let the electron try again later with retries=",
}
_SERVERS: Final = "the trouble is the server's: let the electron try again later with retries="


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections; what was said to one server is not said to another, for it may be who one is."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> Any:
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None and (new.type, new.host) == (req.type, req.host):
            for name, value in req.unredirected_hdrs.items():
                new.add_unredirected_header(name, value)
        return new


class HTTP(FileTransferStrategy):
    """Fetches ``http://`` and ``https://`` addresses with GET, and stores at them with PUT.

    ``headers`` are sent along, but not to another server that the first one redirects to; the value of one may be a
    ``ct.Secret``. ``timeout`` is how many seconds the server may be silent.
    """

    def __init__(self, headers: Mapping[str, Any] | None = None, timeout: float = 60.0) -> None:
        self.headers = dict(headers or {})
        self.timeout = timeout

    def check(self, from_file: End, to_file: End) -> None:
        """Refuse folders, of which HTTP knows nothing, and addresses of other kinds."""
        for end in (from_file, to_file):
            if end.is_dir:
                raise ValueError(f"HTTP transfers files, not folders such as {end}; pack the folder into an archive")
            if end.scheme not in {"file", "http", "https"}:
                raise ValueError(f"HTTP takes addresses that begin with http:// or https://, not {end}")

    def download(self, from_file: End, to_file: End) -> None:
        """Fetch a file; FileTransferError unless all of it came."""
        with self._answer(from_file) as answer, to_file.path.open("wb") as file:
            try:
                shutil.copyfileobj(answer, file, _CHUNK_BYTES)
            except http.client.HTTPException as error:
                raise FileTransferError(
                    f"{from_file} ended before it was whole: {error}; let the electron try again with retries="
                ) from None
            expected = answer.headers.get("Content-Length")
            if expected is not None and file.tell() != int(expected):
                raise FileTransferError(
                    f"{from_file} ended after {file.tell()} of {expected} bytes: the connection was lost; "
                    "let the electron try again with retries="
                )

    def upload(self, from_file: End, to_file: End) -> None:
        """Store a file."""
        with from_file.path.open("rb") as file:
            size = from_file.path.stat().st_size
            with self._answer(to_file, data=file, method="PUT", headers={"Content-Length": str(size)}):
                pass

    def cp(self, from_file: End, to_file: End) -> None:
        """Refused: HTTP has no copies."""
        raise FileTransferError(f"HTTP cannot copy from {from_file} to {to_file}: one end has to be local")

    def _answer(self, end: End, headers: Mapping[str, str] | None = None, **request: Any) -> Any:
        asked = urllib.request.Request(  # noqa: S310 - the scheme was checked when the transfer was declared
            quote(str(end.filepath), safe=_ADDRESS), headers=dict(headers or {}), **request
        )
        for name, value in self.headers.items():
            asked.add_unredirected_header(name, revealed(value))
        try:
            return urllib.request.build_opener(_Redirects).open(asked, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            error.close()
            served = HTTPStatus.INTERNAL_SERVER_ERROR
            help_ = _HELP.get(error.code, _SERVERS if error.code >= served else "check the address")
            raise FileTransferError(f"{end} answered {error.code} {error.reason}; {help_}") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise FileTransferError(
                f"{end} cannot be reached from the machine that the task runs on: {reason}"
            ) from None
