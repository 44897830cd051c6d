# What Python's datasets reads from each folder of splitLayouts.json: prints, for each, the files of every split in order
# (each file holds one row, its own name), or the class of the error. Run by splitLayouts.test.ts where datasets is.

import gzip, io, json, logging, os, sys, tempfile, zipfile

os.environ.update(HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1")
import datasets
import pyarrow, pyarrow.parquet

datasets.disable_progress_bars()
logging.disable(logging.CRITICAL)


def content(name, text, separator):
    row = {"id": text, "dialogue": "d " + text, "summary": "s " + text}
    if name.endswith(".gz"):
        return gzip.compress(content(name[:-3], text, separator))
    out = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("inner.csv", content("inner.csv", text, separator))
        return out.getvalue()
    if name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.table({k: [v] for k, v in row.items()}), out)
        return out.getvalue()
    if name.endswith((".csv", ".tsv")):
        between = "\t" if name.endswith(".tsv") else separator
        return (between.join(row) + "\n" + between.join(row.values()) + "\n").encode()
    if name in ("config.json", "dataset_infos.json"):
        return b"{}"
    if name.endswith(".json"):
        return json.dumps([row]).encode()
    return (json.dumps(row) + "\n").encode()


def splits(case):
    with tempfile.TemporaryDirectory() as place:
        root = os.path.join(place, "letters")
        files = {n: content(n, n, ";" if case["what"] == "sep" else ",") for n in case["names"]}
        if "readme" in case:
            files["README.md"] = case["readme"].encode()
        for name, data in files.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
        try:
            cache = os.path.join(place, "cache")
            found = datasets.load_dataset(root, case.get("config"), cache_dir=cache)
            return {split: list(rows["id"]) for split, rows in found.items()}
        except Exception as error:
            return type(error).__name__


with open(sys.argv[1] if len(sys.argv) > 1 else os.environ["LAYOUTS"]) as file:
    print(json.dumps([splits(case) for case in json.load(file)]))
