"""``python -m mmedrag``: the command line."""

import sys

from mmedrag.cli import main

sys.exit(main())
