"""A camera in a window, in a virtual camera, or in both, with keys to change what is seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from matting_keras.inference.backdrop import Backdrop
from matting_keras.inference.composite import composite
from matting_keras.inference.frames import Matted, mattes
from matting_keras.inference.matter import Matter
from matting_keras.inference.temporal import steady
from matting_keras.media.camera import Camera
from matting_keras.media.images import write_image
from matting_keras.media.virtual import VirtualCamera
from matting_keras.media.window import Window

SCENES = ("blur", "#00b140", "white", "#202830")
"""Backgrounds to go on to after the one that was asked for."""

KEYS = {
    "n": "next background",
    "b": "blur",
    "a": "alpha",
    "m": "mirror",
    "s": "save",
    "h": "hide this",
    "q": "quit",
}
HELP = "  ".join(f"{key} {what}" for key, what in KEYS.items())

WEIGHT = 0.1
"""Share of the newest frame in the frame rate and milliseconds that are shown."""


class Live:
    """What a camera shows, and what the keys change of it.

    Args:
        camera: opened.
        matter: the network.
        scenes: backgrounds, as for `Backdrop`, to go through.
        temporal: a key of `temporal.METHODS`.
        stills: the path of the first saved picture; later ones are numbered.

    Attributes:
        mirrored: the window shows the person as a mirror does; what is sent or saved is not.
        saved: the pictures written so far.

    Raises:
        InputError: a background that cannot be used.
    """

    def __init__(
        self, camera: Camera, matter: Matter, scenes: Sequence[str], temporal: str, stills: Path
    ):
        self._camera, self._matter, self._method = camera, matter, steady(temporal)
        # All are opened before the first frame: what is wrong with them is said at once.
        self._scenes = [Backdrop(text, camera.size) for text in scenes]
        self._scene = self._before_blur = 0
        self._stills = stills
        self._gray = False
        self._help = self.mirrored = True
        self._rate = self._cost = 0.0
        self._shown = time.perf_counter()
        self.saved: list[Path] = []
        self.picture = np.zeros((*camera.size, 3), np.uint8)

    def close(self) -> None:
        """Let the backgrounds go."""
        for scene in self._scenes:
            scene.close()

    def frames(self) -> Iterator[np.ndarray]:
        """The pictures, uint8 RGB, as fast as they can be made; the newest frame each time."""
        for matted in mattes(self._timed(), self._matter, self._method):
            self.picture = self._made(matted)
            self._count()
            yield self.picture

    def lines(self) -> list[str]:
        """What to write on the picture: the help, and what a frame costs."""
        figures = f"{self._rate:.1f} frames/s, {1000 * self._cost:.0f} ms a frame"
        return [figures, HELP] if self._help else [figures]

    def press(self, key: str) -> bool:
        """Do what a key stands for; False where that is to leave."""
        actions: dict[str, Callable[[], None]] = {
            "n": self._next,
            "b": self._blur,
            "a": self._show_alpha,
            "m": self._mirror,
            "s": self._save,
            "h": self._hide,
        }
        actions.get(key, lambda: None)()
        return key != "q"

    def _timed(self):
        for frame in self._camera.events():
            # Waiting for the camera is not what a frame costs.
            self._began = time.perf_counter()
            yield frame

    def _made(self, matted: Matted) -> np.ndarray:
        if self._gray:
            gray = np.rint(matted.alpha * 255).astype(np.uint8)
            return np.repeat(gray[..., None], 3, axis=2)
        behind = self._scenes[self._scene].at(matted.frame.time)
        return composite(matted.frame.rgb, matted.alpha, behind)

    def _count(self) -> None:
        now = time.perf_counter()
        cost, rate = now - self._began, 1 / max(now - self._shown, 1e-6)
        weight = WEIGHT if self._rate else 1.0
        self._cost += weight * (cost - self._cost)
        self._rate += weight * (rate - self._rate)
        self._shown = now

    def _next(self) -> None:
        self._scene = (self._scene + 1) % len(self._scenes)

    def _blur(self) -> None:
        """To the blurred background, and with the same key back."""
        blurred = next(i for i, scene in enumerate(self._scenes) if scene.text == "blur")
        if self._scene == blurred:
            self._scene = self._before_blur
        else:
            self._scene, self._before_blur = blurred, self._scene

    def _show_alpha(self) -> None:
        self._gray = not self._gray

    def _mirror(self) -> None:
        self.mirrored = not self.mirrored

    def _hide(self) -> None:
        self._help = not self._help

    def _save(self) -> None:
        path, number = self._stills, 1
        while path.exists():
            number += 1
            path = self._stills.with_stem(f"{self._stills.stem}-{number}")
        write_image(path, self.picture)
        self.saved.append(path)


def scenes_for(asked: str) -> list[str]:
    """The backgrounds to go through: what was asked for, then some that always work.

    Example:
        >>> scenes_for("teal")
        ['teal', 'blur', '#00b140', 'white', '#202830']
    """
    return [asked, *(scene for scene in SCENES if scene != asked)]


def watch(live: Live, camera: Camera, *, window: bool, virtual: bool) -> None:
    """Show a camera until the user leaves or the camera is gone.

    Args:
        live: what to show.
        camera: where it comes from.
        window: in a window, with keys.
        virtual: in the system's virtual camera.

    Raises:
        InputError: no window or no virtual camera can be had.
        KeyboardInterrupt: from the keyboard, as ever.
    """
    with ExitStack() as stack:
        stack.callback(live.close)
        sent = stack.enter_context(VirtualCamera(camera.size, camera.fps)) if virtual else None
        shown = stack.enter_context(Window("matting_keras")) if window else None
        for picture in live.frames():
            if sent:
                sent.send(picture)
            if shown:
                seen = picture[:, ::-1] if live.mirrored else picture
                if not live.press(shown.show(seen, live.lines())):
                    break
