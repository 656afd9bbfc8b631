"""Gives the executor that harvest hands its work to."""

from concurrent.futures import Executor, ThreadPoolExecutor


def local_threads(workers: int) -> Executor:
    """Threads of this process: waiting, hashing and decoding all let go of the interpreter lock."""
    return ThreadPoolExecutor(max_workers=workers, thread_name_prefix="harvest")
