"""Containers, networks and volumes; Docker's own sentences where the English is Docker's."""

MESSAGES = {
    "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed": (
        "컨테이너 이름({name})이 잘못되었습니다. [a-zA-Z0-9][a-zA-Z0-9_.-]만 쓸 수 있습니다"
    ),
    "invalid volume specification: '{value}'": "볼륨 지정이 잘못되었습니다: '{value}'",
    "mount type unknown: {kind}": "알 수 없는 마운트 종류입니다: {kind}",
    'invalid field "{value}": target is required': '필드 "{value}"이(가) 잘못되었습니다: target이 필요합니다',
    'invalid field "{value}": source is required': '필드 "{value}"이(가) 잘못되었습니다: source가 필요합니다',
    (
        '"{name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. '
        "If you intended to pass a host directory, use absolute path"
    ): (
        '"{name}"에는 볼륨 이름에 쓸 수 없는 글자가 있습니다. "[a-zA-Z0-9][a-zA-Z0-9_.-]"만 쓸 수 있습니다. '
        "호스트의 폴더를 뜻했다면 절대 경로로 쓰세요"
    ),
    "invalid volume specification: '{value}': mount path must be absolute": (
        "볼륨 지정이 잘못되었습니다: '{value}': 마운트할 경로는 절대 경로여야 합니다"
    ),
    "invalid volume specification: '{value}': destination can't be '/'": (
        "볼륨 지정이 잘못되었습니다: '{value}': '/'에는 마운트할 수 없습니다"
    ),
    "invalid mount config for type `tmpfs`: field Source must not be specified": (
        "`tmpfs` 마운트 설정이 잘못되었습니다: Source는 쓸 수 없습니다"
    ),
    "invalid tmpfs option '{option}'": "tmpfs 옵션 '{option}'이(가) 잘못되었습니다",
    "invalid size: '{value}'": "크기가 잘못되었습니다: '{value}'",
    "invalid mode: {mode}": "모드가 잘못되었습니다: {mode}",
    "use rslave: mounts of the host appear in the container": "rslave를 쓰세요: 호스트의 마운트가 컨테이너에 나타납니다",
    "invalid propagation: {value}": "마운트 전파 방식이 잘못되었습니다: {value}",
    "leave it out; `teul logs` reads the log": "빼고 쓰세요. 로그는 `teul logs`로 봅니다",
    "only local volumes are there": "local 볼륨만 있습니다",
    "invalid ulimit argument: {word}": "ulimit 값이 잘못되었습니다: {word}",
    "invalid ulimit type: {name}": "ulimit 종류가 잘못되었습니다: {name}",
    "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}": (
        "ulimit의 soft는 hard보다 클 수 없습니다: {soft} > {hard}"
    ),
    "You should always set the Memory limit when using Memoryswap limit, see usage": (
        "--memory-swap을 쓰려면 --memory도 정해야 합니다"
    ),
    'invalid pull option: \'{value}\': must be one of "always", "missing" or "never"': (
        'pull 옵션 \'{value}\'이(가) 잘못되었습니다: "always", "missing", "never" 가운데 하나여야 합니다'
    ),
    "teul start NAME, when it has ended": "끝난 뒤에 teul start NAME",
    "invalid environment variable: {entry}": "환경 변수가 잘못되었습니다: {entry}",
    "file `{path}`: {problem}": "파일 `{path}`: {problem}",
    "no such object: {name}": "그런 객체가 없습니다: {name}",
    '"{kind}" is not a valid value for --type': '"{kind}"은(는) --type에 쓸 수 없는 값입니다',
    "invalid filter '{key}'": "필터 '{key}'이(가) 잘못되었습니다",
    "invalid argument `{value}` for `{flag}` flag: expected key=value": (
        "`{flag}` 옵션의 값 `{value}`이(가) 잘못되었습니다: key=value여야 합니다"
    ),
    "the input device is not a TTY": "입력이 터미널이 아닙니다",
    "Conflicting options: -a and -d": "-a와 -d는 함께 쓸 수 없습니다",
    "container ID file found, make sure the other container isn't running or delete {path}": (
        "컨테이너 ID 파일이 이미 있습니다. 다른 컨테이너가 실행 중이 아닌지 확인하거나 {path}을(를) 지우세요"
    ),
    "invalid argument `{value}` for `{flag}` flag: valid streams are STDIN, STDOUT and STDERR": (
        "`{flag}` 옵션의 값 `{value}`이(가) 잘못되었습니다: STDIN, STDOUT, STDERR 가운데 하나여야 합니다"
    ),
    "you cannot start and attach multiple containers at once": "여러 컨테이너를 한꺼번에 시작하면서 붙을 수는 없습니다",
    "operation is not permitted on predefined {name} network": "미리 정해진 {name} 네트워크에는 할 수 없는 일입니다",
    "network name `{name}`: expected letters, digits, `_`, `.` and `-`": (
        "네트워크 이름 `{name}`: 글자, 숫자, `_`, `.`, `-`로만 써야 합니다"
    ),
    "{name} is a pre-defined network and cannot be removed": "{name}은(는) 미리 정해진 네트워크라 지울 수 없습니다",
    "network {name} has active endpoints ({containers})": "네트워크 {name}을(를) 쓰는 컨테이너가 있습니다({containers})",
    "gateway {gateway} is not in subnet {subnet}": "게이트웨이 {gateway}이(가) 서브넷 {subnet} 밖에 있습니다",
    "range {range} is not in subnet {subnet}": "범위 {range}이(가) 서브넷 {subnet} 밖에 있습니다",
    "multiple IDs found with provided prefix: {prefix}": "{prefix}(으)로 시작하는 ID가 여럿입니다",
    "invalid address {address}: expected one in {subnet}": "주소 {address}이(가) 잘못되었습니다: {subnet} 안이어야 합니다",
    "address {address} is already in use": "주소 {address}은(는) 이미 쓰이고 있습니다",
    "subnet {subnet} overlaps {other}, which is in use on this host": (
        "서브넷 {subnet}이(가) 이 호스트에서 쓰이는 {other}과(와) 겹칩니다"
    ),
    "container `{name}`": "컨테이너 `{name}`",
    "network {name}: {problem}": "네트워크 {name}: {problem}",
    "volume {name} is in use by {containers}": "볼륨 {name}을(를) {containers}이(가) 쓰고 있습니다",
    "an init program": "init 프로그램",
    "the working directory '{path}' is invalid, it needs to be an absolute path": (
        "작업 폴더 '{path}'이(가) 잘못되었습니다. 절대 경로여야 합니다"
    ),
    "conflicting options: hostname and the network mode": "--hostname은 이 네트워크 모드와 함께 쓸 수 없습니다",
    "no command specified": "실행할 명령이 없습니다",
    "conflicting options: port publishing and the container type network mode": (
        "포트 공개는 container: 네트워크 모드와 함께 쓸 수 없습니다"
    ),
    "invalid {kind} mode: {value}": "{kind} 모드가 잘못되었습니다: {value}",
    "Minimum memory limit allowed is 6MB": "메모리 제한은 6MB 이상이어야 합니다",
    "Minimum memoryswap limit should be larger than memory limit, see usage": (
        "--memory-swap은 --memory보다 커야 합니다"
    ),
    "range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available": (
        "CPU는 0.01에서 {count}.00까지입니다. 이 호스트에는 CPU가 {count}개뿐입니다"
    ),
    "network {name} is specified multiple times": "네트워크 {name}을(를) 여러 번 지정했습니다",
    "published ports are discarded with network mode {mode}": "네트워크 모드 {mode}에서는 포트 공개가 무시됩니다",
    "Duplicate mount point: {target}": "같은 곳에 두 번 마운트합니다: {target}",
    "conflicting options: cannot attach both user-defined and non-user-defined network-modes": (
        "사용자가 만든 네트워크와 미리 정해진 네트워크 모드를 함께 쓸 수 없습니다"
    ),
    "user specified IP address is supported on user defined networks only": (
        "IP 주소 지정은 사용자가 만든 네트워크에서만 됩니다"
    ),
    "network-scoped alias is supported only for containers in user defined networks": (
        "네트워크 별칭은 사용자가 만든 네트워크에서만 됩니다"
    ),
    "container `{name}` was made with --log-driver none": "컨테이너 `{name}`은(는) --log-driver none으로 만들었습니다",
    "teul stop {name}, or teul rm --force {name}": "teul stop {name} 또는 teul rm --force {name}",
    "invalid mount config for type `bind`: bind source path does not exist: {path}": (
        "`bind` 마운트 설정이 잘못되었습니다: 원본 경로가 없습니다: {path}"
    ),
    "container `{name}` does not end, not even killed": "컨테이너 `{name}`이(가) 강제로 끝내도 끝나지 않습니다",
    "no subnet is free": "남은 서브넷이 없습니다",
    "bridge {bridge} is still in use": "브리지 {bridge}이(가) 아직 쓰이고 있습니다",
    "containers are run as root, so far": "아직은 root만 컨테이너를 실행할 수 있습니다",
    "network {subnet} has no free address": "네트워크 {subnet}에 남은 주소가 없습니다",
    "invalid IP address: {address}": "IP 주소가 잘못되었습니다: {address}",
    "invalid CIDR address: {value}": "CIDR 주소가 잘못되었습니다: {value}",
    "port {port} needs root": "포트 {port}에는 root가 필요합니다",
    "network: {problem}": "네트워크: {problem}",
    "invalid proto: {protocol}": "프로토콜이 잘못되었습니다: {protocol}",
    "invalid containerPort: {value}": "컨테이너 포트가 잘못되었습니다: {value}",
    "publish on an IPv4 address": "IPv4 주소에 공개하세요",
    "invalid ranges specified for container and host Ports: {value}": (
        "컨테이너와 호스트의 포트 범위가 잘못되었습니다: {value}"
    ),
    "Invalid escape keys ({keys}) provided": "떼어 내기 키({keys})가 잘못되었습니다",
    "runtime: {message}": "런타임: {message}",
    "an OCI runtime that works ({reasons})": "동작하는 OCI 런타임({reasons})",
    "a foreground container has no terminal": "앞에서 실행하는 컨테이너에는 터미널이 없습니다",
    "invalid time `{value}`: expected a time or a duration": "시각 `{value}`이(가) 잘못되었습니다: 시각이나 기간이어야 합니다",
    "invalid argument `{value}` for `--add-host`: expected `host:ip`": (
        "`--add-host`의 값 `{value}`이(가) 잘못되었습니다: `호스트:IP`여야 합니다"
    ),
    "seccomp profile `{path}`: expected an object with `defaultAction`": (
        "seccomp 프로필 `{path}`: `defaultAction`이 있는 객체여야 합니다"
    ),
    "seccomp profile `{path}`: {problem}": "seccomp 프로필 `{path}`: {problem}",
    "invalid device specification: {word}": "장치 지정이 잘못되었습니다: {word}",
    'error gathering device information while adding custom device "{path}": not a device node': (
        '장치 "{path}"을(를) 더할 수 없습니다: 장치 파일이 아닙니다'
    ),
    'error gathering device information while adding custom device "{path}": {problem}': (
        '장치 "{path}"을(를) 더할 수 없습니다: {problem}'
    ),
    'invalid capability: "{name}"': 'capability가 잘못되었습니다: "{name}"',
    "invalid --security-opt: {word}": "--security-opt가 잘못되었습니다: {word}",
    "unable to find group {group}: no matching entries in group file": (
        "그룹 {group}을(를) 찾을 수 없습니다: group 파일에 없습니다"
    ),
    "uids and gids must be in range 0-2147483647": "uid와 gid는 0에서 2147483647 사이여야 합니다",
    "unable to find user {user}: no matching entries in passwd file": (
        "사용자 {user}을(를) 찾을 수 없습니다: passwd 파일에 없습니다"
    ),
    "database `{path}` is locked by another process": "데이터베이스 `{path}`을(를) 다른 프로세스가 잠그고 있습니다",
    "failed to join IPC namespace: container {id}: non-shareable IPC": (
        "IPC 네임스페이스에 들어갈 수 없습니다: 컨테이너 {id}은(는) IPC를 공유하지 않습니다"
    ),
    "make the other container with --ipc shareable": "상대 컨테이너를 --ipc shareable로 만드십시오",
}
