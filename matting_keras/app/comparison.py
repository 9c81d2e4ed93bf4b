"""A picture before and after, with a line to drag between them. Nothing is fetched for it."""

from __future__ import annotations

import base64

NAME = "matting_keras_comparison"

HTML = """
<div class="frame">
  <img class="after" alt="">
  <img class="before" alt="">
  <span class="tag left">Before</span>
  <span class="tag right">After</span>
  <div class="line"><span class="grip" aria-hidden="true">&#8596;</span></div>
  <input type="range" min="0" max="100" step="0.5" value="50" aria-label="Before and after">
</div>
"""

CSS = """
.frame {
  --cut: 50%; --tall: 62vh;
  position: relative; margin: 0 auto; overflow: hidden; border-radius: 0.6rem;
  width: min(100%, max(20rem, var(--pixels)), calc(var(--ratio) * var(--tall)));
  aspect-ratio: var(--ratio);
  box-shadow: 0 1px 4px rgb(0 0 0 / 0.25);
}
img { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.before { clip-path: inset(0 calc(100% - var(--cut)) 0 0); }
.line {
  position: absolute; inset: 0 auto 0 var(--cut); width: 0; pointer-events: none;
  outline: 1.5px solid #fff; box-shadow: 0 0 6px 1px rgb(0 0 0 / 0.5);
}
.grip {
  position: absolute; top: 50%; left: 0; translate: -50% -50%;
  width: 2.4rem; height: 2.4rem; border-radius: 50%; background: #fff; color: #222;
  display: grid; place-items: center; font: 1.2rem sans-serif;
  box-shadow: 0 1px 5px rgb(0 0 0 / 0.45);
}
.tag {
  position: absolute; bottom: 0.6rem; padding: 0.1rem 0.6rem; border-radius: 1rem;
  background: rgb(0 0 0 / 0.6); color: #fff; font: 0.85rem sans-serif; pointer-events: none;
}
.left { left: 0.6rem; }
.right { right: 0.6rem; }
input {
  position: absolute; inset: 0; width: 100%; height: 100%; margin: 0;
  opacity: 0; cursor: ew-resize; touch-action: pan-y;
}
.line:has(+ input:focus-visible) .grip { outline: 3px solid var(--st-primary-color); }
.alone :is(.before, .tag, .line, input) { display: none; }
@media (max-width: 640px) { .frame { --tall: 44vh; } }
"""

SCRIPT = """
export default function ({ data, parentElement }) {
  const frame = parentElement.querySelector(".frame");
  const show = (image, source, words) => {
    if (source && image.src !== source) image.src = source;
    image.alt = words;
  };
  show(frame.querySelector(".after"), data.after, data.words);
  show(frame.querySelector(".before"), data.before, "The picture as it was");
  frame.classList.toggle("alone", !data.before);
  frame.style.setProperty("--ratio", data.width / data.height);
  frame.style.setProperty("--pixels", data.width + "px");
  const slide = frame.querySelector("input");
  slide.oninput = () => frame.style.setProperty("--cut", slide.value + "%");
}
"""


def comparison(
    after: bytes, size: tuple[int, int], words: str, before: bytes | None = None
) -> None:
    """Show a picture, and another one left of a line that can be dragged.

    Args:
        after: a JPEG.
        size: its (height, width) in pixels.
        words: what it shows, for people who cannot see it.
        before: a JPEG of the same size; None shows `after` alone.
    """
    import streamlit as st  # here, so that this file can be read where there is none

    # Registered at each run of the page, as a script's components are.
    mount = st.components.v2.component(NAME, html=HTML, css=CSS, js=SCRIPT)
    height, width = size
    mount(
        key="comparison",
        data={
            "after": _address(after),
            "before": _address(before) if before else None,
            "width": width,
            "height": height,
            "words": words,
        },
    )


def _address(picture: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode("ascii")
