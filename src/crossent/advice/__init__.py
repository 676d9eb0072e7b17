"""Which cross-entropy for these labels: facts → reading → rules → advice, with reasons.

`facts` counts, `reading` says what the labels are taken to be, `choices` holds the rules that choose losses,
`remarks` those that add what else one should know, `libraries` how five libraries spell it.
"""

from __future__ import annotations

from crossent.advice.advising import advise
from crossent.advice.record import Advice

__all__ = ["Advice", "advise"]
