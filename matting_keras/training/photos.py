"""The photos of a run: found, checked, divided into those to learn from and those held back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from matting_keras.architectures.registry import ARCHITECTURES
from matting_keras.data import sources
from matting_keras.data.clips import Clips
from matting_keras.data.packed.reading import paths, unpack
from matting_keras.data.store import Checked, check
from matting_keras.errors import InputError
from matting_keras.geometry import buckets
from matting_keras.training.config import RunConfig
from matting_keras.training.recipes.registry import RECIPES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photos:
    """The data of a run: photos to learn from, photos held back, scenes without people."""

    train: Checked
    held: Checked
    scenes: Checked | None


def gather(config: RunConfig) -> Photos:
    """Find, check and divide the photos of a run.

    A recipe that needs no alphas gets photos and videos without them too (`sources.unlabelled`).
    Where some photos have alphas, those held back are among them. Packs are divided already.

    Raises:
        InputError: missing folders, no pairs, too many broken ones.
    """
    data, channels = config.data, ARCHITECTURES[config.arch.name].channels
    # Kept a little larger than the training shapes, so that zooming in shows real detail.
    area = round(data.area * 1.5)
    limits = {"channels": channels, "area": area, "budget": data.memory * 10**6}
    if packs := paths(data.folders):
        if data.backgrounds:
            raise InputError(
                "--backgrounds: packs bring their own; pack these too: matting-keras compose DATA "
                "--backgrounds DIR --pack FILE."
            )
        found = unpack(packs, channels, area, data.repeat)
        return Photos(found["train"], found["held"], found.get("scene"))
    if data.folders:
        found = _opened(config, area)
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
    held = _held(people, data.validation)
    held_names = {sample.name for sample in held}
    held_people = {sample.person for sample in held if sample.labelled}
    repeats = _repeats(found, data.repeat)
    train, validation = [], []
    for index, sample in enumerate(people):
        if sample.name in held_names:
            # A cut-out would be validated in front of nothing; its photo can be, beside it.
            validation += [] if sample.cutout else [index]
        elif sample.person not in held_people:
            train += [index] * repeats[sample.name]
    if not validation:
        raise InputError(
            f"no photo was held back out of {len(people)}; add photos (not only cut-outs) or pass "
            "a larger share (data.validation=0.2)."
        )
    everything.store.samples = people
    scenes = [s for path in data.backgrounds for s in sources.backgrounds(path)]
    # Scenes are held back as people are, to tell what a network sees in rooms it does not know.
    scenes = sources.split(scenes, data.validation)[0] or scenes
    if scenes and not all(sample.labelled for sample in people):
        raise InputError(
            "--backgrounds: photos without alpha cannot be put in front of other scenes; leave it "
            "out, or name its folders after --data to learn from them as they are."
        )
    log.info("%d photos to learn from, %d held back", len(set(train)), len(validation))
    return Photos(
        _part(everything, train),
        _part(everything, validation),
        check(scenes, **limits) if scenes else None,
    )


def _opened(config: RunConfig, area: int) -> list[list[sources.Sample]]:
    data = config.data
    if RECIPES[config.recipe.loss].supervised:
        return [sources.open_source(path, "train+validation") for path in data.folders]
    clips = Clips(data.frame_step, area, data.memory * 10**6)
    return [sources.unlabelled(path, clips) for path in data.folders]


def _held(samples: Sequence[sources.Sample], share: float) -> Sequence[sources.Sample]:
    """The samples to hold back: of those with alphas where there are some."""
    labelled = [sample for sample in samples if sample.labelled]
    kept, held = sources.split(labelled or samples, share)
    if labelled or (kept and held) or len(samples) < 2:
        return held
    last = max(1, round(share * len(samples)))
    log.warning(
        "as far as can be told all %d photos show one person or scene: held back are the last %d, "
        "and what is measured on them is of nothing new.",
        *(len(samples), last),
    )
    return samples[-last:]


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
