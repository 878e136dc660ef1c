"""Korean messages of the life cycle: the project file, gates, steps, serving, `up` and `down`."""

MESSAGES = {
    # the project file
    "a string": "문자열",
    "a list of strings": "문자열 목록",
    "a whole number": "정수",
    "a number": "수",
    "true or false": "true 또는 false",
    "a list": "목록",
    "a table": "테이블",
    "a date or time": "날짜나 시각",
    "a string, a number or true or false": "문자열, 수, true 또는 false",
    "`{name}`: path `{path}` leaves the project's folder": "`{name}`: 경로 `{path}`는 프로젝트 폴더를 벗어납니다",
    "`{name}`: `{path}` is a pattern": "`{name}`: `{path}`는 패턴입니다",
    "name the files, or the folder that holds them": "파일 이름이나 파일이 든 폴더를 쓰세요",
    "`{name}`: expected a list, got a string": "`{name}`: 목록이어야 하는데 문자열입니다",
    'write `["{value}"]`': '`["{value}"]`처럼 쓰세요',
    "`{name}`: expected a number from {low} to {high}, got {value}": (
        "`{name}`: {low}에서 {high} 사이의 수여야 하는데 {value}입니다"
    ),
    "`{name}`: expected something, got an empty string": "`{name}`: 값이 있어야 하는데 빈 문자열입니다",
    "`{name}`: expected {expected}, got {got}": "`{name}`: 기대한 것은 {expected}, 받은 것은 {got}",
    "unknown table `{name}`": "모르는 테이블 `{name}`",
    "`[{table}]`: unknown key `{name}`": "`[{table}]`: 모르는 키 `{name}`",
    "did you mean `{name}`?": "혹시 `{name}`인가요?",
    "there are {names}": "있는 것: {names}",
    "there is no `[project]` table": "`[project]` 테이블이 없습니다",
    '[project]\nname = "…"': '[project]\nname = "…"',
    "`[project]`: expected `name`": "`[project]`: `name`이 있어야 합니다",
    "`{key}`: expected lower-case letters, digits and single `.`, `_` or `-` between them, got `{name}`": (
        "`{key}`: 소문자와 숫자, 그 사이의 `.`, `_`, `-` 하나씩만 쓸 수 있는데 `{name}`입니다"
    ),
    "`[image]`: `requirements` goes with `python`": "`[image]`: `requirements`는 `python`과 함께 씁니다",
    "`[image]`: expected either `python` or `{name}`": "`[image]`: `python`과 `{name}` 중 하나만 쓰세요",
    "`image.python`: expected a version such as `3.11`, got `{value}`": (
        "`image.python`: `3.11` 같은 버전이어야 하는데 `{value}`입니다"
    ),
    "parameter `{name}`: expected letters, digits and `_`": "매개변수 `{name}`: 글자와 숫자, `_`만 쓸 수 있습니다",
    "parameter `{name}` is not in `[params]`": "매개변수 `{name}`: `[params]`에 없습니다",
    "parameter `{name}`: expected {kind}, got `{value}`": "매개변수 `{name}`: {kind} 값이어야 하는데 `{value}`입니다",
    "[params]\n{name} = …": "[params]\n{name} = …",
    "step `{step}`: expected `run`": "단계 `{step}`: `run`이 있어야 합니다",
    "step `{step}`: {problem}": "단계 `{step}`: {problem}",
    "step `{step}`: `{name}` is not in `[params]`": "단계 `{step}`: `{name}`은(는) `[params]`에 없습니다",
    "step `{step}`: `{path}` is an input and an output at once": (
        "단계 `{step}`: `{path}`는 입력이면서 출력일 수 없습니다"
    ),
    "`{path}` is an output of step `{step}` already": "`{path}`는 이미 단계 `{step}`의 출력입니다",
    "step `{step}`: `{sign}` in `{word}` does not name a parameter": (
        "단계 `{step}`: `{word}`의 `{sign}`가 매개변수를 가리키지 않습니다"
    ),
    "write `{sign}` for a brace": "중괄호 글자는 `{sign}`로 쓰세요",
    "step `{step}`: `{sign}` needs a shell, and none runs unless it is named": (
        "단계 `{step}`: `{sign}`에는 셸이 필요한데, 셸은 직접 쓸 때만 돕니다"
    ),
    "sh -c '{run}'": "sh -c '{run}'",
    "steps go round in a circle: {circle}": "단계가 돌고 돕니다: {circle}",
    "`[model]`: expected `path`": "`[model]`: `path`가 있어야 합니다",
    "`model.predict`: expected `module:Class`, got `{value}`": (
        "`model.predict`: `module:Class` 꼴이어야 하는데 `{value}`입니다"
    ),
    "`model.gate`: no step makes `{path}` and has `metrics`": (
        "`model.gate`: `{path}`를 만들고 `metrics`가 있는 단계가 없습니다"
    ),
    'metrics = ["metrics.json"]': 'metrics = ["metrics.json"]',
    "`[serve]`: there is no `[model]` to serve": "`[serve]`: 서빙할 `[model]`이 없습니다",
    "`{name}`: expected an IPv4 address, got `{value}`": "`{name}`: IPv4 주소여야 하는데 `{value}`입니다",
    '"0.0.0.0" listens on every address': '"0.0.0.0"은 모든 주소에서 듣습니다',
    "not TOML: {problem}": "TOML이 아닙니다: {problem}",
    "no `{file}` and no Dockerfile in {folder}": "{folder}에 `{file}`도 Dockerfile도 없습니다",
    "go to a project's folder, or write {path} with [project] and its name": (
        "프로젝트 폴더로 가거나, [project]와 이름을 넣어 {path}를 만드세요"
    ),
    "{path}: expected UTF-8: {problem}": "{path}: UTF-8이어야 합니다: {problem}",
    "{path} not found": "{path}를 찾을 수 없습니다",
    'write one, or say `[image]` with `python = "3.11"` in {file}': (
        '하나 쓰거나, {file}에 `[image]`와 `python = "3.11"`을 쓰세요'
    ),
    # gates
    "gate `{gate}`: {message}, got `{got}`": "게이트 `{gate}`: {message}, 받은 것은 `{got}`",
    "gate `{gate}`: {message}, got the end": "게이트 `{gate}`: {message}, 여기서 끝났습니다",
    "gate `{gate}`: unexpected `{sign}`": "게이트 `{gate}`: `{sign}`는 쓸 수 없습니다",
    "gate `{gate}`: expected the name of a metric": "게이트 `{gate}`: 지표 이름이 있어야 합니다",
    "the end": "끝",
    "expected a comparison (`>=`, `>`, `<=`, `<`, `==`, `!=`)": "비교(`>=`, `>`, `<=`, `<`, `==`, `!=`)가 와야 합니다",
    "expected the end of the gate": "게이트가 끝나야 합니다",
    "expected a metric or a number": "지표나 수가 와야 합니다",
    "expected `)`": "`)`가 와야 합니다",
    "expected fewer nested terms": "괄호가 너무 깊습니다",
    "a gate compares with `>=`, not `{sign}`": "게이트는 `{sign}`가 아니라 `>=`로 비교합니다",
    "there is no metric `{name}`; did you mean `{close}`?": "지표 `{name}`이(가) 없습니다. 혹시 `{close}`인가요?",
    "there is no metric `{name}`; there are {names}": "지표 `{name}`이(가) 없습니다. 있는 것: {names}",
    "nothing is in production yet": "아직 운영 중인 버전이 없습니다",
    "the version in production has no metric `{name}`": "운영 중인 버전에는 지표 `{name}`이(가) 없습니다",
    "division by zero": "0으로 나누었습니다",
    "a metric is not a number": "지표가 수가 아닙니다",
    "{left} against {right}": "{left} 대 {right}",
    "{left} against {right}: {margin} to spare": "{left} 대 {right}: {margin} 여유",
    "{left} against {right}: missed by {margin}": "{left} 대 {right}: {margin} 모자람",
    # steps
    "`{path}` is a link that leads out of it: {target}": "`{path}`는 밖으로 나가는 링크입니다: {target}",
    "`{path}`: expected a file or a folder": "`{path}`: 파일이나 폴더여야 합니다",
    "`{path}`: a name in it is not UTF-8": "`{path}`: UTF-8이 아닌 이름이 들어 있습니다",
    "`{path}` cannot be read: {problem}": "`{path}`를 읽을 수 없습니다: {problem}",
    "`{path}` cannot be written: {problem}": "`{path}`에 쓸 수 없습니다: {problem}",
    "`{path}`: no step makes it; there is `{out}`": "`{path}`: 만드는 단계가 없습니다. `{out}`은(는) 있습니다",
    "name what is read one by one: what steps make, and what lies in the folder": (
        "단계가 만드는 것과 폴더에 있는 것을 하나씩 쓰세요"
    ),
    "step `{step}`: input `{path}` not found in {folder}": "단계 `{step}`: 입력 `{path}`가 {folder}에 없습니다",
    "`{path}` not found in {folder}": "`{path}`가 {folder}에 없습니다",
    "create it, or correct the path in teul.toml": "만들거나, teul.toml의 경로를 고치세요",
    "step `{step}`: input `{path}` changed while it ran; nothing is kept": (
        "단계 `{step}`: 도는 동안 입력 `{path}`가 바뀌어 아무것도 남기지 않습니다"
    ),
    "run `teul up` again": "`teul up`을 다시 실행하세요",
    "a file of `{names}` changed while it was read": "읽는 동안 `{names}`의 파일이 바뀌었습니다",
    "step `{step}` ended with exit code {code}": "단계 `{step}`이(가) 종료 코드 {code}로 끝났습니다",
    "the whole output: teul runs show {run_id}": "전체 출력: teul runs show {run_id}",
    "step `{step}` did not write `{path}`": "단계 `{step}`이(가) `{path}`를 쓰지 않았습니다",
    "`{command}` ran in {folder}": "`{command}`는 {folder}에서 실행됐습니다",
    "step `{step}`: metrics `{path}`: expected JSON: {problem}": (
        "단계 `{step}`: 지표 파일 `{path}`: JSON이어야 합니다: {problem}"
    ),
    "step `{step}`: metrics `{path}` holds no numbers": "단계 `{step}`: 지표 파일 `{path}`에 수가 없습니다",
    "`{path}` of the image is a link; a step's files cannot lie there": (
        "이미지의 `{path}`는 링크라서 단계의 파일을 둘 수 없습니다"
    ),
    "put `{path}` back as it was": "`{path}`를 원래대로 되돌렸습니다",
    # versions and serving
    "version {version} is in production": "버전 {version}이 운영 중입니다",
    "version {version} is the first": "버전 {version}이 첫 버전입니다",
    "version {version} passed the gate; it was version {before}": (
        "버전 {version}이 게이트를 통과했습니다. 전에는 버전 {before}"
    ),
    "version {version}: gate `{gate}`: {reason}": "버전 {version}: 게이트 `{gate}`: {reason}",
    "version {production} was put in production by hand; version {version} is registered": (
        "버전 {production}은 사람이 직접 운영에 올렸고, 버전 {version}은 등록만 되어 있습니다"
    ),
    "version {version} stays in production": "버전 {version}이 계속 운영됩니다",
    "nothing is in production": "운영 중인 버전이 없습니다",
    "version {version} serves already": "버전 {version}이 이미 서빙 중입니다",
    "version {after} takes the place of version {before}": "버전 {before} 대신 버전 {after}",
    "version {version} with other settings": "다른 설정의 버전 {version}",
    "nothing is to be served from it": "더 서빙할 것이 없습니다",
    "it has ended": "끝나 있습니다",
    "the model server ended with exit code {code}: {last}": "모델 서버가 종료 코드 {code}로 끝났습니다: {last}",
    "the model server was not ready within {timeout_s} s": "모델 서버가 {timeout_s}초 안에 준비되지 않았습니다",
    "see what it waits for: teul logs {name}": "무엇을 기다리는지 보기: teul logs {name}",
    # up and down
    "project `{name}` was last brought up from {folder}": "프로젝트 `{name}`은 지난번에 {folder}에서 실행했습니다",
    "MLFLOW_TRACKING_URI is not used: `teul up` records in its own tracking server": (
        "MLFLOW_TRACKING_URI는 쓰지 않습니다. `teul up`은 자기 추적 서버에 기록합니다"
    ),
    "waiting for another `up` of project `{name}`": "프로젝트 `{name}`의 다른 `up`이 끝나기를 기다립니다",
    "expected one folder, got {count}": "폴더 하나가 필요한데 {count}개입니다",
    "expected `-P name=value`, got `{word}`": "`-P name=value` 꼴이어야 하는데 `{word}`입니다",
    "the image is to be built first": "먼저 이미지를 빌드해야 합니다",
    "it depends on what comes before": "앞 단계의 결과에 달려 있습니다",
    "run {vertex}: {why}": "실행 {vertex}: {why}",
    "keep {vertex}: nothing has changed": "유지 {vertex}: 바뀐 것이 없습니다",
    "check {gate}": "검사 {gate}",
    "{names} changed": "{names}이(가) 바뀌었습니다",
    "it has not run like this before": "이렇게 실행한 적이 없습니다",
    "image": "이미지",
    "step {name}": "단계 {name}",
    "gate": "게이트",
    "model": "모델",
    "serving": "서빙",
    "tracking": "추적",
    "unchanged": "그대로",
    "cached": "캐시됨",
    "kept running": "계속 실행 중",
    "{seconds:.1f} s": "{seconds:.1f}초",
    "in production": "운영 중",
    "in production, but its gate fails": "운영 중이지만 게이트를 통과하지 못합니다",
    "stays out": "운영에 올리지 않습니다",
    "stays out; version {version} is in production": "운영에 올리지 않습니다. 버전 {version}이 운영 중입니다",
    "registered; version {version} is in production": "등록됨. 버전 {version}이 운영 중입니다",
    "Try it:": "이렇게 물어보세요:",
    "started": "시작함",
    "--{name} needs a teul.toml": "--{name}에는 teul.toml이 필요합니다",
    "there is only a Dockerfile in {folder}: it was built and run, and nothing was recorded; with a teul.toml, "
    "steps run only when what they read has changed, every run is recorded, and a model is checked, registered "
    "and served": (
        "{folder}에는 Dockerfile만 있어서 빌드하고 실행했고, 기록은 남기지 않았습니다. teul.toml이 있으면 읽는 것이 바뀐 "
        "단계만 실행하고, 모든 실행을 기록하고, 모델을 검증·등록·서빙합니다"
    ),
    "stopped {name}": "멈춤: {name}",
    "nothing of project `{name}` is running": "프로젝트 `{name}`에서 실행 중인 것이 없습니다",
}
