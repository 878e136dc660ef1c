"""`teul build`, `teul why`: the Dockerfile frontend, contexts, steps."""

MESSAGES = {
    "--annotation KEY=VALUE": "--annotation KEY=VALUE",
    "--push, or --output type=oci,dest=FILE: a manifest carries it": (
        "--push나 --output type=oci,dest=FILE을 함께 쓰세요. 주석은 매니페스트에 담깁니다"
    ),
    "the disk is full: {size} MB that the step had put into the cache mount `{name}` are gone again": (
        "디스크가 가득 찼습니다: 이 단계가 캐시 마운트 `{name}`에 쓴 {size} MB를 다시 지웠습니다"
    ),
    "just now": "방금",
    "{count} min ago": "{count}분 전",
    "{count} h ago": "{count}시간 전",
    "{count} days ago": "{count}일 전",
    # Lines and words
    "expected a Dockerfile of at most {limit} characters, got {size}": (
        "Dockerfile은 최대 {limit}자여야 하는데 {size}자입니다"
    ),
    "file with no instructions": "명령이 하나도 없는 파일입니다",
    "only one {key} parser directive can be used": "파서 지시자 {key}는 한 번만 쓸 수 있습니다",
    "invalid escape token '{value}' does not match ` or \\": "escape 문자 '{value}': ` 또는 \\ 여야 합니다",
    "syntax `{value}`: only Docker's own frontend is built in": "syntax `{value}`: 도커의 프론트엔드만 내장되어 있습니다",
    "remove the line, or write `# syntax=docker/dockerfile:1`": (
        "이 줄을 지우거나 `# syntax=docker/dockerfile:1`로 쓰세요"
    ),
    "unterminated heredoc: expected a line `{name}`": "heredoc이 끝나지 않았습니다: `{name}` 줄이 있어야 합니다",
    "expected a value of at most {limit} characters after expansion": "펼친 값은 최대 {limit}자여야 합니다",
    "expected substitutions nested at most {limit} deep": "변수 치환은 최대 {limit}겹까지 중첩할 수 있습니다",
    "unexpected end of statement while looking for matching single-quote": "작은따옴표가 닫히지 않았습니다",
    "unexpected end of statement while looking for matching double-quote": "큰따옴표가 닫히지 않았습니다",
    "unexpected end of statement while looking for matching {char}": "`{char}`(이)가 닫히지 않았습니다",
    "syntax error: missing '{char}' in substitution": "문법 오류: 치환에 '{char}'(이)가 없습니다",
    "syntax error: bad substitution": "문법 오류: 잘못된 치환입니다",
    "unsupported modifier ({modifier}) in substitution": "치환에서 지원하지 않는 수식어입니다: {modifier}",
    "{name}: {reason}": "{name}: {reason}",
    "invalid pattern ({pattern}) in substitution: invalid escape '\\{char}'": (
        "치환 패턴 {pattern}: 잘못된 이스케이프 '\\{char}'"
    ),
    "{problem}": "{problem}",
    # Instructions
    "unknown instruction: {keyword} (did you mean {near}?)": "알 수 없는 명령: {keyword} ({near}을(를) 쓰려던 것 아닌가요?)",
    "unknown instruction: {keyword}": "알 수 없는 명령: {keyword}",
    "no build stage in current context: expected FROM before {keyword}": "빌드 스테이지가 없습니다: {keyword} 앞에 FROM이 있어야 합니다",
    "dockerfile contains no stages to build: expected FROM": "빌드할 스테이지가 없습니다: FROM이 있어야 합니다",
    "{keyword} requires exactly one argument": "{keyword}에는 인자가 하나 있어야 합니다",
    "{keyword} requires at least one argument": "{keyword}에는 인자가 하나 이상 있어야 합니다",
    "{keyword} requires at least two arguments, but only one was provided. Destination could not be determined": (
        "{keyword}에는 인자가 둘 이상 있어야 합니다. 어디로 복사할지 알 수 없습니다"
    ),
    "{keyword} must have two arguments": "{keyword}에는 인자가 둘 있어야 합니다",
    "{keyword} names can not be blank": "{keyword}의 이름은 비워 둘 수 없습니다",
    "{keyword} cannot accept a heredoc as a destination": "{keyword}의 대상으로 heredoc을 쓸 수 없습니다",
    "can't find = in `{word}`: expected the form name=value": "`{word}`에 =가 없습니다: 이름=값 꼴이어야 합니다",
    "put quotes around a value that has spaces": "공백이 든 값은 따옴표로 감싸세요",
    "FROM requires either one or three arguments": "FROM에는 인자가 하나 또는 셋 있어야 합니다",
    "invalid name for build stage: `{name}`, name can't start with a number or contain symbols": (
        "스테이지 이름 `{name}`: 숫자로 시작하거나 기호를 넣을 수 없습니다"
    ),
    "unknown flag: --{name} (did you mean --{near}?)": "알 수 없는 플래그: --{name} (--{near}을(를) 쓰려던 것 아닌가요?)",
    "duplicate flag specified: --{name}": "플래그가 두 번 쓰였습니다: --{name}",
    "missing a value on flag: --{name}": "플래그에 값이 없습니다: --{name}",
    "expected a boolean value for flag --{name}, got {value}": "--{name}: true 또는 false여야 하는데 {value}입니다",
    "network mode `{mode}`: expected default, none or host": "네트워크 모드 `{mode}`: default, none, host 중 하나여야 합니다",
    "security mode `{mode}`: expected sandbox or insecure": "보안 모드 `{mode}`: sandbox 또는 insecure여야 합니다",
    "build on a machine without the device, or use the device in `teul run`": (
        "장치 없이 빌드하고, 장치는 `teul run`에서 쓰세요"
    ),
    "unknown type `{kind}` in HEALTHCHECK (try CMD)": "HEALTHCHECK의 종류 `{kind}`을(를) 알 수 없습니다 (CMD를 써 보세요)",
    "missing command after HEALTHCHECK CMD": "HEALTHCHECK CMD 뒤에 명령이 없습니다",
    "HEALTHCHECK NONE takes no arguments": "HEALTHCHECK NONE에는 인자를 쓸 수 없습니다",
    "--retries: expected a count, got `{value}`": "--retries: 횟수여야 하는데 `{value}`입니다",
    "--{name}: expected a duration such as 30s or 1m30s, got `{value}`": (
        "--{name}: 30s나 1m30s 같은 시간이어야 하는데 `{value}`입니다"
    ),
    "--{name}: cannot be less than 1ms, got `{value}`": "--{name}: 1ms 이상이어야 하는데 `{value}`입니다",
    "SHELL requires the arguments to be in JSON form": "SHELL의 인자는 JSON 꼴이어야 합니다",
    "chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed": "`ONBUILD ONBUILD`는 쓸 수 없습니다",
    "{trigger} isn't allowed as an ONBUILD trigger": "{trigger}는 ONBUILD에 쓸 수 없습니다",
    "onbuild trigger should be a single expression": "ONBUILD에는 명령이 하나만 있어야 합니다",
    "VOLUME specified can not be an empty string": "VOLUME에는 빈 문자열을 쓸 수 없습니다",
    "invalid signal: {signal}": "없는 신호입니다: {signal}",
    # RUN --mount
    "invalid value for {key}: {value}": "{key}의 값이 잘못되었습니다: {value}",
    "invalid value {value} for {key}": "{key}의 값이 잘못되었습니다: {value}",
    "invalid value {value} for mode": "mode의 값이 잘못되었습니다: {value}",
    "invalid field '{field}' must be a key=value pair": "'{field}': 키=값 꼴이어야 합니다",
    "unexpected key '{key}' in '{field}' (did you mean {near}?)": (
        "'{field}'의 키 '{key}'을(를) 알 수 없습니다 ({near}을(를) 쓰려던 것 아닌가요?)"
    ),
    "unexpected key '{key}' in '{field}'": "'{field}'의 키 '{key}'을(를) 알 수 없습니다",
    "{key} not allowed for '{type}' type mounts": "'{type}' 마운트에는 {key}을(를) 쓸 수 없습니다",
    "unsupported mount type `{type}` (did you mean {near}?)": "마운트 종류 `{type}`을(를) 알 수 없습니다 ({near}을(를) 쓰려던 것 아닌가요?)",
    "invalid mount target `/`: expected a folder or a file in the tree": (
        "마운트할 곳 `/`은(는) 쓸 수 없습니다. 트리 안의 폴더나 파일이어야 합니다"
    ),
    "unsupported mount type `{type}`: expected {names}": (
        "마운트 종류 `{type}`을(를) 알 수 없습니다. {names} 중 하나여야 합니다"
    ),
    "unsupported sharing value `{value}`: expected shared, private or locked": (
        "sharing 값 `{value}`: shared, private, locked 중 하나여야 합니다"
    ),
    "use --mount=type=secret with a key file": "키 파일을 --mount=type=secret으로 넘기세요",
    "both source and id can't be set": "source와 id를 함께 쓸 수 없습니다",
    "invalid secret mount: one of source, target required": "secret 마운트에는 source나 target이 있어야 합니다",
    "mount target is required": "마운트에는 target이 있어야 합니다",
    "'from' doesn't support variable expansion, define alias stage instead": (
        "'from'에는 변수를 쓸 수 없습니다. 스테이지에 별명을 붙여 쓰세요"
    ),
    "secret `{id}` is required": "시크릿 `{id}`이(가) 있어야 합니다",
    "--secret id={id},src=FILE": "--secret id={id},src=파일",
    "secret `{id}` is empty: variable `{name}` is not set": "시크릿 `{id}`이(가) 비어 있습니다. 변수 `{name}`이(가) 없습니다",
    "secret `{id}`: expected at most {limit} bytes": "시크릿 `{id}`: {limit}바이트 이하여야 합니다",
    "secret `{id}`: cannot read `{path}`: {problem}": "시크릿 `{id}`: `{path}`을(를) 읽을 수 없습니다: {problem}",
    # Stages
    "base name ({name}) should not be blank": "기반 이미지 이름({name})이 비어 있습니다",
    "give the variable a value: ARG NAME=value before the first FROM, or --build-arg NAME=value": (
        "변수에 값을 주세요: 첫 FROM 앞에 ARG 이름=값, 또는 --build-arg 이름=값"
    ),
    "target stage `{target}` could not be found": "스테이지 `{target}`을(를) 찾을 수 없습니다",
    "--target {name}": "--target {name}",
    "the stages are: {names}": "있는 스테이지: {names}",
    "failed to parse platform `{platform}`: {problem}": "플랫폼 `{platform}`을(를) 읽을 수 없습니다: {problem}",
    "RUN needs a machine of platform {platform}, this one is {host}": (
        "RUN에는 {platform} 기계가 필요한데 이 기계는 {host}입니다"
    ),
    "--platform {host}, or register an emulator with binfmt_misc": (
        "--platform {host}로 빌드하거나 binfmt_misc에 에뮬레이터를 등록하세요"
    ),
    "variable expansion is not supported for --from": "--from에는 변수를 쓸 수 없습니다",
    "define a new stage with FROM using ARG from global scope": "전역 ARG를 쓰는 FROM으로 스테이지를 따로 만드세요",
    "invalid stage index {index}": "스테이지 번호 {index}: 그런 스테이지가 없습니다",
    "circular dependency: stage `{stage}` copies from itself": "순환 의존: 스테이지 `{stage}`이(가) 자신에게서 복사합니다",
    "cannot copy from stage `{stage}`, it needs to be defined before current stage `{current}`": (
        "스테이지 `{stage}`에서 복사할 수 없습니다: 지금 스테이지 `{current}`보다 앞에 있어야 합니다"
    ),
    "`{reference}` is not the official image: teul made it on this machine ({origin})": (
        "`{reference}`은(는) 공식 이미지가 아니라 이 기계에서 teul이 만든 것입니다 ({origin})"
    ),
    # COPY and ADD
    "source can't be a git ref for COPY": "COPY로는 git 저장소를 복사할 수 없습니다",
    "source can't be a URL for COPY": "COPY로는 URL을 복사할 수 없습니다",
    "use ADD": "ADD를 쓰세요",
    "--checksum requires an HTTP(S) or Git source": "--checksum은 HTTP(S)나 git 원본에만 쓸 수 있습니다",
    "fetch it in a RUN, or put it into the context": "RUN에서 받거나 컨텍스트에 넣으세요",
    "invalid chmod parameter: '{mode}'. it should be octal string and between 0 and 07777, or symbolic as u=rwX,go=rX": (
        "chmod 값 '{mode}': 0에서 07777 사이의 8진수이거나 u=rwX,go=rX 같은 기호여야 합니다"
    ),
    "`{source}` not found in {where}": "`{source}`이(가) {where}에 없습니다",
    "the context {path}": "컨텍스트 {path}",
    "did you mean `{name}`?": "혹시 `{name}`인가요?",
    "`.dockerignore` excludes it with the pattern `{pattern}`": "`.dockerignore`의 패턴 `{pattern}`이(가) 제외합니다",
    "when using {keyword} with more than one source file, the destination must be a directory and end with a /": (
        "{keyword}로 파일을 여럿 복사할 때 대상은 /로 끝나는 폴더여야 합니다"
    ),
    "cannot replace directory `{path}` with a file": "폴더 `{path}`을(를) 파일로 바꿀 수 없습니다",
    "cannot make folder `{path}`: a file is in the way": "폴더 `{path}`을(를) 만들 수 없습니다: 파일이 있습니다",
    "cannot copy to non-directory: `{path}`": "폴더가 아닌 곳에 복사할 수 없습니다: `{path}`",
    "copied {size:.1f} GB; the largest: {paths}": "{size:.1f} GB를 복사했습니다. 가장 큰 것: {paths}",
    "cannot read `{path}`: {problem}": "`{path}`을(를) 읽을 수 없습니다: {problem}",
    "exclude it in .dockerignore, or make it readable": ".dockerignore로 제외하거나 읽을 수 있게 하세요",
    "path `{path}`: too many levels of symbolic links": "`{path}`: 심볼릭 링크가 너무 많이 이어집니다",
    "`{path}` changed while it was copied": "복사하는 동안 `{path}`이(가) 바뀌었습니다",
    "archive `{path}`: {problem}": "아카이브 `{path}`: {problem}",
    "pattern `{pattern}`: syntax error in pattern": "패턴 `{pattern}`: 문법 오류",
    "illegal exclusion pattern: `{pattern}`": "잘못된 예외 패턴: `{pattern}`",
    # Steps
    "process `{command}` did not complete successfully: exit code: {exit_code}": (
        "`{command}`이(가) 실패했습니다: 종료 코드 {exit_code}"
    ),
    "the build was stopped": "빌드를 멈췄습니다",
    # The command
    "failed to read dockerfile: `{path}` not found": "Dockerfile `{path}`이(가) 없습니다",
    "-f {path}": "-f {path}",
    "invalid tag `{name}`: a name for an image has a tag and no digest": (
        "태그 `{name}`: 이미지 이름에는 태그를 쓰고 다이제스트를 쓰지 않습니다"
    ),
    "unable to prepare context: path `{path}` not found": "컨텍스트를 준비할 수 없습니다: `{path}`이(가) 없습니다",
    "SOURCE_DATE_EPOCH: expected seconds since 1970, got `{value}`": (
        "SOURCE_DATE_EPOCH: 1970년부터의 초여야 하는데 `{value}`입니다"
    ),
    "no OCI layout at `{path}`": "`{path}`에 OCI 레이아웃이 없습니다",
    "fetch it into a folder first": "먼저 폴더로 받아 두세요",
    "build context `{name}`: no folder `{path}`": "빌드 컨텍스트 `{name}`: 폴더 `{path}`이(가) 없습니다",
    "`teul build` requires 1 argument, got {count}": "`teul build`에는 인자가 하나 있어야 하는데 {count}개입니다",
    "`teul why` requires 1 or 2 arguments, got {count}": "`teul why`에는 인자가 하나나 둘 있어야 하는데 {count}개입니다",
    "can't use stdin for both build context and dockerfile": "표준 입력을 컨텍스트와 Dockerfile 둘 다로 쓸 수 없습니다",
    "image {id} ({names}): nothing changed": "이미지 {id} ({names}): 바뀐 것이 없습니다",
    "image {id} ({names}): {ran} of {total} steps ran": "이미지 {id} ({names}): {total}단계 가운데 {ran}단계를 실행했습니다",
    "normalised after every step: times to one constant, and": "단계마다 정규화합니다. 시각은 하나의 상수로, 그리고",
    "invalid argument `{value}` for `{flag}` flag: expected NAME=VALUE": "`{flag}`의 값 `{value}`: 이름=값 꼴이어야 합니다",
    "invalid argument `{value}` for `{flag}` flag: expected id=NAME[,src=PATH|,env=VARIABLE]": (
        "`{flag}`의 값 `{value}`: id=이름[,src=경로|,env=변수] 꼴이어야 합니다"
    ),
    "invalid argument `{value}` for `{flag}` flag: expected a size such as 64m": (
        "`{flag}`의 값 `{value}`: 64m 같은 크기여야 합니다"
    ),
    "--network default, none or host": "--network default, none, host 중 하나",
    "--{name}=false": "--{name}=false",
    "`{thing}`: no build of this state folder made it or has a step of that name": (
        "`{thing}`: 이 상태 폴더의 빌드가 만든 것도, 그런 이름의 단계도 아닙니다"
    ),
    "teul images": "teul images",
    "ran": "실행함",
    "taken from the cache": "캐시에서 가져옴",
    "every step was taken from the cache": "모든 단계를 캐시에서 가져왔습니다",
    "because it had never run before": "처음 실행하는 단계라서",
    "because its result was no longer there": "결과가 남아 있지 않아서",
    "because the cache was not to be used": "캐시를 쓰지 않기로 해서",
    "because {part} is new: {after}": "{part}이(가) 새로 생겨서: {after}",
    "because {part} is gone": "{part}이(가) 없어져서",
    "because {part} changed: {before} → {after}": "{part}이(가) 바뀌어서: {before} → {after}",
    "and {count} more": "그 밖에 {count}가지",
}
