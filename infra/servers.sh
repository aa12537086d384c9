#!/usr/bin/env bash
# Runs Debian's RabbitMQ and PostgreSQL for tests and development: on loopback, with a data folder of their own.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: infra/servers.sh start|stop|status|env [--only rabbitmq|postgres]

  start    start what is not running yet, wait until it accepts connections, print the environment
  stop     stop what this folder's start started, and nothing else; the data stays
  status   say what is running; exit code 3 if something is not
  env      print the environment of the running servers: eval "$(infra/servers.sh env)"

Variables:
  GOVERNOR_SERVERS_DIR               data, logs and process ids (default: .servers in the repository's root);
                                     another folder is another, independent instance
  GOVERNOR_SERVERS_RABBITMQ_PORT     default 21672   When a default is taken, a free port is chosen and kept
  GOVERNOR_SERVERS_MANAGEMENT_PORT   default 21673   for this folder; one that you set must be free.
  GOVERNOR_SERVERS_POSTGRES_PORT     default 21432
  GOVERNOR_SERVERS_INSTALL=no        never install Debian packages, even as root

Removing the folder after a stop removes everything, save a database that had to lie elsewhere: see status.
TEXT
}

say() { printf '%s\n' "$*"; }
die() { printf 'servers.sh: %s\n' "$*" >&2; exit 1; }

# --- folder, ports, processes ----------------------------------------------------------------------------------------

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
dir=${GOVERNOR_SERVERS_DIR:-$root/.servers}

open_folder() {
  mkdir -p -- "$dir" || die "cannot create $dir; set GOVERNOR_SERVERS_DIR to a folder that you may write to"
  dir=$(cd -- "$dir" && pwd -P)
  [[ -w $dir ]] || die "cannot write to $dir; set GOVERNOR_SERVERS_DIR to a folder that you may write to"
  chmod 755 -- "$dir"
  exec 9>"$dir/lock" # two starts at once: the second waits, and then finds everything running
  flock 9
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the range that Linux hands out to outgoing connections, so that none of them sits on a remembered port.
free_port() {
  local port
  for _ in {1..200}; do
    port=$((22000 + (RANDOM * 32768 + RANDOM) % 9000))
    if ! taken "$port"; then printf '%s' "$port"; return; fi
  done
  die "found no free port between 22000 and 30999"
}

# port NAME DEFAULT CHOSEN: the caller's choice, else the one that this folder had, else the default, else a free one.
port() {
  local file="$dir/$1.port" default=$2 chosen=$3 port
  if [[ -n $chosen ]]; then
    [[ $chosen =~ ^[0-9]{1,5}$ ]] || die "the port '$chosen' for $1 is not a number"
    if taken "$chosen"; then die "port $chosen for $1 is taken; choose another, or leave its variable unset"; fi
    port=$chosen
  else
    port=$default
    if [[ -s $file ]]; then port=$(<"$file"); fi
    if taken "$port"; then port=$(free_port); fi
  fi
  printf '%s\n' "$port" >"$file"
}

port_of() { cat -- "$dir/$1.port"; }

# When a running process started, in clock ticks after the boot: by it, a pid that was given to another process is told
# apart. In /proc/PID/stat that is field 22; field 3, the first after the name in brackets, is Z for one that has ended.
started_at() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != Z ]] && printf '%s' "${stat[19]}"
}

remember() { printf '%s %s\n' "$2" "$(started_at "$2")" >"$dir/$1.pid"; }

# pid_of NAME: prints the pid of a process that this folder's start started and that still runs.
pid_of() {
  local pid start
  [[ -s $dir/$1.pid ]] && read -r pid start <"$dir/$1.pid" && [[ $(started_at "$pid") == "$start" ]] && printf '%s' "$pid"
}

# end NAME SECONDS: asks the process to end, and insists when it does not.
end() {
  local pid
  if pid=$(pid_of "$1"); then
    kill -TERM "$pid" 2>/dev/null || true
    wait_until "$2" not_running "$1" || kill -KILL "$pid" 2>/dev/null || true
    wait_until 5 not_running "$1" || die "$1 (process $pid) does not end"
  fi
  rm -f -- "$dir/$1.pid"
}

not_running() { ! pid_of "$1" >/dev/null; }

wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= deadline)); then return 1; fi
    sleep 0.1
  done
}

# --- packages --------------------------------------------------------------------------------------------------------

rabbitmq_server=/usr/lib/rabbitmq/bin/rabbitmq-server # Debian's wrapper in /usr/sbin insists on the system's folders

postgres_bin() {
  local folder
  for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr); do
    if [[ -x $folder/initdb ]]; then printf '%s' "$folder"; return; fi
  done
  return 1
}

install_missing() {
  local missing=()
  if wanted rabbitmq && [[ ! -x $rabbitmq_server ]]; then missing+=(rabbitmq-server); fi
  if wanted postgres && ! postgres_bin >/dev/null; then missing+=(postgresql); fi
  if ((${#missing[@]} == 0)); then return; fi

  local how="apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  if ((EUID != 0)) || [[ ${GOVERNOR_SERVERS_INSTALL:-} == no ]] || ! command -v apt-get >/dev/null; then
    die "needs ${missing[*]}; install with (as root): $how"
  fi
  say "installing ${missing[*]}"

  # The packages bring services of their own: they are neither started now nor at the next boot.
  local policy=/usr/sbin/policy-rc.d own_policy=no
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && own_policy=yes
  fi
  local failed=no
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$dir/install.log" 2>&1 9>&- </dev/null || failed=yes
  if [[ $own_policy == yes ]]; then rm -f "$policy"; fi
  if command -v systemctl >/dev/null; then
    systemctl disable "${missing[@]}" >/dev/null 2>&1 || true
  fi
  if [[ $failed == yes ]]; then
    tail -n 20 -- "$dir/install.log" >&2
    die "could not install ${missing[*]}; see $dir/install.log, or install with: $how"
  fi
}

# --- RabbitMQ --------------------------------------------------------------------------------------------------------

start_rabbitmq() {
  port rabbitmq 21672 "${GOVERNOR_SERVERS_RABBITMQ_PORT:-}"
  port management 21673 "${GOVERNOR_SERVERS_MANAGEMENT_PORT:-}"
  port distribution 21674 ""
  local home="$dir/rabbitmq"
  mkdir -p -- "$home"

  cat >"$home/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$(port_of rabbitmq)
management.tcp.ip = 127.0.0.1
management.tcp.port = $(port_of management)
log.console = false
CONF
  printf '[rabbitmq_management].\n' >"$home/enabled_plugins"
  : >"$home/rabbitmq-env.conf"

  local node
  node="governor-$(printf '%s' "$dir" | cksum | cut -d ' ' -f 1)@localhost"
  local environment=(
    PATH="$PATH" LANG=C.UTF-8 HOME="$home" # its cookie lies in HOME
    RABBITMQ_NODENAME="$node"
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
    RABBITMQ_NODE_PORT="$(port_of rabbitmq)"
    RABBITMQ_DIST_PORT="$(port_of distribution)"
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
    RABBITMQ_CONF_ENV_FILE="$home/rabbitmq-env.conf"
    RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf"
    RABBITMQ_ADVANCED_CONFIG_FILE="$home/advanced.config"
    RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins"
    RABBITMQ_GENERATED_CONFIG_DIR="$home/config"
    RABBITMQ_MNESIA_BASE="$home/data"
    RABBITMQ_LOG_BASE="$home/log"
    RUNNING_UNDER_SYSTEMD=true # makes the script become the broker instead of waiting for it: one pid, one signal
  )

  # Erlang's port mapper is started here, and not by the broker, so that stop can end it by its pid.
  if not_running epmd; then
    port epmd 21675 ""
    setsid env -i PATH="$PATH" epmd -address 127.0.0.1 -port "$(port_of epmd)" \
      >"$dir/epmd.log" 2>&1 </dev/null 9>&- &
    remember epmd $!
    wait_until 10 taken "$(port_of epmd)" || die "Erlang's port mapper did not start; see $dir/epmd.log"
  fi
  environment+=(ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$(port_of epmd)")

  setsid env -i "${environment[@]}" "$rabbitmq_server" >"$dir/rabbitmq.log" 2>&1 </dev/null 9>&- &
  remember rabbitmq $!
  wait_until 90 rabbitmq_ready_or_dead || true
  if not_running rabbitmq || ! rabbitmq_ready; then
    tail -n 20 -- "$dir/rabbitmq.log" "$home"/log/*.log >&2 || true
    die "RabbitMQ did not start; see $dir/rabbitmq.log and $home/log"
  fi
}

# The management interface answers a person who logs in, and the AMQP listener, which comes last, is open.
rabbitmq_ready() {
  taken "$(port_of rabbitmq)" && timeout 5 bash -c '
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf "GET /api/overview HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n" Z3Vlc3Q6Z3Vlc3Q= >&3
    read -r _ code _ <&3 && [[ $code == 200 ]]' _ "$(port_of management)" 2>/dev/null
}

rabbitmq_ready_or_dead() { not_running rabbitmq || rabbitmq_ready; }

stop_rabbitmq() {
  end rabbitmq 60
  end epmd 5
}

running_rabbitmq() { pid_of rabbitmq >/dev/null; }

env_rabbitmq() {
  say "export GOVERNOR_TEST_RABBITMQ=amqp://guest:guest@127.0.0.1:$(port_of rabbitmq)/"
  say "export GOVERNOR_TEST_RABBITMQ_MANAGEMENT=http://127.0.0.1:$(port_of management)"
}

# --- PostgreSQL ------------------------------------------------------------------------------------------------------

# PostgreSQL refuses to run as root: then it runs as the owner of its data, Debian's user postgres.
as_owner() {
  local owner
  owner=$(stat -c %U -- "$1")
  shift
  if ((EUID == 0)); then (cd / && runuser -u "$owner" -- "$@"); else "$@"; fi
}

postgres_home() {
  local home="$dir/postgres"
  if [[ -s $dir/postgres.home ]]; then home=$(<"$dir/postgres.home"); fi
  printf '%s' "$home"
}

create_postgres() {
  local home="$dir/postgres"
  if ((EUID == 0)); then
    if [[ -s $dir/postgres.home ]]; then
      home=$(<"$dir/postgres.home")
    elif runuser -u postgres -- test -x "$dir"; then
      mkdir -p -- "$home"
    else # below a folder, such as root's home, that the user postgres may not enter
      home=$(mktemp -d /var/tmp/governor-postgres.XXXXXX)
      printf '%s\n' "$home" >"$dir/postgres.home"
    fi
    chown postgres: -- "$home"
  else
    mkdir -p -- "$home"
  fi
  chmod 700 -- "$home"
  printf 'governor\n' | as_owner "$home" tee -- "$home/password" >/dev/null
  as_owner "$home" "$(postgres_bin)/initdb" -D "$home/data" --username=governor --pwfile="$home/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1 9>&- ||
    { tail -n 20 -- "$dir/initdb.log" >&2; rm -rf -- "$home/data"; die "could not create a database in $home"; }
}

start_postgres() {
  local home
  home=$(postgres_home)
  if [[ ! -d $home ]] || ! as_owner "$home" test -s "$home/data/PG_VERSION"; then create_postgres; home=$(postgres_home); fi
  port postgres 21432 "${GOVERNOR_SERVERS_POSTGRES_PORT:-}"
  # Many test hosts at once, each with its pools; and tests count statements, those inside functions too.
  as_owner "$home" tee -- "$home/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $(port_of postgres)
unix_socket_directories = ''
max_connections = 300
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 50000
pg_stat_statements.track = 'all'
timezone = 'UTC'
CONF
  as_owner "$home" "$(postgres_bin)/pg_ctl" -D "$home/data" -w -t 60 -l "$home/log" start \
    >"$dir/postgres.log" 2>&1 </dev/null 9>&- ||
    { tail -n 20 -- "$home/log" >&2 || true; die "PostgreSQL did not start; see $home/log"; }
}

# pg_ctl finds the process by the pid in the data folder, and checks that it is this folder's server.
stop_postgres() {
  local home
  home=$(postgres_home)
  if running_postgres; then
    as_owner "$home" "$(postgres_bin)/pg_ctl" -D "$home/data" -w -t 60 -m fast stop >>"$dir/postgres.log" 2>&1 9>&- ||
      die "PostgreSQL does not end; see $home/log"
  fi
}

running_postgres() {
  local home
  home=$(postgres_home)
  [[ -d $home ]] && as_owner "$home" "$(postgres_bin)/pg_ctl" -D "$home/data" status >/dev/null 2>&1
}

env_postgres() {
  say "export GOVERNOR_TEST_POSTGRES=\"Host=127.0.0.1;Port=$(port_of postgres);Username=governor;Password=governor;Database=postgres\""
}

# --- commands --------------------------------------------------------------------------------------------------------

wanted() { [[ -z $only || $only == "$1" ]]; }

each() { local server; for server in rabbitmq postgres; do if wanted "$server"; then "$1" "$server"; fi; done; }

start_one() {
  if "running_$1"; then say "$1 is already running"; else "start_$1"; say "$1 started"; fi
}

stop_one() {
  if "running_$1"; then "stop_$1"; say "$1 stopped"; else "stop_$1"; say "$1 is not running"; fi
}

status_one() {
  if "running_$1"; then
    say "$1 is running on 127.0.0.1:$(port_of "$1")"
  else
    say "$1 is not running"
    code=3
  fi
  if [[ $1 == postgres && -s $dir/postgres.home ]]; then say "its data lies in $(postgres_home)"; fi
}

env_one() {
  if "running_$1"; then "env_$1"; else die "$1 is not running; start it with: infra/servers.sh start"; fi
}

command=
only=
while (($#)); do
  case $1 in
    -h | --help) usage; exit ;;
    --only)
      only=${2:-}
      [[ $only == rabbitmq || $only == postgres ]] || die "--only takes rabbitmq or postgres"
      shift
      ;;
    start | stop | status | env) [[ -z $command ]] || die "one command at a time; see --help"; command=$1 ;;
    *) die "unknown argument '$1'; see --help" ;;
  esac
  shift
done

code=0
case $command in
  start) open_folder; install_missing; each start_one; each env_one ;;
  stop) if [[ -d $dir ]]; then open_folder; fi; each stop_one ;;
  status) each status_one ;;
  env) each env_one ;;
  *) usage >&2; exit 2 ;;
esac
exit "$code"
