"""`crossent` with the format of `faulty.py`: the driver of the fault tests, a process that can be killed."""

from __future__ import annotations

import faulty  # noqa: F401

from crossent.cli import main

if __name__ == "__main__":
    main()
