"""From a brand name to a trained, explained car classifier, with evidence for every photo."""

__version__ = "0.1.0"
