"""`python -m wattleak` is the `wattleak` command."""

from __future__ import annotations

import sys

from wattleak.cli.main import main

sys.exit(main())
