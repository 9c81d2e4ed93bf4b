"""Long jobs over many photos, cut into shards that are finished once and for all.

A shard's report is written after all of its pictures. A job that was killed therefore goes on
with the first shard that has no report, and ends with the same files as one that was not.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError

SIZE = 32
"""Photos in a shard: little to do again after a crash, and few reports."""

REPORTS = ".shards"
"""Folder of the reports, inside a job's output."""

TOLERATED = 0.01
"""Share of photos that may fail before the whole job counts as failed."""

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


def finish(work: Work, shard: Sequence[dict], output: Path, number: int) -> list[dict]:
    """Do one shard, then write its report."""
    reports = work(shard)
    _write(report_path(output, number), reports)
    return reports


def report_path(output: Path, number: int) -> Path:
    """Where the report of a shard lies."""
    return output / REPORTS / f"{number:06}.json"


def read(output: Path, number: int) -> list[dict]:
    """The report of a shard that is done."""
    return json.loads(report_path(output, number).read_text(encoding="utf-8"))


def failed(reports: Sequence[dict]) -> list[dict]:
    """The reports of photos that could not be done."""
    return [report for report in reports if report.get("error")]


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
