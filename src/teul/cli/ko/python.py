"""Python layers: which installs teul makes itself, and why the others run as written."""

MESSAGES = {
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
    "`{command}` installs the project itself": "`{command}`은(는) 프로젝트 자체를 설치합니다",
    "an install after `{command}`": "`{command}` 뒤의 설치",
    "it installs nothing": "설치하는 것이 없습니다",
    "several installers in one RUN": "RUN 하나에 설치 도구가 여럿입니다",
    "which environment uv would choose": "uv가 어느 환경을 고를지 알 수 없습니다",
    "`{path}` is read from elsewhere": "`{path}`은(는) 다른 곳에서 읽습니다",
    "`{path}` includes itself": "`{path}`이(가) 자기 자신을 포함합니다",
    "no file `{path}` in the stage": "스테이지에 `{path}` 파일이 없습니다",
    "the encoding of `{path}`": "`{path}`의 인코딩",
    "`{requirement}` is not a package of an index": "`{requirement}`은(는) 인덱스의 패키지가 아닙니다",
}
