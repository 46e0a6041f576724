"""The name under which programs import `write_mask` since the first version."""

from .images.write import write_mask

__all__ = ["write_mask"]
