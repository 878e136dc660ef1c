"""Matrix factorisation by stochastic gradient descent: how long would this user watch this movie?

A prediction is mean + user's bias + movie's bias + the dot product of two vectors of `SIZE` numbers. While fitting, watch
times are in units of half an hour; errors are told in minutes, and times are seconds everywhere else.
"""

import json
import math
import os
import random

SIZE = 4
RATE = 0.05
DECAY = 0.02
UNIT_S = 1800
FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "models")


class Model:
    def __init__(self, mean, users, movies):
        self.mean = mean
        self.users = users
        self.movies = movies

    @classmethod
    def begin(cls, log, *, seed):
        """Small random vectors for everyone in *log*, a list of (user, movie, seconds)."""
        numbers = random.Random(seed)

        def vector():
            return [0.0] + [numbers.gauss(0, 0.5) for _ in range(SIZE)]

        mean = sum(seconds for _, _, seconds in log) / len(log) / UNIT_S
        users = {user: vector() for user in sorted({row[0] for row in log})}
        movies = {movie: vector() for movie in sorted({row[1] for row in log})}
        return cls(mean, users, movies)

    def units(self, user, movie):
        left = self.users.get(user, [0.0] * (SIZE + 1))
        right = self.movies.get(movie, [0.0] * (SIZE + 1))
        return self.mean + left[0] + right[0] + sum(a * b for a, b in zip(left[1:], right[1:], strict=True))

    def fit_once(self, log):
        """One pass over *log*; returns the root mean squared error in minutes, as it was met on the way."""
        total = 0.0
        for user, movie, seconds in log:
            error = seconds / UNIT_S - self.units(user, movie)
            total += error * error
            left, right = self.users[user], self.movies[movie]
            left[0] += RATE * (error - DECAY * left[0])
            right[0] += RATE * (error - DECAY * right[0])
            for place in range(1, SIZE + 1):
                a, b = left[place], right[place]
                left[place] += RATE * (error * b - DECAY * a)
                right[place] += RATE * (error * a - DECAY * b)
        return math.sqrt(total / len(log)) * UNIT_S / 60

    def rmse(self, log):
        total = sum((seconds / UNIT_S - self.units(user, movie)) ** 2 for user, movie, seconds in log)
        return math.sqrt(total / len(log)) * UNIT_S / 60

    def recommend(self, user, count=5):
        """The movies that *user* would watch longest, with seconds; for a stranger, what everyone watches."""
        found = [(movie, max(0.0, self.units(user, movie)) * UNIT_S) for movie in self.movies]
        return sorted(found, key=lambda item: (-item[1], item[0]))[:count]

    def save(self, name):
        os.makedirs(FOLDER, exist_ok=True)
        path = os.path.join(FOLDER, f"{name}.json")
        beside = f"{path}.tmp"
        with open(beside, "w", encoding="utf-8") as file:
            json.dump({"mean": self.mean, "users": list(self.users.items()), "movies": self.movies}, file)
        os.replace(beside, path)
        return path

    @classmethod
    def load(cls, name):
        with open(os.path.join(FOLDER, f"{name}.json"), encoding="utf-8") as file:
            value = json.load(file)
        return cls(value["mean"], dict(value["users"]), value["movies"])
