"""From a CT and a model to a mask."""
