"""The images of the phantoms, a module an organ."""
