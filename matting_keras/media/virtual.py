"""A camera that is none: what other programs see as one, and we fill with pictures."""

from __future__ import annotations

import sys

import numpy as np

from matting_keras.errors import InputError

_WAY_OUT = {
    "linux": "install v4l2loopback-dkms and run 'sudo modprobe v4l2loopback'",
    "darwin": "install OBS Studio 30 or newer and start its virtual camera once",
    "win32": "install OBS Studio, which brings one",
}


class VirtualCamera:
    """Sends frames to the system's virtual camera.

    Args:
        size: (height, width) of the frames, in pixels.
        fps: frames a second that are announced.

    Attributes:
        device: the name under which other programs find it.

    Raises:
        InputError: pyvirtualcam is not installed, or the system has no virtual camera.

    Example:
        with VirtualCamera((720, 1280), 30) as camera:
            camera.send(frame)
    """

    def __init__(self, size: tuple[int, int], fps: float):
        try:
            import pyvirtualcam
        except ImportError as error:
            raise InputError(
                f"--virtual-camera needs pyvirtualcam ({error}); pip install pyvirtualcam, or "
                "leave the option out."
            ) from error
        height, width = size
        try:
            self._camera = pyvirtualcam.Camera(width, height, fps)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            way = _WAY_OUT.get(sys.platform, "install one")
            raise InputError(
                f"--virtual-camera: this system has no virtual camera ({reason}); {way}."
            ) from error
        self.device = self._camera.device

    def __enter__(self) -> VirtualCamera:
        return self

    def __exit__(self, *error: object) -> None:
        self._camera.close()

    def send(self, rgb: np.ndarray) -> None:
        """Send one uint8 RGB frame (height, width, 3).

        Raises:
            InputError: the virtual camera is no longer there.
        """
        try:
            self._camera.send(np.ascontiguousarray(rgb))
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"--virtual-camera: {self.device} takes no more pictures ({reason}); start again."
            ) from error
