"""The results as Markdown that can go into a README as it is."""

from __future__ import annotations

from collections.abc import Sequence

from matting_keras.benchmark.frame import STAGES
from matting_keras.benchmark.latency import ALL
from matting_keras.benchmark.subjects import RANDOM


def heading(facts: dict) -> str:
    """The machine and the versions."""
    machine = facts["machine"]
    versions = [f"{name} {found}" for name, found in machine["versions"].items() if found]
    load = machine["load_before"]
    return "\n".join(
        [
            f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, "
            f"load before: {'unknown' if load is None else load}",
            f"Python {machine['python']}, {', '.join(versions)}",
            "Medians of one run in one process, in turn (A B C A B C), after a warm-up. Compare "
            "figures of one run only.",
        ]
    )


def section(part: str, facts: dict) -> str:
    """One part's title, table and what it leaves out."""
    return _SECTIONS[part](facts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table whose columns are aligned in plain text too.

    Args:
        head: the columns' names.
        rows: of texts, as many each.
        words: how many columns at the left are words; the others are numbers.
    """
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [
            text.ljust(width) if i < words else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    rule = ["-" * width if i < words else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def _latency(part: dict) -> str:
    rows = [
        (
            row["model"],
            row["runtime"],
            f"{row['width']}×{row['height']}",
            str(row["threads"]),
            f"{row['median_ms']:.2f}",
            f"{row['p95_ms']:.2f}",
            _number(row["multiply_accumulates"], 1e-6, ".0f"),
            _number(row["gflops"], 1, ".1f"),
            _number(row["share_of_peak"], 100, ".0f", " %"),
        )
        for row in part["rows"]
    ]
    head = ("network", "runtime", "size", "threads", "median ms", "p95 ms")
    head = (*head, "million MACs", "GFLOP/s", "of peak")
    peaks = ", ".join(f"{rate:.0f} with {n}" for n, rate in part["peak_gflops"].items())
    notes = []
    if any(row["threads"] == ALL for row in part["rows"]):
        notes.append("Keras takes all cores: its threads cannot be changed once it has started.")
    random = sorted({row["model"] for row in part["rows"] if row["weights"] == RANDOM})
    if random:
        notes.append(f"Random weights, on which the time does not depend: {', '.join(random)}.")
    return "\n".join(
        [
            "### Latency of one picture\n",
            table(head, rows, words=3),
            f"\nPeak float32 matrix products, GFLOP/s by threads: {peaks} ({part['matmul']}; the "
            "best of many, each number of threads in a process of its own, before and after).",
            "MACs are those of convolutions; GFLOP/s counts two for each. Batch 1, size is width "
            "× height of the network's input. Not included: loading, reading, resizing, writing.",
            *notes,
        ]
    )


def _memory(part: dict) -> str:
    rows = [("Python and numpy alone", "", "", f"{part['bare_mb']:.0f}")]
    rows += [
        (row["model"], row["runtime"], _size(row), f"{row['peak_mb']:.0f}") for row in part["rows"]
    ]
    return "\n".join(
        [
            "### Memory\n",
            table(("network", "runtime", "size", "peak MB"), rows, words=3),
            f"\nThe most that a fresh process ever held (VmHWM) that loads the network and runs "
            f"{part['pictures']} pictures; one process each, nothing subtracted, 10⁶ bytes a MB. "
            "Not included: decoding and encoding.",
        ]
    )


def _frame(part: dict) -> str:
    head = ("network", "runtime", "input", *STAGES, "sum", "end to end", "ratio", "frames/s")
    rows = [
        (
            row["model"],
            row["runtime"],
            _size(row["input"]),
            *(f"{row['stages_ms'][stage]:.1f}" for stage in STAGES),
            f"{row['sum_ms']:.1f}",
            f"{row['end_to_end_ms']:.1f}",
            f"{row['ratio']:.2f}",
            f"{row['frames_per_second']:.1f}",
        )
        for row in part["rows"]
    ]
    return "\n".join(
        [
            f"### One frame of a {_size(part)} webcam, ms\n",
            table(head, rows, words=3),
            "\nresize: to the network's input. refine: its alpha back to the frame's size. "
            "foreground: the person's own colours at soft edges. composite: onto green.",
            "End to end is the demo's own loop, untouched, frame by frame in turn with the stages; "
            "networks and runtimes come one after another. Frames are decoded from and encoded to "
            "MPEG-4 files; a real camera decodes in a thread of its own. Not included: showing a "
            "window.",
        ]
    )


def _startup(part: dict) -> str:
    rows = [
        (
            row["stage"],
            row["model"] or "",
            row["runtime"] or "",
            row["refine"] or "",
            f"{row['median_s']:.2f}",
            f"{row['p95_s']:.2f}",
        )
        for row in part["rows"]
    ]
    return "\n".join(
        [
            "### Start\n",
            table(("stage", "network", "runtime", "refine", "median s", "p95 s"), rows, words=4),
            f"\nWhole processes, from the command to its end; the demo cuts out {part['photo']} "
            "and writes a PNG. Not included: the first start, when files are not in the cache.",
        ]
    )


def _bulk(part: dict) -> str:
    rows = [
        (
            row["model"],
            row["runtime"],
            row["refine"],
            row["writes"],
            f"{row['images_per_second']:.1f}",
            f"{row['ms_per_image']:.0f}",
        )
        for row in part["rows"]
    ]
    size = "" if part["photos"] == "given" else f" of {_size(part)}"
    return "\n".join(
        [
            "### Folders\n",
            table(("network", "runtime", "refine", "writes", "images/s", "ms each"), rows, words=4),
            f"\n{part['images']} {part['photos']} photos{size}, as `matting-keras matte` does "
            "them: reading, running, writing PNG. Not included: loading the network.",
        ]
    )


def _training(part: dict) -> str:
    rows = [(row["model"], row["loop"], f"{row['images_per_second']:.1f}") for row in part["rows"]]
    side = round(part["area"] ** 0.5)
    return "\n".join(
        [
            "### Training\n",
            table(("network", "loop", "images/s"), rows, words=2),
            f"\nBatch {part['batch']} of about {side}×{side}, {part['precision']}, XLA "
            f"{'on' if part['xla'] else 'off'}; blocks of {part['steps']} steps in turn, each "
            "after untimed ones. Drawn portraits, in memory. Not included: reading files, "
            "compiling, validation, checkpoints.",
        ]
    )


def _number(value: float | None, scale: float, form: str, unit: str = "") -> str:
    return "-" if value is None else f"{value * scale:{form}}{unit}"


def _size(row: dict) -> str:
    return f"{row['width']}×{row['height']}"


_SECTIONS = {
    "latency": _latency,
    "memory": _memory,
    "frame": _frame,
    "startup": _startup,
    "bulk": _bulk,
    "training": _training,
}
