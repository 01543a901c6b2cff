"""Pools of workers that their users start themselves, and the tokens that such workers report with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from covalent.errors import WireError

#: The executor whose tasks run on such workers.
WORKER_POOL: Final = "worker_pool"
#: The pool of tasks and workers that name none.
DEFAULT_POOL: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_pool(name: object, path: str) -> str:
    """The name of a pool, None for the default one; raises WireError for what cannot be one."""
    if name is None:
        return DEFAULT_POOL
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise WireError(
            f"{str(name)[:100]!r} is no pool's name: letters, digits, dots, hyphens and underscores, at most 100, of "
            "which the first is a letter or a digit",
            path=path,
        )
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that is to be made for the workers of a pool."""

    pool: str
    #: What people know it by.
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A token that is in force."""

    #: What it is revoked by; the beginning of its digest.
    id: str
    pool: str
    name: str = ""
    #: Seconds since the epoch.
    created_at: float
    #: How many workers report with it now.
    workers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token as it is given out, once."""

    id: str
    token: str
    pool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenList:
    """The tokens of an account's pools, oldest first."""

    tokens: tuple[TokenRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenId:
    """A token that is to be revoked."""

    id: str
