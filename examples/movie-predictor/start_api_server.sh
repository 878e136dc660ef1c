#!/bin/bash
# Serves the newest model. Its output goes to the container's log as well, so that `teul logs -f` shows it.
cd "$(dirname "$0")"
exec python src/main.py serve --model_name "${MODEL_NAME:-movie_predictor}" --port "${PORT:-5000}" >/proc/1/fd/1 2>/proc/1/fd/2
