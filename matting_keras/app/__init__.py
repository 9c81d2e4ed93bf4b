"""The web page on this computer: `matting-keras app`. Needs the extra "app"."""
