"""The hair of the built-in portraits: soft bulk, and strands thinner than a pixel across its edge.

All measures are in units of the head's `Frame`: half a head's height, chin near v = 1.
"""

from __future__ import annotations

import math

import numpy as np

from matting_keras.data.synthetic_looks import Look, lit
from matting_keras.data.synthetic_parts import Frame, blend, capsule, curves, ellipse, strand_cover


def cap_distance(frame: Frame, rng, look: Look) -> np.ndarray:
    """Distance to the bulk of the hair around the skull, its outline in tufts."""
    u, v = frame.u, frame.v + 0.22
    angle = np.arctan2(v, u)
    rough = look.volume * (0.32 if look.style == "curly" else 0.2)
    tufts = np.zeros_like(angle)
    for waves in (2, 5, 9, 16):
        size, phase = rng.uniform(0.3, 1.0), rng.uniform(0, 2 * math.pi)
        tufts += np.float32(size * rough / waves**0.4) * np.sin(waves * angle + phase)
    radii = (look.half_width + look.volume * 0.75, 0.8 + look.volume)
    return ellipse(u, v, (0, 0), radii) - tufts


def curtain_distance(frame: Frame, look: Look) -> np.ndarray:
    """Distance to hair that hangs down beside and behind the neck."""
    if look.style == "curly":
        return ellipse(frame.u, frame.v, (0, 0.3), (look.half_width + look.volume, 0.9))
    wave = 0.04 * np.sin(frame.v * 4 + look.turn * 20)
    flare = np.clip(frame.v, -0.4, look.length) * 0.1
    side = np.abs(frame.u + wave) - (look.half_width + look.volume * 0.6 + flare)
    end = frame.v - look.length + 0.3 * np.abs(frame.u) + 0.06 * np.sin(frame.u * 17)
    return np.maximum(np.maximum(side, end), -0.4 - frame.v)


def paint_bulk(frame: Frame, look: Look, distance: np.ndarray, tone: float) -> np.ndarray:
    """Paint hair too dense to tell strands apart, and return what it covers."""
    cover = frame.cover(distance, 0.05)
    frame.paint(cover, lit(frame, look, look.hair * np.float32(tone), 0.06))
    return cover


def paint_front_hair(frame: Frame, rng, look: Look, cap: np.ndarray) -> np.ndarray:
    """Hair in front of the head: everything of the cap but the face, and locks at the sides."""
    u, v, wide = frame.u, frame.v, look.half_width
    hairline = rng.uniform(-0.62, -0.3)
    bottom = 1.15
    centre = (look.turn * 0.5, (hairline + bottom) / 2)
    opening = ellipse(u, v, centre, (wide * rng.uniform(0.8, 0.95), (bottom - hairline) / 2))
    # A flat slope makes a soft end: hair thins out, it is not cut with a knife.
    hair = np.maximum(cap, (v - rng.uniform(0.0, 0.3)) * 0.4)
    if look.style == "long":
        curtain = curtain_distance(frame, look)
        reach = look.length if rng.random() < 0.5 else 0.9
        hair = np.maximum(blend(cap, curtain, 0.3), (v - reach) * 0.2)
        opening = blend(opening, capsule(u, v, (0, 0.9), (0, 4), rng.uniform(0.4, 0.6)), 0.2)
    elif look.style == "curly":
        around = blend(cap, curtain_distance(frame, look), 0.3)
        hair = np.maximum(around, (v - rng.uniform(0.2, 1.1)) * 0.2)
    if look.away:
        hair = blend(cap, curtain_distance(frame, look), 0.3) if look.style == "long" else cap
    else:
        hair = np.maximum(hair, -opening)
    cover = paint_bulk(frame, look, hair, 0.95)
    if look.style == "tied":
        knot = frame.near(look.turn, -1.15, 0.8)
        size = rng.uniform(0.25, 0.42)
        middle = (look.turn, -0.95 - size * 0.6)
        paint_bulk(knot, look, ellipse(knot.u, knot.v, middle, (size, size * 0.85)), 0.9)
    return cover


def paint_strands(frame: Frame, rng, look: Look, bulk: np.ndarray) -> None:
    """Single hairs: some inside the bulk for its grain, most of them across its edge."""
    lengths, drop, curl, turns = {
        "short": ((0.12, 0.3 + look.volume), 0.2, 0.2, 1.0),
        "tied": ((0.1, 0.45), 0.2, 0.3, 1.0),
        "curly": ((0.2, 0.75), 0.4, 1.6, 3.0),
        "long": ((0.5, max(0.9, look.length) + 0.3), 3.5, 0.25, 1.5),
    }[look.style]
    root, heading = _roots(rng, look, 160, 0.2)
    draw_strands(frame, rng, look, root, heading, lengths, drop, curl, turns, bulk)
    root, heading = _roots(rng, look, 360 if look.style == "curly" else 240, 0.86)
    draw_strands(frame, rng, look, root, heading, lengths, drop, curl, turns)
    if look.style == "long":
        count = 120
        side, v = rng.choice([-1.0, 1.0], count), rng.uniform(-0.4, look.length, count)
        edge = look.half_width + look.volume * 0.6 + 0.1 * v
        root = np.stack([side * edge * rng.uniform(0.65, 1, count), v], axis=-1)
        away = np.stack([side * rng.uniform(-0.1, 0.4, count), np.ones(count)], axis=-1)
        draw_strands(frame, rng, look, root, away, (0.3, 1.0), 0.8, 0.3, 1.2)


def _roots(rng, look: Look, count: int, inner: float):
    """Where strands leave the cap, from `inner` of its radius to its edge, and their headings."""
    lower = {"short": 0.12, "tied": 0.12, "curly": 0.8, "long": 0.4}[look.style]
    angle = rng.uniform(-math.pi - lower, lower, count)
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    tangent = np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
    parting = rng.uniform(-0.4, 0.4)
    tangent *= np.where(normal[:, :1] > parting, 1, -1)
    radii = (look.half_width + look.volume * 0.75, 0.8 + look.volume)
    root = normal * radii * np.sqrt(rng.uniform(inner**2, 1.0, (count, 1))) + (0, -0.22)
    # Below the ears curls sit on the hair around the neck, which hangs lower than the cap.
    root[:, 1] += 0.5 * np.maximum(normal[:, 1], 0)
    lift = rng.uniform(*{"curly": (0.3, 1.0), "long": (0.0, 0.25)}.get(look.style, (0.05, 0.5)))
    lift = lift * rng.uniform(0.2, 1.0, (count, 1))
    return root, normal * lift + tangent * (1 - lift) + rng.uniform(-0.25, 0.25, (count, 2))


def draw_strands(
    frame, rng, look, root, heading, lengths, drop, curl=0.1, turns=1.0, within=None
) -> None:
    """Draw strands from their roots, only inside the cover `within` if that is given."""
    count = len(root)
    # Most hairs end together; a few fly away.
    length = lengths[0] + (lengths[1] - lengths[0]) * rng.random(count) ** 1.5
    phase = rng.uniform(0, 2 * math.pi, count)
    # The longest strands get a point about every pixel, all others more: no gaps show.
    paths = curves(root, heading, length, drop, curl, turns, phase, 0.9 / frame.unit)
    # A strand stands for a clump of hairs: up to half a pixel wide on a head 110 pixels high.
    width = rng.uniform(0.12, 0.55, count) * math.sqrt(frame.unit / 55)
    cover, tone = strand_cover(frame, paths, width, rng.uniform(0.5, 1.5, count))
    if within is not None:
        cover = cover * within
    frame.paint(cover, np.clip(look.hair[:, None, None] * tone, 0, 1))
