"""The commands, one module a family; each has ``add``, which tells the parser of its own."""
