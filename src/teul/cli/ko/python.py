"""Python layers: which installs teul makes itself, and why the others run as written."""

MESSAGES = {
    "the condition under which `{name}` is asked for": "`{name}`을(를) 요구하는 조건",
    "the shell operator `{operator}`": "셸 연산자 `{operator}`",
    "the shell expands `{word}`": "셸이 `{word}`을(를) 펼칩니다",
    "the shell's own arguments": "셸 자체의 인자",
    "a script with an interpreter of its own": "자체 인터프리터가 있는 스크립트",
    "it runs as `{user}`": "`{user}` 사용자로 실행됩니다",
    "it runs without a network": "네트워크 없이 실행됩니다",
    "`--mount=type={type},target={target}`": "`--mount=type={type},target={target}`",
    "the variable `{name}`": "변수 `{name}`",
    "the option `{option}`": "옵션 `{option}`",
    "`{command}` does more than install": "`{command}`은(는) 설치만 하지 않습니다",
    "an install after `{command}`": "`{command}` 뒤의 설치",
    "it installs nothing": "설치하는 것이 없습니다",
    "several installers in one RUN": "RUN 하나에 설치 도구가 여럿입니다",
    "which environment uv would choose": "uv가 어느 환경을 고를지 알 수 없습니다",
    "`{path}` is read from elsewhere": "`{path}`은(는) 다른 곳에서 읽습니다",
    "`{path}` includes itself": "`{path}`이(가) 자기 자신을 포함합니다",
    "no file `{path}` in the stage": "스테이지에 `{path}` 파일이 없습니다",
    "the encoding of `{path}`": "`{path}`의 인코딩",
    "`{requirement}` is not a package of an index": "`{requirement}`은(는) 인덱스의 패키지가 아닙니다",
    # What the resolver says
    "the Python {implementation} on {machine}": "{machine}의 Python {implementation}",
    "the Python is externally managed": "Python이 외부에서 관리됩니다 (externally managed)",
    "the stage has settings of its own in `{path}`": "스테이지에 자체 설정 `{path}`이(가) 있습니다",
    "`{path}` is a place that Python imports from": "`{path}`은(는) Python이 모듈을 가져오는 곳입니다",
    "packages from `{path}` of the stage": "스테이지의 `{path}`에 있는 패키지",
    "hashes of a wheel that has no name": "이름 없는 wheel의 해시",
    "`{name}` {old} below becomes {new}": "아래 레이어의 `{name}` {old}을(를) {new}(으)로 바꿉니다",
    "what goes with `{name}` cannot be told": "`{name}`을(를) 바꿀 때 무엇이 지워지는지 알 수 없습니다",
    "`{name}` {old} below would become {new}": "아래 레이어의 `{name}` {old}이(가) {new}(으)로 바뀝니다",
    "`{name}` has no hash in the requirements": "요구 사항에 `{name}`의 해시가 없습니다",
    "`{place}` has another `{filename}`": "`{place}`에 다른 `{filename}`이(가) 있습니다",
    "uv found no answer: {problem}": "uv가 답을 찾지 못했습니다: {problem}",
    "not all of it is on this machine (build once without --offline): {problem}": (
        "필요한 것이 모두 이 컴퓨터에 있지는 않습니다(--offline 없이 한 번 빌드하세요): {problem}"
    ),
    "index {places}: it does not say when files were uploaded, so what it had on {date} cannot be told": (
        "인덱스 {places}: 파일을 올린 시각이 없어서 {date}에 무엇이 있었는지 알 수 없습니다"
    ),
    "without --as-of, or with an index that has upload times (https://pypi.org/simple)": (
        "--as-of 없이 하거나, 올린 시각이 있는 인덱스(https://pypi.org/simple)를 쓰세요"
    ),
    "the resolver had to search: it tried {count} versions of `{name}`": (
        "해결기가 탐색해야 했습니다: `{name}`의 버전 {count}개를 시도했습니다"
    ),
    "uv does not say how it found `{name}`": "uv가 `{name}`을(를) 어떻게 찾았는지 알리지 않습니다",
    "a package asks for a pre-release of `{name}`": "어떤 패키지가 `{name}`의 프리릴리스를 요구합니다",
    "`{name}` has a newer version as a source archive only": "`{name}`의 새 버전은 소스 아카이브뿐입니다",
    "the indexes have different files of one version": "인덱스마다 같은 버전의 파일이 다릅니다",
    "`{name}` {version} has no wheel that is allowed here": "`{name}` {version}: 여기서 쓸 수 있는 wheel이 없습니다",
    "the index says no hash of `{filename}`": "인덱스에 `{filename}`의 해시가 없습니다",
    # teul.lock, --as-of
    "lock `{path}`: expected version {expected}, got {version}": "잠금 파일 `{path}`: 버전 {expected}이어야 하는데 {version}입니다",
    "lock `{path}`: {problem}": "잠금 파일 `{path}`: {problem}",
    "lock `{path}`: `{name}` has no valid sha256": "잠금 파일 `{path}`: `{name}`의 sha256이 올바르지 않습니다",
    "remove it, and build with --lock": "지운 뒤 --lock으로 빌드하세요",
    "the lock cannot be obeyed: {problem}": "잠금 파일대로 할 수 없습니다: {problem}",
    "the index has no `{filename}` of that hash": "인덱스에 그 해시의 `{filename}`이(가) 없습니다",
    "remove the lock, and build with --lock": "잠금 파일을 지우고 --lock으로 빌드하세요",
    "as of `{value}`: expected a date such as 2024-05-15": "기준일 `{value}`: 2024-05-15 같은 날짜여야 합니다",
    "a wheel that the build needs is not on this machine": "빌드에 필요한 wheel이 이 기기에 없습니다",
    "build once without --offline": "--offline 없이 한 번 빌드하세요",
    "as of {date} may not hold for a command that runs: {reason}": "실행되는 명령에는 기준일 {date}이(가) 적용되지 않을 수 있습니다: {reason}",
    "`{reference}` is another image than in {path}": "`{reference}`은(는) {path}에 있는 것과 다른 이미지입니다",
    "base `{reference}`: image {image} is not here": "베이스 `{reference}`: 이미지 {image}이(가) 여기에 없습니다",
    "--pull --lock takes the present one": "--pull --lock은 지금 것을 씁니다",
    # What was installed, imported
    "checking that {names} can be imported": "import할 수 있는지 확인합니다: {names}",
    "`{package}` needs `{library}`, which is not in the image": "`{package}`에 필요한 `{library}`이(가) 이미지에 없습니다",
    "`{package}` needs {version}: the base image is older": "`{package}`에는 {version}이(가) 필요합니다. 베이스 이미지가 더 오래됐습니다",
    "`{package}` cannot be imported with `{other}`: {problem}": "`{package}`은(는) `{other}`와(과) 함께 import할 수 없습니다: {problem}",
    "`{package}` cannot be imported: {problem}": "`{package}`을(를) import할 수 없습니다: {problem}",
    "`apt-file search {library}` says which Debian package has it": (
        "`apt-file search {library}`로 어느 데비안 패키지에 있는지 알 수 있습니다"
    ),
    '`packages = ["{package}"]` in [image]': '[image]에 `packages = ["{package}"]`',
    "RUN apt-get install {package}": "RUN apt-get install {package}",
    '`as_of = "{date}"` in [image], or pin an older {other}': '[image]에 `as_of = "{date}"`를 쓰거나, {other}을(를) 더 오래된 버전으로 고정하세요',
    "teul build --as-of {date}, or pin an older {other}": "teul build --as-of {date}, 또는 {other}을(를) 더 오래된 버전으로 고정하세요",
    "pin an older {other}": "{other}을(를) 더 오래된 버전으로 고정하세요",
    "{problem} (hint: {hint})": "{problem} (힌트: {hint})",
    # Source archives
    "uv builds no source archives: {problem}": "uv는 소스 아카이브를 빌드하지 않습니다: {problem}",
    "building a wheel of {name} {version}, once": "{name} {version}의 wheel을 한 번 빌드합니다",
    "`{name}` {version} cannot be built apart": "`{name}` {version}을(를) 따로 빌드할 수 없습니다",
    "wheel `{name}` is not on this machine": "wheel `{name}`이(가) 이 기기에 없습니다",
}
