"""A language model trained on its own loss, and from its hidden states on ours: course and peak memory.

    python benchmarks/huggingface.py --model DIR [--gguf FILE] [--steps 50] [--tokens 512]
    python benchmarks/huggingface.py --quick     # a small random model; nothing is written

DIR is a model as transformers' from_pretrained takes it; weights as GGUF need the package gguf. Both runs
see the same batches of text (the documentation of this repository), from the same weights, in processes of
their own.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import common

LOSSES = ("own", "crossent")
DOCS = Path(__file__).parents[1] / "docs"


def model_of(options: argparse.Namespace) -> tuple[Any, Any]:
    """The model, and its tokenizer (None for a random model)."""
    import torch
    import transformers

    torch.manual_seed(0)
    if options.quick:
        config = transformers.LlamaConfig(
            vocab_size=1000, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4
        )
        return transformers.AutoModelForCausalLM.from_config(config), None
    given = {"gguf_file": options.gguf} if options.gguf else {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model, **given)
    return transformers.AutoModelForCausalLM.from_pretrained(
        options.model, dtype=torch.float32, **given
    ), tokenizer


def batches(tokenizer: Any, options: argparse.Namespace) -> list[Any]:
    """One row of so many tokens for each step."""
    import torch

    if tokenizer is None:
        g = torch.Generator().manual_seed(1)
        ids = torch.randint(0, 1000, (options.steps * options.tokens,), generator=g)
    else:
        text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md")))
        ids = torch.tensor(tokenizer(text)["input_ids"])
    needed = options.steps * options.tokens
    ids = ids.repeat(-(-needed // len(ids)))[:needed]
    return list(ids.reshape(options.steps, 1, options.tokens))


def train(options: argparse.Namespace) -> dict[str, Any]:
    """The losses of the steps, seconds, and what the peak of memory grew by."""
    import torch

    from crossent.torch.huggingface import causal_lm_loss

    torch.set_num_threads(options.threads)
    model, tokenizer = model_of(options)
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=options.rate)
    rows = batches(tokenizer, options)
    before, start, found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), []
    for ids in rows:
        data = {"input_ids": ids, "labels": ids}
        loss = model(**data).loss if options.loss == "own" else causal_lm_loss(model, data)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {"losses": found, "seconds": time.perf_counter() - start, "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="folder or name of a causal language model")
    parser.add_argument("--gguf", help="file of weights in that folder")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--loss", choices=LOSSES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.quick:
        options.steps, options.tokens = 3, 16
    elif not options.model:
        parser.error("name a model with --model, or use --quick")
    if options.loss:
        print(json.dumps(train(options)))
        return
    found = {}
    for loss in LOSSES:
        command = [sys.executable, __file__, *sys.argv[1:], "--loss", loss]
        found[loss] = json.loads(common.measure_child(command).stdout.splitlines()[-1])
        first, last = found[loss]["losses"][0], found[loss]["losses"][-1]
        print(
            f"{loss:9s} loss {first:.4f} → {last:.4f}, {found[loss]['seconds']:.1f} s, "
            f"{found[loss]['peak'] / 2**20:,.0f} MiB over the weights"
        )
    apart = max(abs(a - b) for a, b in zip(*(found[loss]["losses"] for loss in LOSSES), strict=True))
    print(f"the losses of {options.steps} steps are {apart:.1e} apart at most")
    if not options.quick:
        common.write_json("huggingface", {"model": Path(options.model).name, "runs": found, "apart": apart})


if __name__ == "__main__":
    main()
