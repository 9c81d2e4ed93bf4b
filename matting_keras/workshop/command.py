"""What the commands of the workshop show while they work, and how they end."""

from __future__ import annotations

import os
import sys
from collections import Counter

from tqdm import tqdm

from matting_keras.workshop import shards
from matting_keras.workshop.label import LABELS, Settings, label

LISTED = 20
"""Failures named on the screen; all are in the job's own list."""


def run_label(
    photos: str | os.PathLike, output: str | os.PathLike, settings: Settings, processes: int | None
) -> int:
    """Label a folder; returns 0, or 1 where more photos failed than is tolerated."""
    reports: list[dict] = []
    with tqdm(desc="labelling", unit=" photos", disable=None, leave=False) as bar:
        for total, some in label(photos, output, settings, processes):
            reports += some
            bar.total = total
            bar.update(len(some))
    return finish(reports, os.fspath(output), LABELS)


def finish(reports: list[dict], output: str, listing: str) -> int:
    """Say how a job ended; returns its exit status."""
    counts = Counter(report["status"] for report in reports)
    summary = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    print(f"{output}: {summary}; each photo is in {listing}")
    failures = shards.failed(reports)
    for report in failures[:LISTED]:
        print(f"error: {report['error']}", file=sys.stderr)
    if len(failures) > LISTED:
        print(f"and {len(failures) - LISTED} more, in {listing}", file=sys.stderr)
    if len(failures) > shards.TOLERATED * len(reports):
        print(
            f"error: {len(failures)} of {len(reports)} photos failed, more than "
            f"{shards.TOLERATED:.0%}.",
            file=sys.stderr,
        )
        return 1
    return 0
