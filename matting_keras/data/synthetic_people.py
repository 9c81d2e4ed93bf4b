"""The people of the built-in portraits: shoulders in clothes, heads, faces and hats.

All measures are in units of the head's `Frame`: half a head's height, chin near v = 1.
"""

from __future__ import annotations

import math

import numpy as np

from matting_keras.data.synthetic_hair import (
    cap_distance,
    curtain_distance,
    draw_strands,
    paint_bulk,
    paint_front_hair,
    paint_strands,
)
from matting_keras.data.synthetic_looks import Look, lit
from matting_keras.data.synthetic_parts import Frame, blend, capsule, ellipse, random_colour


def paint_person(frame: Frame, rng: np.random.Generator, look: Look) -> None:
    """Paint one person from back to front."""
    head = frame.near(0, 0, 1.9)
    # The window of the hair reaches as far as its strands do.
    below = look.length if look.style == "long" else 0.6
    crown = frame.near(0, below / 2, 1.9 + below / 2)
    cap = cap_distance(crown, rng, look)
    if look.style in ("long", "curly") and not look.away:
        paint_bulk(crown, look, blend(cap, curtain_distance(crown, look), 0.3), 0.8)
    _paint_bust(frame.near(0, 7.8, 8), rng, look)
    _paint_head(head, look)
    if not look.away:
        _paint_face(head, rng, look)
        if look.style == "short" and rng.random() < 0.4:
            _paint_beard(head, rng, look)
    if look.style != "bald":
        bulk = paint_front_hair(crown, rng, look, cap)
        paint_strands(crown, rng, look, bulk)
    if look.hat:
        _paint_hat(head, rng, look)


def _skull(frame: Frame, look: Look) -> np.ndarray:
    wide = look.half_width
    skull = ellipse(frame.u, frame.v, (0, -0.2), (wide, 0.8))
    jaw = ellipse(frame.u, frame.v, (look.turn * 0.15, 0.32), (wide * 0.8, 0.68))
    return blend(skull, jaw, 0.2)


def _paint_bust(frame: Frame, rng, look: Look) -> None:
    """Neck, shoulders and arms in skin, then clothes over them with a neckline."""
    u, v = frame.u, frame.v
    broad, drop = rng.uniform(1.4, 2.0), rng.uniform(1.3, 1.6)
    arm, sway = rng.uniform(0.38, 0.5), rng.uniform(-0.12, 0.12)
    neck = capsule(u, v, (0, 0.3), (sway, drop), look.half_width * rng.uniform(0.5, 0.68))
    yoke = capsule(u, v, (sway - broad + arm, drop + arm), (sway + broad - arm, drop + arm), arm)
    trunk = np.maximum(np.abs(u - sway) - broad * 0.8, drop + arm - v)
    body = blend(np.minimum(yoke, trunk), neck, 0.55)
    arms = np.full_like(body, 9)
    for side in (-1, 1):
        shoulder = (sway + side * (broad - arm), drop + arm)
        elbow = (shoulder[0] + side * rng.uniform(0.0, 0.5), drop + 2.9)
        arms = np.minimum(arms, capsule(u, v, shoulder, elbow, arm * 0.95))
    body = np.minimum(body, arms)
    frame.paint(frame.cover(body), lit(frame, look, look.skin * np.float32(0.88)))
    # The chin shades the neck; without it face and neck are one blob.
    frame.tint(frame.cover(ellipse(u, v, (0, 0.9), (0.6, 0.5)), 0.4) * 0.4, look.skin * 0.45)
    depth = rng.uniform(0.0, 0.9)
    if rng.random() < 0.4:
        opening = np.abs(u - sway) * 1.3 + v - (drop + depth)
    else:
        opening = ellipse(u, v, (sway, drop - 0.5), (rng.uniform(0.5, 0.9), 0.45 + depth * 0.6))
    collar = drop - rng.uniform(0.3, 0.5) - v
    dressed = np.maximum(np.maximum(body - 0.03, -opening), collar)
    cloth = lit(frame, look, look.clothes) * _weave(frame, rng)
    folds = np.clip(np.abs(np.abs(u - sway) - broad * 0.78 - 0.05 * v) / 0.12, 0.7, 1)
    cloth = cloth * np.where(v > drop + 0.9, folds, 1)
    frame.paint(frame.cover(dressed), np.clip(cloth, 0, 1))
    if rng.random() < 0.2:
        jacket = np.maximum(dressed, 0.18 + (v - drop) * 0.06 - np.abs(u - sway))
        frame.paint(frame.cover(jacket), lit(frame, look, random_colour(rng, (0, 0.6), (0, 0.6))))


def _weave(frame: Frame, rng) -> np.ndarray:
    """Brightness of cloth: plain, striped or checked, with broad folds."""
    u, v = frame.u, frame.v
    slope, phase = rng.uniform(-0.8, 0.8), rng.uniform(0, 6)
    tone = 1 + 0.1 * np.sin(2.3 * (u * slope + v) + phase) * np.sin(3.1 * u + phase)
    kind, count, strength = rng.integers(5), rng.uniform(8, 30), rng.uniform(0.2, 0.6)
    if kind in (1, 3):
        tone = tone * (1 - strength * np.clip(0.5 + 3 * np.sin(count * v), 0, 1))
    if kind in (2, 3):
        tone = tone * (1 - strength * np.clip(0.5 + 3 * np.sin(count * u), 0, 1))
    return tone


def _paint_head(head: Frame, look: Look) -> None:
    skin = look.skin
    for side in (-1, 1):
        ear = head.near(side * look.half_width, 0.08, 0.3)
        place = (side * (look.half_width * 0.98) - look.turn * 0.2, 0.08)
        cover = ear.cover(ellipse(ear.u, ear.v, place, (0.11, 0.2)))
        ear.paint(cover, lit(ear, look, skin * np.float32(0.82)))
    head.paint(head.cover(_skull(head, look)), lit(head, look, skin, 0.16))


def _paint_face(head: Frame, rng, look: Look) -> None:
    """Brows, eyes, nose and mouth; small, but what tells a face from a ball."""
    shift, apart, level = look.turn * 0.7, rng.uniform(0.27, 0.33), rng.uniform(-0.08, 0.04)
    iris = random_colour(rng, (0.2, 0.7), (0.1, 0.5))
    glasses, smile, tilt = rng.random() < 0.18, rng.uniform(-0.03, 0.14), rng.uniform(-0.03, 0.05)
    for side in (-1, 1):
        x = shift + side * apart
        eye = head.near(x, level, 0.3)
        u, v = eye.u, eye.v
        socket = eye.cover(ellipse(u, v, (x, level - 0.02), (0.19, 0.13)), 0.12)
        eye.tint(socket * 0.3, look.skin * 0.6)
        white = eye.cover(ellipse(u, v, (x, level), (0.12, 0.06)))
        eye.tint(white, np.array((0.92, 0.9, 0.88)) * (0.6 + 0.4 * look.skin.mean()))
        eye.tint(white * eye.cover(ellipse(u, v, (x, level), (0.06, 0.06))), iris)
        lid = capsule(u, v, (x - 0.12, level - 0.04), (x + 0.12, level - 0.04), 0.02)
        eye.tint(eye.cover(lid) * 0.7, look.skin * 0.25)
        inner, outer = (x - side * 0.13, level - 0.2), (x + side * 0.15, level - 0.19 + tilt)
        brow = eye.cover(capsule(u, v, inner, outer, 0.028), 0.02)
        eye.tint(brow * 0.8, look.hair * 0.6)
        if glasses:
            rim = np.abs(ellipse(u, v, (x, level + 0.02), (0.24, 0.19))) - 0.018
            eye.tint(eye.cover(rim), np.full(3, 0.08))
    nose = head.near(shift, 0.25, 0.4)
    tip = ellipse(nose.u, nose.v, (shift * 1.15, 0.36), (0.13, 0.06))
    ridge = capsule(nose.u, nose.v, (shift + 0.06, level), (shift * 1.15 + 0.09, 0.32), 0.02)
    nose.tint(nose.cover(tip, 0.06) * 0.35, look.skin * 0.5)
    nose.tint(nose.cover(ridge, 0.08) * 0.3, look.skin * 0.55)
    mouth = head.near(shift, 0.62, 0.4)
    bend = mouth.v + smile * ((mouth.u - shift) / 0.25) ** 2
    lips = mouth.cover(ellipse(mouth.u, bend, (shift, 0.62), (0.26, rng.uniform(0.05, 0.09))))
    mouth.tint(lips * 0.7, look.skin * np.array((0.85, 0.5, 0.5)))
    line = mouth.cover(ellipse(mouth.u, bend, (shift, 0.62), (0.25, 0.02)))
    mouth.tint(line * 0.8, look.skin * 0.2)


def _paint_beard(head: Frame, rng, look: Look) -> None:
    jaw = ellipse(head.u, head.v, (look.turn * 0.3, 0.55), (look.half_width * 0.84, 0.56))
    bare = ellipse(head.u, head.v, (look.turn * 0.7, 0.1), (look.half_width * 0.72, 0.42))
    lips = ellipse(head.u, head.v, (look.turn * 0.7, 0.62), (0.22, 0.07))
    beard = np.maximum(np.maximum(jaw, -bare), -lips)
    head.paint(head.cover(beard, 0.08) * np.float32(rng.uniform(0.5, 1)), look.hair)
    angle = rng.uniform(0.1 * math.pi, 0.9 * math.pi, 90)
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    root = normal * (look.half_width * 0.78, 0.5) + (look.turn * 0.3, 0.52)
    heading = normal + rng.uniform(-0.4, 0.4, normal.shape)
    draw_strands(head, rng, look, root, heading, (0.05, 0.22), 0.3)


def _paint_hat(head: Frame, rng, look: Look) -> None:
    """A beanie or a hat with a brim, over whatever hair there is."""
    u, v = head.u, head.v
    line = rng.uniform(-0.55, -0.35)
    radii = (look.half_width + 0.08 + look.volume * 0.3, 0.92 + look.volume * 0.4)
    dome = np.maximum(ellipse(u, v, (0, -0.22), radii), v - line + 0.1 * u * u)
    colour = random_colour(rng, (0, 0.8), (0.1, 0.9))
    tone = 1 + 0.12 * np.sin(u * rng.uniform(15, 40))
    head.paint(head.cover(dome), np.clip(lit(head, look, colour, 0.1) * tone, 0, 1))
    if rng.random() < 0.6:
        reach = rng.uniform(0.85, 1.5)
        brim = ellipse(u, v, (look.turn, line), (reach, rng.uniform(0.08, 0.2)))
        head.paint(head.cover(brim), lit(head, look, colour * np.float32(0.75)))
