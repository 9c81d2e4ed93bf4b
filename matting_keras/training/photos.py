"""The photos of a run: found, checked, divided into those to learn from and those held back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from matting_keras.architectures.registry import ARCHITECTURES
from matting_keras.data import sources
from matting_keras.data.store import Checked, check
from matting_keras.errors import InputError
from matting_keras.geometry import buckets
from matting_keras.training.config import RunConfig

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photos:
    """The data of a run: photos to learn from, photos held back, scenes without people."""

    train: Checked
    held: Checked
    scenes: Checked | None


def gather(config: RunConfig) -> Photos:
    """Find, check and divide the photos of a run.

    Raises:
        InputError: missing folders, no pairs, too many broken ones.
    """
    data, channels = config.data, ARCHITECTURES[config.arch.name].channels
    # Kept a little larger than the training shapes, so that zooming in shows real detail.
    area = round(data.area * 1.5)
    limits = {"channels": channels, "area": area, "budget": data.memory * 10**6}
    if data.folders:
        found = [sources.open_source(path, "train+validation") for path in data.folders]
    else:
        log.warning(
            "no --data given: training on %d synthetic portraits. They show that everything "
            "works; weights for real photos need real photos.",
            data.synthetic,
        )
        shapes = buckets(data.area, data.ratios)
        found = [sources.synthetic(data.synthetic, 1 + 10**6 * config.seed, shapes)]
    everything = check([sample for part in found for sample in part], **limits)
    people = sources.group_lookalikes(everything.store.samples, everything.thumbnails)
    _, held = sources.split(people, data.validation)
    held_names = {sample.name for sample in held}
    repeats = _repeats(found, data.repeat)
    train, validation = [], []
    for index, sample in enumerate(people):
        if sample.name in held_names:
            # A cut-out would be validated in front of nothing; its photo can be, beside it.
            validation += [] if sample.cutout else [index]
        else:
            train += [index] * repeats[sample.name]
    if not validation:
        raise InputError(
            f"no photo was held back out of {len(people)}; add photos (not only cut-outs) or pass "
            "a larger share (data.validation=0.2)."
        )
    everything.store.samples = people
    scenes = [s for path in data.backgrounds for s in sources.backgrounds(path)]
    log.info("%d photos to learn from, %d held back", len(set(train)), len(validation))
    return Photos(
        _part(everything, train),
        _part(everything, validation),
        check(scenes, **limits) if scenes else None,
    )


def _repeats(found: Sequence[Sequence[sources.Sample]], repeat: Sequence[int]) -> dict[str, int]:
    times = repeat or [1] * len(found)
    if len(times) != len(found):
        raise InputError(
            f"data.repeat has {len(times)} numbers for {len(found)} folders; give one each."
        )
    return {s.name: n for part, n in zip(found, times, strict=True) for s in part}


def _part(checked: Checked, indices: Sequence[int]) -> Checked:
    return Checked(
        checked.store.subset(indices),
        [checked.sizes[i] for i in indices],
        checked.thumbnails[list(indices)],
        checked.rejected,
    )
