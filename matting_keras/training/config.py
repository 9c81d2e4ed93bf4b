"""What a run is made of. train/configs and the command line fill this in; each key is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from matting_keras.data.strengths import AugmentConfig
from matting_keras.errors import InputError
from matting_keras.geometry import ASPECT_RATIOS

STRATEGIES = ("none", "mirrored", "multi_worker")


@dataclass
class ArchConfig:
    """The network.

    Attributes:
        name: of the architecture.
        asymmetric: learn with asymmetric branches, fused at export.
        branch_norm: give each branch a BatchNormalization.
        options: of that network alone, for example arch.options.input_norm=half for U²-Net.
        frozen: patterns of the names of layers that keep their weights and, of norms, their
            statistics, for example arch.frozen=['backbone.*']. Layers near the image that need no
            gradient make a step faster.
    """

    name: str = "dark-light"
    asymmetric: bool = True
    branch_norm: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    frozen: list[str] = field(default_factory=list)


@dataclass
class RecipeConfig:
    """How it learns.

    Attributes:
        name: for the record.
        loss: which recipe's: a key of `recipes.registry.RECIPES`.
        options: of that loss, for example recipe.options.unknown=3.
        learning_rate: the highest one.
        find_rate: have a range test find the highest rate (--lr auto).
        schedule: what the rate does over the run: its name, a key of `optimizers.SCHEDULES`, and
            its settings. Lengths are shares of the run, so that a shorter one is a faster one.
        optimizer: its name, a key of `optimizers.OPTIMIZERS`, and Keras' arguments of it.
    """

    name: str = "likeunet"
    loss: str = "likeunet"
    options: dict[str, Any] = field(default_factory=dict)
    learning_rate: float = 1e-3
    find_rate: bool = False
    schedule: dict[str, Any] = field(default_factory=lambda: {"name": "cosine"})
    optimizer: dict[str, Any] = field(default_factory=lambda: {"name": "adam"})


@dataclass
class DataConfig:
    """What it learns from.

    Attributes:
        folders: data folders (images/ beside alphas/ or masks/); none means synthetic portraits.
        repeat: how often each folder counts, in the order of `folders`; empty means once each.
        backgrounds: folders of pictures without people.
        frame_step: of videos, which only recipes without alphas read, one frame in so many.
        ramp: share of the run after which composites get a tenth harder, from an even background
            to the whole scene; 0 for none, 0.05 to see whole scenes from the middle on.
        stray: share of photos shown in a shape drawn at random, not in the one nearest to theirs:
            people in wide pictures, where all photos are portraits.
        area: height times width of the training shapes, in pixels.
        ratios: width over height of the training shapes.
        validation: share of people held back.
        synthetic: how many portraits to draw where no folder is given.
        memory: megabytes of decoded photos to keep.
        augment: how strongly photos are changed.
    """

    folders: list[str] = field(default_factory=list)
    repeat: list[int] = field(default_factory=list)
    backgrounds: list[str] = field(default_factory=list)
    frame_step: int = 10
    ramp: float = 0.0
    stray: float = 0.0
    area: int = 256 * 256
    ratios: list[float] = field(default_factory=lambda: list(ASPECT_RATIOS))
    validation: float = 0.1
    synthetic: int = 800
    memory: int = 6000
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass
class TrainerConfig:
    """How the processor is used.

    Attributes:
        epochs: how many.
        steps_per_epoch: batches per epoch; 0 means as many as all photos fill.
        batch_size: photos per batch.
        precision: auto, float32, mixed_float16 or mixed_bfloat16.
        jit: auto, on or off: compile the step with XLA.
        resume: go on from the last state in the run's folder, to the result that the run would have
            come to by itself.
        checkpoint_minutes: minutes between two states within an epoch; each epoch ends with one
            in any case. 0 keeps none within.
        minutes: end with the last epoch that is finished within so many; --resume goes on. 0 sets
            no limit. What comes before the first epoch counts too, but for the start of Python.
        strategy: none, mirrored (a worker for each GPU of this machine) or multi_worker (this is
            one of the workers that the environment variable TF_CONFIG names).
        workers: how many workers `mirrored` starts; 0 means one for each GPU.
        patience: seconds to wait for the other workers at the start.
        average: share of the old weights in a running average, for example 0.999; it is the
            average that is validated and saved as best.keras. 0 keeps none.
        accumulate: batches whose gradients are averaged into one step of the optimizer, for a
            batch larger than memory holds.
        steps_per_execution: batches between two looks at the losses; more spare an accelerator
            the waiting for Python.
    """

    epochs: int = 20
    steps_per_epoch: int = 0
    batch_size: int = 16
    precision: str = "auto"
    jit: str = "auto"
    resume: bool = False
    checkpoint_minutes: float = 10.0
    minutes: float = 0.0
    strategy: str = "none"
    workers: int = 0
    patience: float = 600.0
    average: float = 0.0
    accumulate: int = 1
    steps_per_execution: int = 1


@dataclass
class RunConfig:
    """A whole run.

    Attributes:
        arch: the network.
        recipe: how it learns.
        data: what it learns from.
        trainer: how the processor is used.
        weights: start from a .keras file, a preset or another project's file (.h5, .pth, .ckpt,
            .onnx); None starts anew.
        seed: of everything random.
        output: folder of the run.
    """

    arch: ArchConfig = field(default_factory=ArchConfig)
    recipe: RecipeConfig = field(default_factory=RecipeConfig)
    data: DataConfig = field(default_factory=DataConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    weights: str | None = None
    seed: int = 0
    output: str = "runs/${arch.name}"


def check(config: RunConfig) -> None:
    """Refuse settings that cannot be, before anything is loaded.

    Raises:
        InputError: naming the first of them.
    """
    recipe, trainer = config.recipe, config.trainer
    if not recipe.learning_rate > 0:
        raise InputError(f"recipe.learning_rate must be above 0, got {recipe.learning_rate}.")
    if not 0 <= trainer.average < 1:
        raise InputError(
            f"trainer.average must be from 0 (none) to below 1, got {trainer.average}; "
            "0.999 remembers about a thousand steps."
        )
    if not 0 <= config.data.ramp <= 0.1:
        raise InputError(
            f"data.ramp is the share of the run for each of ten steps, 0 to 0.1, got "
            f"{config.data.ramp}."
        )
    if not 0 <= config.data.stray <= 1:
        raise InputError(
            f"data.stray is a share of the photos, 0 (none) to 1, got {config.data.stray}."
        )
    zoom = tuple(config.data.augment.zoom)
    if len(zoom) != 2 or not 0 < zoom[0] <= zoom[1]:
        raise InputError(
            f"data.augment.zoom is the smallest and the largest magnification, both above 0, got "
            f"{list(zoom)}; for example data.augment.zoom=[0.5,1.3], [1,1] for none."
        )
    if not trainer.checkpoint_minutes >= 0:
        raise InputError(
            f"trainer.checkpoint_minutes must be 0 (only at the ends of epochs) or more, got "
            f"{trainer.checkpoint_minutes}."
        )
    if not trainer.minutes >= 0:
        raise InputError(f"trainer.minutes must be 0 (no limit) or more, got {trainer.minutes}.")
    if trainer.strategy not in STRATEGIES:
        raise InputError(
            f"--strategy must be one of {', '.join(STRATEGIES)}, got {trainer.strategy!r}."
        )
    if trainer.workers < 0 or not trainer.patience > 0:
        raise InputError(
            f"trainer.workers must be 0 (one for each GPU) or more and trainer.patience above 0, "
            f"got {trainer.workers} and {trainer.patience}."
        )
    for name in ("epochs", "batch_size", "accumulate", "steps_per_execution"):
        if getattr(trainer, name) < 1:
            raise InputError(f"trainer.{name} must be 1 or more, got {getattr(trainer, name)}.")
    if trainer.steps_per_epoch % trainer.steps_per_execution:
        raise InputError(
            f"trainer.steps_per_epoch ({trainer.steps_per_epoch}) must be a multiple of "
            f"trainer.steps_per_execution ({trainer.steps_per_execution})."
        )
