"""Installs that a build does without running the command."""

MESSAGES = {
    "installed without running the command: {count} packages, {new} of them new ({size:.1f} MB fetched): {names}": (
        "명령을 실행하지 않고 설치했습니다: 패키지 {count}개, 그중 {new}개가 새것입니다({size:.1f} MB 받음): {names}"
    ),
    "the command runs as written: {reason}": "명령을 쓰인 그대로 실행합니다: {reason}",
    "what `{tool}` installs is not made without it": "`{tool}`이(가) 설치하는 것은 `{tool}` 없이 만들지 않습니다",
    "asking pip what it would install: {reason}": "pip에게 무엇을 설치할지 묻습니다: {reason}",
    "pip's report is of version {version}": "pip 보고서의 버전이 {version}입니다",
    "pip's report cannot be read: {problem}": "pip 보고서를 읽을 수 없습니다: {problem}",
    "`{name}` is not a wheel of an index": "`{name}`은(는) 인덱스의 wheel이 아닙니다",
    "`{path}` is written in {encoding}": "`{path}`의 인코딩이 {encoding}입니다",
    # The stage
    "`{name}` below would be replaced": "아래에 있는 `{name}`이(가) 바뀌게 됩니다",
    "it installs for `{one}` and for `{other}`": "`{one}`와(과) `{other}` 두 곳에 설치합니다",
    "no program `{name}` in the stage": "스테이지에 프로그램 `{name}`이(가) 없습니다",
    "uv passes over the virtual environment `{path}`": "uv는 가상 환경 `{path}`을(를) 쓰지 않습니다",
    "uv {version} of the stage may differ from uv {own}": "스테이지의 uv {version}은(는) uv {own}과(와) 다를 수 있습니다",
    "uv may take `{one}` or `{other}`": "uv가 `{one}`과(와) `{other}` 중 어느 것을 쓸지 알 수 없습니다",
    "wheel `{name}`: an empty folder `{path}`": "wheel `{name}`: 빈 폴더 `{path}`",
    "wheel `{name}`: the first line of `{path}`": "wheel `{name}`: `{path}`의 첫 줄",
    "wheel `{name}`: RECORD does not list `{path}`": "wheel `{name}`: RECORD에 `{path}`이(가) 없습니다",
    "`{path}` is not the script that pip installs": "`{path}`은(는) pip이 설치하는 스크립트가 아닙니다",
    "`{path}` runs on `{program}`": "`{path}`은(는) `{program}`(으)로 실행됩니다",
    "`/etc/ld.so.preload` loads `{path}` into every program": "`/etc/ld.so.preload`가 모든 프로그램에 `{path}`을(를) 불러들입니다",
    "`{path}` of the Python leads to `{place}`": "파이썬의 `{path}`이(가) `{place}`(으)로 이어집니다",
    "`{name}` {version} cannot be built": "`{name}` {version}을(를) 빌드할 수 없습니다",
    "`{name}` {version}, built from the same source archive, is another wheel here: expected sha256:{expected}, got sha256:{actual}": "같은 소스 아카이브로 빌드한 `{name}` {version}이(가) 여기서는 다른 휠입니다: sha256:{expected}이어야 하는데 sha256:{actual}입니다",
    "the index has no source archive of `{name}` {version} of that hash": "인덱스에 그 해시의 `{name}` {version} 소스 아카이브가 없습니다",
    "a program of the stage is damaged: {problem}": "스테이지의 프로그램이 손상되었습니다: {problem}",
    "`{path}` is not a Python that answers (exit code {code})": "`{path}`은(는) 응답하는 파이썬이 아닙니다(종료 코드 {code})",
    "`{path}` is a preliminary version of Python": "`{path}`은(는) 정식 버전이 아닌 파이썬입니다",
    "`{path}` answered nonsense: {problem}": "`{path}`의 응답을 알 수 없습니다: {problem}",
    "the interpreter puts files into `{path}`": "인터프리터가 `{path}`에 파일을 둡니다",
    "the interpreter ended while it compiled": "컴파일하던 인터프리터가 끝났습니다",
    "`{path}` is a link": "`{path}`은(는) 링크입니다",
    "`{path}` is there already": "`{path}`이(가) 이미 있습니다",
    "no folder `{path}` in the stage": "스테이지에 폴더 `{path}`이(가) 없습니다",
    "`rm` may take away what is in `{path}`": "`rm`이 `{path}`에 있는 것을 지울 수 있습니다",
    "`{path}` is a file and a folder": "`{path}`이(가) 파일이면서 폴더입니다",
    "`{one}` and `{other}` both own `{path}`": "`{path}`은(는) `{one}`에도 `{other}`에도 들어 있습니다",
    # Wheels
    "wheel `{name}`: a file stands in it twice": "wheel `{name}`: 같은 파일이 두 번 들어 있습니다",
    "wheel `{name}`: expected the metadata of {expected}, got {actual}": (
        "wheel `{name}`: 메타데이터가 {expected}의 것이어야 하는데 {actual}의 것입니다"
    ),
    "wheel `{name}`: expected Wheel-Version 1, got `{version}`": (
        "wheel `{name}`: Wheel-Version은 1이어야 하는데 `{version}`입니다"
    ),
    "wheel `{name}`: it has C headers": "wheel `{name}`: C 헤더가 들어 있습니다",
    "wheel `{name}`: it holds `{path}`": "wheel `{name}`: `{path}`이(가) 들어 있습니다",
    "wheel `{name}`: `{path}` would be written twice": "wheel `{name}`: `{path}`에 두 번 쓰게 됩니다",
    "wheel `{name}`: expected one `.dist-info` folder of that name, got {count}": (
        "wheel `{name}`: 그 이름의 `.dist-info` 폴더가 하나 있어야 하는데 {count}개입니다"
    ),
    "wheel `{name}`: expected a file `{path}`": "wheel `{name}`: 파일 `{path}`이(가) 있어야 합니다",
    "wheel `{name}`: damaged archive: {problem}": "wheel `{name}`: 압축 파일이 손상되었습니다: {problem}",
    "wheel: damaged archive: {problem}": "wheel: 압축 파일이 손상되었습니다: {problem}",
    "wheel `{name}`: unsafe path `{path}`": "wheel `{name}`: 안전하지 않은 경로 `{path}`",
    "wheel `{name}`: unknown scheme in `{path}`": "wheel `{name}`: `{path}`의 설치 위치를 알 수 없습니다",
    "wheel `{name}`: unusual entry point `{line}`": "wheel `{name}`: 특이한 entry point `{line}`",
    "wheel `{name}`: RECORD: {problem}": "wheel `{name}`: RECORD: {problem}",
    "wheel `{name}`: RECORD lists `{path}` twice": "wheel `{name}`: RECORD에 `{path}`이(가) 두 번 있습니다",
    "wheel `{name}`: RECORD lists `{path}`, which is not installed": (
        "wheel `{name}`: RECORD에 있는 `{path}`은(는) 설치되지 않습니다"
    ),
    "wheel `{name}`: `{path}` is a file and a folder": "wheel `{name}`: `{path}`이(가) 파일이면서 폴더입니다",
    "wheel `{name}`: `{path}` is not there": "wheel `{name}`: `{path}`이(가) 없습니다",
    "wheel `{name}`: the index answered {status}": "wheel `{name}`: 인덱스가 {status}(으)로 답했습니다",
    "wheel `{name}`: the index sent another range": "wheel `{name}`: 인덱스가 다른 범위를 보냈습니다",
    # poetry install
    "poetry answers in a form that is not known here": "poetry의 답이 알 수 없는 형식입니다",
    "the settings of poetry in the stage": "스테이지에 있는 poetry의 설정",
    "poetry cannot say what it would install": "poetry가 무엇을 설치할지 말하지 못합니다",
    "poetry leaves its cache in `{path}`": "poetry가 캐시를 `{path}`에 남깁니다",
    # uv sync
    "`{command}` may change the lock": "`{command}`은(는) 잠금 파일을 바꿀 수 있습니다",
    "uv would do more than install what is locked": "uv가 잠긴 것을 설치하는 것보다 더 많은 일을 합니다",
    "uv would make the environment `{path}` anew": "uv가 환경 `{path}`을(를) 새로 만듭니다",
    "uv answers in a form that is not known here": "uv의 답이 알 수 없는 형식입니다",
    "uv cannot say what it would install": "uv가 무엇을 설치할지 말하지 못합니다",
    "uv cannot make the environment `{path}`": "uv가 환경 `{path}`을(를) 만들지 못합니다",
    "`{path}` cannot be read": "`{path}`을(를) 읽을 수 없습니다",
    "`{name}` in [tool.uv]": "[tool.uv]의 `{name}`",
    "the lock has several `{name}` {version}": "잠금 파일에 `{name}` {version}이(가) 여럿입니다",
    "`{path}` is not the environment `{other}`": "`{path}`은(는) 환경 `{other}`이(가) 아닙니다",
    "which wheels are for the Python `{path}`": "어느 wheel이 Python `{path}`에 맞는지 알 수 없습니다",
    # A user who is not root
    "its home is `{path}`": "홈 폴더가 `{path}`입니다",
    "`{path}` has rules of its own for what is in it": "`{path}`에는 그 안의 파일에 대한 자체 규칙이 있습니다",
    "`{user}` may not write to `{path}`": "`{user}` 사용자는 `{path}`에 쓸 수 없습니다",
}
