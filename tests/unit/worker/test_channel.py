"""Frames over a socket that never blocks the supervisor."""

from __future__ import annotations

import socket

from covalent.worker import channel
from covalent.worker.channel import Channel
from covalent.worker.messages import Ready, Task


def test_messages_arrive_whole_however_they_are_cut() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        receiver = Channel(ours)
        message = channel.encode(Task(function="f", name="seven", inline=("d",)), [b"blob"])
        frames = []
        for byte in message + message:
            theirs.send(bytes([byte]))
            frames += list(receiver.receive())
        assert len(frames) == 2
        task, blobs = channel.decode(Task, frames[1])
        assert task.name == "seven"
        assert [bytes(blob) for blob in blobs] == [b"blob"]


def test_what_the_other_side_does_not_read_waits_in_memory() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = Channel(ours)
        sender.send(channel.encode(Ready(), [bytes(5_000_000)]))
        sender.flush()
        assert sender.waiting
        received = 0
        while received < 5_000_000:
            received += len(theirs.recv(1 << 20))
            sender.flush()
        assert not sender.waiting


def test_half_a_frame_of_a_dead_runner_is_no_frame() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        receiver = Channel(ours)
        theirs.send(channel.encode(Ready())[:-1])
        theirs.close()
        assert list(receiver.receive()) == []
        assert list(receiver.receive()) == []
        assert receiver.ended
