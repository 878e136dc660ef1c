"""Words of the help pages, of unknown commands and of the entry point."""

MESSAGES = {
    "Usage:  teul COMMAND": "사용법:  teul COMMAND",
    "Usage:  {usage}": "사용법:  {usage}",
    "Containers for machine learning, from train.py to a served model": (
        "머신러닝을 위한 컨테이너: train.py에서 서빙 중인 모델까지"
    ),
    "Life cycle commands:": "모델 수명 주기 명령:",
    "Docker's commands, with Docker's flags:": "Docker 명령 (옵션도 Docker와 같습니다):",
    "Run 'teul COMMAND --help' for more information on a command": (
        "명령마다 더 알아보려면 'teul COMMAND --help'를 실행하세요"
    ),
    "Run 'teul {noun} COMMAND --help' for more information on a command": (
        "명령마다 더 알아보려면 'teul {noun} COMMAND --help'를 실행하세요"
    ),
    "Aliases:": "다른 이름:",
    "Commands:": "명령:",
    "Options:": "옵션:",
    "unknown command: teul {typed}": "알 수 없는 명령입니다: teul {typed}",
    "unknown command: teul {typed}; did you mean `teul {close}`?": (
        "알 수 없는 명령입니다: teul {typed}. 혹시 `teul {close}`인가요?"
    ),
    "`{command}` is a command of Docker that teul does not have yet": (
        "`{command}`는 Docker에는 있지만 teul에는 아직 없는 명령입니다"
    ),
    "teul {noun} --help": "teul {noun} --help",
    "teul {command} --help": "teul {command} --help",
    "teul --help": "teul --help",
    "teul: {message}": "teul: {message}",
    "hint: {hint}": "도움말: {hint}",
    "See '{hint}'": "'{hint}'를 보세요",
    "interrupted": "중단되었습니다",
    "read escape sequence": "분리 키를 읽어 연결을 끊었습니다",
    "no space left on the disk that holds `{path}`": "`{path}`가 있는 디스크에 남은 공간이 없습니다",
    "progress `{kind}`: expected {kinds}": "진행 표시 `{kind}`: {kinds} 가운데 하나여야 합니다",
    "unknown flag: --{name}": "알 수 없는 옵션입니다: --{name}",
    "unknown flag: {flag}": "알 수 없는 옵션입니다: {flag}",
    "unknown shorthand flag: '{letter}' in {word}": "알 수 없는 짧은 옵션입니다: {word}의 '{letter}'",
    "flag needs an argument: --{name}": "값이 필요한 옵션입니다: --{name}",
    "flag needs an argument: '{letter}' in {word}": "값이 필요한 옵션입니다: {word}의 '{letter}'",
    "invalid argument `{value}` for `{flag}` flag: expected true or false": (
        "`{flag}` 옵션의 값 `{value}`이(가) 잘못되었습니다: true 또는 false여야 합니다"
    ),
    "invalid argument `{value}` for `{flag}` flag: expected a number": (
        "`{flag}` 옵션의 값 `{value}`이(가) 잘못되었습니다: 숫자여야 합니다"
    ),
}
