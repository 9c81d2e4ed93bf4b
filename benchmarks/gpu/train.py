"""One training on a GPU machine without TensorFlow: packs in; best.keras, log and state out.

KERAS_BACKEND=jax python -m benchmarks.gpu.train PACK... --arch NAME --output DIR --minutes 9
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import numpy as np

from benchmarks.gpu import BEGAN, state
from benchmarks.gpu.batches import Plan
from benchmarks.gpu.packed import unpack
from benchmarks.gpu.photos import upload
from benchmarks.gpu.settings import parser, strengths
from benchmarks.gpu.step import Recipe, Steps, optimizer
from benchmarks.gpu.validation import Validation
from matting_keras.architectures.registry import ARCHITECTURES, build
from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.geometry import buckets, nearest_bucket
from matting_keras.training.callbacks import averaged
from matting_keras.weights import files

FACTS = {"step": 0, "round": 0, "best": -1.0, "seconds": 0.0}
"""What a run knows about itself at its beginning."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says."""
    flags = parser().parse_args(arguments)
    try:
        Run(flags).train()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


class Run:
    """A training from its packs to best.keras.

    Args:
        flags: of the command line.

    Raises:
        InputError: flags, packs or a state that cannot be used.
    """

    def __init__(self, flags: argparse.Namespace):
        self.flags = flags
        self.output = Path(flags.output)
        self.output.mkdir(parents=True, exist_ok=True)
        keras.utils.set_random_seed(flags.seed)
        keras.config.set_dtype_policy(flags.precision)
        channels = ARCHITECTURES[flags.arch].channels
        self.pack = unpack(flags.packs, channels)
        self.shapes = buckets(flags.area or self.pack.index["area"], flags.ratios)
        self.model = network(flags)
        self.facts = dict(FACTS)
        if flags.resume:
            self.facts |= state.restore(self.model, flags.resume)
        self.before = self.facts["seconds"]
        self.steps, self.plan = self._prepared(channels)
        self.check = Validation(self.model, self.pack.part("held")[0])
        self.rows = _log_until(self.facts["step"], flags.resume)

    def train(self) -> None:
        """Compile, then train until the time or the steps are used up."""
        self._say(f"{len(self.pack.photos)} photos ready")
        shapes = [self.shapes[i] for i in self.plan.members]
        compile_seconds = self.steps.compile(shapes) + self.check.compile(self.steps.averaged())
        self._say(f"compiled {len(shapes)} shapes in {compile_seconds:.0f} s")
        self._describe(compile_seconds)
        if self.flags.steps and self._over():
            raise InputError(f"--steps {self.flags.steps}: the run has them all already.")
        # One round at least: a call that leaves nothing is wasted.
        self._round()
        while not self._over():
            self._round()
        self._say(f"{self.facts['step'] * self.flags.batch} samples seen in all")

    def _round(self) -> None:
        """Steps until the next look, validation, log, files."""
        flags, recipe, losses, began = self.flags, self.steps.recipe, [], time.perf_counter()
        first = self.facts["step"]
        while not losses or not (self._over() or (self.facts["step"] - first) >= flags.round):
            step = self.facts["step"]
            rates = [self._rate(step + i) for i in range(recipe.steps)]
            bucket, photos = self.plan.take()
            losses.append(self.steps.run(self.shapes[bucket], photos, step, np.array(rates)))
            self.facts["step"] += recipe.steps
            if len(losses) > 2:
                # Python may run ahead by two calls, no more: the clock must mean something.
                losses[-3].block_until_ready()
        loss = float(np.mean(jax.device_get(losses)))
        seconds = time.perf_counter() - began
        rate = (self.facts["step"] - first) * flags.batch / seconds
        self._look({"loss": loss, "learning_rate": rates[-1], "images_per_second": rate})

    def _look(self, row: dict[str, float]) -> None:
        began = time.perf_counter()
        if not math.isfinite(row["loss"]):
            raise InputError(f"the loss is {row['loss']}; try a lower rate or another precision.")
        row |= self.check(self.steps.averaged())
        self.steps.push()
        self.facts["round"] += 1
        best = self.output / "best.keras"
        better = row["val_mIoU"] > self.facts["best"]
        self.facts["best"] = max(row["val_mIoU"], self.facts["best"])
        # A run that goes on elsewhere than it began has no file yet.
        if better or not best.exists():
            with averaged(self.model):
                files.save(self.model, best)
        self.facts["seconds"] = self.before + time.perf_counter() - BEGAN
        facts = {key: self.facts[key] for key in FACTS}
        self._log({**facts, "samples": facts["step"] * self.flags.batch, **row})
        state.save(self.model, self.output / "state.npz", facts)
        self.looking = time.perf_counter() - began

    def _log(self, row: dict) -> None:
        row = {k: f"{v:.6g}" if isinstance(v, float) else str(v) for k, v in row.items()}
        self.rows.append(row)
        with atomic_path(self.output / "log.csv") as path, open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerows(self.rows)
        self._say(", ".join(f"{k} {v}" for k, v in row.items() if k not in ("seconds", "round")))

    looking = 5.0
    """Seconds that the last validation and its files took; a guess before the first."""

    def _over(self) -> bool:
        if self.flags.steps:
            return self.facts["step"] >= self.flags.steps
        return time.perf_counter() - BEGAN + 1.5 * self.looking + 2 > self.flags.minutes * 60

    def _rate(self, step: int) -> float:
        """Warm-up by steps, then a cosine by steps where they are known, else by the clock."""
        flags = self.flags
        if step < flags.warmup:
            return flags.learning_rate * (step + 1) / flags.warmup
        if flags.steps:
            share = (step - flags.warmup) / max(1, flags.steps - flags.warmup)
        else:
            whole = 60 * (flags.of_minutes or flags.minutes) - 1.5 * self.looking
            share = (self.before + time.perf_counter() - BEGAN) / whole
        wave = (1 + math.cos(math.pi * min(1.0, share))) / 2
        return flags.learning_rate * (flags.final + (1 - flags.final) * wave)

    def _prepared(self, channels: int) -> tuple[Steps, Plan]:
        flags = self.flags
        recipe = Recipe(
            strengths(self.pack.index["augment"], flags.augment, flags.set),
            *(flags.batch, flags.scan, flags.ramp),
            *(flags.crossentropy, flags.difference, flags.band, flags.seed),
        )
        photos, facts = self.pack.part("train")
        scenes, _ = self.pack.part("scene")
        wanted = np.array(
            [self.shapes.index(nearest_bucket(*photo.shape[:2], self.shapes)) for photo in photos]
        )
        times = [one["times"] for one in facts]
        places = np.repeat(np.arange(len(photos)), times)
        plan = Plan(np.repeat(wanted, times), places, flags.batch * flags.scan, flags.seed)
        plan.skip(self.facts["step"] // flags.scan)
        people = upload(photos, [one["rough"] for one in facts])
        behind = upload(scenes, [False] * len(scenes)) if scenes else None
        return Steps(self.model, recipe, people, behind), plan

    def _describe(self, compile_seconds: float) -> None:
        facts = {
            "flags": {k: str(v) if isinstance(v, Path) else v for k, v in vars(self.flags).items()},
            "augment": vars(self.steps.recipe.augment),
            "pack": {k: v for k, v in self.pack.index.items() if k != "augment"},
            "photos": {part: len(self.pack.part(part)[0]) for part in ("train", "held", "scene")},
            "held_back": sorted(one["name"] for one in self.pack.part("held")[1]),
            "shapes": self.shapes,
            "compile_seconds": compile_seconds,
            "device": str(jax.devices()[0].device_kind),
            "versions": {"jax": jax.__version__, "keras": keras.__version__},
        }
        with atomic_path(self.output / "run.json") as path:
            path.write_text(json.dumps(facts, indent=1), encoding="utf-8")

    def _say(self, text: str) -> None:
        print(f"{time.perf_counter() - BEGAN:6.1f} s  {text}", flush=True)


def network(flags: argparse.Namespace) -> keras.Model:
    """The network with the weights it starts from, compiled, its optimizer built."""
    model = build(flags.arch, asymmetric=not flags.plain)
    if flags.weights:
        files.transfer(files.load(flags.weights), model)
    model.compile(optimizer=optimizer(flags.precision, flags.amsgrad, flags.average))
    model.optimizer.build(model.trainable_variables)
    return model


def _log_until(step: int, resume: Path | None) -> list[dict]:
    """The lines of the calls before, where their log.csv lies beside the state."""
    path = resume and resume.with_name("log.csv")
    if not path or not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) <= step]


if __name__ == "__main__":
    sys.exit(main())
