"""A program: publishes from children and threads, some of which end at once; `NAME` says which.

It prints each message that it has committed, after the commit.
"""

from __future__ import annotations

import atexit
import faulthandler
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import django

EACH = 3
MANY = 1000
DRAIN_SECONDS = 10.0


def publish(message: str) -> None:
    """Publish one line, and say so when it is committed."""
    from realtime.system_log import publish_log

    publish_log(level="INFO", message=message, module="tests")
    # One write: several processes share the output.
    os.write(sys.stdout.fileno(), f"committed {message}\n".encode())


def publish_some(name: str) -> None:
    """Publish some lines."""
    for number in range(EACH):
        publish(f"{name} {number}")


def publish_and_hand_on(name: str) -> None:
    """Publish some lines and wait for this process's own relay, as a command does."""
    from realtime import relay

    publish_some(name)
    if not relay.drain(deadline_seconds=DRAIN_SECONDS):
        # What every thread waits for tells whether a lock came over the fork.
        faulthandler.dump_traceback(all_threads=True)
        raise AssertionError(f"{name}: not handed on after {DRAIN_SECONDS} s; {relay.current()}")


def publish_many() -> None:
    """One of several that publish at the same time, each with its relay."""
    for number in range(MANY // 10):
        publish(f"{os.getpid()} {number}")


def fork_by_multiprocessing() -> None:
    """Children of a process whose relay runs; it goes on meanwhile."""
    publish_and_hand_on("parent before")
    close_connections()
    forked = multiprocessing.get_context("fork")
    children: list[BaseProcess] = [
        forked.Process(target=publish_and_hand_on, args=("child that hands on",)),
        forked.Process(target=publish_some, args=("child that just ends",)),
    ]
    for child in children:
        child.start()
    publish_some("parent meanwhile")
    for child in children:
        child.join()
        assert child.exitcode == 0
    publish_and_hand_on("parent after")


def fork_workers() -> None:
    """Workers as a prefork server has them: made before anything was written."""
    workers = [fork(lambda name=f"worker {number}": publish_some(name)) for number in range(2)]
    for worker in workers:
        assert os.waitpid(worker, 0)[1] == 0


def leave_a_thread_behind() -> None:
    """The interpreter exits while a daemon thread publishes."""
    has_begun = threading.Event()

    def publish_for_ever() -> None:
        for number in range(MANY):
            publish(f"daemon {number}")
            if number == EACH:
                has_begun.set()

    threading.Thread(target=publish_for_ever, daemon=True).start()
    assert has_begun.wait(DRAIN_SECONDS)


def exit_after_a_commit() -> None:
    """The interpreter exits right after a commit."""
    publish("last words")


def publish_at_exit() -> None:
    """An exit handler publishes: no thread may start there."""
    atexit.register(publish, "at exit")


def vanish_after_a_commit() -> None:
    """The process is gone right after a commit: no exit handler runs."""
    publish("vanishing")
    os._exit(0)


def fork(job: Callable[[], None]) -> int:
    """Do `job` in a child that ends without any cleaning up; returns the child's id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        job()
        status = 0
    finally:
        os._exit(status)


def close_connections() -> None:
    """As Django asks of every program that forks: no child uses its parent's connections."""
    from django.db import connections

    connections.close_all()


if __name__ == "__main__":
    django.setup()
    globals()[sys.argv[1]]()
