"""How the page looks: its style sheet, its colours to choose from, its icon."""

from __future__ import annotations

from PIL import Image, ImageDraw

DRAWING = 0.3
"""Seconds a browser is given to draw what a click has changed."""

ACCENT, ACCENT_ON_DARK = "#0d7f74", "#129a8d"

SWATCHES = {
    "White": "#ffffff",
    "Grey": "#9aa0a6",
    "Black": "#111111",
    "Blue": "#2f6fde",
    "Green": "#2e9e5b",
    "Sand": "#e3c9a0",
    "Rose": "#e58aa0",
}

_SWATCH_RULES = "\n".join(
    f".st-key-swatch-{name} button, .st-key-swatch-{name} button:hover {{ background: {colour}; }}"
    for name, colour in SWATCHES.items()
)

CSS = f"""
.stMainBlockContainer {{ max-width: 78rem; padding: 2.2rem 1.5rem 3rem; }}
.stMainBlockContainer h1 {{ padding: 0; font-size: 2.2rem; }}
.stMainBlockContainer h3 {{ padding: 0 0 0.5rem; font-size: 1.4rem; }}
.st-key-samples img {{ aspect-ratio: 1; object-fit: cover; object-position: top; }}
/* Why a file was refused is there for screen readers only, else behind a hover. */
.stFileUploader [aria-invalid="true"] [role="alert"] {{
  position: static; width: auto; height: auto; margin: 0 1.8rem 0 0.4rem; overflow: visible;
  clip: auto; clip-path: none; white-space: normal; font-size: 0.85rem;
}}
.stFileUploader :has(> * [aria-invalid="true"]), .stFileUploader [aria-invalid="true"] {{
  width: auto; max-width: 100%; height: auto;
}}
[class*="st-key-swatch-"] button {{
  width: 2.2rem; min-height: 2.2rem; height: 2.2rem; padding: 0; border-radius: 50%;
  border: 1px solid rgb(128 128 128 / 0.5);
}}
[class*="st-key-swatch-"] button p {{ font-size: 0; }}
{_SWATCH_RULES}
@media (max-width: 640px) {{
  .stMainBlockContainer {{ padding: 1rem 0.8rem 2rem; }}
  .stMainBlockContainer h1 {{ font-size: 1.7rem; }}
}}
"""


def icon() -> Image.Image:
    """A head and shoulders, for the browser's tab; drawn, so that none is fetched."""
    image = Image.new("RGBA", (64, 64))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, 63, 63), 14, ACCENT)
    draw.ellipse((21, 10, 43, 34), "white")
    draw.pieslice((10, 38, 54, 88), 180, 360, "white")
    return image
