"""What a run is made of. train/configs and the command line fill this in; each key is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from matting_keras.data.augment import AugmentConfig
from matting_keras.geometry import ASPECT_RATIOS


@dataclass
class ArchConfig:
    """The network.

    Attributes:
        name: of the architecture.
        asymmetric: learn with asymmetric branches, fused at export.
        branch_norm: give each branch a BatchNormalization.
        options: of that network alone, for example arch.options.input_norm=half for U²-Net.
    """

    name: str = "dark-light"
    asymmetric: bool = True
    branch_norm: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class RecipeConfig:
    """How it learns.

    Attributes:
        name: for the record.
        learning_rate: the highest one; reached after `warmup` steps, then falling on a cosine.
        final: the share of it that is left at the end.
        warmup: steps of linear warm-up.
        amsgrad: Adam's long-memory variant, which LikeUnet's Dark-Light used.
        loss: which recipe's: a key of `recipes.registry.RECIPES`.
        options: of that loss, for example recipe.options.unknown=3.
    """

    name: str = "likeunet"
    learning_rate: float = 1e-3
    final: float = 0.01
    warmup: int = 100
    amsgrad: bool = True
    loss: str = "likeunet"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class DataConfig:
    """What it learns from.

    Attributes:
        folders: data folders (images/ beside alphas/ or masks/); none means synthetic portraits.
        repeat: how often each folder counts, in the order of `folders`; empty means once each.
        backgrounds: folders of pictures without people.
        ramp: steps after which composites get a tenth harder, from an even background to the
            whole scene; 0 for none.
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
    ramp: int = 0
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
        resume: go on from the last finished epoch in the run's folder.
        average: share of the old weights in a running average, for example 0.999; it is the
            average that is validated and saved as best.keras. 0 keeps none.
    """

    epochs: int = 20
    steps_per_epoch: int = 0
    batch_size: int = 16
    precision: str = "auto"
    jit: str = "auto"
    resume: bool = False
    average: float = 0.0


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
