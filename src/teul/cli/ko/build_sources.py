"""`teul build`: URLs, git repositories, contexts that are no folder."""

MESSAGES = {
    "--build-context {name}=PATH, docker-image://IMAGE, oci-layout://PATH or a URL": (
        "--build-context {name}=경로, docker-image://이미지, oci-layout://경로 또는 URL"
    ),
    "--keep-git-dir requires a Git source": "--keep-git-dir는 Git 소스에만 쓸 수 있습니다",
    "--secret id=GIT_AUTH_TOKEN,env=TOKEN": "--secret id=GIT_AUTH_TOKEN,env=TOKEN",
    "--secret id=HTTP_AUTH_TOKEN_{host},env=TOKEN": "--secret id=HTTP_AUTH_TOKEN_{host},env=TOKEN",
    "--ssh default, with the key in the agent and the host in ~/.ssh/known_hosts": (
        "--ssh default를 쓰고, 키를 에이전트에, 호스트를 ~/.ssh/known_hosts에 등록하세요"
    ),
    "--unpack requires an archive: a Git source has none": "--unpack는 아카이브에만 쓸 수 있습니다: Git 소스에는 없습니다",
    "`{url}`: its `Content-Encoding` is gzip, but its content is not": (
        "`{url}`: `Content-Encoding`은 gzip이라고 하지만 내용이 gzip이 아닙니다"
    ),
    "`{url}`: invalid Content-Length `{value}`": "`{url}`: Content-Length가 `{value}`(으)로 잘못되었습니다",
    "`{url}`: invalid response status {status}": "`{url}`: 서버가 상태 코드 {status}(으)로 답했습니다",
    "`{url}`: {problem}": "`{url}`: {problem}",
    "build context `{name}`: `{url}` is no tar": "빌드 컨텍스트 `{name}`: `{url}`은(는) tar가 아닙니다",
    "build context `{name}`: unsupported scheme `{scheme}`": "빌드 컨텍스트 `{name}`: 지원하지 않는 형식 `{scheme}`",
    "checksum can't be specified for multiple sources": "소스가 여럿이면 체크섬을 지정할 수 없습니다",
    "context `{name}`: expected a tar or a Dockerfile, got something else": (
        "컨텍스트 `{name}`: tar나 Dockerfile이어야 하는데 다른 것입니다"
    ),
    "failed to read dockerfile: `{path}` is no Dockerfile": "Dockerfile을 읽을 수 없습니다: `{path}`은(는) Dockerfile이 아닙니다",
    "git ls-remote {url}": "git ls-remote {url}",
    "git repository `{url}`: expected a commit that begins with {expected}, got {actual}": (
        "git 저장소 `{url}`: {expected}(으)로 시작하는 커밋이어야 하는데 {actual}입니다"
    ),
    "git repository `{url}`: no folder `{path}` in it": "git 저장소 `{url}`: 그 안에 폴더 `{path}`이(가) 없습니다",
    "git repository `{url}`: no ref `{ref}`": "git 저장소 `{url}`: 참조 `{ref}`이(가) 없습니다",
    "git repository `{url}`: {problem}": "git 저장소 `{url}`: {problem}",
    "git source `{url}`: `{key}` twice": "git 소스 `{url}`: `{key}`이(가) 두 번 있습니다",
    "git source `{url}`: expected mtime=checkout or commit, got `{value}`": (
        "git 소스 `{url}`: mtime은 checkout 또는 commit이어야 하는데 `{value}`입니다"
    ),
    "git source `{url}`: expected one of ref, tag and branch": "git 소스 `{url}`: ref, tag, branch 중 하나만 쓸 수 있습니다",
    "git source `{url}`: expected {key}=true or false, got `{value}`": (
        "git 소스 `{url}`: {key}는 true 또는 false여야 하는데 `{value}`입니다"
    ),
    "git source `{url}`: invalid ref `{ref}`": "git 소스 `{url}`: 잘못된 참조 `{ref}`",
    "git source `{url}`: two different checksums: `{one}` and `{other}`": (
        "git 소스 `{url}`: 서로 다른 체크섬이 둘 있습니다: `{one}`, `{other}`"
    ),
    "git source `{url}`: unexpected query `{key}`": "git 소스 `{url}`: 알 수 없는 질의 키 `{key}`",
    "invalid URL `{url}`: {problem}": "잘못된 URL `{url}`: {problem}",
    "invalid checksum `{value}`: expected `sha256:` and 64 lower-case hexadecimal digits": (
        "잘못된 체크섬 `{value}`: `sha256:`과 소문자 16진수 64자리여야 합니다"
    ),
    "invalid checksum `{value}`: expected at least 7 hexadecimal digits of a commit": (
        "잘못된 체크섬 `{value}`: 커밋의 16진수 일곱 자리 이상이어야 합니다"
    ),
    "invalid git address `{url}`": "잘못된 git 주소 `{url}`",
    "refused a redirect to `{location}`": "`{location}`(으)로 가는 리디렉션을 거부했습니다",
    "secret `{id}`: expected one line": "시크릿 `{id}`: 한 줄이어야 합니다",
    "the keys are: {names}": "쓸 수 있는 키: {names}",
    "unable to prepare context: `{path}` is neither a folder nor a tar": (
        "컨텍스트를 준비할 수 없습니다: `{path}`은(는) 폴더도 tar도 아닙니다"
    ),
    "archive `{path}`: the hard link `{link}` leads to `{target}`, which is no file before it": (
        "아카이브 `{path}`: 하드 링크 `{link}`이(가) 가리키는 `{target}`은(는) 그 앞에 있는 파일이 아닙니다"
    ),
    "device `{path}` ({major}:{minor}) cannot be made here": "장치 `{path}`({major}:{minor})은(는) 여기서 만들 수 없습니다",
    "leave it out by a line in .dockerignore": ".dockerignore에 한 줄을 적어 빼십시오",
    "`{path}`: expected a file": "`{path}`: 파일이어야 합니다",
}
