"""`data.compose` for whole batches on the device: people in front of other backgrounds."""

from __future__ import annotations

from keras import ops


def over(image, alpha, background, rough, light):
    """Composite people over backgrounds.

    Args:
        image: float32 (batch, height, width, channels), 0..255.
        alpha: float32 (batch, height, width, 1), 0..1.
        background: float32, same shape as image.
        rough: bool (batch,): the alpha is a hard mask, so it is softened and pulled inwards first.
        light: float32 (batch,), uniform in -1..1: the person's light against the scene's.

    Returns:
        The composites and their alphas.
    """
    alpha = ops.where(rough[:, None, None, None], pulled_in(alpha), alpha)
    gain = 1 + 0.15 * light[:, None, None, None]
    return alpha * image * gain + (1 - alpha) * background, alpha


def pulled_in(alpha):
    """Hard masks, float32 (batch, height, width, 1), with a soft border inside their old one."""
    smooth = ops.pad(alpha, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="symmetric")
    for _ in range(2):
        smooth = (smooth[:, :-2] + smooth[:, 1:-1] + smooth[:, 2:]) / 3
        smooth = (smooth[:, :, :-2] + smooth[:, :, 1:-1] + smooth[:, :, 2:]) / 3
    return ops.clip(2 * smooth - 1, 0.0, 1.0)


def eased(scene, hard, colour):
    """Fade scenes into one even colour each.

    Args:
        scene: float32 (batch, height, width, channels), 0..255.
        hard: float32 (batch,), 0 for the colour alone to 1 for the scene alone.
        colour: float32 (batch, channels), 0..255.
    """
    hard = hard[:, None, None, None]
    return hard * scene + (1 - hard) * colour[:, None, None]
