"""The networks, one family a file, and the registry that knows them by name."""

from matting_keras.architectures.registry import ARCHITECTURES, Architecture, build

__all__ = ["ARCHITECTURES", "Architecture", "build"]
