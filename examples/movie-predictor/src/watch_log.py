"""The watch log: who watched what for how long. `data/watch_log.csv`; `python src/watch_log.py` writes it anew."""

import csv
import os
import random

PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "watch_log.csv")
MOVIES = {
    "Harbour Lights": "drama", "The Long Winter": "drama", "Paper Boats": "drama", "A Letter Home": "drama",
    "Red Orbit": "science", "The Last Antenna": "science", "Tomorrow's Engine": "science", "Silent Dish": "science",
    "Two Left Shoes": "comedy", "The Wrong Wedding": "comedy", "Cat in Charge": "comedy", "Monday, Again": "comedy",
    "빵 굽는 시간": "drama", "달의 뒤편": "science", "옆집 탐정": "comedy",
}  # fmt: skip
USERS = 60


def read(path=PATH):
    """(user, movie, seconds) of every line."""
    with open(path, encoding="utf-8", newline="") as file:
        return [(int(row["user_id"]), row["movie"], int(row["watch_seconds"])) for row in csv.DictReader(file)]


def split(log, *, seed, share=0.2):
    """(known, held out); the same for the same seed."""
    shuffled = list(log)
    random.Random(seed).shuffle(shuffled)
    count = int(len(shuffled) * share)
    return shuffled[count:], shuffled[:count]


def write(path=PATH, seed=7):
    """Made-up people with a taste: each likes one kind of movie, and watches others for a while."""
    numbers = random.Random(seed)
    kinds = sorted(set(MOVIES.values()))
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("user_id", "movie", "watch_seconds"))
        for user in range(1, USERS + 1):
            liked = numbers.choice(kinds)
            for movie, kind in MOVIES.items():
                if numbers.random() < 0.7:
                    minutes = numbers.gauss(90 if kind == liked else 25, 8)
                    rows.writerow((user, movie, max(60, int(minutes * 60))))


if __name__ == "__main__":
    write()
