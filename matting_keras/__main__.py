"""`python -m matting_keras COMMAND`."""

import sys

from matting_keras.cli import main

if __name__ == "__main__":
    sys.exit(main())
