"""What the commands of the workshop show while they work, and how they end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

from tqdm import tqdm

from matting_keras.workshop import compose, shards
from matting_keras.workshop.label import LABELS, Settings, label

LISTED = 20
"""Failures named on the screen; all are in the job's own list."""


def run_label(photos: str, output: str, settings: Settings, **how) -> int:
    """Label a folder, `how` as for `label`; returns the command's exit status."""
    return finish(watched(label(photos, output, settings, **how), "labelling"), output, LABELS)


def run_compose(data: str, output: str, settings: compose.Settings, **how) -> int:
    """Compose a data folder, `how` as for `compose`; returns the command's exit status."""
    reports = watched(compose.compose(data, output, settings, **how), "composing")
    return finish(reports, output, compose.COMPOSITES)


def watched(work: Iterable[tuple[int, list[dict]]], doing: str) -> list[dict]:
    """Do a job with a bar that shows how fast it goes and when it will be done."""
    reports: list[dict] = []
    with tqdm(desc=doing, unit=" photos", disable=None, leave=False) as bar:
        for total, some in work:
            reports += some
            bar.total = total
            bar.update(len(some))
    return reports


def finish(reports: list[dict], output: str, listing: str) -> int:
    """Say how a job ended; returns 0, or 1 where more failed than is tolerated."""
    counts = Counter(report["status"] for report in reports)
    summary = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    print(f"{output}: {summary}; each is in {listing}")
    failures = shards.failed(reports)
    for report in failures[:LISTED]:
        print(f"error: {report['error']}", file=sys.stderr)
    if len(failures) > LISTED:
        print(f"and {len(failures) - LISTED} more, in {listing}", file=sys.stderr)
    if len(failures) > shards.TOLERATED * len(reports):
        print(
            f"error: {len(failures)} of {len(reports)} pictures failed, more than "
            f"{shards.TOLERATED:.0%}.",
            file=sys.stderr,
        )
        return 1
    return 0
