# Writes adapters/: LoRA adapters for mt5-odd as peft saves them, and what PyTorch computes with them in float64.
#   pip install torch==2.13.0 transformers==5.17.0 peft==0.21.0 && python test/golden/makeAdapters.py
# Of adapters with modules_to_save, io.safetensors holds the gradients of what is trained too.

import json
import os
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import MT5ForConditionalGeneration
from transformers.utils import logging

here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "adapters")
warnings.filterwarnings("ignore")
logging.set_verbosity_error()
logging.disable_progress_bar()
generator = torch.Generator().manual_seed(20261129)
input_ids = torch.randint(2, 61, (2, 9), generator=generator)
labels = torch.randint(2, 61, (2, 6), generator=generator)

QV = dict(r=2, target_modules=["q", "v"])
PATTERNS = dict(rank_pattern={r"SelfAttention\.q": 3}, alpha_pattern={"EncDecAttention.v": 9, "(?:q|v)": 5})
ADAPTERS = {
    "rslora": dict(r=2, target_modules=r"(?i).*\.(?P<part>Q|V)\Z", use_rslora=True, **PATTERNS),
    "blocks": dict(**QV, layers_to_transform=[1], layers_pattern="block", exclude_modules=r"decoder.*\.v"),
    "bias-all": dict(**QV, bias="all"),
    "modules": dict(**QV, modules_to_save=["lm_head", "final_layer_norm", "attention_bias", "q"]),
    "head": dict(r=2, target_modules=["q", "lm_head"]),
    "embeddings": QV,
    "old-bias": dict(**QV, bias="all"),
}


def load_base():
    return MT5ForConditionalGeneration.from_pretrained(os.path.join(here, "mt5-odd"), dtype=torch.float64)


def fill(model):
    for name, x in model.named_parameters():
        if x.requires_grad:
            change = torch.randn(x.shape, generator=generator, dtype=torch.float64)
            x.data = 0.3 * change if "lora_" in name else x.data + 0.2 * change


io = {"input_ids": input_ids, "labels": labels}
for name, options in ADAPTERS.items():
    place = os.path.join(folder, name)
    model = get_peft_model(load_base(), LoraConfig(lora_alpha=4, task_type="SEQ_2_SEQ_LM", **options))
    fill(model)
    if name == "embeddings":
        for layer in [model.get_input_embeddings(), model.get_output_embeddings()]:
            layer.weight.data += 0.2 * torch.randn(layer.weight.shape, generator=generator)
    model.float().save_pretrained(place, save_embedding_layers=True if name == "embeddings" else "auto")
    os.remove(os.path.join(place, "README.md"))
    path = os.path.join(place, "adapter_config.json")
    with open(path) as file:
        config = json.load(file)
    lists = {key: sorted(value) if key == "target_modules" and isinstance(value, list) else value for key, value in config.items()}
    with open(path, "w") as file:
        json.dump({**lists, "base_model_name_or_path": "mt5-odd"}, file, indent=2)
        file.write("\n")
    if name == "old-bias":  # as peft before 0.4 wrote it, which took every name with "bias" for one
        weights = os.path.join(place, "adapter_model.safetensors")
        key = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        bias = load_base().state_dict()[key]
        bias = (bias + torch.randn(bias.shape, generator=generator)).float()
        save_file({**load_file(weights), f"base_model.model.{key}": bias}, weights, metadata={"format": "pt"})
    model = PeftModel.from_pretrained(load_base(), place, is_trainable=True).double().eval()
    out = model(input_ids=input_ids, labels=labels)
    io |= {f"{name}.logits": out.logits, f"{name}.loss": out.loss.reshape(1)}
    if name == "modules":
        out.loss.backward()
        for key, x in model.named_parameters():
            if x.requires_grad:
                short = key.removeprefix("base_model.model.").replace(".modules_to_save.default", "").replace(".default", "")
                io[f"{name}.grad.{short}"] = x.grad
values = {k: (x if x.dtype == torch.int64 else x.detach().float()).clone().contiguous() for k, x in io.items()}
save_file(values, os.path.join(folder, "io.safetensors"))
