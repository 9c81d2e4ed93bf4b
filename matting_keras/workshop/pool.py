"""Doing the shards of a long job: in this machine's processes, or through Apache Beam."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from matting_keras.workshop.beam import spread
from matting_keras.workshop.shards import Make, Work, finish, read, report_path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def run(
    shards: Sequence[Sequence[dict]],
    make: Make,
    output: Path,
    processes: int | None = None,
    beam: str | None = None,
) -> Iterator[list[dict]]:
    """Do what is not done yet, several shards at a time.

    Args:
        shards: from `start`.
        make: called once in each process; gives the function that does a shard and reports one
            dictionary a record. It must be something that pickle can send.
        output: the job's folder.
        processes: how many work at once; None takes one for each core, 0 works in this one.
        beam: options for Apache Beam, which then spreads the shards; None does without it.

    Yields:
        Each shard's reports as it is done; first of those that were done before.

    Raises:
        InputError: as `make` and the work raise it, or Beam cannot be used.
    """
    waiting = []
    for number in range(len(shards)):
        if report_path(output, number).is_file():
            yield read(output, number)
        else:
            waiting.append(number)
    if not waiting:
        return
    if beam is not None:
        spread([(number, shards[number]) for number in waiting], make, output, beam)
        yield from (read(output, number) for number in waiting)
    elif processes == 0:
        work = make()
        yield from (finish(work, shards[number], output, number) for number in waiting)
    else:
        yield from _pooled({n: shards[n] for n in waiting}, make, output, processes or cores())


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pooled(
    waiting: dict[int, Sequence[dict]], make: Make, output: Path, processes: int
) -> Iterator[list[dict]]:
    with (
        _single_threaded(),
        ProcessPoolExecutor(
            min(processes, len(waiting)),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare,
            initargs=(make,),
        ) as pool,
    ):
        done = [pool.submit(_do, shard, output, number) for number, shard in waiting.items()]
        try:
            for future in as_completed(done):
                yield future.result()
        finally:
            for future in done:
                future.cancel()


_work: Work | None = None


def _prepare(make: Make) -> None:
    global _work
    # Ctrl-C is the parent's to hear: the shards in hand are finished, then it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work = make()


def _do(shard: Sequence[dict], output: Path, number: int) -> list[dict]:
    return finish(_work, shard, output, number)


def _end_with_parent() -> None:
    # A parent that is killed cannot tell its workers; they would wait for ever.
    multiprocessing.parent_process().join()
    os._exit(1)


class _single_threaded:
    """Children started within it compute with one thread each: there is one for each core."""

    def __enter__(self):
        self.before = {name: os.environ.get(name) for name in THREADS}
        os.environ.update(dict.fromkeys(THREADS, "1"))

    def __exit__(self, *reason):
        for name, value in self.before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
