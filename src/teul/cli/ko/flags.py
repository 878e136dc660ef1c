"""Help texts of flags. Several commands share a text, so they are kept together."""

MESSAGES: dict[str, str] = {
    "Additional build contexts (e.g., name=path, name=docker-image://image)": (
        "더 쓸 빌드 컨텍스트(예: name=path, name=docker-image://image)"
    ),
    "Add a custom host-to-IP mapping (format: host:ip)": "호스트와 IP의 대응을 더합니다(형식: host:ip)",
    "Always attempt to pull all referenced images": "참조한 이미지를 항상 새로 받습니다",
    "An OCI layout (the default, and the only form there is)": "OCI 레이아웃(기본값이자 유일한 형식)",
    "Compression of the layers: gzip or zstd": "레이어 압축: gzip 또는 zstd",
    "Compression of the layers: gzip, zstd or none": "레이어 압축: gzip, zstd 또는 none",
    "Do not delete layers that nothing else needs": "다른 데서 쓰지 않는 레이어도 지우지 않습니다",
    "Do not use cache when building the image": "빌드할 때 캐시를 쓰지 않습니다",
    "Don't truncate output": "출력을 줄이지 않습니다",
    "Download all tagged images in the repository": "저장소의 모든 태그를 받습니다",
    "Filter output: dangling, label, before, since, until, reference": (
        "출력 거르기: dangling, label, before, since, until, reference"
    ),
    "Force removal of the image": "이미지를 강제로 지웁니다",
    "Format output using a custom template: table, json, or a Go template": ("출력 형식: table, json 또는 Go 템플릿"),
    "How progress is shown: auto, tty, plain, json, quiet": "진행 표시: auto, tty, plain, json, quiet",
    "Keep the compressed layers beside the unpacked ones": "푼 레이어 옆에 압축된 레이어도 남깁니다",
    "Keep times, logs and caches as the steps leave them, as Docker does": (
        "단계가 남긴 시각, 로그, 캐시를 Docker처럼 그대로 둡니다"
    ),
    "Name and optionally a tag (format: name:tag)": "이름과, 필요하면 태그(형식: name:tag)",
    "Name of the Dockerfile (default: PATH/Dockerfile)": "Dockerfile의 이름(기본값: PATH/Dockerfile)",
    "Only show image IDs": "이미지 ID만 보여 줍니다",
    "Output format: json, or a Go template such as {{.Version}}": "출력 형식: json 또는 {{.Version}} 같은 Go 템플릿",
    "Output format: json, or a Go template such as {{.ServerVersion}}": (
        "출력 형식: json 또는 {{.ServerVersion}} 같은 Go 템플릿"
    ),
    "Output format: json, or a Go template for each check such as {{.Name}} {{.State}}": (
        "출력 형식: json 또는 항목마다 쓸 Go 템플릿(예: {{.Name}} {{.State}})"
    ),
    "Print only the image's id": "이미지 ID만 출력합니다",
    "Print sizes and dates in human readable format": "크기와 날짜를 읽기 쉽게 보여 줍니다",
    "Print what would be done and why, and do nothing": "무엇을 왜 할지 보여 주기만 하고 아무것도 하지 않습니다",
    "Print what would be done, and do nothing": "무엇을 할지 보여 주기만 하고 아무것도 하지 않습니다",
    "Push all tags of an image to the repository": "이미지의 모든 태그를 저장소에 올립니다",
    "Read from a tar archive file or an OCI layout's folder, instead of STDIN": (
        "표준 입력 대신 tar 파일이나 OCI 레이아웃 폴더에서 읽습니다"
    ),
    "Secret to expose to the build (id=name[,src=path|,env=VARIABLE])": (
        "빌드에 보여 줄 비밀(id=name[,src=path|,env=VARIABLE])"
    ),
    "Set a parameter of the project (`name=value`)": "프로젝트의 파라미터를 정합니다(`name=value`)",
    "Set build-time variables": "빌드 변수를 정합니다",
    "Set metadata for an image": "이미지의 메타데이터를 정합니다",
    "Set platform if server is multi-platform capable": "여러 플랫폼을 담은 이미지에서 플랫폼을 고릅니다",
    "Set target platform for build": "빌드할 플랫폼을 정합니다",
    "Set the networking mode for RUN: default, none or host": "RUN의 네트워크: default, none 또는 host",
    "Set the target build stage to build": "빌드할 단계를 정합니다",
    "Show all images (default hides intermediate images, of which there are none)": (
        "모든 이미지를 보여 줍니다(숨길 중간 이미지는 없습니다)"
    ),
    "Show digests": "다이제스트도 보여 줍니다",
    "Show the steps that were taken from the cache too": "캐시에서 온 단계도 보여 줍니다",
    "Size of /dev/shm": "/dev/shm의 크기",
    "Suppress the build output and print image ID on success": "빌드 출력을 숨기고, 성공하면 이미지 ID만 출력합니다",
    "Suppress the load output": "불러오는 동안의 출력을 숨깁니다",
    "Suppress verbose output": "자세한 출력을 숨깁니다",
    "Type of progress output (auto, plain, tty, json, quiet)": "진행 표시(auto, plain, tty, json, quiet)",
    "Type of progress output: auto, plain, tty, rawjson or quiet": "진행 표시: auto, plain, tty, rawjson 또는 quiet",
    "Ulimit options": "ulimit 설정",
    "Where Debian's packages come from (default: where this host gets them)": (
        "데비안 패키지를 받을 곳(기본값: 이 호스트가 받는 곳)"
    ),
    "Write the image ID to a file": "이미지 ID를 파일에 씁니다",
    "Write to a file, instead of STDOUT": "표준 출력 대신 파일에 씁니다",
}
