"""Korean messages of `teul.ml.tracking` and its commands."""

MESSAGES = {
    "a tracking store in PostgreSQL needs Python package `psycopg`, which is not installed": (
        "PostgreSQL에 두는 추적 저장소에는 파이썬 패키지 `psycopg`가 필요한데 설치되어 있지 않습니다"
    ),
    "store `{url}`: expected postgresql://USER@HOST/DATABASE: {reason}": (
        "저장소 `{url}`: postgresql://USER@HOST/DATABASE 형식이어야 합니다: {reason}"
    ),
    "--store: expected postgresql://USER@HOST/DATABASE, got {value}": (
        "--store: postgresql://USER@HOST/DATABASE 형식이어야 하는데 {value}입니다"
    ),
    "--artifacts goes with --store": "--artifacts는 --store와 함께 씁니다",
    "database `{path}`: expected encoding UTF8, got {actual}": (
        "데이터베이스 `{path}`: 인코딩이 UTF8이어야 하는데 {actual}입니다"
    ),
    "database `{path}` cannot be reached: {reason}": "데이터베이스 `{path}`에 연결할 수 없습니다: {reason}",
    "upgrade teul, or set TEUL_TRACKING_STORE to another database": (
        "teul을 새 버전으로 올리거나 TEUL_TRACKING_STORE를 다른 데이터베이스로 바꾸세요"
    ),
    "folder `{root}` is not where the artifacts of this tracking store are kept": (
        "폴더 `{root}`는 이 추적 저장소의 아티팩트가 있는 곳이 아닙니다"
    ),
    "mount that folder here and say where: --artifacts, or TEUL_TRACKING_ARTIFACTS": (
        "그 폴더를 여기에 마운트하고 어디인지 알려 주세요: --artifacts 또는 TEUL_TRACKING_ARTIFACTS"
    ),
    "the tracking server at {uri}: expected one on store {expected}, got {actual}": (
        "추적 서버 {uri}: 저장소가 {expected}이어야 하는데 {actual}입니다"
    ),
    "set TEUL_TRACKING_STORE for all commands, or end that server (pid {pid})": (
        "모든 명령에 TEUL_TRACKING_STORE를 설정하거나 그 서버(pid {pid})를 끝내세요"
    ),
    "Keep the tracking store in PostgreSQL: postgresql://USER@HOST/DATABASE (TEUL_TRACKING_STORE)": (
        "추적 저장소를 PostgreSQL에 둡니다: postgresql://USER@HOST/DATABASE (TEUL_TRACKING_STORE)"
    ),
    "Folder of that store's artifacts, the same for all of its servers": (
        "그 저장소의 아티팩트 폴더. 그 저장소의 모든 서버에 같은 폴더여야 합니다"
    ),
    "address {host}, port {port}: expected an address of this machine and a port from 0 to 65535": (
        "주소 {host}, 포트 {port}: 이 컴퓨터의 주소와 0부터 65535까지의 포트여야 합니다"
    ),
    "artifact `{path}` not found": "아티팩트 `{path}`를 찾을 수 없습니다",
    "artifact `{path}`: {reason}": "아티팩트 `{path}`: {reason}",
    "artifact `{path}`: its content is gone; upload it again": "아티팩트 `{path}`: 내용이 사라졌습니다. 다시 올려 주세요",
    "artifacts at {uri} are kept elsewhere": "{uri}의 아티팩트는 다른 곳에 있습니다",
    "model `{name}` version {version} was rejected, so it cannot be `{alias}`": (
        "모델 `{name}` 버전 {version}은(는) 반려되어 `{alias}`가 될 수 없습니다"
    ),
    "model `{name}` version {version} has no approval, so it cannot be `{alias}`": (
        "모델 `{name}` 버전 {version}은(는) 승인되지 않아 `{alias}`가 될 수 없습니다"
    ),
    "a rejection needs a reason": "반려에는 이유가 필요합니다",
    "say it with --why": "--why로 알려 주세요",
    "version {version} was rejected": "버전 {version}은(는) 반려되었습니다",
    "version {version} waits for an approval": "버전 {version}은(는) 승인을 기다립니다",
    "waits: teul models approve {model} {version}": "기다림: teul models approve {model} {version}",
    "nothing was `{alias}`": "`{alias}`였던 것이 없습니다",
    "date `{value}`: expected one such as 2026-11-21 or 2026-11-21T09:30": (
        "날짜 `{value}`: 2026-11-21이나 2026-11-21T09:30 같은 형식이어야 합니다"
    ),
    "`teul up` in the project's folder serves it": "프로젝트 폴더에서 `teul up`을 하면 그 버전을 서빙합니다",
    "nothing of model `{name}` is in production": "모델 `{name}`에는 운영 중인 버전이 없습니다",
    "say which version: --version N": "어느 버전인지 알려 주세요: --version N",
    "it was pulled before": "전에 받은 것입니다",
    "`{reference}`: a name to push to has a tag and no digest": (
        "`{reference}`: 올릴 이름에는 태그가 있고 다이제스트가 없어야 합니다"
    ),
    "model `{name}` version {version} has no files here": "모델 `{name}` 버전 {version}의 파일이 여기에 없습니다",
    "its source is {source}": "출처는 {source}입니다",
    "`{reference}` is no model: its type is `{kind}`": "`{reference}`은(는) 모델이 아닙니다. 유형은 `{kind}`입니다",
    "`{reference}`: its manifest cannot be read: {problem}": "`{reference}`: 매니페스트를 읽을 수 없습니다: {problem}",
    "`{reference}` has {count} files; expected at most {limit}": (
        "`{reference}`에 파일이 {count}개 있습니다. 최대 {limit}개여야 합니다"
    ),
    "`{reference}`: `{path}` is packed as `{kind}`; only `.raw` is read": (
        "`{reference}`: `{path}`은(는) `{kind}`로 묶여 있습니다. `.raw`만 읽습니다"
    ),
    "`{reference}`: `{path}` is too large": "`{reference}`: `{path}`이(가) 너무 큽니다",
    "`{reference}` has no files": "`{reference}`에 파일이 없습니다",
    "The alias to move": "옮길 별칭",
    "Why, for the history": "이력에 남길 이유",
    "Why, for the history; a rejection needs it": "이력에 남길 이유. 반려에는 꼭 필요합니다",
    "Only this alias; default: production with --on, all without": "이 별칭만. 기본은 --on이면 production, 아니면 전부",
    "Only what it was on this day or at this moment (2026-11-21, 2026-11-21T09:30)": (
        "이 날이나 이 순간의 것만(2026-11-21, 2026-11-21T09:30)"
    ),
    "Output format: json, or a Go template for each line such as {{.Version}} {{.From}}": (
        "출력 형식: json, 또는 {{.Version}} {{.From}} 같은 Go 템플릿"
    ),
    "The version to push; default: the one in production": "올릴 버전. 기본은 운영 중인 버전",
    "Only display the digest": "다이제스트만 보여 줍니다",
    "Register it as this model; default: the name it had": "이 모델로 등록합니다. 기본은 원래 이름",
    "Only display the model and the version": "모델과 버전만 보여 줍니다",
    "Show the model card (Markdown) of one version": "한 버전의 모델 카드(Markdown)를 보여 줍니다",
    "Whose card; default: the version in production, else the newest": "누구의 카드인지. 기본은 운영 중인 버전, 없으면 최신 버전",
    "--track: a container on network `{network}` does not reach the tracking server": (
        "--track: 네트워크 `{network}`의 컨테이너는 추적 서버에 닿지 못합니다"
    ),
    "Let MLflow in the container record in this experiment, with image, code and output; in a project's folder that is"
    " the default while a tracking server runs, and '' turns it off": (
        "컨테이너 안의 MLflow가 이미지, 코드, 출력과 함께 이 실험에 기록하게 합니다. 프로젝트 폴더에서는 추적 서버가 도는 동안"
        " 이것이 기본이고, ''로 끕니다"
    ),
    "nothing is recorded: {reason}": "기록하지 않습니다: {reason}",
    "the output is not recorded: {reason}": "출력을 기록하지 못했습니다: {reason}",
    "{path} cannot be read; `teul up` says what is wrong with it": (
        "{path}을(를) 읽을 수 없습니다. 무엇이 잘못되었는지는 `teul up`이 알려 줍니다"
    ),
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
    "tracking server at {uri}; Ctrl-C ends it": "추적 서버: {uri}. Ctrl-C로 끝냅니다",
    "--insecure and --require-tokens exclude each other": "--insecure와 --require-tokens는 함께 쓸 수 없습니다",
    "use that one (MLFLOW_TRACKING_URI), end it, or serve another folder: TEUL_ROOT": (
        "그 서버를 쓰거나(MLFLOW_TRACKING_URI), 끝내거나, 다른 폴더를 서비스하세요: TEUL_ROOT"
    ),
    "too many requests without a good token; wait a minute": "올바른 토큰 없는 요청이 너무 많습니다. 1분 기다리세요",
    "the token `{who}` may not write {what}": "토큰 `{who}`(으)로는 {what}에 쓸 수 없습니다",
    "the token `{who}` may not see {what}": "토큰 `{who}`(으)로는 {what}을(를) 볼 수 없습니다",
    "role `{role}`: expected read, write or admin": "역할 `{role}`: read, write, admin 가운데 하나여야 합니다",
    "a token needs a name that says whose it is": "토큰에는 누구의 것인지 말하는 이름이 필요합니다",
    "token `{name}` not found": "토큰 `{name}`을(를) 찾을 수 없습니다",
    "{count} tokens are called `{name}`: say which: {ids}": "이름이 `{name}`인 토큰이 {count}개입니다. 하나를 고르세요: {ids}",
    "it is shown only now; it ends {when}; MLFLOW_TRACKING_TOKEN takes it": (
        "지금만 보여 줍니다. {when}에 끝납니다. MLFLOW_TRACKING_TOKEN에 넣으세요"
    ),
    "duration `{value}`: expected one such as 30m, 12h, 90d or 1y": (
        "기간 `{value}`: 30m, 12h, 90d, 1y 같은 형식이어야 합니다"
    ),
    "run {run_id} is kept: a model version stands on its files": "실행 {run_id}은(는) 남깁니다. 모델 버전이 그 파일을 씁니다",
    "freed: {size}": "확보한 공간: {size}",
    "Ask for a token on loopback, too": "루프백에서도 토큰을 요구합니다",
    "What it may do: read, write or admin": "할 수 있는 일: read, write, admin",
    "Only in the experiment of this name; default: in all": "이 이름의 실험에서만. 기본은 모든 실험",
    "When it ends, such as 12h, 90d or 1y": "끝나는 때. 예: 12h, 90d, 1y",
    "Output format: json, or a Go template for each line such as {{.ID}} {{.Name}}": (
        "출력 형식: json, 또는 {{.ID}} {{.Name}} 같은 Go 템플릿"
    ),
    "Output format: json, or a Go template for each line such as {{.At}} {{.Action}}": (
        "출력 형식: json, 또는 {{.At}} {{.Action}} 같은 Go 템플릿"
    ),
    "Show at most this many lines": "최대 이만큼의 줄을 보여 줍니다",
    "Only lines since this day or moment (2026-11-21, 2026-11-21T09:30)": (
        "이 날이나 순간부터의 줄만(2026-11-21, 2026-11-21T09:30)"
    ),
    "Only what this person or token did": "이 사람이나 토큰이 한 일만",
    "Only what was deleted at least so long ago, such as 30d": "지운 지 이만큼 지난 것만. 예: 30d",
    "Only this deleted run": "이 지운 실행만",
    "Say what would go, and remove nothing": "무엇이 없어질지만 말하고 없애지 않습니다",
    "Let go of the artifacts of a store in PostgreSQL that is gone for good": (
        "영영 없어진 PostgreSQL 저장소의 아티팩트를 놓아줍니다"
    ),
    "Also logged models that nobody deleted but whose run is gone": "지우지 않았지만 실행이 없어진 기록된 모델도",
    "logged models are kept although their run is gone: {count}; --models removes them": (
        "실행이 없어졌어도 남겨 둔 기록된 모델: {count}개. --models로 없앱니다"
    ),
    "--forget goes alone": "--forget는 다른 옵션과 함께 쓸 수 없습니다",
    "WARNING! This will remove all artifacts that only tracking store {store} has": (
        "경고! 추적 저장소 {store}에만 있는 아티팩트를 모두 없앱니다"
    ),
    "artifacts are kept for tracking store {store} ({location}); if it is gone for good:"
    " teul tracking gc --forget {store}": (
        "추적 저장소 {store}({location})의 아티팩트를 보관하고 있습니다. 영영 없어졌다면:"
        " teul tracking gc --forget {store}"
    ),
    "no artifacts are kept for tracking store `{store}`": "추적 저장소 `{store}`의 아티팩트는 보관하고 있지 않습니다",
    "`{store}` is the beginning of several: say which: {ids}": (
        "`{store}`(으)로 시작하는 것이 여럿입니다. 어느 것인지 쓰십시오: {ids}"
    ),
    "tracking store `{store}` is not gone: it is at {location}": (
        "추적 저장소 `{store}`은(는) 없어지지 않았습니다. {location}에 있습니다"
    ),
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
