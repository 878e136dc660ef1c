"""`teul doctor`: what the host offers."""

MESSAGES = {
    "containers that run detached": "뒤에서(-d) 실행하는 컨테이너",
    "bridge networks and published ports": "브리지 네트워크와 포트 공개",
    "names of containers on a network": "네트워크 안에서 컨테이너를 이름으로 찾기",
    "published ports": "포트 공개",
    "base images made from Debian's packages": "데비안 패키지로 기반 이미지 만들기",
    "Linux {release}: expected {major}.{minor} or newer": "Linux {release}: {major}.{minor} 이상이어야 합니다",
    "running as root": "root로 실행 중입니다",
    "running as user {uid}: teul needs root today": "사용자 {uid}로 실행 중입니다. 지금의 teul에는 root가 필요합니다",
    "system calls can be filtered": "시스템 호출을 걸러 낼 수 있습니다",
    "this kernel has no seccomp filter: containers run without Docker's profile": (
        "커널에 seccomp 필터가 없어 Docker의 기본 프로필 없이 컨테이너를 실행합니다"
    ),
    "no control groups are mounted on /sys/fs/cgroup": "/sys/fs/cgroup에 cgroup이 마운트되어 있지 않습니다",
    "{mode}; without {lacking}: those limits cannot be set": "{mode}; {lacking}이(가) 없어 그 제한은 걸 수 없습니다",
    "{mode}: memory, cpu, pids": "{mode}: memory, cpu, pids",
    "an overlay mounts on {folder}": "{folder}에 overlay를 마운트할 수 있습니다",
    "no overlay mounts on {folder}: layers are copied, which is slow": (
        "{folder}에 overlay를 마운트할 수 없어 레이어를 복사합니다. 느립니다"
    ),
    "up to {limit}": "최대 {limit}개",
    "switched off; only use without root would need them": "꺼져 있습니다. root 없이 쓸 때만 필요합니다",
    "{version} ({path})": "{version} ({path})",
    "not found; needed for {purpose}": "없습니다. 필요한 곳: {purpose}",
    "not tried: needs root": "시험하지 못했습니다: root가 필요합니다",
    "not tried: `ip` is not found": "시험하지 못했습니다: `ip`가 없습니다",
    "not tried: `unshare` is not found": "시험하지 못했습니다: `unshare`가 없습니다",
    "no bridge can be made: {reason}": "브리지를 만들 수 없습니다: {reason}",
    "bridges and veth pairs can be made": "브리지와 veth를 만들 수 있습니다",
    "present": "있습니다",
    "absent; only networks without root would need it": "없습니다. root 없이 네트워크를 쓸 때만 필요합니다",
    "no bundle found: no registry and no package index can be trusted": (
        "인증서 묶음이 없어 레지스트리도 패키지 인덱스도 신뢰할 수 없습니다"
    ),
    "{free} free for {root}": "{root}에 {free} 남음",
    "{free} free for {root}: images of machine learning want more": (
        "{root}에 {free} 남음: 머신러닝 이미지를 담기에는 부족합니다"
    ),
    "at most {limit} (now {soft})": "최대 {limit} (현재 {soft})",
    "at most {limit}: a DataLoader with many workers may want more": (
        "최대 {limit}: 워커가 많은 DataLoader에는 모자랄 수 있습니다"
    ),
    "{name} ({path})": "{name} ({path})",
    "does not work here: {reason}": "여기서는 동작하지 않습니다: {reason}",
    "no NVIDIA driver is loaded": "NVIDIA 드라이버가 올라와 있지 않습니다",
    "driver {version}, but no card is seen": "드라이버 {version}은 있지만 보이는 카드가 없습니다",
    "{cards}, driver {version}; missing: {nodes}": "{cards}, 드라이버 {version}; 없는 장치: {nodes}",
    "{cards}, driver {version} (runs CUDA {cuda} and older)": ("{cards}, 드라이버 {version} (CUDA {cuda} 이하 실행)"),
    "mend: {command}": "고치기: {command}",
    "All that teul needs is here": "teul에 필요한 것이 모두 있습니다",
    "{count} missing": "{count}개가 없습니다",
}
