"""Losses of small random language models from their hidden states, beside the models' own."""

from __future__ import annotations

from typing import Any

import pytest

from crossent.errors import UsageError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from crossent.torch.huggingface import LinearLossMixin, causal_lm_loss  # noqa: E402

SIZES = {
    "vocab_size": 211,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
MODELS = {
    "llama": ("LlamaConfig", {}),
    "llama, tied": ("LlamaConfig", {"tie_word_embeddings": True}),
    "gemma 2, capped": ("Gemma2Config", {"final_logit_softcapping": 0.2}),
    "granite, divided": ("GraniteConfig", {"logits_scaling": 0.4}),
    "cohere, multiplied": ("CohereConfig", {"logit_scale": 3.0}),
}


def model_of(name: str, **more: Any) -> Any:
    torch.manual_seed(0)
    kind, special = MODELS[name]
    config = getattr(transformers, kind)(**{**SIZES, **special, **more})
    return transformers.AutoModelForCausalLM.from_config(config).train()


def batch(seed: int = 0, rows: int = 3, length: int = 12) -> dict[str, Any]:
    g = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, SIZES["vocab_size"], (rows, length), generator=g)
    labels = ids.clone()
    labels[0, :5] = -100
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def gradients(model: Any, loss: Any) -> dict[str, Any]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", MODELS)
def test_loss_and_gradients_are_the_models_own(name: str) -> None:
    model, data = model_of(name), batch()
    own = model(**data).loss
    mine = causal_lm_loss(model, data)
    torch.testing.assert_close(mine, own)
    expected, found = gradients(model, own), gradients(model, causal_lm_loss(model, data))
    assert found.keys() == expected.keys()
    for key, gradient in expected.items():
        torch.testing.assert_close(found[key], gradient, rtol=1e-4, atol=1e-6)


def test_what_the_sum_is_divided_by_may_be_given() -> None:
    model, data = model_of("llama"), batch()
    count = torch.tensor(50)
    torch.testing.assert_close(
        causal_lm_loss(model, data, num_items_in_batch=count), model(**data, num_items_in_batch=count).loss
    )


# of transformers, to adapters that call it by its old name
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_a_frozen_head_gets_no_gradient_and_an_adapter_does() -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], r=2)
    model, data = peft.get_peft_model(model_of("llama"), config), batch()
    expected = gradients(model, model(**data).loss)
    found = gradients(model, causal_lm_loss(model, data))
    assert found.keys() == expected.keys()
    assert all("lora" in key for key in found)
    for key, gradient in expected.items():
        torch.testing.assert_close(found[key], gradient, rtol=1e-4, atol=1e-6)


def test_training_takes_the_same_course(tmp_path: Any) -> None:
    pytest.importorskip("accelerate")
    data = [{name: value[0] for name, value in batch(seed, rows=1).items()} for seed in range(8)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=50,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        learning_rate=1e-2,
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )

    class Mine(LinearLossMixin, transformers.Trainer):  # type: ignore[misc,name-defined]
        pass

    courses = []
    for kind in (transformers.Trainer, Mine):
        trainer = kind(model=model_of("llama"), args=arguments, train_dataset=data)
        trainer.train()
        courses.append(torch.tensor([log["loss"] for log in trainer.state.log_history if "loss" in log]))
    assert len(courses[0]) == 50
    assert courses[0][-1] < courses[0][0] - 1
    torch.testing.assert_close(courses[1], courses[0], rtol=2e-3, atol=2e-3)


def test_logits_made_otherwise_are_refused() -> None:
    class Twice(torch.nn.Linear):
        def forward(self, x: Any) -> Any:
            return 2 * super().forward(x)

    model, data = model_of("llama"), batch()
    head = model.lm_head
    model.lm_head = Twice(head.in_features, head.out_features, bias=False)
    with pytest.raises(UsageError, match="unknown-head"):
        causal_lm_loss(model, data)
    with pytest.raises(UsageError, match="no-labels"):
        causal_lm_loss(model, {"input_ids": data["input_ids"]})
