"""Verbs on containers and images beside those of a container's life."""

MESSAGES = {
    "container {id} is already paused": "컨테이너 {id}은(는) 이미 멈춰 있습니다",
    "container {id} is not paused": "컨테이너 {id}은(는) 멈춰 있지 않습니다",
    "container {name} is paused, unpause the container before exec": "컨테이너 {name}이(가) 멈춰 있습니다. exec 전에 unpause 하세요",
    "Renaming a container with the same name as its current name": "지금 이름과 같은 이름으로는 바꿀 수 없습니다",
    "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time": (
        "메모리 제한이 이미 정해진 메모리+스왑 제한보다 큽니다. --memory-swap도 함께 바꾸세요"
    ),
    "Restart policy cannot be updated because AutoRemove is enabled for the container": (
        "--rm으로 만든 컨테이너의 재시작 정책은 바꿀 수 없습니다"
    ),
    "ps {words}: {problem}": "ps {words}: {problem}",
    "Couldn't find PID field in ps output": "ps의 출력에 PID 열이 없습니다",
    "invalid port: {port}": "잘못된 포트: {port}",
    "No public port '{port}' published for {name}": "{name}에는 공개된 포트 '{port}'가 없습니다",
    "you must provide one or more flags when using this command": "이 명령에는 플래그를 하나 이상 주어야 합니다",
    "Restart policy to apply when a container exits": "컨테이너가 끝났을 때의 재시작 정책",
    "{instruction} is not a valid change command": "{instruction}은(는) --change에 쓸 수 없는 명령입니다",
    'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")': '지은이(예: "홍길동 <hong@example.com>")',
    "Apply Dockerfile instruction to the created image": "만든 이미지에 Dockerfile 명령을 적용합니다",
    "Commit message": "커밋 메시지",
    "Do not pause the container during commit": "커밋하는 동안 컨테이너를 멈추지 않습니다",
    "Set commit message for imported image": "가져온 이미지의 커밋 메시지",
    "lstat {path}: not a directory": "{path}: 폴더가 아닙니다",
    "lstat {path}: no such file or directory": "{path}: 그런 파일이나 폴더가 없습니다",
    "not a tar: {problem}": "tar가 아닙니다: {problem}",
    "cannot overwrite {there} `{path}` with {given}": "{there}인 `{path}`을(를) {given}(으)로 덮어쓸 수 없습니다",
    "too many levels of symbolic links: {path}": "심볼릭 링크가 너무 많이 이어집니다: {path}",
    "Could not find the file {path} in container {name}": "컨테이너 {name}에 {path}이(가) 없습니다",
    "copying between containers is not supported": "컨테이너 사이의 복사는 지원하지 않습니다",
    "must specify at least one container source": "원본이나 대상 가운데 하나는 컨테이너여야 합니다",
    "the destination is read-only: {path}": "대상이 읽기 전용입니다: {path}",
    "container rootfs is marked read-only": "컨테이너의 루트 파일 시스템이 읽기 전용입니다",
    "Successfully copied {size} to {path}": "{size}을(를) {path}(으)로 복사했습니다",
    'invalid output path: directory "{path}" does not exist': '출력 경로가 잘못되었습니다: "{path}" 폴더가 없습니다',
    'destination "{path}" must be a directory': '대상 "{path}"은(는) 폴더여야 합니다',
    "no such directory": "그런 폴더가 없습니다",
    "not a directory": "폴더가 아닙니다",
    "cannot copy directory": "폴더를 파일에 복사할 수 없습니다",
    "Archive mode (copy all uid/gid information)": "소유자 정보(uid/gid)까지 복사합니다",
    "Always follow symbol link in SRC_PATH": "SRC_PATH의 심볼릭 링크를 늘 따라갑니다",
    "Suppress progress output during copy. Progress output is suppressed without a terminal": (
        "복사하는 동안의 출력을 숨깁니다. 터미널이 아니면 늘 숨깁니다"
    ),
    "more than one until filter specified": "until 필터는 하나만 쓸 수 있습니다",
    "invalid filter 'dangling={value}'": "잘못된 필터: 'dangling={value}'",
    "Remove all unused images, not just dangling ones": "이름이 있어도 쓰지 않는 이미지를 모두 지웁니다",
    "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ": (
        "경고! 멈춘 컨테이너를 모두 지웁니다.\n계속할까요? [y/N] "
    ),
    "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] ": (
        "경고! 이름 없는 이미지를 모두 지웁니다.\n계속할까요? [y/N] "
    ),
    "WARNING! This will remove all images without at least one container associated to them.\n"
    "Are you sure you want to continue? [y/N] ": (
        "경고! 컨테이너가 쓰지 않는 이미지를 모두 지웁니다.\n계속할까요? [y/N] "
    ),
    "WARNING! Your password will be stored unencrypted in {path}.\n"
    "Configure a credential helper to remove this warning": (
        "경고! 비밀번호가 {path}에 암호화 없이 저장됩니다.\n자격 증명 도우미를 설정하면 이 경고가 사라집니다."
    ),
    "--password and --password-stdin are mutually exclusive": "--password와 --password-stdin은 함께 쓸 수 없습니다",
    "Must provide --username with --password-stdin": "--password-stdin에는 --username이 있어야 합니다",
    "WARNING! Using --password via the CLI is insecure. Use --password-stdin": (
        "경고! --password는 안전하지 않습니다. --password-stdin을 쓰세요"
    ),
    "Cannot perform an interactive login from a non TTY device": "터미널이 아니면 대화형으로 로그인할 수 없습니다",
    "username and password are required": "사용자 이름과 비밀번호가 필요합니다",
    "Password": "비밀번호",
    "Take the password from stdin": "비밀번호를 stdin에서 읽습니다",
    "Username": "사용자 이름",
}
