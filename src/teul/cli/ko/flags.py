"""Help texts of flags. Several commands share a text, so they are kept together."""

MESSAGES: dict[str, str] = {
    "Format output using a custom template: json, or a Go template for each difference": (
        "출력 형식: json 또는 차이마다 쓸 Go 템플릿"
    ),
    "Format what is said of a path or a package: json, or a Go template": (
        "경로나 패키지에 대한 출력 형식: json 또는 Go 템플릿"
    ),
    "Kind of document: cyclonedx-json or spdx-json": "문서 종류: cyclonedx-json 또는 spdx-json",
    "Name the files of packages that differ too": "버전이 다른 패키지의 파일도 보여 줍니다",
    "Show layers instead of packages": "패키지 대신 레이어를 보여 줍니다",
    "Additional build contexts (e.g., name=path, name=docker-image://image)": (
        "더 쓸 빌드 컨텍스트(예: name=path, name=docker-image://image)"
    ),
    "Add a custom host-to-IP mapping (format: host:ip)": "호스트와 IP의 대응을 더합니다(형식: host:ip)",
    "Always attempt to pull all referenced images": "참조한 이미지를 항상 새로 받습니다",
    "Do not use cache when building the image": "빌드할 때 캐시를 쓰지 않습니다",
    "Filter output: dangling, label, before, since, until, reference": (
        "출력 거르기: dangling, label, before, since, until, reference"
    ),
    "How progress is shown: auto, tty, plain, json, quiet": "진행 표시: auto, tty, plain, json, quiet",
    "Resolve Python packages as their index was on this day (2024-05-15)": (
        "Python 패키지를 이 날짜의 인덱스 기준으로 해결합니다 (2024-05-15)"
    ),
    "Write what was resolved to teul.lock beside the Dockerfile": "해결한 결과를 Dockerfile 옆 teul.lock에 씁니다",
    "Ask no network: use the base images and wheels that are here": (
        "네트워크에 묻지 않습니다: 여기 있는 베이스 이미지와 wheel을 씁니다"
    ),
    "Keep times, logs and caches as the steps leave them, as Docker does": (
        "단계가 남긴 시각, 로그, 캐시를 Docker처럼 그대로 둡니다"
    ),
    "Name and optionally a tag (format: name:tag)": "이름과, 필요하면 태그(형식: name:tag)",
    "Name of the Dockerfile (default: PATH/Dockerfile)": "Dockerfile의 이름(기본값: PATH/Dockerfile)",
    "Output format: json, or a Go template such as {{.Version}}": "출력 형식: json 또는 {{.Version}} 같은 Go 템플릿",
    "Output format: json, or a Go template such as {{.ServerVersion}}": (
        "출력 형식: json 또는 {{.ServerVersion}} 같은 Go 템플릿"
    ),
    "Output format: json, or a Go template for each check such as {{.Name}} {{.State}}": (
        "출력 형식: json 또는 항목마다 쓸 Go 템플릿(예: {{.Name}} {{.State}})"
    ),
    "Print what would be done and why, and do nothing": "무엇을 왜 할지 보여 주기만 하고 아무것도 하지 않습니다",
    "Print what would be done, and do nothing": "무엇을 할지 보여 주기만 하고 아무것도 하지 않습니다",
    "Secret to expose to the build (id=name[,src=path|,env=VARIABLE])": (
        "빌드에 보여 줄 비밀(id=name[,src=path|,env=VARIABLE])"
    ),
    "Set a parameter of the project (`name=value`)": "프로젝트의 파라미터를 정합니다(`name=value`)",
    "Set build-time variables": "빌드 변수를 정합니다",
    "Set metadata for an image": "이미지의 메타데이터를 정합니다",
    "Set target platform for build": "빌드할 플랫폼을 정합니다",
    "Set the networking mode for RUN: default, none or host": "RUN의 네트워크: default, none 또는 host",
    "SSH agent socket or keys to expose to the build (format: default|<id>[=<socket>|<key>[,<key>]])": (
        "빌드에 보여 줄 SSH 에이전트 소켓이나 키(형식: default|<id>[=<socket>|<key>[,<key>]])"
    ),
    "Allow extra privileged entitlement (network.host, security.insecure, device)": (
        "RUN에 더 줄 권한(network.host, security.insecure, device)"
    ),
    "Set the parent cgroup for the RUN instructions during build": "빌드하는 동안 RUN을 둘 부모 cgroup",
    "Set method for evaluating build (check, outline, targets; with ,format=json)": (
        "빌드 대신 할 일(check, outline, targets; ,format=json 가능)"
    ),
    "Shorthand for --call=check": "--call=check를 줄인 것",
    "Set the target build stage to build": "빌드할 단계를 정합니다",
    "Show the steps that were taken from the cache too": "캐시에서 온 단계도 보여 줍니다",
    "Size of /dev/shm": "/dev/shm의 크기",
    "Suppress the build output and print image ID on success": "빌드 출력을 숨기고, 성공하면 이미지 ID만 출력합니다",
    "Add annotation to the image's manifest": "이미지 매니페스트에 주석을 답니다",
    "Type of progress output: auto, plain, tty, rawjson or quiet": "진행 표시: auto, plain, tty, rawjson 또는 quiet",
    "Ulimit options": "ulimit 설정",
    "Write the image ID to a file": "이미지 ID를 파일에 씁니다",
}
