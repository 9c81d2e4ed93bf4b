"""How strongly photos are changed while they are learned from."""

from __future__ import annotations

from dataclasses import dataclass

RELIGHT = 0.7
"""Largest exponent away from 1, as a logarithm, of light that a person has alone."""

CAST = 0.1
"""Largest change of each channel's gain in that light, as a share."""


@dataclass
class AugmentConfig:
    """How strongly to change photos; probabilities in 0..1.

    Attributes:
        flip: probability of mirroring left and right.
        zoom: smallest and largest magnification, relative to the photo just filling the shape. Of
            photos that keep their background at least `placement.KEPT`: there is none beyond them.
        rotate: largest turn, in degrees.
        shift: largest shift, as a share of the photo's sides; a person who is placed anew and
            smaller than the picture may stand anywhere in it.
        brightness: largest shift, in levels of 255.
        contrast: largest change of slope, as a share.
        gamma: largest exponent away from 1, as a logarithm.
        colour: largest change of each channel's gain and of saturation, as a share.
        blur: probability of a Gaussian blur of 0.5 to 1.5 pixels.
        noise: probability of sensor noise of up to 12 levels.
        jpeg: probability of JPEG compression of quality 30 to 95.
        grayscale: probability of losing colour.
        relight: probability that the person and what is behind them get light of their own each: a
            dark coat before a dark wall, a face that the sun burns out.
        composite: probability of being placed in front of another background.
        empty: probability of being replaced by a scene without people, in any light down to none.
    """

    flip: float = 0.5
    zoom: tuple[float, float] = (0.85, 1.5)
    rotate: float = 12.0
    shift: float = 0.08
    brightness: float = 30.0
    contrast: float = 0.25
    gamma: float = 0.25
    colour: float = 0.15
    blur: float = 0.1
    noise: float = 0.15
    jpeg: float = 0.15
    grayscale: float = 0.1
    relight: float = 0.0
    composite: float = 0.3
    empty: float = 0.02
