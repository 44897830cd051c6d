"""transformers' side of bench/packed.ts: a Trainer with dynamic padding, for each line of stdin ("random", "grouped"), which
answers with a line of JSON: the seconds of the run, and the peak resident memory of the process in MiB.

    python bench/pytorchTrainer.py THREADS MODEL ROWS.json STEPS BATCH
"""

import json
import os
import resource
import sys
import tempfile
from pathlib import Path

import torch
from transformers import (
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    T5Config,
    T5ForConditionalGeneration,
)

THREADS, MODEL, ROWS, STEPS, BATCH = sys.argv[1:]
torch.set_num_threads(int(THREADS))
ORDERS = {"random": "random", "grouped": "group_by_length"}


def answer(values):
    values["rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    os.write(PIPE, (json.dumps(values) + "\n").encode())


def load_model():
    if (Path(MODEL) / "model.safetensors").exists():
        return T5ForConditionalGeneration.from_pretrained(MODEL)
    torch.manual_seed(0)
    return T5ForConditionalGeneration(T5Config.from_pretrained(MODEL))


# What the Trainer prints is not an answer.
PIPE = os.dup(1)
os.dup2(2, 1)
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = load_model()
with open(ROWS) as file:
    rows = [
        {"input_ids": row["inputIds"], "attention_mask": row["attentionMask"], "labels": row["labels"]}
        for row in json.load(file)
    ]
folder = tempfile.mkdtemp()
answer({"ready": 1})
for line in sys.stdin:
    arguments = Seq2SeqTrainingArguments(
        output_dir=folder, max_steps=int(STEPS), per_device_train_batch_size=int(BATCH), learning_rate=1e-5,
        train_sampling_strategy=ORDERS[line.strip()], save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    trainer = Seq2SeqTrainer(
        model=model, args=arguments, train_dataset=rows, data_collator=DataCollatorForSeq2Seq(tokenizer, model=model)
    )
    answer({"seconds": trainer.train().metrics["train_runtime"]})
