"""Errors of the whole tree, of the OCI values and of the host's doors."""

MESSAGES = {
    "blob `{digest}` not found": "블롭 `{digest}`을(를) 찾을 수 없습니다",
    "snapshot `{key}` not found": "스냅샷 `{key}`을(를) 찾을 수 없습니다",
    "image `{reference}` not found": "이미지 `{reference}`을(를) 찾을 수 없습니다",
    "no such container: {name}": "그런 컨테이너가 없습니다: {name}",
    "network `{name}` not found": "네트워크 `{name}`을(를) 찾을 수 없습니다",
    "volume `{name}` not found": "볼륨 `{name}`을(를) 찾을 수 없습니다",
    "model `{name}` not found": "모델 `{name}`을(를) 찾을 수 없습니다",
    "{kind} name `{name}` is already in use by {owner}": "{kind} 이름 `{name}`은(는) {owner}이(가) 이미 쓰고 있습니다",
    "image reference `{value}`: {reason}": "이미지 이름 `{value}`: {reason}",
    "digest `{value}`: expected `sha256:` and 64 lower-case hexadecimal digits": (
        "다이제스트 `{value}`: `sha256:`과 소문자 16진수 64자리여야 합니다"
    ),
    "{kind}: {reason}": "{kind}: {reason}",
    "snapshot `{key}` is in use by {user}": "스냅샷 `{key}`은(는) {user}이(가) 쓰고 있습니다",
    "container `{name}` is running": "컨테이너 `{name}`이(가) 실행 중입니다",
    "container `{name}` is not running": "컨테이너 `{name}`이(가) 실행 중이 아닙니다",
    "image `{name}` is in use by {user}": "이미지 `{name}`은(는) {user}이(가) 쓰고 있습니다",
    "port {port} is held by {holder}: port is already allocated": ("포트 {port}은(는) {holder}이(가) 쓰고 있습니다"),
    "port {free} is free": "포트 {free}은(는) 비어 있습니다",
    "{what}: expected `{expected}`, got `{actual}`": "{what}: `{expected}`이어야 하는데 `{actual}`입니다",
    "blob `{digest}`: expected {expected} bytes, got {actual}": (
        "블롭 `{digest}`: {expected}바이트여야 하는데 {actual}바이트입니다"
    ),
    "layer: {reason}": "레이어: {reason}",
    "path `{path}`: {reason}": "경로 `{path}`: {reason}",
    "this host lacks {feature}": "이 호스트에는 {feature}이(가) 없습니다",
    "option `{name}` is not supported": "`{name}` 옵션은 지원하지 않습니다",
    "image `{reference}`: expected platform {expected}, got {actual}": (
        "이미지 `{reference}`: 플랫폼이 {expected}이어야 하는데 {actual}입니다"
    ),
    "`{program}` ended with exit code {exit_code}: {tail}": "`{program}`이(가) 종료 코드 {exit_code}(으)로 끝났습니다: {tail}",
    "`{program}` did not end within {timeout_s} s": "`{program}`이(가) {timeout_s}초 안에 끝나지 않았습니다",
    "`{value}`: unknown architecture, expected `os/arch[/variant]`": (
        "`{value}`: 알 수 없는 아키텍처입니다. `os/arch[/variant]` 형식으로 쓰세요"
    ),
    "expected `os/arch[/variant]`, got `{value}`": "`os/arch[/variant]` 형식이어야 하는데 `{value}`입니다",
    "expected an object, got {kind}": "객체여야 하는데 {kind}입니다",
    "expected `mediaType` and `digest` to be strings": "`mediaType`과 `digest`는 문자열이어야 합니다",
    "expected `size` to be a count of bytes, got {size}": "`size`는 바이트 수여야 하는데 {size}입니다",
    "expected at most {limit} bytes, got {size}": "{limit}바이트 이하여야 하는데 {size}바이트입니다",
    "expected JSON, got {problem}": "JSON이 아닙니다: {problem}",
    "expected `rootfs.type` to be `layers`": "`rootfs.type`은 `layers`여야 합니다",
    "expected schema version 2, got {version}": "스키마 버전이 2여야 하는데 {version}입니다",
    "expected `layers` to be a list": "`layers`는 목록이어야 합니다",
    "expected schema version 2 and a list of manifests": "스키마 버전 2와 매니페스트 목록이어야 합니다",
    "a field has the wrong type: {problem}": "필드의 타입이 잘못되었습니다: {problem}",
    "expected a repository name": "저장소 이름이 없습니다",
    "expected a host name before the first `/`, got `{domain}`": (
        "첫 `/` 앞은 호스트 이름이어야 하는데 `{domain}`입니다"
    ),
    "expected a tag of letters, digits, `_`, `.` and `-`, got `{tag}`": (
        "태그는 글자, 숫자, `_`, `.`, `-`로만 써야 하는데 `{tag}`입니다"
    ),
    "repository name must be lowercase": "저장소 이름은 소문자여야 합니다",
    "expected a repository name of lower-case letters, digits and separators": (
        "저장소 이름은 소문자, 숫자, 구분 기호로만 써야 합니다"
    ),
    "database `{path}`: expected schema {expected} or older, got {actual}": (
        "데이터베이스 `{path}`: 스키마 {expected} 이하여야 하는데 {actual}입니다"
    ),
    "upgrade teul, or set TEUL_ROOT to another folder": ("teul을 올리거나 TEUL_ROOT를 다른 폴더로 지정하세요"),
    "{names} on this host's loopback: RUN shares the host's network": (
        "{names}이(가) 이 호스트의 루프백에 있습니다: RUN이 호스트의 네트워크를 함께 씁니다"
    ),
    "no bridge ({problem}): RUN shares the host's network": (
        "브리지를 만들 수 없습니다({problem}): RUN이 호스트의 네트워크를 함께 씁니다"
    ),
}
