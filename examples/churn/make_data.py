"""Make `data/customers.csv`: 954 invented customers of a travel company. SYNTHETIC: no row describes a real person.

The columns are those of the public "Tours and Travels Customer Churn" data set, so that a real file of that shape can
take this one's place without a change anywhere else. The same seed gives the same bytes on every machine: only
`random.random()` is used, whose sequence Python keeps from version to version.

    python make_data.py [--rows 954] [--seed 954] [--out data/customers.csv]
"""

import argparse
import csv
import math
import os
import random

COLUMNS = (
    "Age",
    "FrequentFlyer",
    "AnnualIncomeClass",
    "ServicesOpted",
    "AccountSyncedToSocialMedia",
    "BookedHotelOrNot",
    "Target",
)


def pick(rng, weighted):
    """One of the words of *weighted* ((word, weight), …; the weights add up to 1)."""
    draw = rng.random()
    for word, weight in weighted:
        draw -= weight
        if draw < 0:
            return word
    return weighted[-1][0]


def churn_probability(age, flyer, income, services, synced, hotel):
    """How likely such a customer leaves, between 0 and 1: a few habits, and three groups that leave together."""
    score = -2.9
    score += 0.9 if age < 30 else -0.3 if age > 34 else 0.0
    score += {"Yes": 1.3, "No": -0.4, "No Record": 0.3}[flyer]
    score += {"Low Income": 0.1, "Middle Income": -0.7, "High Income": 1.6}[income]
    score += 0.8 if synced == "Yes" else -0.2
    score += -0.7 if hotel == "Yes" else 0.4
    if flyer == "Yes" and income == "High Income":
        score += 2.2
    if services == 1 and hotel == "No":
        score += 2.4
    if services >= 5 and age < 30:
        score += 2.6
    return 1 / (1 + math.exp(-1.7 * score))


def customers(count, seed):
    """*count* rows, in the order of `COLUMNS`."""
    rng = random.Random(seed)
    for _ in range(count):
        age = 27 + int(rng.random() ** 1.3 * 12)
        flyer = pick(rng, (("No", 0.60), ("Yes", 0.30), ("No Record", 0.10)))
        income = pick(rng, (("Middle Income", 0.43), ("Low Income", 0.40), ("High Income", 0.17)))
        services = pick(rng, ((1, 0.42), (2, 0.18), (3, 0.16), (4, 0.14), (5, 0.07), (6, 0.03)))
        synced = pick(rng, (("No", 0.62), ("Yes", 0.38)))
        hotel = pick(rng, (("No", 0.60), ("Yes", 0.40)))
        leaves = rng.random() < churn_probability(age, flyer, income, services, synced, hotel)
        yield age, flyer, income, services, synced, hotel, int(leaves)


def main():
    parser = argparse.ArgumentParser(description="write invented customers as CSV")
    parser.add_argument("--rows", type=int, default=954)
    parser.add_argument("--seed", type=int, default=954)
    parser.add_argument("--out", default=os.path.join("data", "customers.csv"))
    options = parser.parse_args()

    rows = list(customers(options.rows, options.seed))
    os.makedirs(os.path.dirname(options.out) or ".", exist_ok=True)
    with open(options.out, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    share = sum(row[-1] for row in rows) / len(rows)
    print(f"{options.out}: {len(rows)} synthetic customers, {share:.1%} of them leave")


if __name__ == "__main__":
    main()
