"""Exchanging and leaving out layers of a functional model, without touching the model itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import keras
import numpy as np
from keras import layers

from matting_keras.errors import InputError
from matting_keras.graph import producer_of, producers


@dataclass
class Convolution:
    """A convolution to be: its layer class, its configuration and its weights."""

    kind: type
    config: dict
    kernel: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, layer, kernel: np.ndarray, bias: np.ndarray | None) -> Convolution:
        config = {
            "name": layer.name,
            "padding": getattr(layer, "padding", "same"),
            "strides": getattr(layer, "strides", 1),
            "dilation_rate": layer.dilation_rate,
            "activation": layer.activation,
        }
        if isinstance(layer, layers.DepthwiseConv2D):
            config |= {"kernel_size": kernel.shape[:2], "depth_multiplier": kernel.shape[3]}
            kind, outputs = layers.DepthwiseConv2D, kernel.shape[2] * kernel.shape[3]
        else:
            config |= {"kernel_size": kernel.shape[:2], "filters": kernel.shape[3]}
            config["groups"] = getattr(layer, "groups", 1)
            kind, outputs = layers.Conv2D, kernel.shape[3]
        return cls(kind, config, kernel, np.zeros(outputs) if bias is None else bias)

    def scale(self, scale: np.ndarray, shift: np.ndarray) -> None:
        """Let the convolution's output be multiplied and shifted, per channel."""
        depthwise = self.kind is layers.DepthwiseConv2D
        self.kernel = self.kernel * (scale.reshape(self.kernel.shape[2:]) if depthwise else scale)
        self.bias = self.bias * scale + shift

    def to_alpha(self) -> None:
        """Turn two class logits into one sigmoid channel: softmax(z)[1] = sigmoid(z1 - z0)."""
        self.kernel = self.kernel[..., 1:] - self.kernel[..., :1]
        self.bias = self.bias[1:] - self.bias[:1]
        self.config |= {"filters": 1, "activation": "sigmoid", "name": "alpha"}


@dataclass
class Plan:
    """What to change in a functional model, by layer name.

    Attributes:
        convolutions: what takes the place of a layer.
        skipped: layers to leave out.
        halved: IBNorms whose batch half is in the convolution before.
    """

    convolutions: dict[str, Convolution] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    halved: set[str] = field(default_factory=set)

    def apply(self, model: keras.Model, image: keras.KerasTensor | None = None) -> keras.Model:
        """Carry it out: a new float32 model with the old one's weights, those untouched.

        Args:
            model: a functional model.
            image: an input to take in place of the model's own, or None for one like it.
        """
        left_out = []

        def clone(layer):
            if layer.name in self.convolutions:
                new = self.convolutions[layer.name]
                return new.kind(**new.config, dtype="float32")
            config = {**layer.get_config(), "dtype": "float32"}
            if layer.name in self.halved:
                config["batch"] = False
            same = layer.__class__.from_config(config)
            if layer.name in self.skipped:
                left_out.append(same)
            return same

        def call(layer, *args, **kwargs):
            if any(layer is one for one in left_out):
                return args[0]
            return layer(*args, **kwargs)

        # The same graph without its compilation, which cloning would copy too.
        graph = keras.Model(model.input, model.output, name=model.name)
        rewritten = keras.models.clone_model(
            graph, input_tensors=image, clone_function=clone, call_function=call
        )
        sources = {layer.name: layer for layer in model.layers}
        renamed = {new.config["name"]: new for new in self.convolutions.values()}
        for layer in rewritten.layers:
            if layer.name in renamed:
                new = renamed[layer.name]
                layer.set_weights([new.kernel.astype("float32"), new.bias.astype("float32")])
            elif layer.weights:
                layer.set_weights(sources[layer.name].get_weights())
            layer.trainable = sources[layer.name].trainable if layer.name in sources else True
        return rewritten


def readers_of(model: keras.Model) -> dict[str, list]:
    """For each layer's name, the layers that read its output, and None where the caller does."""
    readers: dict[str, list] = {layer.name: [] for layer in model.layers}
    for tensor in model.outputs:
        readers[producer_of(tensor).name].append(None)
    for layer in model.layers:
        for producer in producers(layer):
            readers[producer.name].append(layer)
    return readers


def check(model: keras.Model) -> None:
    """Make sure that layers can be told apart by name and exchanged one by one.

    Raises:
        InputError: the model is not functional, or uses a layer twice.
    """
    if not isinstance(model, keras.Function):
        raise InputError(
            f"only functional models can be rewritten, got {type(model).__name__} {model.name!r}; "
            "build it with matting_keras.build or keras.Model(inputs, outputs)."
        )
    for layer in model.layers:
        if len(layer._inbound_nodes) > 1:
            raise InputError(
                f"layer {layer.name!r} is used {len(layer._inbound_nodes)} times; a shared layer "
                "cannot be folded into one place. Give each use a layer of its own."
            )


def check_flat(model: keras.Model) -> None:
    """`check`, and that no model is a layer of it, whose inside would stay as it is.

    Raises:
        InputError: as there, or the model holds another.
    """
    check(model)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise InputError(
                f"{model.name!r} holds the model {layer.name!r} as a layer, whose inside cannot be "
                "rewritten; rewrite that model, or call its layers one by one."
            )
