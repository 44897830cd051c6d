"""Learning rates of transformers' schedules, and parameters after steps of its Adafactor, on given numbers.

    python test/golden/makeOptimizers.py

Made with transformers 5.17.0 and torch 2.13.0. Gradients and first weights are whole numbers over powers of two, the same in
Python and TypeScript (test/optim/golden.ts), so that the file holds results alone.
"""

import json
import pathlib
import tempfile

import torch
import transformers
from transformers.optimization import Adafactor, get_scheduler

STEPS = 50
RATE = 5e-4


def draw(seed, count, scale):
    """Numbers k / 2^13 times a power of two, |k| <= 4095."""
    return [((i * 7919 + seed * 104729 + i * i * 31) % 8191 - 4095) / 8192 * scale for i in range(count)]


def tensor(seed, shape, scale):
    return torch.tensor(draw(seed, torch.Size(shape).numel(), scale), dtype=torch.float32).reshape(shape)


def rates(name, warmup, total, kwargs, steps, metrics=None):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=RATE)
    scheduler = get_scheduler(name, optimizer, warmup, total, scheduler_specific_kwargs=kwargs)
    values = []
    for step in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([] if metrics is None else [metrics[step]]))
    return {"type": name, "warmup_steps": warmup, "total_steps": total, "kwargs": kwargs, "rates": values} | (
        {} if metrics is None else {"metrics": metrics}
    )


# falls, rests, rises: 60 values
METRICS = [2 - 0.05 * i for i in range(20)] + [1.04 + 0.001 * (i % 3) for i in range(25)] + [0.9 - 0.02 * i for i in range(15)]

SCHEDULES = [
    rates("linear", 5, 30, {}, 34),
    rates("cosine", 5, 30, {}, 34),
    rates("cosine", 0, 30, {"num_cycles": 1.5}, 34),
    rates("cosine_with_restarts", 4, 30, {}, 34),
    rates("cosine_with_restarts", 4, 30, {"num_cycles": 3}, 34),
    rates("polynomial", 5, 30, {}, 34),
    rates("polynomial", 0, 30, {"lr_end": 1e-5, "power": 2.0}, 34),
    rates("constant", 5, 30, {}, 34),
    rates("constant_with_warmup", 5, 30, {}, 34),
    rates("inverse_sqrt", 5, 30, {}, 34),
    rates("inverse_sqrt", 0, 30, {}, 34),
    rates("inverse_sqrt", 5, 30, {"timescale": 12}, 34),
    rates("cosine_with_min_lr", 5, 30, {"min_lr": 1e-4}, 34),
    rates("cosine_with_min_lr", 0, 30, {"min_lr_rate": 0.1, "num_cycles": 1.0}, 34),
    rates("cosine_warmup_with_min_lr", 5, 30, {"min_lr": 1e-4}, 34),
    rates("cosine_warmup_with_min_lr", 5, 30, {"min_lr_rate": 0.2, "warmup_lr_rate": 0.3}, 34),
    rates("warmup_stable_decay", 5, 30, {"num_decay_steps": 8}, 34),
    rates(
        "warmup_stable_decay",
        6,
        30,
        {"num_stable_steps": 7, "num_decay_steps": 10, "warmup_type": "cosine", "decay_type": "1-sqrt", "min_lr_ratio": 0.05},
        34,
    ),
    rates(
        "warmup_stable_decay", 6, 30, {"num_decay_steps": 10, "warmup_type": "1-sqrt", "decay_type": "linear"}, 34
    ),
    rates("reduce_lr_on_plateau", 0, 60, {}, 60, METRICS),
    rates("reduce_lr_on_plateau", 0, 60, {"patience": 2, "factor": 0.5, "cooldown": 3, "min_lr": 1e-5}, 60, METRICS),
    rates("reduce_lr_on_plateau", 0, 60, {"mode": "max", "patience": 1, "threshold": 0.01, "threshold_mode": "abs"}, 60, METRICS),
    rates("greedy", 0, 60, {"patience": 2, "min_lr": 1e-5}, 60, METRICS),
    rates("greedy", 0, 60, {"patience": 1, "min_lr": 1e-4, "factor": 0.7, "cooldown": 2, "warmup": 1, "reset_start": 3}, 60, METRICS),
    rates("greedy", 0, 60, {"patience": 1, "min_lr": 1e-4, "max_lr": 6e-4, "smooth": True, "window_size": 5}, 60, METRICS),
    rates("greedy", 0, 60, {"patience": 2, "mode": "max", "min_lr": 0.0, "threshold_mode": "rel"}, 60, METRICS),
]

SHAPES = {"matrix": [5, 7], "vector": [9], "table": [12, 4], "stack": [2, 3, 4]}


def adafactor(options, dtype=torch.float32):
    weights = {name: torch.nn.Parameter(tensor(1, shape, 2.0).to(dtype)) for name, shape in SHAPES.items()}
    optimizer = Adafactor(weights.values(), **options)
    kept = {}
    for step in range(1, STEPS + 1):
        for i, (name, weight) in enumerate(weights.items()):
            weight.grad = tensor(step * 10 + i, SHAPES[name], 2.0 ** (step % 7 - 3)).to(dtype)
        optimizer.step()
        if step in (1, 2, STEPS):
            kept[str(step)] = {name: weight.detach().double().flatten().tolist() for name, weight in weights.items()}
    return {"options": options, "weights": kept}


OPTIMIZERS = [
    adafactor({"lr": 1e-3, "scale_parameter": False, "relative_step": False}),
    adafactor({}),
    adafactor({"warmup_init": True}),
    adafactor({"lr": 1e-2, "relative_step": False, "weight_decay": 0.1, "beta1": 0.9}),
    adafactor({"lr": 1e-3, "relative_step": False, "scale_parameter": False, "clip_threshold": 0.3, "decay_rate": -0.5}),
    adafactor({"lr": 1e-3, "relative_step": False, "eps": (1e-3, 0.7)}),
]

def lengths_of(rows):
    return [(i * 7919 + i * i * 31) % 97 + 3 for i in range(rows)]


def trainer_orders(rows, batch, accumulation, seed, epochs):
    """Rows in the order in which a Trainer of a model without dropout sees them, one list an epoch."""
    seen = []

    class Watcher(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, input_ids=None, labels=None):
            seen.extend(input_ids[:, 0].tolist())
            return {"loss": (self.weight * input_ids.float()).mean()}

    data = [{"input_ids": [i] + [0] * (length - 1), "labels": [0]} for i, length in enumerate(lengths_of(rows))]

    def collate(examples):
        width = max(len(example["input_ids"]) for example in examples)
        padded = [example["input_ids"] + [0] * (width - len(example["input_ids"])) for example in examples]
        return {"input_ids": torch.tensor(padded), "labels": torch.zeros(len(examples), 1, dtype=torch.int64)}

    with tempfile.TemporaryDirectory() as folder:
        args = transformers.TrainingArguments(
            output_dir=folder,
            train_sampling_strategy="group_by_length",
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulation,
            num_train_epochs=epochs,
            seed=seed,
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
        )
        transformers.Trainer(model=Watcher(), args=args, train_dataset=data, data_collator=collate).train()
    orders = [seen[i * rows : (i + 1) * rows] for i in range(epochs)]
    return {"rows": rows, "batch": batch * accumulation, "seed": seed, "orders": orders}


result = {
    "made_with": {"transformers": transformers.__version__, "torch": torch.__version__},
    "rate": RATE,
    "schedules": SCHEDULES,
    "shapes": SHAPES,
    "adafactor": OPTIMIZERS,
    "length_groups": [
        trainer_orders(23, 2, 2, 42, 3),
        trainer_orders(23, 2, 2, 7, 3),
        trainer_orders(5, 8, 1, 123, 2),
        trainer_orders(603, 2, 1, 1, 2),
    ],
}
path = pathlib.Path(__file__).parent / "optimizers.json"
path.write_text(json.dumps(result, separators=(",", ":")) + "\n")
print(path, path.stat().st_size)
