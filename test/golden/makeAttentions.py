# Writes t5-odd/attentions.safetensors: the attention weights that transformers gives for the batch of io.safetensors.
#   pip install torch==2.13.0 transformers==5.17.0 && python test/golden/makeAttentions.py
# The first row alone, computed in float64: its input has padding.

import os

import torch
from safetensors.torch import load_file, save_file
from transformers import T5ForConditionalGeneration

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "t5-odd")
values = load_file(os.path.join(folder, "io.safetensors"))
rows = values["attention_mask"].sum(1).argmin().item()
batch = {key: values[key][rows : rows + 1] for key in ["input_ids", "attention_mask", "labels"]}
model = T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
with torch.no_grad():
    out = model(**batch, output_attentions=True)
found = {key: value.contiguous() for key, value in batch.items()}
for name in ["encoder_attentions", "decoder_attentions", "cross_attentions"]:
    for i, weights in enumerate(getattr(out, name)):
        found[f"{name}.{i}"] = weights.float().contiguous()
save_file(found, os.path.join(folder, "attentions.safetensors"))
