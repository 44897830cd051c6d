"""PyTorch's side of bench/trainStep.ts and bench/generate.ts: does what each line of stdin asks for, once, and
answers with a line of JSON: milliseconds by part, and the peak resident memory of the process in MiB.

    python bench/pytorchStep.py THREADS        then: train | generate float32 | generate bfloat16
"""

import json
import resource
import sys
import time

import torch
from transformers import T5Config, T5ForConditionalGeneration

torch.set_num_threads(int(sys.argv[1]))
CONFIG = T5Config(
    vocab_size=32128, d_model=512, d_kv=64, d_ff=1024, num_layers=8, num_decoder_layers=8, num_heads=6,
    feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0, dropout_rate=0.1,
)  # fmt: skip


def ids(rows, columns):
    return torch.tensor([[2 + (i * 7919 + j * 104729) % 30000 for j in range(columns)] for i in range(rows)])


def build(dtype=torch.float32):
    torch.manual_seed(0)
    return T5ForConditionalGeneration(CONFIG).to(dtype)


class Training:
    def __init__(self):
        self.model = build().train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=0.01)
        mask = torch.tensor([[int(j < 256 - 9 * i) for j in range(256)] for i in range(8)])
        self.batch = {"input_ids": ids(8, 256), "attention_mask": mask, "labels": ids(8, 64)}

    def step(self):
        marks = [time.perf_counter()]
        loss = self.model(**self.batch).loss
        loss.item()
        marks.append(time.perf_counter())
        loss.backward()
        marks.append(time.perf_counter())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        marks.append(time.perf_counter())
        parts = [1000 * (b - a) for a, b in zip(marks, marks[1:])]
        return dict(zip(["forward", "backward", "optimizer"], parts))


def generate(model):
    text = ids(1, 128)
    begun = time.perf_counter()
    model.generate(
        input_ids=text, attention_mask=torch.ones_like(text),
        max_new_tokens=200, min_new_tokens=200, do_sample=False, num_beams=1,
    )  # fmt: skip
    return {"generate": 1000 * (time.perf_counter() - begun)}


def answer(values):
    values["rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(values), flush=True)


def main():
    models = {}
    answer({"ready": 1})
    for line in sys.stdin:
        request = line.strip()
        if request == "train":
            training = models.setdefault("training", None) or Training()
            models["training"] = training
            answer(training.step())
        else:
            dtype = getattr(torch, request.split()[1])
            if dtype not in models:
                models[dtype] = build(dtype).eval()
            answer(generate(models[dtype]))


main()
