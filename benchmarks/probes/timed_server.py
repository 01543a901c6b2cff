"""The server as ``covalent`` starts it, with a clock around its writer: how long its commits take, and on which thread.

Run by the server's interpreter: ``timed_server.py FILE start --foreground ...``. The file holds five numbers that are
always those of now, for whoever looks into it (:mod:`benchmarks.costs`): the writer's thread, transactions, operations,
and the processor's and the wall's seconds of all commits.
"""

# The guard comes first, as in the server's own entry: what the standard library loads later finds no unpickler.
from covalent_server import guard

guard.arm()

import mmap  # noqa: E402
import os  # noqa: E402
import struct  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

from sqlalchemy.engine.default import DefaultDialect  # noqa: E402

from covalent_server.cli.command import main  # noqa: E402
from covalent_server.db.writer import Writer  # noqa: E402

FIELDS = struct.Struct("<5d")


def watch(path: str) -> None:
    """Keep the numbers in a file."""
    with open(path, "w+b") as file:  # noqa: PTH123  pathlib would be one more import
        os.ftruncate(file.fileno(), FIELDS.size)
        shared = mmap.mmap(file.fileno(), FIELDS.size)
    commit: Callable[[DefaultDialect, Any], None] = DefaultDialect.do_commit
    write: Callable[[Writer], None] = Writer._run  # noqa: SLF001  it is looked at from outside
    submit_to: Callable[[Writer, Any], Any] = Writer.submit
    numbers = [0.0] * 5
    writers: set[int] = set()

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        if threading.get_ident() not in writers:
            commit(dialect, connection)
            return
        wall, processor = time.perf_counter(), time.thread_time()
        commit(dialect, connection)
        numbers[1] += 1
        numbers[3] += time.thread_time() - processor
        numbers[4] += time.perf_counter() - wall
        shared[:] = FIELDS.pack(*numbers)

    def run(writer: Writer) -> None:
        writers.add(threading.get_ident())
        numbers[0] = threading.get_native_id()
        write(writer)

    def submit(writer: Writer, operation: Any) -> Any:
        numbers[2] += 1
        return submit_to(writer, operation)

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
    Writer._run = run  # type: ignore[method-assign,assignment]  # noqa: SLF001
    Writer.submit = submit  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    watch(sys.argv.pop(1))
    main()
