"""Korean messages of `teul.ml.tracking` and its commands."""

MESSAGES = {
    "artifact `{path}` not found": "아티팩트 `{path}`를 찾을 수 없습니다",
    "artifact `{path}`: its content is gone; upload it again": "아티팩트 `{path}`: 내용이 사라졌습니다. 다시 올려 주세요",
    "artifacts of run `{run_id}` are kept elsewhere: {uri}": "실행 `{run_id}`의 아티팩트는 다른 곳에 있습니다: {uri}",
    "model `{name}` version {version}: its gate failed, so it cannot be `{alias}`": (
        "모델 `{name}` 버전 {version}: 게이트를 통과하지 못해 `{alias}`가 될 수 없습니다"
    ),
    "run `{run_id}` not found": "실행 `{run_id}`를 찾을 수 없습니다",
    "teul models show {name}": "teul models show {name}",
    "teul runs": "teul runs",
}
