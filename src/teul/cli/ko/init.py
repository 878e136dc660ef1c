"""Korean messages of `teul init` and of what `[image]` names."""

MESSAGES = {
    "no folder `{path}`": "폴더 `{path}`가 없습니다",
    "mkdir {path}": "mkdir {path}",
    "{path} is there already": "{path}이(가) 이미 있습니다",
    "teul up": "teul up",
    "{path} was left out: it cannot be read as Python: {problem}": (
        "{path}는 건너뛰었습니다. 파이썬으로 읽을 수 없습니다: {problem}"
    ),
    "the files and folders that it leaves:": "이 단계가 남기는 파일과 폴더:",
    "a JSON file of numbers that it leaves:": "이 단계가 남기는, 수가 담긴 JSON 파일:",
    "a step runs again only when something that it reads has changed:": "단계는 읽는 것이 바뀌었을 때만 다시 실행됩니다:",
    "what a new version must reach before it serves:": "새 버전이 서빙되기 전에 통과해야 하는 조건:",
    "to serve the model: a class with `load(path)` and `predict(rows)`": (
        "모델을 서빙하려면: `load(path)`와 `predict(rows)`가 있는 클래스"
    ),
    "would write {path}": "쓸 파일 {path}",
    "wrote {path}": "썼습니다 {path}",
    "kept {path}": "그대로 두었습니다 {path}",
    "found imports of {names}": "찾은 import: {names}",
    "next: {command}": "다음: {command}",
    "a version such as `3.11`": "`3.11` 같은 버전",
    "the name of a user": "사용자 이름",
    "one line": "한 줄",
    "`{key}`: expected a variable's name, got `{name}`": "`{key}`: 변수 이름이어야 하는데 `{name}`입니다",
    "`{name}`: expected {expected}, got `{value}`": "`{name}`: 기대한 것은 {expected}, 받은 것은 `{value}`",
    "`[image]`: expected either `{first}` or `{name}`": "`[image]`: `{first}`와 `{name}` 중 하나만 쓰세요",
    "`[image]`: `{name}` goes with `python`": "`[image]`: `{name}`은(는) `python`과 함께 씁니다",
    'python = "3.11"': 'python = "3.11"',
    "`image.packages`: expected the name of a Debian package, got `{value}`": (
        "`image.packages`: 데비안 패키지 이름이어야 하는데 `{value}`입니다"
    ),
    "`image.requirements`: expected a requirement such as `pandas==2.2.2`, got `{value}`": (
        "`image.requirements`: `pandas==2.2.2` 같은 요구 사항이어야 하는데 `{value}`입니다"
    ),
    'requirements = "requirements.txt"': 'requirements = "requirements.txt"',
    "`image.requirements`: no file `{path}` in {folder}": "`image.requirements`: {folder}에 파일 `{path}`가 없습니다",
    "teul init finds out what the code imports": "`teul init`이 코드가 import하는 것을 찾아 줍니다",
    "{path}: {problem}": "{path}: {problem}",
    "it cannot be read: {problem}": "읽을 수 없습니다: {problem}",
    "not YAML: {problem}": "YAML이 아닙니다: {problem}",
    "`{path}` leaves the project's folder": "`{path}`는 프로젝트 폴더를 벗어납니다",
    "`project.dependencies` is dynamic: only the project's build knows it": (
        "`project.dependencies`가 dynamic이라 프로젝트를 빌드해야만 알 수 있습니다"
    ),
    "it has neither `[project] dependencies` nor `[tool.poetry.dependencies]`": (
        "`[project] dependencies`도 `[tool.poetry.dependencies]`도 없습니다"
    ),
    "`{name}`: expected a list of strings": "`{name}`: 문자열 목록이어야 합니다",
    "`{name}` comes from `{kind}`, not from an index": "`{name}`은(는) 패키지 인덱스가 아니라 `{kind}`에서 옵니다",
    "it has no `[[package]]`": "`[[package]]`가 없습니다",
    "there is no `pyproject.toml` beside it": "옆에 `pyproject.toml`이 없습니다",
    "uv cannot read it: {problem}": "uv가 읽지 못합니다: {problem}",
    "it has no `dependencies`": "`dependencies`가 없습니다",
    "it asks for Python {wanted}, and `image.python` is {python}": (
        "Python {wanted}을(를) 원하는데 `image.python`은 {python}입니다"
    ),
    "`{name}`: expected a package": "`{name}`: 패키지여야 합니다",
    "pip cannot install what conda does: {names}": "conda가 설치하는 다음은 pip이 설치하지 못합니다: {names}",
    "move them below `- pip:`, or into `packages` where Debian has them": (
        "`- pip:` 아래로 옮기거나, 데비안에 있으면 `packages`에 쓰세요"
    ),
    "Name of the project (default: the folder's)": "프로젝트 이름 (기본: 폴더 이름)",
    "Version of Python (default: what the folder asks for, else 3.11)": "파이썬 버전 (기본: 폴더가 원하는 버전, 없으면 3.11)",
    "Write a Dockerfile, instead of `[image]` with Python and requirements": (
        "`[image]`에 파이썬과 요구 사항을 적는 대신 Dockerfile을 씁니다"
    ),
    "Print what would be written, and write nothing": "무엇을 쓸지만 보여 주고 쓰지 않습니다",
}
