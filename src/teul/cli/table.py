"""Every command: its words, its module, its summary in English and Korean. Imports nothing, so `--help` is instant.

A command's module has `FLAGS` (a tuple of `Flag`), `USAGE` (what follows the command's words), optionally
`INTERSPERSED = False`, and `run(arguments, context) -> int` (the exit code).
"""

from __future__ import annotations

LIFE = "life"
DOCKER = "docker"

COMMANDS: dict[str, tuple[str, str, str, str]] = {
    # words: (group, module below teul.cli, English, Korean)
    "init": (
        LIFE,
        "init",
        "Write a starting project for the code in a folder",
        "폴더에 있는 코드로 프로젝트를 시작합니다",
    ),
    "up": (
        LIFE,
        "up",
        "Build, train, check, register and serve the project",
        "프로젝트를 빌드·학습·검증·등록·서빙합니다",
    ),
    "down": (LIFE, "down", "Stop what `up` started", "`up`이 시작한 것을 멈춥니다"),
    "doctor": (
        LIFE,
        "doctor",
        "Say what this host offers and how to mend what is missing",
        "이 호스트가 갖춘 것과 고칠 방법을 알려 줍니다",
    ),
    "runs": (LIFE, "runs", "List runs", "실행 기록을 보여 줍니다"),
    "runs ls": (LIFE, "runs", "List runs", "실행 기록을 보여 줍니다"),
    "runs show": (LIFE, "runs_show", "Show one run", "실행 하나를 자세히 보여 줍니다"),
    "models": (LIFE, "models", "List registered models", "등록된 모델을 보여 줍니다"),
    "models ls": (LIFE, "models", "List registered models", "등록된 모델을 보여 줍니다"),
    "models show": (LIFE, "models_show", "Show a model and its versions", "모델과 버전을 자세히 보여 줍니다"),
    "why": (
        LIFE,
        "why",
        "Say which input made a step run again",
        "어떤 입력 때문에 단계가 다시 실행됐는지 알려 줍니다",
    ),
    "tracking serve": (LIFE, "tracking_serve", "Serve MLflow's REST API", "MLflow REST API 서버를 띄웁니다"),
    "image bootstrap": (
        LIFE,
        "image_bootstrap",
        "Make a base image from Debian's packages",
        "데비안 패키지로 기반 이미지를 만듭니다",
    ),
    "image df": (
        LIFE,
        "image_df",
        "Show what takes the space in an image",
        "이미지에서 공간을 차지하는 것을 보여 줍니다",
    ),
    "image export": (LIFE, "image_export", "Write an image as an OCI layout", "이미지를 OCI 레이아웃으로 내보냅니다"),
    "system fsck": (
        LIFE,
        "system_fsck",
        "Check that nothing on disk is damaged",
        "디스크의 내용이 온전한지 검사합니다",
    ),
    "run": (DOCKER, "run", "Create and run a new container from an image", "이미지로 새 컨테이너를 만들어 실행합니다"),
    "create": (DOCKER, "create", "Create a new container", "새 컨테이너를 만듭니다"),
    "exec": (DOCKER, "exec", "Execute a command in a running container", "실행 중인 컨테이너에서 명령을 실행합니다"),
    "ps": (DOCKER, "ps", "List containers", "컨테이너 목록을 보여 줍니다"),
    "logs": (DOCKER, "logs", "Fetch the logs of a container", "컨테이너 로그를 보여 줍니다"),
    "start": (DOCKER, "start", "Start one or more stopped containers", "멈춘 컨테이너를 시작합니다"),
    "stop": (DOCKER, "stop", "Stop one or more running containers", "실행 중인 컨테이너를 멈춥니다"),
    "kill": (DOCKER, "kill", "Kill one or more running containers", "실행 중인 컨테이너에 신호를 보냅니다"),
    "restart": (DOCKER, "restart", "Restart one or more containers", "컨테이너를 다시 시작합니다"),
    "pause": (DOCKER, "pause", "Pause all processes within containers", "컨테이너의 모든 프로세스를 잠시 멈춥니다"),
    "unpause": (DOCKER, "unpause", "Unpause all processes within containers", "잠시 멈춘 컨테이너를 이어 갑니다"),
    "rename": (DOCKER, "rename", "Rename a container", "컨테이너의 이름을 바꿉니다"),
    "update": (DOCKER, "update", "Update configuration of containers", "컨테이너의 제한을 바꿉니다"),
    "top": (DOCKER, "top", "Display the running processes of a container", "컨테이너의 프로세스를 보여 줍니다"),
    "port": (DOCKER, "port", "List port mappings of a container", "컨테이너의 포트 연결을 보여 줍니다"),
    "rm": (DOCKER, "rm", "Remove one or more containers", "컨테이너를 지웁니다"),
    "wait": (
        DOCKER,
        "wait",
        "Block until containers stop, then print their exit codes",
        "컨테이너가 끝날 때까지 기다려 종료 코드를 출력합니다",
    ),
    "inspect": (DOCKER, "inspect", "Return low-level information on objects", "객체의 자세한 정보를 보여 줍니다"),
    "build": (DOCKER, "build", "Build an image from a Dockerfile", "Dockerfile로 이미지를 빌드합니다"),
    "images": (DOCKER, "images", "List images", "이미지 목록을 보여 줍니다"),
    "pull": (DOCKER, "pull", "Download an image from a registry", "레지스트리에서 이미지를 받습니다"),
    "push": (DOCKER, "push", "Upload an image to a registry", "이미지를 레지스트리에 올립니다"),
    "tag": (DOCKER, "tag", "Create a tag that refers to an image", "이미지에 태그를 붙입니다"),
    "rmi": (DOCKER, "rmi", "Remove one or more images", "이미지를 지웁니다"),
    "history": (DOCKER, "history", "Show the history of an image", "이미지의 이력을 보여 줍니다"),
    "save": (DOCKER, "save", "Save images to a tar archive", "이미지를 tar 파일로 저장합니다"),
    "load": (DOCKER, "load", "Load images from a tar archive", "tar 파일에서 이미지를 불러옵니다"),
    "version": (DOCKER, "version", "Show the version", "버전을 보여 줍니다"),
    "info": (DOCKER, "info", "Display system-wide information", "시스템 정보를 보여 줍니다"),
    "network create": (DOCKER, "network_create", "Create a network", "네트워크를 만듭니다"),
    "network ls": (DOCKER, "network_ls", "List networks", "네트워크 목록을 보여 줍니다"),
    "network rm": (DOCKER, "network_rm", "Remove networks", "네트워크를 지웁니다"),
    "network inspect": (DOCKER, "network_inspect", "Show networks in detail", "네트워크를 자세히 보여 줍니다"),
    "network connect": (
        DOCKER,
        "network_connect",
        "Connect a container to a network",
        "컨테이너를 네트워크에 연결합니다",
    ),
    "network disconnect": (
        DOCKER,
        "network_disconnect",
        "Disconnect a container from a network",
        "컨테이너를 네트워크에서 떼어 냅니다",
    ),
    "network prune": (DOCKER, "network_prune", "Remove all unused networks", "쓰지 않는 네트워크를 모두 지웁니다"),
    "volume create": (DOCKER, "volume_create", "Create a volume", "볼륨을 만듭니다"),
    "volume ls": (DOCKER, "volume_ls", "List volumes", "볼륨 목록을 보여 줍니다"),
    "volume rm": (DOCKER, "volume_rm", "Remove volumes", "볼륨을 지웁니다"),
    "volume inspect": (DOCKER, "volume_inspect", "Show volumes in detail", "볼륨을 자세히 보여 줍니다"),
    "volume prune": (DOCKER, "volume_prune", "Remove unused volumes", "쓰지 않는 볼륨을 지웁니다"),
    "system df": (DOCKER, "system_df", "Show disk usage", "디스크 사용량을 보여 줍니다"),
    "system prune": (DOCKER, "system_prune", "Remove unused data", "쓰지 않는 데이터를 지웁니다"),
    "system info": (DOCKER, "info", "Display system-wide information", "시스템 정보를 보여 줍니다"),
}

ALIASES = {
    "image ls": "images", "image list": "images", "image rm": "rmi", "image pull": "pull", "image push": "push",
    "image build": "build", "image history": "history", "image inspect": "inspect", "image tag": "tag",
    "image save": "save", "image load": "load", "buildx build": "build", "builder build": "build",
    "container run": "run", "container create": "create", "container exec": "exec", "container ls": "ps",
    "container list": "ps", "container ps": "ps", "container logs": "logs", "container start": "start",
    "container stop": "stop", "container kill": "kill", "container rm": "rm", "container wait": "wait",
    "container inspect": "inspect", "network list": "network ls", "network remove": "network rm",
    "volume list": "volume ls", "volume remove": "volume rm", "runs list": "runs ls", "models list": "models ls",
}  # fmt: skip
