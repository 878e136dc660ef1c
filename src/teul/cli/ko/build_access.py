"""`teul build`: ssh agents, devices, what a RUN is allowed beyond its sandbox."""

MESSAGES = {
    "--allow {entitlement}": "--allow {entitlement}",
    "--ssh {id}": "--ssh {id}",
    "--ssh {id}: expected one socket or several keys, got both": "--ssh {id}: 소켓 하나 또는 키 여러 개만 쓸 수 있습니다",
    "--ssh: `{id}` twice": "--ssh: `{id}`이(가) 두 번 있습니다",
    "--ssh: cannot read `{path}`: {problem}": "--ssh: `{path}`을(를) 읽을 수 없습니다: {problem}",
    "--ssh: key `{path}`: {problem}": "--ssh: 키 `{path}`: {problem}",
    "--ssh: ssh-agent did not start": "--ssh: ssh-agent가 시작되지 않았습니다",
    "a key with a passphrase has to be in an agent: ssh-add {path}, then --ssh default": (
        "암호가 걸린 키는 에이전트에 넣어야 합니다: ssh-add {path} 후 --ssh default"
    ),
    "device name is required": "장치 이름이 필요합니다",
    'eval "$(ssh-agent)" && ssh-add, or --ssh {id}=KEYFILE': 'eval "$(ssh-agent)" && ssh-add 또는 --ssh {id}=키파일',
    "invalid argument `{value}` for `{flag}` flag: expected NAME:ADDRESS": (
        "`{flag}` 플래그의 값 `{value}`이(가) 잘못되었습니다: 이름:주소 형식이어야 합니다"
    ),
    "invalid argument `{value}` for `{flag}` flag: expected NAME=SOFT[:HARD]": (
        "`{flag}` 플래그의 값 `{value}`이(가) 잘못되었습니다: 이름=소프트[:하드] 형식이어야 합니다"
    ),
    "invalid argument `{value}` for `{flag}` flag: expected the path of a cgroup": (
        "`{flag}` 플래그의 값 `{value}`이(가) 잘못되었습니다: cgroup 경로여야 합니다"
    ),
    "invalid argument `{value}` for `{flag}`: expected ID[=SOCKET|KEY[,KEY]]": (
        "`{flag}`의 값 `{value}`이(가) 잘못되었습니다: ID[=소켓|키[,키]] 형식이어야 합니다"
    ),
    "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set": (
        "ssh 에이전트 소켓이 비어 있습니다: SSH_AUTH_SOCK이 설정되어 있는지 확인하세요"
    ),
    "unknown entitlement {name}": "알 수 없는 권한 {name}",
    "unset ssh forward key {id}": "ssh 전달 키 {id}이(가) 설정되지 않았습니다",
    "{entitlement} is not allowed": "{entitlement}은(는) 허용되지 않았습니다",
}
