"""Who is in a built-in portrait: skin, hair, clothes and light of one person, drawn by chance.

All measures are in units of the head's `Frame`: half a head's height, chin near v = 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from matting_keras.data.synthetic_parts import Frame, random_colour

HAIRSTYLES = ("bald", "short", "long", "curly", "tied")
_SHARES = (0.1, 0.28, 0.3, 0.16, 0.16)

SKIN_TONES = np.array(
    [
        (255, 228, 208), (244, 208, 180), (232, 188, 156), (214, 165, 128),
        (188, 136, 100), (154, 104, 74), (116, 76, 54), (84, 54, 40), (56, 36, 28),
    ],
    np.float32,
) / 255  # fmt: skip
"""From the lightest to the darkest human skin; tones between neighbours are mixed."""

HAIR_TONES = np.array(
    [
        (22, 18, 18), (42, 30, 24), (74, 50, 34), (112, 76, 46), (150, 78, 40),
        (196, 152, 92), (226, 198, 146), (150, 148, 148), (222, 220, 216),
    ],
    np.float32,
) / 255  # fmt: skip


class Look(NamedTuple):
    """Everything about one person that several parts must agree on."""

    skin: np.ndarray
    hair: np.ndarray
    clothes: np.ndarray
    style: str
    half_width: float
    """Of the head."""
    turn: float
    """How far the face looks aside, -0.25..0.25."""
    light: tuple[float, float]
    """Change of brightness per unit to the right and down."""
    volume: float
    """How far hair stands off the skull."""
    length: float
    """Where long hair ends, as v."""
    away: bool
    """The person shows the back of the head."""
    hat: bool


def random_look(rng: np.random.Generator, style: str | None = None) -> Look:
    """Draw a person; `style` (one of `HAIRSTYLES`) fixes the hair, otherwise it is drawn too."""
    place = rng.uniform(0, len(SKIN_TONES) - 1.001)
    share = place % 1
    skin = SKIN_TONES[int(place)] * (1 - share) + SKIN_TONES[int(place) + 1] * share
    drawn = HAIRSTYLES[int(rng.choice(len(HAIRSTYLES), p=_SHARES))]
    style = style or drawn
    hair = HAIR_TONES[rng.integers(len(HAIR_TONES))] * rng.uniform(0.85, 1.15)
    dyed, colour = rng.random() < 0.04, random_colour(rng, (0.5, 0.9), (0.4, 0.9))
    ranges = {"bald": (0.01, 0.02), "short": (0.05, 0.22), "long": (0.08, 0.22)}
    low, high = ranges.get(style, (0.22, 0.6) if style == "curly" else (0.05, 0.12))
    return Look(
        skin=np.clip(skin * (1 + rng.uniform(-0.05, 0.05, 3)), 0, 1).astype(np.float32),
        hair=np.clip(colour if dyed else hair, 0, 1).astype(np.float32),
        clothes=random_colour(rng, (0.0, 0.85), (0.06, 0.95)),
        style=style,
        half_width=rng.uniform(0.66, 0.8),
        turn=rng.uniform(-0.25, 0.25),
        light=(rng.uniform(-0.25, 0.25), rng.uniform(-0.12, 0.02)),
        volume=rng.uniform(low, high),
        length=rng.uniform(1.0, 3.2),
        away=rng.random() < 0.05,
        hat=rng.random() < 0.12,
    )


def lit(frame: Frame, look: Look, colour: np.ndarray, roundness=0.0) -> np.ndarray:
    """A colour under the person's light, darker towards the rim of something round."""
    shade = 1 + look.light[0] * frame.u + look.light[1] * frame.v
    if roundness:
        rim = (frame.u / look.half_width) ** 2 + frame.v**2
        shade = shade - roundness * np.minimum(rim, 1.5) ** 2
    return np.clip(colour[:, None, None] * np.clip(shade, 0.45, 1.4), 0, 1)
