"""What tasks print, and which task it belongs to."""

from __future__ import annotations

import subprocess

import pytest

from covalent.worker.settings import STREAM_LIMIT
from tests.integration.worker.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("worker")


def test_every_line_belongs_to_the_task_that_printed_it(fake: FakeServer) -> None:
    def speak(number: int) -> None:
        import logging
        import sys

        print("out", number)
        print("err", number, file=sys.stderr)
        sys.stdout.write("unfinished")
        logging.getLogger("user").warning("log %s", number)

    tasks = [fake.submit(speak, number) for number in range(200)]
    for number, task in enumerate(tasks):
        fake.outcome(task)
        assert task.text() == f"out {number}\nunfinished"
        assert task.text("stderr") == f"err {number}\nlog {number}\n"


def test_child_processes_and_c_code_print_into_the_same_stream(fake: FakeServer) -> None:
    def speak() -> None:
        import ctypes
        import subprocess

        print("python")
        subprocess.run(["/bin/echo", "child"], check=True)
        ctypes.CDLL(None).printf(b"buffered by C\n")

    task = fake.submit(speak)
    fake.outcome(task)
    assert task.text() == "python\nchild\nbuffered by C\n"


def test_a_megabyte_arrives_byte_for_byte(fake: FakeServer) -> None:
    def speak() -> None:
        for number in range(150_000):
            print(f"{number:08}")

    task = fake.submit(speak)
    fake.outcome(task)
    assert task.text() == "".join(f"{number:08}\n" for number in range(150_000))


def test_a_flood_is_cut_at_the_limit_and_says_so(fake: FakeServer) -> None:
    def flood() -> None:
        import sys

        for _ in range(40):
            sys.stdout.write("x" * (1 << 20))

    task = fake.submit(flood)
    fake.outcome(task)
    text = task.text()
    assert text.startswith("x" * STREAM_LIMIT)
    assert text[STREAM_LIMIT:] == "\n[covalent: cut after 16 MiB; write large output to a file]\n"
    after = fake.submit(lambda: print("next"))
    fake.outcome(after)
    assert after.text() == "next\n"


def test_output_can_be_followed_while_the_task_runs(fake: FakeServer) -> None:
    def speak_and_wait() -> None:
        import time

        print("first line")
        time.sleep(600)

    task = fake.submit(speak_and_wait)
    fake.wait(lambda: task.text() == "first line\n")
    assert task.completion is None
    assert task.started


def test_frames_survive_a_task_that_writes_to_every_descriptor(
    fake: FakeServer, worker: subprocess.Popen[bytes]
) -> None:
    def replace_streams() -> str:
        import os
        import sys

        os.write(1, b"raw\n")
        sys.stdout = None
        return "well"

    task = fake.submit(replace_streams)
    assert fake.value(task) == "well"
    assert task.text() == "raw\n"
    assert fake.value(fake.submit(replace_streams)) == "well"
    assert worker.poll() is None
