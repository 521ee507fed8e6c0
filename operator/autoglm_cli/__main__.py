"""`python -m autoglm_cli`, for images that have the packages but no installed script."""

import sys

from autoglm_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
