"""Korean messages of `teul.images`, `teul.registry`, `teul.engine.images` and their commands."""

MESSAGES = {
    # where things come from: teul why IMAGE PATH|PACKAGE
    "only with a path or a package": "경로나 패키지를 줄 때만 쓸 수 있습니다",
    "Python package": "Python 패키지",
    "Debian package": "데비안 패키지",
    "{name} {version}: {kind}, {count} files, {size}": "{name} {version}: {kind}, 파일 {count}개, {size}",
    "in /{place}": "위치 /{place}",
    "wheel {wheel}, installed by {tool}": "wheel {wheel}, {tool}(으)로 설치",
    "asked for by name": "이름을 지정해 설치했습니다",
    "needed by {names}": "{names}에 필요합니다",
    "layer {digest}, {size}": "레이어 {digest}, {size}",
    "images with that layer too: {names}": "이 레이어가 있는 다른 이미지: {names}",
    "/{path}: removed in layer {digest}": "/{path}: 레이어 {digest}에서 지웠습니다",
    "/{path} → {target}: layer {digest}": "/{path} → {target}: 레이어 {digest}",
    "/{path}: layer {digest}": "/{path}: 레이어 {digest}",
    "of {package}, wheel {wheel}": "{package}의 파일, wheel {wheel}",
    "of {package}": "{package}의 파일",
    "was in layer {digest} before": "그 전에는 레이어 {digest}에 있었습니다",
    "made by {instruction} (of {image})": "만든 명령: {instruction} ({image}에서 옴)",
    "made by {instruction}": "만든 명령: {instruction}",
    "`{thing}`: no package and no path of `{image}` has that name": (
        "`{thing}`: `{image}`에 그런 이름의 패키지나 경로가 없습니다"
    ),
    "teul image df {image}": "teul image df {image}",
    # teul image df, diff, sbom
    "warning: {message}": "경고: {message}",
    "{size} in all, {own} of it in no other image; {python} Python and {debian} Debian packages": (
        "모두 {size}, 그중 {own}은(는) 다른 이미지에 없습니다. Python 패키지 {python}개, 데비안 패키지 {debian}개"
    ),
    "CUDA's {name} stands twice: {system} ({system_size:.0f} MB) and {wheel} ({wheel_size:.0f} MB)": (
        "CUDA의 {name}이(가) 두 벌 있습니다: {system} ({system_size:.0f} MB), {wheel} ({wheel_size:.0f} MB)"
    ),
    "no difference": "다른 점이 없습니다",
    "Python packages": "Python 패키지",
    "Debian packages": "데비안 패키지",
    "Files": "파일",
    "Configuration": "설정",
    "bill of materials: expected one of {known}, got `{kind}`": (
        "구성 명세: {known} 중 하나여야 하는데 `{kind}`입니다"
    ),
    # teul.cli.positionals and flags
    '"teul {command}" accepts no arguments': '"teul {command}"는 인자를 받지 않습니다',
    '"teul {command}" requires exactly {count} argument(s)': '"teul {command}"에는 인자가 정확히 {count}개 필요합니다',
    '"teul {command}" requires at least {count} argument(s)': '"teul {command}"에는 인자가 {count}개 이상 필요합니다',
    # teul.images.bootstrap
    "`{reference}` cannot be made from Debian's packages; these can: {offered}": (
        "`{reference}`는 데비안 패키지로 만들 수 없습니다. 만들 수 있는 것: {offered}"
    ),
    "build with --build-context {name}=docker-image://OTHER": (
        "--build-context {name}=docker-image://다른이미지 를 붙여 빌드하세요"
    ),
    "teul image bootstrap {nearest}, then build with --build-context {name}=docker-image://{nearest}": (
        "teul image bootstrap {nearest} 를 실행한 다음 --build-context {name}=docker-image://{nearest} 를 붙여 빌드하세요"
    ),
    "teul image bootstrap {name}  (or build with --build-context {name}=docker-image://OTHER)": (
        "teul image bootstrap {name}  (또는 --build-context {name}=docker-image://다른이미지 를 붙여 빌드)"
    ),
    "base image `{name}`: mmdebstrap ended with exit code {exit_code}: {reason}": (
        "기반 이미지 `{name}`: mmdebstrap이 종료 코드 {exit_code}로 끝났습니다: {reason}"
    ),
    "base image `{name}`: laying out Python ended with exit code {exit_code}: {reason}": (
        "기반 이미지 `{name}`: 파이썬 배치가 종료 코드 {exit_code}로 끝났습니다: {reason}"
    ),
    "a mirror of Debian must be reachable; name one with --mirror": (
        "데비안 미러에 연결할 수 있어야 합니다. --mirror로 지정하세요"
    ),
    "root": "root 권한",
    "run it as root": "root로 실행하세요",
    "apt-get install debian-archive-keyring": "apt-get install debian-archive-keyring",
    # teul.images.store
    "image id `{prefix}`: several images begin so": "이미지 ID `{prefix}`: 이렇게 시작하는 이미지가 여럿입니다",
    "a name for an image has a tag and no digest": "이미지 이름에는 태그가 있어야 하고 다이제스트는 없어야 합니다",
    # teul.registry
    "registry `{host}`: {problem}": "레지스트리 `{host}`: {problem}",
    "registry `{host}`: certificate not trusted: {problem}": (
        "레지스트리 `{host}`: 인증서를 신뢰할 수 없습니다: {problem}"
    ),
    "point SSL_CERT_FILE at the CA bundle that signed it": ("그 인증서에 서명한 CA 묶음을 SSL_CERT_FILE에 지정하세요"),
    "registry `{host}`: expected TLS, got something else": "레지스트리 `{host}`: TLS가 아닌 응답이 왔습니다",
    "if it speaks plain HTTP: TEUL_INSECURE_REGISTRIES={host}": (
        "평문 HTTP를 쓰는 곳이라면: TEUL_INSECURE_REGISTRIES={host}"
    ),
    "proxy: {problem}": "프록시: {problem}",
    "its name does not resolve": "이름을 찾을 수 없습니다",
    "connection refused": "연결이 거부되었습니다",
    "no connection: {problem}": "연결할 수 없습니다: {problem}",
    "no connection within {timeout_s} s": "{timeout_s}초 안에 연결되지 않았습니다",
    "no answer within {timeout_s} s": "{timeout_s}초 안에 응답이 없습니다",
    "the proxy does not let us through: {problem}": "프록시가 통과시키지 않습니다: {problem}",
    "the connection broke: {problem}": "연결이 끊겼습니다: {problem}",
    "{actual} of {expected} bytes came": "{expected}바이트 중 {actual}바이트만 왔습니다",
    "registry `{host}`: expected an answer of at most {limit} bytes": (
        "레지스트리 `{host}`: 응답이 {limit}바이트를 넘습니다"
    ),
    "registry `{host}`: refused a redirect to `{location}`": (
        "레지스트리 `{host}`: `{location}`로 돌리는 응답을 거부했습니다"
    ),
    "too many redirects": "돌림 응답이 너무 많습니다",
    "registry `{domain}`: authentication required": "레지스트리 `{domain}`: 인증이 필요합니다",
    "registry `{domain}`: authentication required: {said}": "레지스트리 `{domain}`: 인증이 필요합니다: {said}",
    "registry `{domain}`: user name or password not accepted for `{username}`": (
        "레지스트리 `{domain}`: `{username}`의 사용자 이름이나 비밀번호를 받아들이지 않습니다"
    ),
    "docker login {domain}": "docker login {domain}",
    "registry `{domain}`: refused the token realm `{realm}`": (
        "레지스트리 `{domain}`: 토큰 주소 `{realm}`를 거부했습니다"
    ),
    "registry `{domain}`: expected a token, got something else": "레지스트리 `{domain}`: 토큰이 아닌 응답이 왔습니다",
    "registry `{domain}`: not allowed: {said}": "레지스트리 `{domain}`: 허용되지 않습니다: {said}",
    "registry `{domain}`: not found: {said}": "레지스트리 `{domain}`: 찾을 수 없습니다: {said}",
    "registry `{domain}`: answered {status}: {said}": "레지스트리 `{domain}`: {status} 응답: {said}",
    "registry `{domain}` has no `{name}`": "레지스트리 `{domain}`에 `{name}`이 없습니다",
    "registry `{domain}`: cannot go on in the middle of a blob": (
        "레지스트리 `{domain}`: 블롭을 중간부터 이어 받을 수 없습니다"
    ),
    "registry `{domain}`: the connection broke: {problem}": "레지스트리 `{domain}`: 연결이 끊겼습니다: {problem}",
    "registry `{domain}`: an upload without a location": "레지스트리 `{domain}`: 업로드 위치를 알려 주지 않았습니다",
    "`auth` is not base64 of `user:password`": "`auth`가 `사용자:비밀번호`의 base64가 아닙니다",
    "install it, or remove `credsStore` from docker's config.json": (
        "설치하거나, docker의 config.json에서 `credsStore`를 지우세요"
    ),
    "expected `Username` and `Secret`": "`Username`과 `Secret`이 있어야 합니다",
    "unknown media type `{media_type}`": "알 수 없는 미디어 타입 `{media_type}`",
    "layer `{digest}`: unknown media type `{media_type}`": "레이어 `{digest}`: 알 수 없는 미디어 타입 `{media_type}`",
    "this is an artifact, not an image that can be run": "실행할 수 있는 이미지가 아니라 아티팩트입니다",
    "expected {expected} layers as in its config, got {actual}": (
        "설정과 같이 레이어가 {expected}개여야 하는데 {actual}개입니다"
    ),
    "one blob cannot be two layers: `{digest}`": "블롭 하나가 두 레이어일 수 없습니다: `{digest}`",
    "cancelled": "취소되었습니다",
    # teul.images.archive
    "archive: {reason}": "아카이브: {reason}",
    "expected `manifest.json` or `index.json`": "`manifest.json`이나 `index.json`이 있어야 합니다",
    "`{path}` is missing": "`{path}`가 없습니다",
    "not a tar archive, or damaged: {problem}": "tar 아카이브가 아니거나 손상되었습니다: {problem}",
    "`{path}`: {problem}": "`{path}`: {problem}",
    "blob `{digest}` is missing": "블롭 `{digest}`가 없습니다",
    # teul.engine.images
    "image `{name}`: an index within an index": "이미지 `{name}`: 인덱스 안에 인덱스가 있습니다",
    "image `{name}` cannot be pulled: {problem}": "이미지 `{name}`를 받을 수 없습니다: {problem}",
    "image `{name}` not found: {problem}": "이미지 `{name}`를 찾을 수 없습니다: {problem}",
    "`{name}` is not an image: its config is `{media_type}`": (
        "`{name}`는 이미지가 아닙니다. 설정의 타입이 `{media_type}`입니다"
    ),
    "teul pull --platform {platform} {name}": "teul pull --platform {platform} {name}",
    "compression `{name}`: expected gzip or zstd": "압축 `{name}`: gzip이나 zstd여야 합니다",
    "several repositories (use --force to remove all its names)": (
        "여러 저장소에 이름이 있습니다 (--force를 붙이면 모든 이름을 지웁니다)"
    ),
    "container {name} ({status})": "컨테이너 {name} ({status})",
    "`{path}` exists and is neither an empty folder nor an OCI layout": (
        "`{path}`가 이미 있고, 빈 폴더도 OCI 레이아웃도 아닙니다"
    ),
    "`{path}` exists and is not an empty folder": "`{path}`가 이미 있고 빈 폴더가 아닙니다",
    "saving {name}": "{name} 저장",
    "reading the archive": "아카이브 읽기",
    "{digest}: Loading layer": "{digest}: 레이어 풀기",
    "layer {digest}": "레이어 {digest}",
    "Debian {suite}, from signed packages": "데비안 {suite}, 서명된 패키지로",
    "Python {version} in /usr/local, pip {pip}": "파이썬 {version}을 /usr/local에, pip {pip}",
    # commands
    "tag can't be used with --all-tags/-a": "--all-tags/-a에는 태그를 함께 쓸 수 없습니다",
    "cowardly refusing to save to a terminal. Use the -o flag or redirect": (
        "터미널에는 저장하지 않습니다. -o를 쓰거나 출력을 파일로 돌리세요"
    ),
    "`{path}`: no such folder": "`{path}`: 그런 폴더가 없습니다",
    "`{path}`: no such file": "`{path}`: 그런 파일이 없습니다",
    "requested load from stdin, but stdin is empty": "표준 입력에서 읽으라고 했지만 표준 입력이 비어 있습니다",
    '"teul {command}" requires at most {count} argument(s)': '"teul {command}"에는 인자가 {count}개까지만 필요합니다',
    "invalid filter '{name}'": "잘못된 필터 '{name}'",
    # flags
    "Download all tagged images in the repository": "저장소의 모든 태그를 받습니다",
    "Keep the compressed layers beside the unpacked ones": "압축된 레이어도 함께 남겨 둡니다",
    "Set platform if server is multi-platform capable": "여러 플랫폼이 있을 때 받을 플랫폼을 고릅니다",
    "Type of progress output (auto, plain, tty, json, quiet)": "진행 표시 방식 (auto, plain, tty, json, quiet)",
    "Suppress verbose output": "자세한 출력을 하지 않습니다",
    "Push all tags of an image to the repository": "저장소에 이미지의 모든 태그를 올립니다",
    "Compression of the layers: gzip or zstd": "레이어 압축 방식: gzip 또는 zstd",
    "Force removal of the image": "이미지를 강제로 지웁니다",
    "Do not delete layers that nothing else needs": "아무도 쓰지 않는 레이어를 지우지 않습니다",
    "Format output using a custom template: table, json, or a Go template": ("출력 형식: table, json 또는 Go 템플릿"),
    "Print sizes and dates in human readable format": "크기와 날짜를 읽기 쉽게 표시합니다",
    "Don't truncate output": "출력을 줄이지 않습니다",
    "Only show image IDs": "이미지 ID만 보여 줍니다",
    "Write to a file, instead of STDOUT": "표준 출력 대신 파일에 씁니다",
    "Read from a tar archive file or an OCI layout's folder, instead of STDIN": (
        "표준 입력 대신 tar 파일이나 OCI 레이아웃 폴더에서 읽습니다"
    ),
    "Suppress the load output": "불러오는 과정을 출력하지 않습니다",
    "Show all images (default hides intermediate images, of which there are none)": (
        "모든 이미지를 보여 줍니다 (기본으로 숨기는 중간 이미지는 여기에 없습니다)"
    ),
    "Show digests": "다이제스트를 보여 줍니다",
    "Filter output: dangling, label, before, since, reference": (
        "조건으로 거릅니다: dangling, label, before, since, reference"
    ),
    "Compression of the layers: gzip, zstd or none": "레이어 압축 방식: gzip, zstd 또는 none",
    "An OCI layout (the default, and the only form there is)": "OCI 레이아웃 (기본이며 유일한 형식)",
    "Where Debian's packages come from (default: where this host gets them)": (
        "데비안 패키지를 받을 곳 (기본: 이 호스트가 쓰는 곳)"
    ),
    "Print only the image's id": "이미지 ID만 출력합니다",
}
