"""A package, so that what its tests share is taken down before the next folder begins."""
