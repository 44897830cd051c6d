# Writes mt5-odd/ and umt5-odd/: tiny models with random weights, and what PyTorch computes with them in float64.
#   pip install torch==2.13.0 transformers==5.17.0 && python test/golden/makeMt5.py
# Attention is eager: by SDPA, transformers 5.17 lets UMT5's decoder see later labels (UMT5Attention is never told is_causal).
# Both have a head of their own, as Google's have; `tied.*` are the logits and the loss of the same weights without it.

import json
import os

import torch
from safetensors.torch import save_file
from transformers import MT5Config, MT5ForConditionalGeneration, UMT5Config, UMT5ForConditionalGeneration

SIZES = dict(vocab_size=61, d_model=12, d_kv=5, d_ff=17, num_layers=2, num_decoder_layers=2, num_heads=3)
BUCKETS = dict(relative_attention_num_buckets=8, relative_attention_max_distance=12)
SPREAD = {"shared": 1.0, "lm_head": 1.0, "relative_attention_bias": 0.8, ".q.": 0.3, "wi": 0.35}
here = os.path.dirname(os.path.abspath(__file__))
generator = torch.Generator().manual_seed(20261129)


def random(shape, low, high):
    return torch.randint(low, high, shape, generator=generator)


def fill(model):
    model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))
    for name, x in model.named_parameters():
        if "layer_norm" in name:
            x.data = 1 + 0.2 * torch.randn(x.shape, generator=generator)
        else:
            spread = next((value for key, value in SPREAD.items() if key in name), 0.3)
            x.data = spread * torch.randn(x.shape, generator=generator)


def batch():
    input_ids, labels = random((3, 23), 2, 61), random((3, 11), 2, 61)
    mask = torch.ones_like(input_ids)
    for row, length in [(1, 17), (2, 9)]:
        input_ids[row, length:] = 0
        mask[row, length:] = 0
        labels[row, length // 2 :] = -100
    return dict(input_ids=input_ids, attention_mask=mask, labels=labels)


def generated(model, inputs, **options):
    with torch.no_grad():
        out = model.generate(
            **inputs, max_new_tokens=14, do_sample=False, return_dict_in_generate=True, output_scores=True, **options
        )
    scores = getattr(out, "sequences_scores", None)
    return {"sequences": out.sequences.tolist(), **({} if scores is None else {"scores": scores.tolist()})}


for name, make, config_class in [
    ("mt5-odd", MT5ForConditionalGeneration, MT5Config),
    ("umt5-odd", UMT5ForConditionalGeneration, UMT5Config),
]:
    folder = os.path.join(here, name)
    model = make(config_class(**SIZES, **BUCKETS, dropout_rate=0.0))
    fill(model)
    model.save_pretrained(folder)
    model = make.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    values = batch()
    out = model(**values)
    out.loss.backward()
    io = {**values, "logits": out.logits, "loss": out.loss.reshape(1)}
    for key, x in model.named_parameters():
        if "embed_tokens" not in key:
            io[f"grad.{key}"] = x.grad
    model.lm_head.weight = model.shared.weight
    tied = model(**values)
    io |= {"tied.logits": tied.logits, "tied.loss": tied.loss.reshape(1)}
    save_file(
        {k: (x if x.dtype == torch.int64 else x.detach().float()).clone().contiguous() for k, x in io.items()},
        os.path.join(folder, "io.safetensors"),
    )
    model = make.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    inputs = {key: values[key] for key in ["input_ids", "attention_mask"]}
    runs = {
        "greedy": generated(model, inputs),
        "beams": generated(model, inputs, num_beams=3, length_penalty=0.5),
    }
    with open(os.path.join(folder, "generation.json"), "w") as file:
        json.dump(runs, file)
        file.write("\n")
