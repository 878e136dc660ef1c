"""The churn model as the model server uses it: `Churn.load(path)` once, then `predict(rows)` for every request."""

import os

from catboost import CatBoostClassifier

COLUMNS = (
    "Age",
    "FrequentFlyer",
    "AnnualIncomeClass",
    "ServicesOpted",
    "AccountSyncedToSocialMedia",
    "BookedHotelOrNot",
)
CATEGORICAL = ["FrequentFlyer", "AnnualIncomeClass", "AccountSyncedToSocialMedia", "BookedHotelOrNot"]


class Churn:
    """Says for each customer whether they will leave and how probable that is."""

    # What a request may hold; the server checks it and shows it in the model's metadata and on its form.
    inputs = {
        "Age": int,
        "FrequentFlyer": str,
        "AnnualIncomeClass": str,
        "ServicesOpted": int,
        "AccountSyncedToSocialMedia": str,
        "BookedHotelOrNot": str,
    }
    outputs = {"churn": bool, "probability": float}
    example = {
        "Age": 28,
        "FrequentFlyer": "Yes",
        "AnnualIncomeClass": "High Income",
        "ServicesOpted": 5,
        "AccountSyncedToSocialMedia": "Yes",
        "BookedHotelOrNot": "No",
    }

    def __init__(self, model):
        self._model = model

    @classmethod
    def load(cls, path):
        """Read the model that `train.py` left in the folder *path*."""
        model = CatBoostClassifier()
        model.load_model(os.path.join(path, "churn.cbm"))
        return cls(model)

    def predict(self, rows):
        """*rows*: dicts with the keys of `inputs`; gives one dict with the keys of `outputs` for each."""
        table = [[row[name] for name in COLUMNS] for row in rows]
        leaves = self._model.predict_proba(table)[:, 1]
        return [{"churn": bool(share > 0.5), "probability": round(float(share), 6)} for share in leaves]
