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
    "type=local, tar, oci, docker, image or registry": "type=local, tar, oci, docker, image, registry 중 하나",
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
}
