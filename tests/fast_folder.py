"""Where tests that do not ask about disks put their casebases: each write waits for the disk."""

from __future__ import annotations

import os

FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A folder in memory, where there is one."""
