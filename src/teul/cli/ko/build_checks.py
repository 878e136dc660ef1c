"""Build checks: what each rule says in general, and what it found."""

MESSAGES = {
    '"{keyword} key=value" should be used instead of legacy "{keyword} key value" format': (
        '옛 형식 "{keyword} key value" 대신 "{keyword} key=value"를 쓰세요'
    ),
    "'{joint}' and '{keyword}' keywords' casing do not match": "'{joint}'와 '{keyword}' 키워드의 대소문자가 서로 다릅니다",
    "All commands within the Dockerfile should use the same casing (either upper or lower)": (
        "Dockerfile의 모든 명령은 대문자나 소문자 한 가지로 통일해야 합니다"
    ),
    "Attempting to Copy file that is excluded by .dockerignore": ".dockerignore가 제외한 파일을 복사하려 합니다",
    'Attempting to {keyword} file "{path}" that is excluded by .dockerignore': (
        '.dockerignore가 제외한 파일 "{path}"을(를) {keyword}하려 합니다'
    ),
    "Base image platform does not match expected target platform": (
        "베이스 이미지의 플랫폼이 빌드 대상 플랫폼과 다릅니다"
    ),
    'Base image {reference} was pulled with platform "{actual}", expected "{expected}" for current build': (
        '베이스 이미지 {reference}의 플랫폼은 "{actual}"인데 이 빌드에는 "{expected}"이(가) 필요합니다'
    ),
    "Command '{command}' should match the case of the command majority ({casing})": (
        "명령 '{command}'의 대소문자를 다른 명령들에 맞추세요 ({casing})"
    ),
    "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment": (
        "스테이지나 인자를 설명하는 주석은 `# <이름> <설명>` 형식이어야 합니다. 설명이 아니라면 명령과 주석 사이에 빈 줄이나 빈 주석을 두세요."
    ),
    "Comment for {keyword} should follow the format: `# {name} <description>`": (
        "{keyword}의 주석은 `# {name} <설명>` 형식이어야 합니다"
    ),
    "Default value for ARG {name} results in an empty or invalid base image name": (
        "ARG {name}의 기본값으로는 베이스 이미지 이름이 비거나 잘못됩니다"
    ),
    "Default value for global ARG results in an empty or invalid base image name": (
        "전역 ARG의 기본값으로는 베이스 이미지 이름이 비거나 잘못됩니다"
    ),
    "Defined protocol '{port}' in EXPOSE instruction should be lowercase": (
        "EXPOSE에 쓴 프로토콜 '{port}'은(는) 소문자여야 합니다"
    ),
    'Do not use ARG or ENV instructions for sensitive data ({keyword} "{name}")': (
        '민감한 값에 ARG나 ENV를 쓰지 마세요 ({keyword} "{name}")'
    ),
    'Duplicate stage name "{name}", stage names should be unique': (
        '스테이지 이름 "{name}"이(가) 겹칩니다. 이름은 하나뿐이어야 합니다'
    ),
    "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'": (
        "EXPOSE에는 IP 주소나 호스트 포트를 쓸 수 없습니다: '{port}'"
    ),
    "Empty continuation line": "이어지는 명령 안에 빈 줄이 있습니다",
    "Empty continuation lines will become errors in a future release": (
        "이어지는 명령 안의 빈 줄은 앞으로 오류가 됩니다"
    ),
    "FROM --platform flag should not use a constant value": "FROM --platform에 고정된 값을 쓰지 마세요",
    'FROM --platform flag should not use constant value "{value}"': (
        'FROM --platform에 고정된 값 "{value}"을(를) 쓰지 마세요'
    ),
    "FROM argument '{name}' is not declared": "FROM의 인자 '{name}'이(가) 선언되지 않았습니다",
    "FROM argument '{name}' is not declared (did you mean {near}?)": (
        "FROM의 인자 '{name}'이(가) 선언되지 않았습니다 ({near}을(를) 쓰려던 것 아닌가요?)"
    ),
    "FROM command must use declared ARGs": "FROM에는 선언된 ARG만 쓸 수 있습니다",
    "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release": (
        "EXPOSE에 IP 주소나 호스트 포트를 쓰지 마세요. 앞으로 오류가 됩니다"
    ),
    "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals": (
        "ENTRYPOINT와 CMD는 JSON 형식을 권합니다. 셸 형식은 신호를 제대로 전달하지 못합니다"
    ),
    "JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals": (
        "{keyword}은(는) JSON 형식을 권합니다. 셸 형식은 신호를 제대로 전달하지 못합니다"
    ),
    "Legacy key/value format with whitespace separator should not be used": (
        "공백으로 나누는 옛 키/값 형식은 쓰지 마세요"
    ),
    "Maintainer instruction is deprecated in favor of using label": "MAINTAINER 명령 대신 라벨을 쓰세요",
    "Multiple instructions of the same type should not be used in the same stage": (
        "한 스테이지에 같은 종류의 명령을 여러 번 쓰지 마세요"
    ),
    "Multiple {keyword} instructions should not be used in the same stage because only the last one will be used": (
        "한 스테이지에 {keyword}을(를) 여러 번 쓰지 마세요. 마지막 것만 쓰입니다"
    ),
    "Protocol in EXPOSE instruction should be lowercase": "EXPOSE의 프로토콜은 소문자여야 합니다",
    'Relative workdir "{path}" can have unexpected results if the base image changes': (
        '상대 경로 workdir "{path}"은(는) 베이스 이미지가 바뀌면 뜻밖의 결과를 낼 수 있습니다'
    ),
    "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes": (
        "절대 경로 workdir 없이 쓴 상대 경로는 베이스 이미지가 바뀌면 뜻밖의 결과를 낼 수 있습니다"
    ),
    "Reserved words should not be used as stage names": "예약어는 스테이지 이름으로 쓸 수 없습니다",
    "Sensitive data should not be used in the ARG or ENV commands": "ARG나 ENV에 민감한 값을 쓰지 마세요",
    "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior": (
        "FROM의 플랫폼을 $TARGETPLATFORM으로 정하는 것은 기본 동작이라 필요 없습니다"
    ),
    "Setting platform to predefined {name} in FROM is redundant as this is the default behavior": (
        "FROM의 플랫폼을 {name}(으)로 정하는 것은 기본 동작이라 필요 없습니다"
    ),
    "Stage name '{name}' should be lowercase": "스테이지 이름 '{name}'은(는) 소문자여야 합니다",
    'Stage name should not use the same name as reserved stage "{name}"': (
        '예약된 스테이지 이름 "{name}"은(는) 쓸 수 없습니다'
    ),
    "Stage names should be lowercase": "스테이지 이름은 소문자여야 합니다",
    "Stage names should be unique": "스테이지 이름은 하나뿐이어야 합니다",
    "The 'as' keyword should match the case of the 'from' keyword": "'as' 키워드의 대소문자를 'from'에 맞추세요",
    "The MAINTAINER instruction is deprecated, use a label instead to define an image author": (
        "MAINTAINER 명령은 더 쓰지 않습니다. 만든 이는 라벨로 적으세요"
    ),
    "Usage of undefined variable '${name}'": "정의되지 않은 변수 '${name}'을(를) 썼습니다",
    "Usage of undefined variable '${name}' (did you mean ${near}?)": (
        "정의되지 않은 변수 '${name}'을(를) 썼습니다 (${near}을(를) 쓰려던 것 아닌가요?)"
    ),
    "Variables should be defined before their use": "변수는 쓰기 전에 정의해야 합니다",
    "invalid argument `{value}` for `{flag}` flag: expected check, outline or targets, with ,format=json": (
        "`{flag}` 플래그의 값 `{value}`이(가) 잘못되었습니다: check, outline, targets (,format=json 가능) 중 하나여야 합니다"
    ),
    "invalid check option `{option}`: expected skip=RULES, experimental=RULES or error=true": (
        "잘못된 검사 옵션 `{option}`: skip=규칙, experimental=규칙, error=true 중 하나여야 합니다"
    ),
    "lint violation found for rules: {rules}": "다음 검사 규칙을 어겼습니다: {rules}",
    "{rule}: {message} ({page})": "{rule}: {message} ({page})",
}
