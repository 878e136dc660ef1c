"""A movie recommender from watch logs: `train` fits it, `predict` asks it, `serve` answers over HTTP."""

import argparse
import sys

import model as models
import server
import watch_log


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("train", help="fit a model to the watch log")
    train.add_argument("--model_name", default="movie_predictor")
    train.add_argument("--num_epochs", type=int, default=10)
    train.add_argument("--seed", type=int, default=0)
    predict = verbs.add_parser("predict", help="recommend movies to a user")
    predict.add_argument("--model_name", default="movie_predictor")
    predict.add_argument("--user_id", type=int, required=True)
    serve = verbs.add_parser("serve", help="answer over HTTP")
    serve.add_argument("--model_name", default="movie_predictor")
    serve.add_argument("--port", type=int, default=5000)
    arguments = parser.parse_args(argv)

    if arguments.verb == "train":
        if arguments.num_epochs < 1:
            parser.error("--num_epochs: expected 1 or more")
        log = watch_log.read()
        known, held_out = watch_log.split(log, seed=arguments.seed)
        made = models.Model.begin(log, seed=arguments.seed)
        for epoch in range(1, arguments.num_epochs + 1):
            error = made.fit_once(known)
            print(f"epoch {epoch}/{arguments.num_epochs}: train rmse {error:.4f}, test rmse {made.rmse(held_out):.4f}")
        print(f"saved {made.save(arguments.model_name)}")
        return 0
    try:
        found = models.Model.load(arguments.model_name)
    except FileNotFoundError as error:
        print(f"no model `{arguments.model_name}` ({error.filename}): train it first", file=sys.stderr)
        return 1
    if arguments.verb == "predict":
        for movie, seconds in found.recommend(arguments.user_id):
            print(f"{movie}\t{seconds:.0f} s")
        return 0
    server.serve(found, arguments.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
