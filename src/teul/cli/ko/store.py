"""Korean messages of the store: host, content, layers, snapshots, system."""

MESSAGES = {
    "mount of {kind} on `{target}`: {reason}": "`{target}`에 {kind} 마운트 실패: {reason}",
    "folder `{path}` is missing": "`{path}` 폴더가 없습니다",
    "{count} layers, the kernel takes 500": "레이어가 {count}개인데, 커널은 500개까지 받습니다",
    "build an image with fewer layers": "레이어가 더 적은 이미지를 만드십시오",
    "run as root": "root로 실행하십시오",
    "modprobe {kind}": "modprobe {kind}",
    "expected a regular file": "일반 파일이어야 합니다",
}
