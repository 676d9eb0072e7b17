"""The analyses of rows, a module each: found by being here."""
