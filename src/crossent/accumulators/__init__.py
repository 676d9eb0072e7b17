"""Mergeable sufficient statistics: one file each, see `contract` for what they promise."""
