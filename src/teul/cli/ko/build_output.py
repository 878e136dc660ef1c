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
}
