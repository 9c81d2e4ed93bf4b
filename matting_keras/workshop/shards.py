"""Long jobs over many photos, cut into shards that are finished once and for all.

A shard's report is written after all of its pictures. A job that was killed therefore goes on
with the first shard that has no report, and ends with the same files as one that was not.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError

SIZE = 32
"""Photos in a shard: little to do again after a crash, and few reports."""

REPORTS = ".shards"
"""Folder of the reports, inside a job's output."""

TOLERATED = 0.01
"""Share of photos that may fail before the whole job counts as failed."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

Work = Callable[[Sequence[dict]], list[dict]]
Make = Callable[[], Work]


def start(records: Sequence[dict], settings: dict, output: Path) -> list[list[dict]]:
    """Cut a job into shards, and make sure that what lies in its folder belongs to it.

    Args:
        records: what to do for each photo, as JSON can hold it.
        settings: of the job; with the records they decide what it writes.
        output: its folder; made if it is missing.

    Raises:
        InputError: the folder was begun with other photos or settings, or cannot be written.
    """
    plan = {"settings": settings, "records": list(records), "size": SIZE}
    path = output / REPORTS / "plan.json"
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != plan:
            raise InputError(
                f"--output {output}: was begun with other photos or settings; choose another "
                "folder, or remove this one to begin anew."
            )
        _sweep(output)
    else:
        _write(path, plan)
    return [list(records[at : at + SIZE]) for at in range(0, len(records), SIZE)]


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
            yield _read(output, number)
        else:
            waiting.append(number)
    if not waiting:
        return
    if beam is not None:
        from matting_keras.workshop.beam import spread

        spread([(number, shards[number]) for number in waiting], make, output, beam)
        yield from (_read(output, number) for number in waiting)
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


def finish(work: Work, shard: Sequence[dict], output: Path, number: int) -> list[dict]:
    """Do one shard, then write its report."""
    reports = work(shard)
    _write(report_path(output, number), reports)
    return reports


def report_path(output: Path, number: int) -> Path:
    """Where the report of a shard lies."""
    return output / REPORTS / f"{number:06}.json"


def _read(output: Path, number: int) -> list[dict]:
    return json.loads(report_path(output, number).read_text(encoding="utf-8"))


def failed(reports: Sequence[dict]) -> list[dict]:
    """The reports of photos that could not be done."""
    return [report for report in reports if report.get("error")]


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


def _sweep(output: Path) -> None:
    """Remove what a killed job was about to write; see `atomic_path` for the names."""
    for leftover in output.glob("*/.*.????????"):
        if leftover.is_dir():
            shutil.rmtree(leftover)


def _write(path: Path, content) -> None:
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"--output {path.parent.parent}: cannot be written ({error.strerror or error}); "
            "make room, or choose another folder. What is done stays done."
        ) from error
