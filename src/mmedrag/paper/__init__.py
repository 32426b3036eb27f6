"""The reproduction of the paper's tables (mmedrag eval paper)."""
