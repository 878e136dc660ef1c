"""Train a CatBoost classifier that says which customers will leave, and measure it on data it has not seen.

    python train.py --data data/customers.csv --iterations 500 --out model/

Writes `metrics.json` (precision and recall on the three parts) and the model. Where `MLFLOW_TRACKING_URI` is set, as in
every run under `teul up`, the stock `mlflow` client records parameters, metrics and files; elsewhere it trains all the
same.
"""

import argparse
import json
import os
import sys

import pandas
from catboost import CatBoostClassifier, Pool
from predict import CATEGORICAL, COLUMNS
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import train_test_split

LABEL = "Target"


def read_customers(path):
    """The features and the label of the CSV at *path*, with the columns in the order the model knows."""
    table = pandas.read_csv(path)
    missing = [name for name in (*COLUMNS, LABEL) if name not in table.columns]
    if missing:
        sys.exit(f"{path}: expected the columns {', '.join((*COLUMNS, LABEL))}; missing: {', '.join(missing)}")
    return table[list(COLUMNS)], table[LABEL]


def split(features, label, seed):
    """Three parts by name: 64 % to learn from, 16 % to know when to stop, 20 % that only the last measurement sees."""
    rest, test, rest_label, test_label = train_test_split(
        features, label, test_size=0.2, random_state=seed, stratify=label
    )
    train, validation, train_label, validation_label = train_test_split(
        rest, rest_label, test_size=0.2, random_state=seed, stratify=rest_label
    )
    return {
        "train": Pool(train, train_label, cat_features=CATEGORICAL),
        "validation": Pool(validation, validation_label, cat_features=CATEGORICAL),
        "test": Pool(test, test_label, cat_features=CATEGORICAL),
    }


def measure(model, pool):
    """Precision and recall of *model* on *pool*, each between 0 and 1 (0 where nobody was said to leave)."""
    expected, said = pool.get_label(), model.predict(pool)
    return {
        "precision": float(precision_score(expected, said, zero_division=0)),
        "recall": float(recall_score(expected, said, zero_division=0)),
        "rows": len(expected),
    }


def record(options, metrics, losses):
    """Log the run with the stock MLflow client; it reads the address, the token and the run from its environment."""
    import mlflow

    with mlflow.start_run():
        mlflow.log_params(
            {name: getattr(options, name) for name in ("data", "iterations", "depth", "learning_rate", "seed")}
        )
        for step, loss in enumerate(losses):
            if step % 25 == 0:
                mlflow.log_metric("validation.logloss", loss, step=step)
        mlflow.log_metrics(
            {f"{part}.{name}": value for part, found in metrics.items() for name, value in found.items()}
        )
        mlflow.log_artifact(options.metrics)
        mlflow.log_artifacts(options.out, "model")


def main():
    parser = argparse.ArgumentParser(description="train the churn model")
    parser.add_argument("--data", default="data/customers.csv")
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=123)
    parser.add_argument("--out", default="model/")
    parser.add_argument("--metrics", default="metrics.json")
    options = parser.parse_args()

    parts = split(*read_customers(options.data), options.seed)
    model = CatBoostClassifier(
        iterations=options.iterations,
        depth=options.depth,
        learning_rate=options.learning_rate,
        loss_function="Logloss",
        random_seed=options.seed,
        allow_writing_files=False,
        verbose=max(1, options.iterations // 10),
    )
    model.fit(parts["train"], eval_set=parts["validation"])
    metrics = {name: measure(model, pool) for name, pool in parts.items()}

    os.makedirs(options.out, exist_ok=True)
    model.save_model(os.path.join(options.out, "churn.cbm"))
    with open(options.metrics, "w", encoding="utf-8") as file:
        json.dump(metrics, file, indent=2)
        file.write("\n")
    for name, found in metrics.items():
        print(f"{name:>10}: precision {found['precision']:.3f}, recall {found['recall']:.3f} ({found['rows']} rows)")

    if os.environ.get("MLFLOW_TRACKING_URI"):
        record(options, metrics, model.get_evals_result()["validation"]["Logloss"])


if __name__ == "__main__":
    main()
