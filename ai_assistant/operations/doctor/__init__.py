"""The checks of `doctor`, and how they run."""
