"""PyTorch on the same GPU: the training steps and the greedy generation that bench:gpu measures. Optional.

    python bench/gpu/pytorchGpu.py        prints a line of JSON a figure
"""

import json
import time

import torch
from transformers import T5Config, T5ForConditionalGeneration

SMALL = {"d_model": 512, "d_ff": 1024, "num_layers": 8, "num_decoder_layers": 8, "num_heads": 6}
BASE = {"d_model": 768, "d_ff": 2048, "num_layers": 12, "num_decoder_layers": 12, "num_heads": 12}


def ids(rows, columns):
    return torch.tensor(
        [[2 + (i * 7919 + j * 104729) % 30000 for j in range(columns)] for i in range(rows)]
    ).cuda()


def build(fields, dtype):
    config = T5Config(
        vocab_size=32128, d_kv=64, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
        decoder_start_token_id=0, dropout_rate=0.1, **fields,
    )  # fmt: skip
    torch.manual_seed(0)
    return T5ForConditionalGeneration(config).to(dtype).cuda()


def show(what, value, unit):
    print(json.dumps({"what": what, "value": value, "unit": unit}), flush=True)


def train(what, fields, dtype, texts, source, target, autocast=False):
    model = build(fields, dtype).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    scaler = torch.amp.GradScaler("cuda", enabled=autocast)
    mask = torch.tensor([[int(j < source - i) for j in range(source)] for i in range(texts)]).cuda()
    batch = {"input_ids": ids(texts, source), "attention_mask": mask, "labels": ids(texts, target)}

    def step():
        with torch.autocast("cuda", torch.float16, enabled=autocast):
            loss = model(**batch).loss
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    for _ in range(3):
        step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    begun = time.perf_counter()
    for _ in range(10):
        step()
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - begun) / 10
    show(f"{what} step", 1000 * seconds, "ms")
    show(f"{what} step", texts / seconds, "samples/s")
    show(f"{what} peak memory", torch.cuda.max_memory_allocated() / 2**20, "MiB in tensors")


def generate(what, fields, texts):
    model = build(fields, torch.bfloat16).eval()
    source = ids(texts, 128)
    times = []
    for _ in range(4):
        begun = time.perf_counter()
        model.generate(
            input_ids=source, attention_mask=torch.ones_like(source),
            max_new_tokens=128, min_new_tokens=128, do_sample=False, num_beams=1,
        )  # fmt: skip
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    show(f"{what} greedy, {texts} of 128 tokens", texts * 128 / sorted(times[1:])[1], "tokens/s")


def main():
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}", flush=True)
    train("flan-t5-base bf16, 8 x (512 + 512)", BASE, torch.bfloat16, 8, 512, 512)
    train("flan-t5-base fp16, 8 x (512 + 512)", BASE, torch.float32, 8, 512, 512, autocast=True)
    train("flan-t5-base f32, 8 x (512 + 512)", BASE, torch.float32, 8, 512, 512)
    train("flan-t5-small f32, 8 x (256 + 64)", SMALL, torch.float32, 8, 256, 64)
    for name, fields in (("small", SMALL), ("base", BASE)):
        for texts in (1, 8):
            generate(name, fields, texts)


main()
