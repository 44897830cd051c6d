"""Reads what gradloom wrote with transformers and peft, and writes an adapter of peft's own.

Run with GRADLOOM_FOLDER set, it prints one JSON object.
  FOLDER/checkpoint          checkpoint-N of gradloom
  FOLDER/base, adapter       a model and a LoRA adapter of gradloom
  FOLDER/inputs.json         { input_ids, attention_mask, labels }
Writes FOLDER/peft (an adapter) and gives the logits and losses of each.
"""

import dataclasses
import json
import os
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForSeq2SeqLM, TrainerState
from transformers.utils import logging

warnings.filterwarnings("ignore")
logging.set_verbosity_error()
logging.disable_progress_bar()
torch.manual_seed(0)
folder = os.environ["GRADLOOM_FOLDER"]
with open(f"{folder}/inputs.json") as file:
    inputs = {key: torch.tensor(value) for key, value in json.load(file).items()}


def load(name):
    return AutoModelForSeq2SeqLM.from_pretrained(f"{folder}/{name}", dtype=torch.float32)


def outputs(model):
    with torch.no_grad():
        result = model.eval()(**inputs)
    return {"logits": result.logits.flatten().tolist(), "loss": result.loss.item()}


ours = PeftModel.from_pretrained(load("base"), f"{folder}/adapter")
results = {
    "checkpoint": outputs(load("checkpoint")),
    "adapter": outputs(ours),
    "merged": outputs(ours.merge_and_unload()),
}
state = TrainerState.load_from_json(f"{folder}/checkpoint/trainer_state.json")
results["state"] = dataclasses.asdict(state)
config = LoraConfig(
    r=4,
    lora_alpha=12,
    target_modules=["q", "v", "wo"],
    rank_pattern={"SelfAttention.q": 2},
    alpha_pattern={"wo": 3},
    init_lora_weights=False,
    task_type="SEQ_2_SEQ_LM",
)
theirs = get_peft_model(load("base"), config)
results["peft"] = outputs(theirs)
results["trainable"] = sum(p.numel() for p in theirs.parameters() if p.requires_grad)
theirs.save_pretrained(f"{folder}/peft")
print(json.dumps(results))
