"""Help texts of the flags of containers, networks and volumes."""

MESSAGES = {
    "Add Linux capabilities": "리눅스 capability를 더합니다",
    "Add a custom host-to-IP mapping (host:ip)": "호스트와 IP의 대응을 더합니다(host:ip)",
    "Add a host device to the container": "호스트의 장치를 컨테이너에 더합니다",
    "Add additional groups to join": "들어갈 그룹을 더합니다",
    "Add an annotation to the container": "컨테이너에 주석(annotation)을 더합니다",
    "Add network-scoped alias for the container": "네트워크 안에서 쓸 별칭을 더합니다",
    "Allocate a pseudo-TTY": "터미널(pseudo-TTY)을 붙입니다",
    "Allocate container ip from a sub-range": "컨테이너 IP를 이 범위에서 나눠 줍니다",
    "Assign a name to the container": "컨테이너에 이름을 붙입니다",
    "Attach STDOUT/STDERR and forward signals": "STDOUT/STDERR에 붙고 신호를 전달합니다",
    "Attach a filesystem mount to the container": "컨테이너에 파일시스템을 마운트합니다",
    "Attach container's STDIN": "컨테이너의 STDIN에 붙습니다",
    "Attach to STDIN, STDOUT or STDERR": "STDIN, STDOUT, STDERR에 붙습니다",
    "Automatically remove the container and its anonymous volumes when it exits": (
        "끝나면 컨테이너와 이름 없는 볼륨을 자동으로 지웁니다"
    ),
    "Bind mount a volume": "볼륨이나 폴더를 마운트합니다",
    "CPU shares (relative weight)": "CPU 몫(상대 가중치)",
    "CPUs in which to allow execution (0-3, 0,1)": "실행할 CPU(0-3, 0,1)",
    "Connect a container to a network": "컨테이너를 네트워크에 연결합니다",
    "Container NIS domain name": "컨테이너의 NIS 도메인 이름",
    "Container host name": "컨테이너의 호스트 이름",
    "Detached mode: run command in the background": "명령을 뒤에서 실행합니다",
    "Disable any container-specified HEALTHCHECK": "이미지가 정한 HEALTHCHECK를 끕니다",
    "Display total file sizes": "파일의 총 크기를 보여 줍니다",
    "Display total file sizes if the type is container": "컨테이너이면 파일의 총 크기를 보여 줍니다",
    "Do not error if the network does not exist": "네트워크가 없어도 오류로 치지 않습니다",
    "Do not truncate the output": "출력을 줄이지 않습니다",
    "Drop Linux capabilities": "리눅스 capability를 뺍니다",
    "Driver to manage the network: bridge": "네트워크 드라이버: bridge",
    "Expose a port or a range of ports": "포트나 포트 범위를 드러냅니다",
    "Filter output based on conditions provided": "조건에 맞는 것만 보여 줍니다",
    "Follow log output": "로그를 계속 따라갑니다",
    "Force the removal of a running container (uses SIGKILL)": "실행 중인 컨테이너도 강제로 지웁니다(SIGKILL)",
    "Force the removal of one or more volumes": "볼륨을 강제로 지웁니다",
    "Give extended privileges to the command": "명령에 모든 권한을 줍니다",
    "Give extended privileges to this container": "컨테이너에 모든 권한을 줍니다",
    "IPC mode to use": "쓸 IPC 모드",
    "IPv4 address (e.g., 172.30.100.104)": "IPv4 주소(예: 172.30.100.104)",
    "IPv4 gateway for the subnet": "서브넷의 IPv4 게이트웨이",
    "Keep STDIN open even if not attached": "붙어 있지 않아도 STDIN을 열어 둡니다",
    "Keep the host's certificates, proxies and pip settings out of the container": (
        "호스트의 인증서, 프록시, pip 설정을 컨테이너에 보여 주지 않습니다"
    ),
    "Logging driver for the container: json-file, local or none": "컨테이너의 로그 방식: json-file, local 또는 none",
    "Log driver options: max-size, max-file, labels, env": "로그 방식의 옵션: max-size, max-file, labels, env",
    "MEMs in which to allow execution (0-3, 0,1)": "실행할 메모리 노드(0-3, 0,1)",
    "Memory limit": "메모리 제한",
    "Memory soft limit": "메모리 느슨한 제한",
    "Mount a tmpfs directory": "tmpfs를 마운트합니다",
    "Mount the container's root filesystem as read only": "컨테이너의 루트 파일시스템을 읽기 전용으로 마운트합니다",
    "Number of CPUs": "CPU 수",
    "Number of lines to show from the end of the logs": "로그 끝에서 보여 줄 줄 수",
    "Only display container IDs": "컨테이너 ID만 보여 줍니다",
    "Only display network IDs": "네트워크 ID만 보여 줍니다",
    "Only display volume names": "볼륨 이름만 보여 줍니다",
    "Output format: json, or a Go template such as {{.Name}}": "출력 형식: json 또는 {{.Name}} 같은 Go 템플릿",
    "Output format: json, or a Go template such as {{.State.Status}}": (
        "출력 형식: json 또는 {{.State.Status}} 같은 Go 템플릿"
    ),
    "Output format: table, json, or a Go template such as {{.Name}}": (
        "출력 형식: table, json 또는 {{.Name}} 같은 Go 템플릿"
    ),
    "Output format: table, json, or a Go template such as {{.Names}}": (
        "출력 형식: table, json 또는 {{.Names}} 같은 Go 템플릿"
    ),
    "Override the key sequence for detaching a container": "컨테이너에서 떨어지는 키를 바꿉니다",
    "Overwrite the default ENTRYPOINT of the image": "이미지의 ENTRYPOINT를 바꿉니다",
    "PID namespace to use": "쓸 PID 네임스페이스",
    'Provide filter values (e.g. "dangling=true")': '거르는 조건(예: "dangling=true")',
    'Provide filter values (e.g. "driver=bridge")': '거르는 조건(예: "driver=bridge")',
    "Proxy received signals to the process": "받은 신호를 프로세스에 전달합니다",
    "Publish a container's port(s) to the host": "컨테이너의 포트를 호스트에 공개합니다",
    "Publish all exposed ports to random ports": "드러낸 포트를 모두 임의의 포트에 공개합니다",
    'Pull image before running ("always", "missing", "never")': (
        '실행하기 전에 이미지를 받습니다("always", "missing", "never")'
    ),
    "Read in a file of environment variables": "환경 변수 파일을 읽습니다",
    "Read in a line delimited file of labels": "레이블을 한 줄에 하나씩 적은 파일을 읽습니다",
    "Remove anonymous volumes associated with the container": "컨테이너의 이름 없는 볼륨도 지웁니다",
    'Restart policy to apply when a container exits: "no"': '컨테이너가 끝났을 때의 재시작 정책: "no"',
    "Restrict external access to the network": "네트워크를 바깥과 끊습니다",
    "Return JSON for this type: container, image, network or volume": (
        "이 종류의 JSON을 보여 줍니다: container, image, network, volume"
    ),
    "Run an init inside the container that forwards signals and reaps processes": (
        "컨테이너 안에 신호를 전달하고 프로세스를 거두는 init을 둡니다"
    ),
    "Run container in background and print container ID": "컨테이너를 뒤에서 실행하고 ID를 출력합니다",
    "Seconds to wait before killing the container": "강제로 끝내기 전에 기다릴 시간(초)",
    "Security Options": "보안 옵션",
    "Set DNS options": "DNS 옵션을 정합니다",
    "Set custom DNS search domains": "DNS 검색 도메인을 정합니다",
    "Set custom DNS servers": "DNS 서버를 정합니다",
    "Set driver specific options": "드라이버 옵션을 정합니다",
    "Set environment variables": "환경 변수를 정합니다",
    "Set meta data on a container": "컨테이너의 메타데이터를 정합니다",
    "Set metadata for a volume": "볼륨의 메타데이터를 정합니다",
    "Set metadata on a network": "네트워크의 메타데이터를 정합니다",
    "Show all containers (default shows just running)": "모든 컨테이너를 보여 줍니다(기본값은 실행 중인 것만)",
    "Show extra details provided to logs": "로그의 추가 정보를 보여 줍니다",
    'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")': (
        '이 시각 전의 로그만 보여 줍니다(예: "2013-01-02T13:23:37Z", "42m")'
    ),
    'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")': (
        '이 시각부터의 로그만 보여 줍니다(예: "2013-01-02T13:23:37Z", "42m")'
    ),
    "Show n last created containers (includes all states)": "마지막으로 만든 n개를 보여 줍니다(상태와 무관)",
    "Show the latest created container (includes all states)": "마지막으로 만든 컨테이너를 보여 줍니다(상태와 무관)",
    "Show timestamps": "시각을 함께 보여 줍니다",
    "Signal to send to the container": "컨테이너에 보낼 신호",
    "Signal to stop the container": "컨테이너를 멈출 때 보낼 신호",
    "Size of /dev/shm; half of the memory (limit) unless given": ("/dev/shm의 크기. 정하지 않으면 메모리(제한)의 절반"),
    "Specify volume driver name: local": "볼륨 드라이버: local",
    "Subnet in CIDR format that represents a network segment": "네트워크의 서브넷(CIDR 형식)",
    "Suppress the pull output": "이미지를 받는 동안의 출력을 숨깁니다",
    "Swap limit equal to memory plus swap: '-1' to enable unlimited swap": (
        "메모리와 스왑을 합친 제한. '-1'이면 스왑 무제한"
    ),
    "Sysctl options": "sysctl 설정",
    "Timeout (in seconds) to stop a container": "컨테이너를 멈출 때 기다릴 시간(초)",
    "Tune container pids limit (set -1 for unlimited)": "프로세스 수 제한(-1이면 무제한)",
    "Tune host's OOM preferences (-1000 to 1000)": "호스트의 OOM 우선순위(-1000에서 1000)",
    "UTS namespace to use": "쓸 UTS 네임스페이스",
    'Username or UID (format: "<name|uid>[:<group|gid>]")': '사용자 이름 또는 UID(형식: "<이름|uid>[:<그룹|gid>]")',
    "Username or UID (format: <name|uid>[:<group|gid>])": "사용자 이름 또는 UID(형식: <이름|uid>[:<그룹|gid>])",
    "Verbose output for diagnostics": "진단을 위해 자세히 보여 줍니다",
    "Working directory inside the container": "컨테이너 안의 작업 폴더",
    "Write the container ID to the file": "컨테이너 ID를 파일에 씁니다",
}
