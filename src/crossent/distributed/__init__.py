"""Passes over the data in parts, on one machine or many: the same bits, whatever dies on the way."""
