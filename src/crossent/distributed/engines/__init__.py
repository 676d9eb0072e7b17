"""Engines: what runs tasks, in threads, in processes, or on the machines of a cluster."""
