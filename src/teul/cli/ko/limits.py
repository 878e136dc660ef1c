"""Resource limits, devices and namespaces of `run`, `create` and `update`."""

MESSAGES = {
    "invalid device cgroup format '{word}'": "장치 cgroup 형식이 잘못되었습니다: '{word}'",
    "CDI mount: host path does not exist: {path}": "CDI 마운트: 호스트에 경로가 없습니다: {path}",
    "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)": (
        "CPU cfs period는 1ms(1000) 이상 1s(1000000) 이하여야 합니다"
    ),
    "CPU cfs quota can not be less than 1ms (i.e. 1000)": "CPU cfs quota는 1ms(1000) 이상이어야 합니다",
    "Conflicting options: Nano CPUs and CPU Period cannot both be set": "--cpus와 --cpu-period는 함께 쓸 수 없습니다",
    "Conflicting options: Nano CPUs and CPU Quota cannot both be set": "--cpus와 --cpu-quota는 함께 쓸 수 없습니다",
    "Invalid value {value}, range for oom score adj is [-1000, 1000]": (
        "{value}은(는) 쓸 수 없습니다. oom score adj의 범위는 [-1000, 1000]입니다"
    ),
    "Minimum memory limit can not be less than memory reservation limit, see usage": (
        "메모리 제한은 메모리 예약보다 작을 수 없습니다"
    ),
    "Range of blkio weight is from 10 to 1000": "blkio 가중치의 범위는 10에서 1000입니다",
    "TEUL_RUNTIME={name} makes it the one for all containers": "TEUL_RUNTIME={name}으로 모든 컨테이너의 런타임을 정할 수 있습니다",
    "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded": (
        "커널이 블록 I/O 가중치를 지원하지 않거나 cgroup이 마운트되지 않았습니다. 가중치를 뺐습니다."
    ),
    "Your kernel does not support OomKillDisable. OomKillDisable discarded": (
        "커널이 OOM killer 끄기를 지원하지 않습니다. 이 설정을 뺐습니다."
    ),
    "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness "
    "discarded": "커널이 메모리 swappiness를 지원하지 않거나 cgroup이 마운트되지 않았습니다. 이 설정을 뺐습니다.",
    "a CDI specification wants it as a hook": "CDI 명세가 훅으로 쓰는 프로그램입니다",
    'a GPU: could not select device driver "{driver}" with capabilities: {capabilities}': (
        'GPU: 장치 드라이버 "{driver}"(기능: {capabilities})를 고를 수 없습니다'
    ),
    "device `{path}`: {problem}": "장치 `{path}`: {problem}",
    "give a path, such as /batch": "/batch 같은 경로를 주세요",
    "image `{image}`: no folder or file `{path}` to mount": "이미지 `{image}`: 마운트할 폴더나 파일 `{path}`이(가) 없습니다",
    "invalid argument `{value}` for `{flag}` flag: expected {form}": "`{flag}`의 값 `{value}`이(가) 잘못되었습니다: {form} 형식이어야 합니다",
    "invalid stop timeout: {value}": "정지 대기 시간이 잘못되었습니다: {value}",
    "invalid value: {value}. Valid memory swappiness range is 0-100": "{value}은(는) 쓸 수 없습니다. swappiness의 범위는 0-100입니다",
    "no NVIDIA driver is loaded and no CDI specification names a GPU; `teul doctor` says more": (
        "NVIDIA 드라이버가 없고 GPU를 적은 CDI 명세도 없습니다. `teul doctor`가 더 알려 줍니다"
    ),
    "not a block device": "블록 장치가 아닙니다",
    "the runtime has no word for them": "런타임이 지원하지 않습니다",
    "unknown or invalid runtime name: {name}": "알 수 없는 런타임 이름: {name}",
    "update the driver, take an image of an older CUDA, or set NVIDIA_DISABLE_REQUIRE=1": (
        "드라이버를 올리거나 더 낮은 CUDA의 이미지를 쓰거나 NVIDIA_DISABLE_REQUIRE=1을 주세요"
    ),
    "what image `{image}` demands: `{demand}`; the driver is {version} (CUDA {cuda})": (
        "이미지 `{image}`의 요구 조건 `{demand}`. 드라이버는 {version}(CUDA {cuda})입니다"
    ),
    "GPU devices to add to the container ('all' to pass all GPUs)": "컨테이너에 줄 GPU('all'이면 모두)",
    "Add a rule to the cgroup allowed devices list": "cgroup의 허용 장치 목록에 규칙을 더합니다",
    "Block IO (relative weight), between 10 and 1000, or 0 to disable": "블록 I/O의 상대 가중치(10에서 1000, 0이면 끔)",
    "Block IO weight (relative device weight)": "장치별 블록 I/O 가중치",
    "Cgroup namespace to use (host|private)": "쓸 cgroup 네임스페이스(host|private)",
    "Disable OOM Killer": "OOM killer를 끕니다",
    "Limit CPU CFS (Completely Fair Scheduler) period": "CPU CFS period 제한(마이크로초)",
    "Limit CPU CFS (Completely Fair Scheduler) quota": "CPU CFS quota 제한(마이크로초)",
    "Limit read rate (IO per second) from a device": "장치에서 읽는 속도 제한(초당 IO)",
    "Limit read rate (bytes per second) from a device": "장치에서 읽는 속도 제한(초당 바이트)",
    "Limit the CPU real-time period in microseconds": "CPU 실시간 period 제한(마이크로초)",
    "Limit the CPU real-time runtime in microseconds": "CPU 실시간 runtime 제한(마이크로초)",
    "Limit write rate (IO per second) to a device": "장치에 쓰는 속도 제한(초당 IO)",
    "Limit write rate (bytes per second) to a device": "장치에 쓰는 속도 제한(초당 바이트)",
    "Mount volumes from the specified container(s)": "지정한 컨테이너의 볼륨을 마운트합니다",
    "Optional parent cgroup for the container": "컨테이너의 상위 cgroup",
    "Runtime to use for this container": "이 컨테이너에 쓸 런타임",
    "Tune container memory swappiness (0 to 100)": "컨테이너의 메모리 swappiness(0에서 100)",
    "User namespace to use": "쓸 사용자 네임스페이스",
}
