"""Gives the executors that harvest hands its decoding to: processes of this machine, which may die without harm."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import wait
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class WorkerDied(Exception):
    """The process that worked on a task died of it: a decoder crashed, or the system took it for its memory."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local_threads(workers: int) -> Executor:
    """Threads of this process: they start at once, and share one interpreter lock."""
    return ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode")


def local_processes(workers: int, preload: Sequence[str] = ()) -> Executor:
    """Processes of this machine; the modules in `preload` are imported once for all of them."""
    return LastingProcesses(workers, preload)


class LastingProcesses(Executor):
    """A pool of processes that outlives the death of one.

    A plain pool is broken for good when a process dies, and all its tasks fail. Here each of them is tried once more,
    alone in a process of its own; the one that dies again fails with WorkerDied. New tasks go to a new pool.
    """

    def __init__(self, workers: int, preload: Sequence[str] = ()) -> None:
        self._workers = workers
        has_server = "forkserver" in multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("forkserver" if has_server else "spawn")
        if has_server:
            self._context.set_forkserver_preload(list(preload))
        self._lock = threading.Lock()
        self._careful = ThreadPoolExecutor(1, thread_name_prefix="careful")
        self._lone_pool: ProcessPoolExecutor | None = None  # of one process, for tasks that were in a broken pool
        self._pool = self._new_pool(workers)
        self._pool.submit(_nothing)  # starts the processes now, while the caller is still busy with something else

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        call = partial(fn, *args, **kwargs)
        task: Future[T] = Future()
        task.set_running_or_notify_cancel()
        with self._lock:
            try:
                inner = self._pool.submit(call)
            except BrokenProcessPool:
                self._pool.shutdown(wait=False)
                self._pool = self._new_pool(self._workers)
                inner = self._pool.submit(call)
        inner.add_done_callback(lambda done: self._settle(task, call, done))
        return task

    def __exit__(self, kind: object, *_: object) -> None:
        """After an error or Ctrl-C, what was not begun is given up."""
        self.shutdown(wait=True, cancel_futures=kind is not None)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        self._careful.shutdown(wait=wait, cancel_futures=cancel_futures)
        if self._lone_pool is not None:
            self._lone_pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _new_pool(self, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(workers, mp_context=self._context, initializer=_begin)

    def _settle(self, task: Future[T], call: Callable[[], T], done: Future[T]) -> None:
        if not done.cancelled() and isinstance(done.exception(), BrokenProcessPool):
            self._careful.submit(self._try_alone, task, call)
        else:
            _pass_on(done, task)

    def _try_alone(self, task: Future[T], call: Callable[[], T]) -> None:
        self._lone_pool = self._lone_pool or self._new_pool(1)
        done = self._lone_pool.submit(call)
        if isinstance(done.exception(), BrokenProcessPool):
            self._lone_pool.shutdown(wait=False)
            self._lone_pool = None
            task.set_exception(WorkerDied("the process that worked on it died"))
        else:
            _pass_on(done, task)


def _pass_on(done: Future[T], task: Future[T]) -> None:
    error = None if done.cancelled() else done.exception()
    if done.cancelled():
        task.set_exception(InterruptedError("given up"))
    elif error is not None:
        task.set_exception(error)
    else:
        task.set_result(done.result())


def _nothing() -> None:
    return None


def _begin() -> None:
    """A worker leaves Ctrl-C to its parent, and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
