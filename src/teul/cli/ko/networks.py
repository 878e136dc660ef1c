"""Networks, volumes and the system."""

MESSAGES = {
    "network with name {name} already exists": "이름이 {name}인 네트워크가 이미 있습니다",
    "error while removing network: network {name} id {id} has active endpoints ({containers})": (
        "네트워크를 지울 수 없습니다: 네트워크 {name}(id {id})에 연결된 컨테이너가 있습니다({containers})"
    ),
    "network {name} is in use": "네트워크 {name}을(를) 쓰는 중입니다",
    "invalid subnet {subnet}: invalid CIDR block notation": "서브넷 {subnet}이(가) 잘못되었습니다: CIDR 표기가 아닙니다",
    "subnet {subnet} is of IPv6": "서브넷 {subnet}은(는) IPv6입니다",
    "--ipv6": "--ipv6",
    "--subnet {subnet}": "--subnet {subnet}",
    "bridge driver doesn't support multiple subnets": "bridge 드라이버는 서브넷을 여러 개 받지 않습니다",
    "every ip-range or gateway must have a corresponding subnet": "ip-range와 gateway에는 그에 맞는 서브넷이 있어야 합니다",
    "no matching subnet for gateway {gateway}": "게이트웨이 {gateway}에 맞는 서브넷이 없습니다",
    "no matching subnet for aux-address {address}": "aux-address {address}에 맞는 서브넷이 없습니다",
    "no matching subnet for range {range}": "범위 {range}에 맞는 서브넷이 없습니다",
    "cannot configure multiple gateways ({gateways}) on the same subnet ({subnet})": (
        "서브넷 하나({subnet})에 게이트웨이를 여러 개({gateways}) 둘 수 없습니다"
    ),
    "cannot configure multiple ranges ({ranges}) on the same subnet ({subnet})": (
        "서브넷 하나({subnet})에 범위를 여러 개({ranges}) 둘 수 없습니다"
    ),
    "Pool overlaps with other one on this address space: subnet {subnet} overlaps {other}, which is in use on this host": (
        "주소 대역이 겹칩니다: 서브넷 {subnet}이(가) 이 호스트에서 쓰고 있는 {other}와(과) 겹칩니다"
    ),
    "--opt {option}: expected a number of bytes, got `{value}`": "--opt {option}: 바이트 수여야 하는데 `{value}`입니다",
    "--opt {option}: expected up to 15 letters, digits, `_`, `.` and `-`, got `{value}`": (
        "--opt {option}: 글자, 숫자, `_`, `.`, `-`로 된 15자 이하여야 하는데 `{value}`입니다"
    ),
    "network interface {name} is in use": "네트워크 인터페이스 {name}은(는) 이미 쓰이고 있습니다",
    "no bridge name is free": "남은 브리지 이름이 없습니다",
    "no configured subnet or ip-range contain the IP address {address}": (
        "설정된 서브넷이나 ip-range 가운데 주소 {address}이(가) 들어가는 것이 없습니다"
    ),
    "the subnet is {subnet}": "서브넷은 {subnet}입니다",
    "teul network create --ipv6": "teul network create --ipv6",
    "Address already in use: {address}": "이미 쓰이는 주소입니다: {address}",
    "port {port} on {address}: the container has no IPv6 address": "{address}의 포트 {port}: 컨테이너에 IPv6 주소가 없습니다",
    "publish on 127.0.0.1": "127.0.0.1로 여세요",
    "cannot publish on {address}: this host has no such address": (
        "{address}(으)로 포트를 열 수 없습니다: 이 호스트에 그런 주소가 없습니다"
    ),
    "container cannot be connected to multiple networks with one of the networks in private (none) mode": (
        "네트워크가 none인 컨테이너는 다른 네트워크에 연결할 수 없습니다"
    ),
    (
        "container sharing network namespace with another container or host cannot be connected to any other network"
    ): "다른 컨테이너나 호스트의 네트워크를 함께 쓰는 컨테이너는 다른 네트워크에 연결할 수 없습니다",
    "endpoint with name {name} already exists in network {network}": (
        "컨테이너 {name}은(는) 이미 네트워크 {network}에 연결되어 있습니다"
    ),
    "container {id} is not connected to network {network}": "컨테이너 {id}은(는) 네트워크 {network}에 연결되어 있지 않습니다",
    "container cannot be disconnected from host network or connected to host network": (
        "host 네트워크에는 컨테이너를 연결하거나 떼어 낼 수 없습니다"
    ),
    "invalid field {field}": "필드 {field}이(가) 잘못되었습니다",
    "invalid field key {key}": "필드 이름 {key}이(가) 잘못되었습니다",
    "network name/id is not specified": "네트워크 이름이나 id가 없습니다",
    "conflicting options: cannot specify both --network-alias and per-network alias": (
        "--network-alias와 네트워크별 alias는 함께 쓸 수 없습니다"
    ),
    "conflicting options: cannot specify both --ip and per-network IPv4 address": (
        "--ip와 네트워크별 IPv4 주소는 함께 쓸 수 없습니다"
    ),
    "conflicting options: cannot specify both --ip6 and per-network IPv6 address": (
        "--ip6과 네트워크별 IPv6 주소는 함께 쓸 수 없습니다"
    ),
    "conflicting options: cannot specify both --mac-address and per-network MAC address": (
        "--mac-address와 네트워크별 MAC 주소는 함께 쓸 수 없습니다"
    ),
    "conflicting options: mac-address and the network mode": "이 네트워크 모드에서는 MAC 주소를 정할 수 없습니다",
    "{value} is not a valid mac address": "{value}은(는) MAC 주소가 아닙니다",
    "invalid argument `{value}` for `--network` flag: {reason}": "`--network` 옵션의 값 `{value}`이(가) 잘못되었습니다: {reason}",
    "invalid argument `{value}` for `--filter`: expected `name=value`": (
        "`--filter`의 값 `{value}`이(가) 잘못되었습니다: `이름=값`이어야 합니다"
    ),
    "invalid filter: 'type'='{value}'": "필터가 잘못되었습니다: 'type'='{value}'",
    "WARNING! This will remove all custom networks not used by at least one container": (
        "경고! 어떤 컨테이너도 쓰지 않는 사용자 네트워크를 모두 지웁니다"
    ),
    "WARNING! This will remove all local volumes not used by at least one container": (
        "경고! 어떤 컨테이너도 쓰지 않는 볼륨을 모두 지웁니다"
    ),
    "WARNING! This will remove anonymous local volumes not used by at least one container": (
        "경고! 어떤 컨테이너도 쓰지 않는 이름 없는 볼륨을 지웁니다"
    ),
    "volume name is too short, names should be at least two alphanumeric characters: {name}": (
        "볼륨 이름이 너무 짧습니다. 영문자나 숫자로 두 자 이상이어야 합니다: {name}"
    ),
    "cannot access path {path}: {reason}": "경로 {path}에 접근할 수 없습니다: {reason}",
    "idmapped mounts of the filesystem of `{path}`": "`{path}`가 있는 파일시스템의 idmapped 마운트",
    "user namespaces": "사용자 네임스페이스",
    "leave --userns=keep-id out": "--userns=keep-id를 빼세요",
    "remove {name}: volume is in use - [{containers}]": "{name} 삭제: 볼륨을 쓰는 중입니다 - [{containers}]",
    'create {name}: invalid option: "{option}"': '{name} 만들기: 옵션이 잘못되었습니다: "{option}"',
    'create {name}: missing required option: "{option}"': '{name} 만들기: 꼭 필요한 옵션이 없습니다: "{option}"',
    "failed to mount local volume {name}: no such file or directory: {path}": (
        "볼륨 {name}을(를) 마운트하지 못했습니다: 그런 파일이나 폴더가 없습니다: {path}"
    ),
    "volume {name}: {reason}": "볼륨 {name}: {reason}",
    "give a file, or a tar stream on stdin": "파일을 주거나 표준 입력으로 tar를 넘기세요",
    "`{path}` belongs to no container": "`{path}`은(는) 어떤 컨테이너의 것도 아닙니다",
    "bridge `{name}` belongs to no network": "브리지 `{name}`은(는) 어떤 네트워크의 것도 아닙니다",
    "leftovers": "남은 것",
    "taken away: {count}": "치운 것: {count}개",
    'the "until" filter is not supported with "--volumes"': '"until" 필터는 "--volumes"와 함께 쓸 수 없습니다',
    "Items to be pruned will be filtered with:": "다음 조건에 맞는 것만 지웁니다:",
    "WARNING! This will end and remove:": "경고! 다음을 모두 끝내고 지웁니다:",
    "all containers, running ones too, with their anonymous volumes": "실행 중인 것까지 모든 컨테이너와 이름 없는 볼륨",
    "all networks, with their bridges and firewall rules": "모든 네트워크와 그 브리지, 방화벽 규칙",
    "all mounts below {folder}": "{folder} 아래의 모든 마운트",
    "image `{image}`: `{path}` is no folder": "이미지 `{image}`: `{path}`이(가) 폴더가 아닙니다",
    # Help.
    "Show detailed information on space usage": "공간을 차지하는 것을 하나하나 보여 줍니다",
    'Provide filter values (e.g. "label=<key>=<value>")': '거르는 값(예: "label=<이름>=<값>")',
    "Take away what crashes left of containers and networks": "비정상 종료로 남은 컨테이너와 네트워크의 흔적을 치웁니다",
    "IPv6 address (e.g., 2001:db8::33)": "IPv6 주소(예: 2001:db8::33)",
    'IPv6 address (e.g., "2001:db8::33")': "IPv6 주소(예: 2001:db8::33)",
    'IPv4 address (e.g., "172.30.100.104")': "IPv4 주소(예: 172.30.100.104)",
    "Container MAC address (e.g., 92:d0:c6:0a:29:33)": "컨테이너의 MAC 주소(예: 92:d0:c6:0a:29:33)",
    "Enable manual container attachment": "컨테이너를 손으로 연결할 수 있게 합니다",
    "Auxiliary IPv4 or IPv6 addresses that no container gets": "어떤 컨테이너도 받지 않을 IPv4/IPv6 주소",
    "IPv4 or IPv6 gateway for the subnet": "서브넷의 IPv4/IPv6 게이트웨이",
    "Enable IPv6 networking": "IPv6을 켭니다",
    "Force the container to disconnect from a network": "컨테이너를 네트워크에서 강제로 떼어 냅니다",
    'Provide filter values (e.g. "until=<timestamp>")': "거르는 값(예: until=<시각>)",
    'Provide filter values (e.g. "label=<label>")': "거르는 값(예: label=<레이블>)",
    "Remove all unused volumes, not just anonymous ones": "이름 없는 것만이 아니라 쓰지 않는 볼륨을 모두 지웁니다",
}
