"""Model cards as transformers' Trainer (and peft) write them, with the runs that they tell of: model-cards.json.

python test/golden/makeModelCard.py test/golden/model-cards.json   (transformers 5.17, peft 0.21, datasets not needed)
"""

import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from huggingface_hub import ModelCard
from peft import LoraConfig, TaskType, get_peft_model
from transformers import (
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    T5Config,
    T5ForConditionalGeneration,
    modelcard,
)

CONFIG = T5Config(
    vocab_size=32, d_model=16, d_kv=4, d_ff=32, num_heads=2, num_layers=1, decoder_start_token_id=0
)
ROWS = [
    {"input_ids": [3 + i, 4, 5, 1], "decoder_input_ids": [0, 6, 3 + i], "labels": [6, 3 + i, 1]}
    for i in range(8)
]
ARGUMENTS = [
    *["per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"],
    *["learning_rate", "seed", "optim", "adam_beta1", "adam_beta2", "adam_epsilon", "warmup_steps"],
    *["lr_scheduler_type", "max_steps", "num_train_epochs", "label_smoothing_factor"],
]


def collate(rows):
    return {key: torch.tensor([row[key] for row in rows]) for key in rows[0]}


def run(folder, name, arguments, card, *, evaluate=True, lora=False, names=None):
    """Trains, and writes the card with transformers' own list of task names, or with one that knows summarization."""
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(CONFIG)
    model.config._name_or_path = "google/flan-t5-small"
    if lora:
        model = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_2_SEQ_LM, r=2))
    count = 0

    def metrics(_):
        nonlocal count
        count += 1
        return {"rouge1": 0.25 + count / 37, "rougeLsum": 0.03125 * count, "gen_len": 12.0}

    output = os.path.join(folder, name)
    args = Seq2SeqTrainingArguments(
        output_dir=output,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        save_strategy="no",
        eval_strategy="steps" if evaluate else "no",
        optim="adamw_torch",
        **arguments,
    )
    trainer = Seq2SeqTrainer(
        model=model,
        args=args,
        train_dataset=ROWS,
        eval_dataset=ROWS[:4] if evaluate else None,
        data_collator=collate,
        compute_metrics=metrics,
    )
    trainer.train()
    trainer.save_model()
    known = dict(modelcard.TASK_TAG_TO_NAME_MAPPING)
    modelcard.TASK_TAG_TO_NAME_MAPPING.update(names or {})
    trainer.create_model_card(**card)
    modelcard.TASK_TAG_TO_NAME_MAPPING.clear()
    modelcard.TASK_TAG_TO_NAME_MAPPING.update(known)
    path = os.path.join(output, "README.md")
    loaded = ModelCard.load(path)
    return {
        "name": name,
        "lora": lora,
        "arguments": {key: getattr(args, key) for key in ARGUMENTS},
        "log_history": trainer.state.log_history,
        "card_options": card,
        "text": open(path).read(),
        "data": loaded.data.to_dict(),
    }


DIALOGSUM = {
    "tasks": "summarization",
    "dataset_tags": "knkarthick/dialogsum",
    "dataset": "DialogSum",
    "license": "apache-2.0",
    "language": "en",
}
STEPS = {"max_steps": 4, "eval_steps": 2, "logging_steps": 1}
SUMMARIZATION = {"summarization": "Summarization"}

with tempfile.TemporaryDirectory() as folder:
    runs = [
        run(folder, "plain", {**STEPS, "learning_rate": 5e-5}, {}),
        run(folder, "dialogsum", {**STEPS, "warmup_steps": 1, "seed": 7}, dict(DIALOGSUM)),
        run(
            folder,
            "with-task",
            {**STEPS, "learning_rate": 0.001, "gradient_accumulation_steps": 2},
            {**DIALOGSUM, "tags": ["dialogue"]},
            names=SUMMARIZATION,
        ),
        run(
            folder,
            "no-evaluation",
            {"num_train_epochs": 2, "label_smoothing_factor": 0.1, "lr_scheduler_type": "cosine"},
            {"dataset": ["DialogSum", "SAMSum", "own notes"], "model_name": "Notes"},
            evaluate=False,
        ),
        run(folder, "late-log", {**STEPS, "logging_steps": 3, "learning_rate": 1.0}, {}),
        run(folder, "adapter", STEPS, dict(DIALOGSUM), lora=True, names=SUMMARIZATION),
    ]
json.dump(runs, open(sys.argv[1], "w"), indent=1)
