# Writes steps.json: ten updates of t5-odd by PyTorch, in float64 and float32.
#   pip install torch==2.13.0 transformers==5.17.0 && python test/golden/makeSteps.py
# Every update sees the batch of io.safetensors (input_ids, attention_mask, labels): AdamW without dropout, gradients clipped to
# norm 1, a linear warmup over 4 of 10 steps.

import json
import os

import torch
from safetensors.torch import load_file
from transformers import T5ForConditionalGeneration, get_linear_schedule_with_warmup

STEPS, WARMUP, LEARNING_RATE, WEIGHT_DECAY, MAX_NORM = 10, 4, 1e-2, 0.01, 1.0
folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "t5-odd")
values = load_file(os.path.join(folder, "io.safetensors"))
batch = {key: values[key] for key in ["input_ids", "attention_mask", "labels"]}


def run(dtype):
    model = T5ForConditionalGeneration.from_pretrained(folder, dtype=dtype, dropout_rate=0.0)
    model.train()
    # transformers' Trainer decays everything but norms and biases, by their names.
    is_exempt = lambda name: "layer_norm" in name or "bias" in name
    named = list(model.named_parameters())
    groups = [
        dict(params=[x for name, x in named if not is_exempt(name)], weight_decay=WEIGHT_DECAY),
        dict(params=[x for name, x in named if is_exempt(name)], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    schedule = get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    losses, norms = [], []
    for _ in range(STEPS):
        loss = model(**batch).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM).item())
        losses.append(loss.item())
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return {"loss": losses, "grad_norm": norms}


settings = dict(steps=STEPS, warmupSteps=WARMUP, learningRate=LEARNING_RATE, weightDecay=WEIGHT_DECAY, maxGradNorm=MAX_NORM)
result = {
    "torch": torch.__version__,
    "settings": settings,
    "float64": run(torch.float64),
    "float32": run(torch.float32),
}
with open(os.path.join(folder, "steps.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
