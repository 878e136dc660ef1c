"""Restarts, health checks, logs, events and what else goes on without a command."""

MESSAGES = {
    "Command to run to check health": "상태를 확인할 명령",
    "Time between running the check (ms|s|m|h) (default 0s)": "확인 사이의 시간 (ms|s|m|h) (기본값 0s)",
    "Consecutive failures needed to report unhealthy": "unhealthy로 보기까지 이어진 실패 횟수",
    "Time between running the check during the start period (ms|s|m|h)": "시작 기간 동안 확인 사이의 시간 (ms|s|m|h)",
    "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)": (
        "실패를 세기 전에 컨테이너가 준비할 시간 (ms|s|m|h)"
    ),
    "Maximum time to allow one check to run (ms|s|m|h)": "확인 한 번에 허용하는 최대 시간 (ms|s|m|h)",
    "Restart policy to apply when a container exits: no, always, unless-stopped or on-failure[:max]": (
        "컨테이너가 끝났을 때의 재시작 정책: no, always, unless-stopped 또는 on-failure[:최대]"
    ),
    "--no-healthcheck conflicts with --health-* options": "--no-healthcheck는 --health-* 옵션과 함께 쓸 수 없습니다",
    "--health-retries cannot be negative": "--health-retries는 음수일 수 없습니다",
    "--health-{name} cannot be negative": "--health-{name}은(는) 음수일 수 없습니다",
    'invalid argument "{value}" for "--{name}" flag: time: invalid duration "{value}"': (
        '"--{name}" 플래그의 값 "{value}"이(가) 잘못되었습니다: "{value}"은(는) 시간이 아닙니다'
    ),
    "Conflicting options: --restart and --rm": "함께 쓸 수 없는 옵션: --restart와 --rm",
    "{name} in Healthcheck cannot be less than 1ms": "Healthcheck의 {name}은(는) 1ms보다 짧을 수 없습니다",
    ("invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"): (
        "재시작 정책이 잘못되었습니다: '{name}'은(는) 없습니다. 'no', 'always', 'on-failure', 'unless-stopped' 중 하나를 쓰세요"
    ),
    "invalid restart policy format: maximum retry count must be an integer": (
        "재시작 정책의 형식이 잘못되었습니다: 최대 재시도 횟수는 정수여야 합니다"
    ),
    "invalid restart policy: maximum retry count can only be used with 'on-failure'": (
        "재시작 정책이 잘못되었습니다: 최대 재시도 횟수는 'on-failure'에만 쓸 수 있습니다"
    ),
    "invalid restart policy: maximum retry count cannot be negative": (
        "재시작 정책이 잘못되었습니다: 최대 재시도 횟수는 음수일 수 없습니다"
    ),
    'error looking up logging plugin {name}: plugin "{name}" not found': (
        '로그 플러그인 {name}을(를) 찾을 수 없습니다: 플러그인 "{name}"이(가) 없습니다'
    ),
    "json-file, local and none are there": "json-file, local, none이 있습니다",
    "invalid logging opts for driver none": "로그 방식 none에는 옵션을 쓸 수 없습니다",
    "unknown log opt '{option}' for {name} log driver": "로그 방식 {name}에 옵션 '{option}'은(는) 없습니다",
    "log mode `{value}`: expected blocking": "로그 모드 `{value}`: blocking이어야 합니다",
    "log option compress: expected false, turned logs are kept as they are": (
        "로그 옵션 compress: false여야 합니다. 넘긴 로그는 그대로 둡니다"
    ),
    "max-file cannot be less than 1": "max-file은 1보다 작을 수 없습니다",
    "max-file cannot be set without max-size": "max-file은 max-size 없이 쓸 수 없습니다",
    "container `{name}` is restarting: stop it before removing it, or force its removal": (
        "컨테이너 `{name}`이(가) 다시 시작하는 중입니다. 멈춘 뒤에 지우거나 강제로 지우세요"
    ),
    "Do not attach STDIN": "표준 입력을 붙이지 않습니다",
    "Proxy all received signals to the process": "받은 신호를 모두 프로세스에 전합니다",
    "Container {id} is restarting, wait until the container is running": (
        "컨테이너 {id}이(가) 다시 시작하는 중입니다. 실행될 때까지 기다리세요"
    ),
    "You cannot attach to a restarting container, wait until it is running": (
        "다시 시작하는 중인 컨테이너에는 붙을 수 없습니다. 실행될 때까지 기다리세요"
    ),
    "You cannot attach to a stopped container, start it first": "멈춘 컨테이너에는 붙을 수 없습니다. 먼저 시작하세요",
    "You cannot attach to a paused container, unpause it first": (
        "일시 정지된 컨테이너에는 붙을 수 없습니다. 먼저 unpause 하세요"
    ),
    "Output format: json, or a Go template such as {{.Action}}": "출력 형식: json 또는 {{.Action}} 같은 Go 템플릿",
    "Show all events created since timestamp": "이 시각 뒤의 모든 이벤트를 보여 줍니다",
    "Stream events until this timestamp": "이 시각까지 이벤트를 보여 줍니다",
    "Output format: table, json, or a Go template such as {{.Name}}": (
        "출력 형식: table, json 또는 {{.Name}} 같은 Go 템플릿"
    ),
    "Disable streaming stats and only pull the first result": "계속 보여 주지 않고 첫 결과만 보여 줍니다",
    "Do not truncate output": "출력을 줄이지 않습니다",
    "What to wait for: not-running, next-exit or removed": "무엇을 기다릴지: not-running, next-exit 또는 removed",
    "invalid condition: `{value}`": "조건이 잘못되었습니다: `{value}`",
    "Print a systemd unit that runs this at boot, and do nothing else": (
        "부팅할 때 이것을 실행하는 systemd 유닛을 출력하고, 다른 일은 하지 않습니다"
    ),
}
