"""Reading and writing pictures, videos and cameras: the only files that decode or encode."""
