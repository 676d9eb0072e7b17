"""Engines: from batches to merged states. `scoring` turns a batch into loss columns, `local` runs threads."""
