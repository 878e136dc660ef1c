#!/usr/bin/env bash
# Docker, Podman and Buildah to measure against: Debian trixie's packages in a tree of their own, entered by chroot, so
# that nothing of theirs is installed on this machine. As root; needs mmdebstrap.
#
#   peers.sh make                 the tree (a minute or two, once)
#   peers.sh start | stop         Docker's daemon and the mounts that the tree needs
#   peers.sh images               load the two base images into all of them (after start)
#   peers.sh run PROGRAM ARGS…    docker, podman, buildah …; files for them lie under /tmp, which is shared
#   peers.sh delete               the tree and all that is in it
#
# TEUL_PEERS names the folder; default /var/tmp/teul-peers.
set -euo pipefail

folder=${TEUL_PEERS:-/var/tmp/teul-peers}
tree=$folder/rootfs
sockets=/run/teul-peers
bridge=10.231.0.1/24
images=/tmp/teul-peers-images
certificates=/etc/ssl/certs/ca-certificates.crt
packages=(ca-certificates docker.io docker-cli docker-buildx podman buildah runc crun iptables netavark aardvark-dns
  conmon procps iproute2)

enter() {
  if ! mountpoint -q "$tree"; then
    mount --bind "$tree" "$tree"
    mount --make-private "$tree"
    local place
    for place in proc sys dev run; do
      mount --rbind "/$place" "$tree/$place"
      mount --make-rslave "$tree/$place"
    done
    mount --bind /tmp "$tree/tmp"
    install -m 644 /etc/resolv.conf "$tree/etc/resolv.conf"
    install -m 644 "$certificates" "$tree$certificates"
  fi
  # Podman would warn about version 1 of the control groups at every start.
  DOCKER_HOST=unix://$sockets/docker.sock PODMAN_IGNORE_CGROUPSV1_WARNING=1 exec chroot "$tree" "$@"
}

in_tree() { (enter "$@"); }

make_tree() {
  [[ -x $tree/usr/sbin/dockerd ]] && return
  mkdir -p "$folder"
  local list
  list=$(IFS=,; echo "${packages[*]}")
  mmdebstrap --quiet --mode=root --variant=minbase --include="$list" trixie "$tree"
}

start() {
  make_tree
  mkdir -p "$sockets"
  in_tree docker info >/dev/null 2>&1 && return
  # Docker forbids what is forwarded unless its rules allow it; whoever allowed everything gets that back in the end.
  iptables -S FORWARD | sed -n 's/^-P FORWARD //p' >"$folder/forward"
  in_tree setsid --fork dockerd --host "unix://$sockets/docker.sock" --pidfile "$sockets/docker.pid" \
    --data-root /var/lib/docker --exec-root "$sockets/exec" --bip $bridge >"$folder/dockerd.log" 2>&1 </dev/null
  local try
  for try in {1..100}; do
    in_tree docker info >/dev/null 2>&1 && return
    sleep 0.2
  done
  echo "dockerd did not answer; its log is $folder/dockerd.log" >&2
  return 1
}

stop() {
  local pid try
  if [[ -s $sockets/docker.pid ]]; then
    pid=$(<"$sockets/docker.pid")
    kill "$pid" 2>/dev/null || true
    for try in {1..100}; do
      [[ -d /proc/$pid ]] || break
      sleep 0.1
    done
  fi
  leave_no_rules
  if mountpoint -q "$tree"; then umount --recursive --lazy "$tree"; fi
}

# Docker leaves its bridge and its firewall rules behind; a bridge with our address says that they are our daemon's.
leave_no_rules() {
  ip -o address show docker0 2>/dev/null | grep -q " $bridge " || return 0
  ip link delete docker0
  local table rule chain
  for table in nat filter; do
    iptables -t $table -S | grep -E '^-A .*(DOCKER|docker0|10\.231\.0\.)' | while read -r rule; do
      # The rules were printed by iptables itself, so splitting them into words gives its own arguments.
      # shellcheck disable=SC2086
      iptables -t $table -D ${rule#-A }
    done
    for chain in $(iptables -t $table -S | sed -n 's/^-N \(DOCKER.*\)/\1/p'); do
      iptables -t $table -F "$chain" && iptables -t $table -X "$chain"
    done
  done
  [[ $(cat "$folder/forward" 2>/dev/null) != ACCEPT ]] || iptables -P FORWARD ACCEPT
}

# The same two bases for everyone, so that only the engines differ: `bench-debian` and `bench-python`. They trust what
# this machine trusts, because pip runs in them.
make_images() {
  mkdir -p "$images/context"
  cp "$certificates" "$images/context/ca.crt"
  local name include
  for name in debian python; do
    include=ca-certificates
    [[ $name == python ]] && include+=,python3,python3-pip,python3-venv
    [[ -s $images/$name.rootfs.tar ]] ||
      mmdebstrap --quiet --variant=minbase --include=$include bookworm "$images/$name.rootfs.tar"
    in_tree docker image inspect "bench-$name" >/dev/null 2>&1 || {
      in_tree docker import "$images/$name.rootfs.tar" "bench-$name-bare" >/dev/null
      printf '%s\n' "FROM bench-$name-bare" "COPY ca.crt $certificates" "ENV PIP_CERT=$certificates" \
        "ENV SSL_CERT_FILE=$certificates PIP_BREAK_SYSTEM_PACKAGES=1" 'CMD ["bash"]' >"$images/context/Dockerfile"
      in_tree docker build --quiet --tag "bench-$name" "$images/context" >/dev/null
    }
    [[ -s $images/$name.tar ]] || in_tree docker save "bench-$name" --output "$images/$name.tar"
    in_tree podman image exists "bench-$name" || in_tree podman load --quiet --input "$images/$name.tar" >/dev/null
  done
}

case ${1:-} in
  make) make_tree ;;
  start) start ;;
  images) make_images ;;
  stop) stop ;;
  delete) stop; rm -rf --one-file-system "$folder" "$images" ;;
  run) shift; enter "$@" ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
