"""The same shards as an Apache Beam pipeline: one machine's cores, or a cluster's.

Beam decides where a shard is done; its pictures and its report go to the job's folder, which all
workers must see under the same path (a shared disk, or a mounted bucket).
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

from matting_keras.errors import InputError
from matting_keras.workshop.shards import Make, finish

HERE = ("--runner=DirectRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=0")
"""All cores of this machine, where the options name no runner."""

QUIET = "--default_sdk_harness_log_level=WARNING"


def spread(
    numbered: Sequence[tuple[int, Sequence[dict]]], make: Make, output: Path, options: str
) -> None:
    """Do shards through Beam.

    Args:
        numbered: the shards to do, with their numbers.
        make: gives the function that does a shard; called once in each worker.
        output: the job's folder.
        options: for Beam, as on its command line ("--runner=FlinkRunner --parallelism=8"); ""
            takes all cores of this machine.

    Raises:
        InputError: Beam is not installed, or does not take the options.
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise InputError(
            f"--beam needs Apache Beam ({error}); pip install 'matting-keras[beam]', or leave it "
            "out: without it all cores of this machine work too."
        ) from error
    logging.getLogger("apache_beam").setLevel(logging.WARNING)
    words = shlex.split(options)
    told = any(word.startswith("--runner") for word in words)
    try:
        settings = PipelineOptions([QUIET, *(() if told else HERE), *words])
        pipeline = beam.Pipeline(options=settings)
    except (SystemExit, ValueError) as error:  # its parser exits where an option is wrong
        raise InputError(f"--beam {options!r}: Beam does not take these ({error}).") from error

    class Do(beam.DoFn):
        """Does a shard; what a worker loads, it loads once."""

        def setup(self):
            self.work = make()

        def process(self, part):
            number, shard = part
            finish(self.work, shard, output, number)
            yield number

    with pipeline as flow:
        # Without the shuffle a runner may keep all shards in the one worker that listed them.
        _ = (
            flow
            | "shards" >> beam.Create([(number, list(shard)) for number, shard in numbered])
            | "spread" >> beam.Reshuffle()
            | "work" >> beam.ParDo(Do())
        )
