"""`teul build`: caches that travel, outputs, attestations, and what is said of builders."""

MESSAGES = {
    "Use a cache that was exported: a reference, or type=local,src=FOLDER": (
        "내보낸 캐시를 씁니다. 이미지 이름, 또는 type=local,src=폴더"
    ),
    "Export the cache: type=registry,ref=NAME, type=local,dest=FOLDER or type=inline, with mode=max for every step": (
        "캐시를 내보냅니다. type=registry,ref=이름, type=local,dest=폴더, type=inline 중 하나. mode=max면 모든 단계"
    ),
    "`{flag} {value}`: expected type=registry, local or inline, got {kind}": (
        "`{flag} {value}`: type=registry, local, inline 가운데 하나여야 하는데 {kind}입니다"
    ),
    "`{flag} {value}`: expected {name}=…": "`{flag} {value}`: {name}=…이(가) 있어야 합니다",
    "`{flag} {value}`: expected mode=min or max, got {mode}": "`{flag} {value}`: mode는 min이나 max여야 하는데 {mode}입니다",
    "`{flag} {value}`: expected NAME=VALUE, got `{part}`": "`{flag} {value}`: 이름=값 꼴이어야 하는데 `{part}`입니다",
    "`{flag}`: expected {name}=true or false, got {value}": "`{flag}`: {name}은(는) true나 false여야 하는데 {value}입니다",
    "type=registry,ref=IMAGE or type=local,dest=FOLDER": "type=registry,ref=이미지 또는 type=local,dest=폴더",
    "compression=gzip, zstd or uncompressed": "compression=gzip, zstd, uncompressed 중 하나",
    "expected version {version}": "버전 {version}이어야 합니다",
    "`{folder}` has no cache `{tag}`": "`{folder}`에 캐시 `{tag}`이(가) 없습니다",
    "importing cache from {place}": "{place}에서 캐시를 가져오는 중",
    "exporting cache to {place}": "{place}(으)로 캐시를 내보내는 중",
    "another builder made it": "다른 빌더가 만든 것입니다",
    "the image has none": "이미지에 들어 있지 않습니다",
    "build it with --cache-to type=inline, and push it": "--cache-to type=inline으로 빌드해서 푸시하세요",
    "cache `{place}` is not used: {problem}": "캐시 `{place}`을(를) 쓰지 않습니다: {problem}",
    "not handed on: {problem}": "넘겨주지 못했습니다: {problem}",
    "cache mount `{path}` is not exported: {problem}": "캐시 마운트 `{path}`을(를) 내보내지 않습니다: {problem}",
    "cache not exported: {problem}": "캐시를 내보내지 못했습니다: {problem}",
    "dest is required for local exporter": "local 출력에는 dest가 있어야 합니다",
    "type=local, tar, oci, docker, image, registry or cacheonly": "type=local, tar, oci, docker, image, registry, cacheonly 중 하나",
    "type=oci,tar=false,dest=FOLDER": "type=oci,tar=false,dest=폴더",
    "compression=gzip or zstd": "compression=gzip 또는 zstd",
    "type=provenance or type=sbom": "type=provenance 또는 type=sbom",
    "version=v1": "version=v1",
    "exporting to {kind} {place}": "{kind} {place}(으)로 내보내는 중",
    "dest file is required for {kind} exporter. refusing to write to console": (
        "{kind} 출력에는 dest 파일이 있어야 합니다. 터미널에는 쓰지 않습니다"
    ),
    "destination `{path}` is a folder, expected a file": "출력 `{path}`은(는) 폴더입니다. 파일이어야 합니다",
    "tag is needed when pushing to registry": "레지스트리에 푸시하려면 태그가 있어야 합니다",
    "teul build -t NAME --push": "teul build -t 이름 --push",
    "a build for each platform: --platform A, then --platform B": "플랫폼마다 따로 빌드하세요: --platform A, 그다음 --platform B",
    "progress={progress} and quiet cannot be used together": "--progress={progress}은(는) --quiet와 함께 쓸 수 없습니다",
    "one of {names}": "{names} 중 하나",
    "remove one of the lines": "두 줄 중 하나를 지우세요",
    "a quote that stands for itself is written {escape}' or {escape}\"": (
        "글자 그대로의 따옴표는 {escape}' 또는 {escape}\"로 쓰세요"
    ),
    "a dollar sign that begins no variable is written {escape}$": "변수가 아닌 달러 기호는 {escape}$로 쓰세요",
    "give the variable a value: ARG {name} above, and --build-arg {name}=value": (
        "변수에 값을 주세요: 위에 ARG {name}, 그리고 --build-arg {name}=값"
    ),
    "add it to the image (`RUN useradd {user}`), or give a number": (
        "이미지에 추가하거나(`RUN useradd {user}`) 번호를 쓰세요"
    ),
    "add it to the image (`RUN groupadd {group}`), or give a number": (
        "이미지에 추가하거나(`RUN groupadd {group}`) 번호를 쓰세요"
    ),
    "failed to read dockerfile: `{path}` is a folder": "Dockerfile을 읽을 수 없습니다. `{path}`은(는) 폴더입니다",
    "* and ? match within a name, ** any folders, [a-z] one of several characters": (
        "*와 ?는 이름 안에서, **는 여러 폴더에, [a-z]는 그중 한 글자에 맞습니다"
    ),
    "{flag}: cannot write `{path}`: {problem}": "{flag}: `{path}`에 쓸 수 없습니다: {problem}",
    "{flag}: no folder `{path}`": "{flag}: `{path}` 폴더가 없습니다",
    "{flag}: `{path}` is a folder, expected a file": "{flag}: `{path}`은(는) 폴더입니다. 파일이어야 합니다",
    "mkdir -p {path}": "mkdir -p {path}",
    "the state folder `{path}` cannot be written: {problem}": "상태 폴더 `{path}`에 쓸 수 없습니다: {problem}",
    "push and {kind} output can't be used together": "--push는 {kind} 출력과 함께 쓸 수 없습니다",
    "Output destination: a folder, - for a tar, or type=local|tar|oci|docker|image|registry,dest=PATH": (
        "출력할 곳. 폴더, tar는 -, 또는 type=local|tar|oci|docker|image|registry,dest=경로"
    ),
    "Push the image when it is built (--output type=registry)": "빌드한 이미지를 푸시합니다 (--output type=registry)",
    "Do not use cache for these stages": "이 스테이지들은 캐시를 쓰지 않습니다",
    "Attest how the image was made: true, false or mode=min|max": (
        "이미지를 어떻게 만들었는지 증명합니다. true, false, mode=min|max"
    ),
    "Attest what packages are in the image: true or false": "이미지에 든 패키지를 증명합니다. true 또는 false",
    "Attestation: type=sbom or type=provenance,mode=max": "증명. type=sbom 또는 type=provenance,mode=max",
    "Write build result metadata to a file": "빌드 결과의 메타데이터를 파일에 씁니다",
    "Remove all unused build cache, not just dangling ones": "쓰지 않는 빌드 캐시를 모두 지웁니다",
    "Amount of disk space to keep for cache": "캐시로 남겨 둘 디스크 크기",
    "Provide a more verbose output": "더 자세히 보여 줍니다",
    'Provide filter values (e.g., "until=24h")': "거르는 조건 (예: until=24h)",
    "WARNING! This will remove all build cache. Are you sure you want to continue? [y/N] ": (
        "주의! 빌드 캐시를 모두 지웁니다. 계속할까요? [y/N] "
    ),
    "WARNING! This will remove all dangling build cache. Are you sure you want to continue? [y/N] ": (
        "주의! 이미지에 쓰이지 않는 빌드 캐시를 모두 지웁니다. 계속할까요? [y/N] "
    ),
    "--filter until=24h": "--filter until=24h",
    "invalid duration `{value}`: expected one such as 24h or 90m": "기간 `{value}`: 24h나 90m 같은 꼴이어야 합니다",
    'no builder "{name}" found': '빌더 "{name}"이(가) 없습니다',
    "teul buildx ls": "teul buildx ls",
    "Build twice under other circumstances and show the first path that differs": (
        "조건을 바꿔 두 번 빌드하고, 처음으로 다른 경로를 보여 줍니다"
    ),
    "reproducible: the second build gave the same digest": "재현됩니다. 두 번째 빌드도 다이제스트가 같습니다",
    "not reproducible: {step}": "재현되지 않습니다: {step}",
    "   {path}: {what}": "   {path}: {what}",
    "the context is large: it is built from the same path again": "컨텍스트가 커서 같은 경로에서 다시 빌드합니다",
    "no libfaketime on this host: the second build has the same date": (
        "이 호스트에 libfaketime이 없어 두 번째 빌드도 날짜가 같습니다"
    ),
    "is only in the second build": "두 번째 빌드에만 있습니다",
    "is only in the first build": "첫 번째 빌드에만 있습니다",
    "the order or the number of layers differs": "레이어의 순서나 개수가 다릅니다",
    "is another kind of file": "파일의 종류가 다릅니다",
    "mode and owner: {before} → {after}": "모드와 소유자: {before} → {after}",
    "points to {before} → {after}": "가리키는 곳: {before} → {after}",
    "its time: {before} → {after}": "시각: {before} → {after}",
    "content, from byte {offset}: {before} → {after}": "내용, {offset}번째 바이트부터: {before} → {after}",
    "compiled Python names the place of its source: `pip install --no-compile`, or `--prefix` for `--target`": (
        "컴파일된 파이썬에는 소스의 위치가 들어갑니다. `pip install --no-compile`, 또는 `--target` 대신 `--prefix`를 쓰세요"
    ),
    "the package lists of today: end the RUN with `rm -rf /var/lib/apt/lists/*`": (
        "오늘의 패키지 목록입니다. RUN 끝에 `rm -rf /var/lib/apt/lists/*`를 붙이세요"
    ),
    "another version was installed: pin versions (`name==1.2.3`), or build with a lock": (
        "다른 버전이 설치됐습니다. 버전을 고정하거나(`이름==1.2.3`) 잠금 파일로 빌드하세요"
    ),
    "nothing needs it: remove it in the RUN that makes it": "필요 없는 파일입니다. 만드는 RUN 안에서 지우세요",
    "made at random: make it when the container starts": "무작위로 만들어집니다. 컨테이너를 시작할 때 만드세요",
    "gzip keeps the time: `gzip -n`, and `tar --sort=name --mtime=@0`": (
        "gzip은 시각을 담습니다. `gzip -n`, `tar --sort=name --mtime=@0`을 쓰세요"
    ),
    "compiled here: `ar -D`, `-ffile-prefix-map`, no `__DATE__`, and SOURCE_DATE_EPOCH": (
        "여기서 컴파일한 파일입니다. `ar -D`, `-ffile-prefix-map`, SOURCE_DATE_EPOCH를 쓰고 `__DATE__`는 쓰지 마세요"
    ),
    "archives keep times: set SOURCE_DATE_EPOCH, or `zip -X` after `touch -d @0`": (
        "압축 파일은 시각을 담습니다. SOURCE_DATE_EPOCH를 주거나, `touch -d @0` 뒤에 `zip -X`를 쓰세요"
    ),
    "it holds the time of the build: write SOURCE_DATE_EPOCH in its place": (
        "빌드한 시각이 들어 있습니다. 그 자리에 SOURCE_DATE_EPOCH를 쓰세요"
    ),
    "the step writes something else each time: a random number, an order, a process id, the number of processors": (
        "실행할 때마다 다른 것을 씁니다. 난수, 순서, 프로세스 번호, 프로세서 수 같은 것입니다"
    ),
    "command": "명령",
    "user": "사용자",
    "input base": "바로 아래 단계(또는 기반 이미지)",
    "input {name}": "입력 {name}",
    "file {name}": "파일 {name}",
    "files {name}": "폴더 {name}의 파일들",
    "env {name}": "환경 변수 {name}",
    "working directory": "작업 디렉터리",
}
