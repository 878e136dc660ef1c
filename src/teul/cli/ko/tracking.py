"""Korean messages of `teul.ml.tracking` and its commands."""

MESSAGES = {
    "address {host}, port {port}: expected an address of this machine and a port from 0 to 65535": (
        "주소 {host}, 포트 {port}: 이 컴퓨터의 주소와 0부터 65535까지의 포트여야 합니다"
    ),
    "artifact `{path}` not found": "아티팩트 `{path}`를 찾을 수 없습니다",
    "artifact `{path}`: {reason}": "아티팩트 `{path}`: {reason}",
    "artifact `{path}`: its content is gone; upload it again": "아티팩트 `{path}`: 내용이 사라졌습니다. 다시 올려 주세요",
    "artifacts at {uri} are kept elsewhere": "{uri}의 아티팩트는 다른 곳에 있습니다",
    "nothing differs": "다른 것이 없습니다",
    "an image is gone and nothing is known of what was in it: its packages were not compared": (
        "이미지가 사라졌고 그 안에 무엇이 있었는지 기록이 없어 패키지는 비교하지 못했습니다"
    ),
    "and {count} more (machine, times, logs): --all shows them": (
        "그 밖에 {count}개(컴퓨터, 시간, 로그)가 더 있습니다. --all로 볼 수 있습니다"
    ),
    "and {count} more plots: --metric NAME shows one": "그래프가 {count}개 더 있습니다. --metric 이름으로 하나를 볼 수 있습니다",
    "and {count} more plots: --html FILE has all": "그래프가 {count}개 더 있습니다. --html 파일에 모두 담깁니다",
    "`{path}` cannot be read: {problem}": "`{path}`를 읽을 수 없습니다: {problem}",
    "there are more: --page-token {token}": "더 있습니다: --page-token {token}",
    "status `{status}`: expected {choices}": "상태 `{status}`: {choices} 가운데 하나여야 합니다",
    "say where to: -o FILE, or -o - for standard output": "어디에 쓸지 알려 주세요: -o 파일, 또는 표준 출력은 -o -",
    "{count} run(s), {size} of artifacts: {path}": "실행 {count}개, 아티팩트 {size}: {path}",
    "imported": "가져옴",
    "was here already": "이미 있음",
    "the archive cannot be read: {problem}": "보관 파일을 읽을 수 없습니다: {problem}",
    "the archive ends early": "보관 파일이 중간에 끝납니다",
    "the archive has a file `{name}` that leads out of it": "보관 파일에 바깥으로 나가는 파일 `{name}`이 있습니다",
    "`{path}`: no run was found in it": "`{path}`: 실행을 찾지 못했습니다",
    "`{path}`: {problem}": "`{path}`: {problem}",
    "Show what only says where and how long a run ran, too": "어디서 얼마나 걸렸는지만 말하는 것도 보여 줍니다",
    "Exit with 1 when the runs differ": "실행이 다르면 1로 끝냅니다",
    "Output format: json, or a Go template for each line such as {{.Area}} {{.Name}}": (
        "출력 형식: json, 또는 {{.Area}} {{.Name}} 같은 Go 템플릿"
    ),
    "Output format: json, or a Go template for each line such as {{.Name}} {{.Values}}": (
        "출력 형식: json, 또는 {{.Name}} {{.Values}} 같은 Go 템플릿"
    ),
    "Only these metrics; default: all that the runs have": "이 지표만. 기본은 실행에 있는 모든 지표",
    "Show params that are the same in all runs, too": "모든 실행에서 같은 매개변수도 보여 줍니다",
    "Plot over seconds since the run began instead of over steps": "단계 대신 실행이 시작된 뒤의 초를 가로축으로 그립니다",
    "Only the table": "표만",
    "Write the table and the plots into this file, as a page that needs nothing else": (
        "표와 그래프를 다른 것이 필요 없는 페이지로 이 파일에 씁니다"
    ),
    "Write the run and its plots into this file, as a page that needs nothing else": (
        "실행과 그래프를 다른 것이 필요 없는 페이지로 이 파일에 씁니다"
    ),
    "Write the plots into this file": "그래프를 이 파일에 씁니다",
    "Don't plot the metrics' histories": "지표의 흐름을 그리지 않습니다",
    "Go on where the last page ended; it said the token": "지난 쪽이 끝난 곳부터. 토큰은 그 쪽이 알려 줍니다",
    "Only runs with this status: running, scheduled, finished, failed or killed": (
        "이 상태의 실행만: running, scheduled, finished, failed, killed"
    ),
    "The file to write; - is standard output": "쓸 파일. -는 표준 출력",
    "model `{name}` version {version}: its gate failed, so it cannot be `{alias}`": (
        "모델 `{name}` 버전 {version}: 게이트를 통과하지 못해 `{alias}`가 될 수 없습니다"
    ),
    "run `{run_id}` not found": "실행 `{run_id}`를 찾을 수 없습니다",
    "a token is needed here: set MLFLOW_TRACKING_TOKEN to the one of the run": (
        "여기서는 토큰이 필요합니다. MLFLOW_TRACKING_TOKEN에 실행의 토큰을 넣으세요"
    ),
    "another process": "다른 프로세스",
    "experiment `{name}` not found": "실험 `{name}`을(를) 찾을 수 없습니다",
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
    # options
    "Address to listen on; a token is needed on any but loopback": "들을 주소. 루프백이 아니면 토큰이 필요합니다",
    "Port to listen on; 0 takes a free one": "들을 포트. 0이면 빈 포트를 고릅니다",
    "Take the port of last time, or a free one when that is held": "지난번 포트를 쓰고, 이미 쓰이고 있으면 빈 포트를 고릅니다",
    "Answer without tokens on every address": "모든 주소에서 토큰 없이 응답합니다",
    "Only runs of this experiment (name or id)": "이 실험(이름 또는 번호)의 실행만",
    "Only runs that match, such as \"metrics.recall > 0.9 and params.depth = '6'\"": (
        "조건에 맞는 실행만. 예: \"metrics.recall > 0.9 and params.depth = '6'\""
    ),
    'Order, such as "metrics.recall DESC"; default: newest first': '정렬. 예: "metrics.recall DESC". 기본은 최신순',
    "Show at most this many runs": "최대 이만큼만 보여 줍니다",
    "Show deleted runs too": "지운 실행도 보여 줍니다",
    "Only display run IDs": "실행 ID만 보여 줍니다",
    "Output format: json, or a Go template for each line such as {{.ID}} {{.Metrics}}": (
        "출력 형식: json, 또는 {{.ID}} {{.Metrics}} 같은 Go 템플릿"
    ),
    "Output format: json, or a Go template such as {{.Params.depth}}": (
        "출력 형식: json, 또는 {{.Params.depth}} 같은 Go 템플릿"
    ),
    "Only models that match, such as \"name LIKE 'churn%'\"": "조건에 맞는 모델만. 예: \"name LIKE 'churn%'\"",
    "Only display model names": "모델 이름만 보여 줍니다",
    "Output format: json, or a Go template for each line such as {{.Name}} {{.Production}}": (
        "출력 형식: json, 또는 {{.Name}} {{.Production}} 같은 Go 템플릿"
    ),
    "Output format: json, or a Go template such as {{.Production}}": (
        "출력 형식: json, 또는 {{.Production}} 같은 Go 템플릿"
    ),
}
