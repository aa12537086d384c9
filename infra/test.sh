#!/usr/bin/env bash
# Sets up what the tests need, runs all of them, and says how many passed.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: infra/test.sh [PROJECT...]        for example: infra/test.sh Governor.Agent.Tests

Finds or starts RabbitMQ and PostgreSQL, builds the solution, runs the test projects (default: all under tests) and prints
"N passed, N failed" as its last line. As root, it installs the Debian packages that are missing (Node.js for a test client). The exit code is 0 only if all tests ran and passed; a project that crashed, was
ended after its time, ran no test or skipped one counts as a failure. Full output: TestResults/PROJECT.log.

Servers, the first of these that there is:
  1. GOVERNOR_TEST_RABBITMQ, GOVERNOR_TEST_RABBITMQ_MANAGEMENT and GOVERNOR_TEST_POSTGRES, if set
  2. what infra/servers.sh runs already
  3. a container engine, by docker-compose.yml, as a project of its own that is removed afterwards
  4. infra/servers.sh, stopped afterwards

Variables:
  GOVERNOR_TEST_CONFIGURATION   Debug or Release (default)
  GOVERNOR_TEST_TIMEOUT         seconds that one project may take, default 2400
  GOVERNOR_TEST_PARALLEL        projects at once, default 2
TEXT
}

say() { printf '%s\n' "$*"; }
die() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

if [[ ${1:-} == -h || ${1:-} == --help ]]; then usage; exit; fi

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
configuration=${GOVERNOR_TEST_CONFIGURATION:-Release}
timeout=${GOVERNOR_TEST_TIMEOUT:-2400}
parallel=${GOVERNOR_TEST_PARALLEL:-2}
results=$PWD/TestResults

# dotnet and NuGet keep their caches at home, and some build machines name none.
if [[ -z ${HOME:-} ]]; then
  HOME=$(getent passwd "$(id -u)" | cut -d : -f 6)
  if [[ ! -w $HOME ]]; then HOME=$PWD/artifacts/home; mkdir -p -- "$HOME"; fi
  export HOME
fi
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en
export MSBUILDDISABLENODEREUSE=1 # leave no build processes behind
command -v dotnet >/dev/null || die "needs the .NET SDK that global.json names: https://dotnet.microsoft.com/download"

# --- servers ---------------------------------------------------------------------------------------------------------

engine=none # what this run started, and ends

compose() {
  GOVERNOR_RABBITMQ_PORT=21672 GOVERNOR_MANAGEMENT_PORT=21673 GOVERNOR_POSTGRES_PORT=21432 \
    docker compose --project-name governor-test "$@"
}

start_servers() {
  if [[ -n ${GOVERNOR_TEST_RABBITMQ:-} && -n ${GOVERNOR_TEST_RABBITMQ_MANAGEMENT:-} && -n ${GOVERNOR_TEST_POSTGRES:-} ]]; then
    say "servers: those that the environment names"
    return
  fi
  if infra/servers.sh status >/dev/null 2>&1; then
    say "servers: those that infra/servers.sh runs already"
  elif docker_answers && engine=docker && compose up --detach --wait rabbitmq postgres; then
    say "servers: containers"
    export GOVERNOR_TEST_RABBITMQ="amqp://governor:${GOVERNOR_RABBITMQ_PASSWORD:-governor}@127.0.0.1:21672/"
    export GOVERNOR_TEST_RABBITMQ_MANAGEMENT=http://127.0.0.1:21673
    export GOVERNOR_TEST_POSTGRES="Host=127.0.0.1;Port=21432;Username=governor;Password=${GOVERNOR_POSTGRES_PASSWORD:-governor};Database=postgres"
    return
  else
    stop_servers
    say "servers: infra/servers.sh"
    engine=native
    infra/servers.sh start >/dev/null
  fi
  local exports
  exports=$(infra/servers.sh env)
  eval "$exports"
}

docker_answers() { timeout 20 docker compose version >/dev/null 2>&1 && timeout 20 docker info >/dev/null 2>&1; }

stop_servers() {
  case $engine in
    docker) compose down --volumes >/dev/null 2>&1 || true ;;
    native) infra/servers.sh stop >/dev/null || true ;;
  esac
  engine=none
}

# --- packages --------------------------------------------------------------------------------------------------------

# A foreign client of the commands is a Node script.
need_node() {
  if command -v node >/dev/null && command -v npm >/dev/null; then return; fi
  local how="apt-get update && apt-get install --no-install-recommends nodejs npm"
  if ((EUID != 0)) || ! command -v apt-get >/dev/null; then die "needs nodejs and npm; install with (as root): $how"; fi
  say "installing nodejs and npm"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nodejs npm; } \
    >"$results/packages.log" 2>&1 </dev/null || { tail -n 20 -- "$results/packages.log" >&2; die "could not install nodejs and npm: $how"; }
}

# --- projects --------------------------------------------------------------------------------------------------------

declare -A running=() # process id → project
passed=0 failed=0

end() {
  local pid
  for pid in "${!running[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  stop_servers
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The longest first, so that it does not run alone at the end.
projects() {
  local file
  for file in tests/Governor.IntegrationTests/*.csproj tests/*/*.csproj; do
    if grep -q '<IsTestProject>true' "$file"; then basename -- "$file" .csproj; fi
  done | awk '!seen[$0]++'
}

start_project() {
  local assembly
  assembly=$(compgen -G "tests/$1/bin/$configuration/net*/$1.dll") || die "the build made no tests/$1/bin/$configuration/…/$1.dll"
  # In a process group of its own, which the time-out ends as a whole, with the programs that tests have started.
  timeout --kill-after=30 "$timeout" dotnet "$assembly" --output Detailed --no-ansi --progress off --fail-skips on \
    --results-directory "$results" --report-xunit-xml --report-xunit-xml-filename "$1.xml" >"$results/$1.log" 2>&1 </dev/null &
  running[$!]=$1
}

# count PROJECT passed: a number from the head of a finished project's report, which is one long line.
count() {
  grep -o '<assembly [^>]*>' "$results/$1.xml" | sed -n "s/.* $2=\"\([0-9]*\)\".*/\1/p" | awk '{ sum += $1 } END { print sum + 0 }'
}

finish_one() {
  local pid code=0 project good=0 bad=0 what=
  wait -n -p pid "${!running[@]}" || code=$?
  project=${running[$pid]}
  unset "running[$pid]"

  if [[ -s $results/$project.xml ]]; then
    good=$(count "$project" passed)
    bad=$(($(count "$project" failed) + $(count "$project" skipped) + $(count "$project" errors)))
  fi
  if ((code == 124 || code == 137)); then
    what="ended after $timeout s; its log says which tests had run, and these lines which were running:"
    bad=$((bad + 1))
  elif ((good + bad == 0)); then
    what="ran no test (exit code $code); the end of its log:"
    bad=1
  elif ((code != 0 && bad == 0)); then
    what="crashed (exit code $code); the end of its log:"
    bad=1
  fi
  passed=$((passed + good)) failed=$((failed + bad))
  say "$project: $good passed, $bad failed${what:+, $what}"
  case $what in
    ended*) grep -F '[slow]' "$results/$project.log" | tail -n 10 | sed 's/^/  /' || true ;;
    ?*) tail -n 30 -- "$results/$project.log" | sed 's/^/  /' ;;
  esac
  # What each failed test says.
  awk '/^(passed|skipped|running|\[slow\]|Test run) ?/ { shown = 0 } /^failed / { shown = 1 } shown { print "  " $0 }' \
    "$results/$project.log"
}

# --- run -------------------------------------------------------------------------------------------------------------

if (($#)); then selected=("$@"); else mapfile -t selected < <(projects); fi
((${#selected[@]})) || die "found no test project under tests"
for project in "${selected[@]}"; do
  [[ -f tests/$project/$project.csproj ]] || die "there is no test project tests/$project"
done

rm -rf -- "$results" && mkdir -p -- "$results"
case " ${selected[*]} " in *" Governor.IntegrationTests "*) need_node ;; esac
dotnet build Governor.Messaging.sln --configuration "$configuration" --verbosity quiet --nologo || die "the build failed"
start_servers

for project in "${selected[@]}"; do
  while ((${#running[@]} >= parallel)); do finish_one; done
  start_project "$project"
done
while ((${#running[@]})); do finish_one; done

stop_servers
say "$passed passed, $failed failed"
((failed == 0 && passed > 0))
