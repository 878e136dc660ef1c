"""Korean messages of `teul.ml.tracking` and its commands."""

MESSAGES = {
    "artifact `{path}` not found": "아티팩트 `{path}`를 찾을 수 없습니다",
    "artifact `{path}`: its content is gone; upload it again": "아티팩트 `{path}`: 내용이 사라졌습니다. 다시 올려 주세요",
    "artifacts of run `{run_id}` are kept elsewhere: {uri}": "실행 `{run_id}`의 아티팩트는 다른 곳에 있습니다: {uri}",
    "model `{name}` version {version}: its gate failed, so it cannot be `{alias}`": (
        "모델 `{name}` 버전 {version}: 게이트를 통과하지 못해 `{alias}`가 될 수 없습니다"
    ),
    "run `{run_id}` not found": "실행 `{run_id}`를 찾을 수 없습니다",
    "`{command}` takes no arguments": "`{command}`는 인자를 받지 않습니다",
    "a token is needed here: set MLFLOW_TRACKING_TOKEN to the one of the run": (
        "여기서는 토큰이 필요합니다. MLFLOW_TRACKING_TOKEN에 실행의 토큰을 넣으세요"
    ),
    "another process": "다른 프로세스",
    "host `{host}`: expected an address or localhost": "호스트 `{host}`: 주소나 localhost여야 합니다",
    "origin `{origin}` may not write here": "출처 `{origin}`는 여기에 쓸 수 없습니다",
    "presigned URLs are not supported: artifacts go through this server": (
        "사전 서명 URL은 지원하지 않습니다. 아티팩트는 이 서버를 거칩니다"
    ),
    "see {path}": "{path}를 보세요",
    "the client went away before the upload was whole": "업로드가 끝나기 전에 클라이언트가 연결을 끊었습니다",
    "the token of run {run_id} may not write {what}": "실행 {run_id}의 토큰으로는 {what}에 쓸 수 없습니다",
    "the tracking server (pid {pid}) does not end": "추적 서버(pid {pid})가 끝나지 않습니다",
    "the tracking server did not come up on {addresses}: {tail}": "추적 서버가 {addresses}에서 뜨지 않았습니다: {tail}",
    "the tracking store in `{root}` is served already by {holder}": (
        "`{root}`의 추적 저장소는 이미 {holder}가 서비스하고 있습니다"
    ),
    "this token is unknown or has ended": "모르는 토큰이거나 기한이 지났습니다",
    "tracking server on {host}, port {port}; Ctrl-C ends it": "추적 서버: {host}, 포트 {port}. Ctrl-C로 끝냅니다",
    "teul models show {name}": "teul models show {name}",
    "teul runs": "teul runs",
}
