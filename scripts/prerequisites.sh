#!/usr/bin/env bash
# What the tests need beside Rust: says what is missing, then installs just that.
#
# Everything goes under target/clients, except what only the distribution has (a C compiler, make, Python's venv, Chromium, PostgreSQL,
# Redis), which needs root. With all present it installs nothing, reaches no network and takes no rights. NO_INSTALL=1: fail instead.
# The clients' stubs are made anew whenever proto/ has changed.

set -euo pipefail
cd "$(dirname "$0")/.."

# The five packages are released together, and the client packages refuse another runtime than they were generated for.
readonly GRPC_VERSION=1.85.1
readonly BUF_PACKAGE=@bufbuild/buf@1.75.0
readonly NODE_PACKAGES=(@grpc/grpc-js@1.14.7 @grpc/proto-loader@0.8.1)
readonly BROWSER_PACKAGES=(
  @connectrpc/connect@2.2.0
  @connectrpc/connect-web@2.2.0
  @bufbuild/protobuf@2.17.0
  @bufbuild/protoc-gen-es@2.17.0
  esbuild@0.28.2
  playwright-core@1.65.1
)
readonly CLIENTS=target/clients
readonly VENV=$CLIENTS/venv
readonly BUF=$CLIENTS/buf
readonly NODE=$CLIENTS/node
readonly BROWSER=$CLIENTS/browser
readonly PYTHON_PACKAGES=(
  "grpcio==$GRPC_VERSION"
  "grpcio-tools==$GRPC_VERSION"
  "grpcio-reflection==$GRPC_VERSION"
  "grpcio-health-checking==$GRPC_VERSION"
  "grpcio-status==$GRPC_VERSION"
  protobuf
)

# The stamp is written last, so that an installation cut off half-way counts as missing.
python_clients_present() {
  [[ -x $VENV/bin/python && $(cat "$VENV/installed" 2>/dev/null) == "${PYTHON_PACKAGES[*]}" ]]
}

# node_present FOLDER PACKAGE...
node_present() {
  [[ -d $1/node_modules && $(cat "$1/installed" 2>/dev/null) == "${*:2}" ]]
}

missing_tools() {
  local tool
  for tool in cargo python3 node npm; do
    command -v "$tool" >/dev/null || echo "$tool"
  done
}

# rustup leaves the names of its tools behind even where the component is not installed, so each is run.
missing_rust_components() {
  cargo clippy --version >/dev/null 2>&1 || echo clippy
  cargo fmt --version >/dev/null 2>&1 || echo rustfmt
}

# The tests start servers of their own from these programs.
postgres_present() {
  local folder
  for folder in /usr/lib/postgresql/{15..40}/bin ${PATH//:/ }; do
    [[ ! -x $folder/initdb || ! -x $folder/pg_ctl || ! -x $folder/createdb ]] || return 0
  done
  return 1
}

# Version 7.0 or later, and its command line.
redis_present() {
  local version
  version=$(redis-server --version 2>/dev/null | sed -n 's/.* v=\([0-9]*\)\..*/\1/p')
  [[ ${version:-0} -ge 7 ]] && command -v redis-cli >/dev/null
}

missing_debian_packages() {
  command -v cc >/dev/null || echo gcc libc6-dev
  command -v make >/dev/null || echo make
  command -v chromium >/dev/null || echo chromium
  postgres_present || echo postgresql
  redis_present || echo redis-server
  command -v openssl >/dev/null || echo openssl
  python_clients_present || python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo --non-interactive "$@"
  else
    echo "prerequisites: needs root (or sudo) for: $*" >&2
    return 1
  fi
}

# While the packages are installed, Debian's PostgreSQL is told not to make and start a server of its own, and no service is started.
# Redis would also start with the machine: it is told not to.
install_debian_packages() {
  local no_cluster=/etc/postgresql-common/createcluster.d/handoff-tests.conf no_start=/usr/sbin/policy-rc.d status=0
  as_root apt-get update -q </dev/null
  as_root mkdir -p "${no_cluster%/*}"
  as_root tee "$no_cluster" <<<'create_main_cluster = false' >/dev/null
  [[ ! -e $no_start ]] || no_start=
  if [[ $no_start ]]; then
    as_root tee "$no_start" <<<$'#!/bin/sh\nexit 101' >/dev/null
    as_root chmod 755 "$no_start"
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" </dev/null || status=$?
  [[ ! $no_start ]] || as_root rm -f "$no_start"
  as_root rm -f "$no_cluster"
  if [[ " $* " == *" redis-server "* ]] && command -v systemctl >/dev/null; then
    as_root systemctl disable redis-server >/dev/null 2>&1 || true
  fi
  return "$status"
}

install_python_clients() {
  rm -rf "$VENV"
  mkdir -p "$CLIENTS"
  python3 -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check --no-input --retries 5 "${PYTHON_PACKAGES[@]}"
  echo "${PYTHON_PACKAGES[*]}" >"$VENV/installed"
}

# install_node FOLDER PACKAGE...
install_node() {
  rm -rf "$1"
  mkdir -p "$1"
  npm install --prefix "$1" --no-save --no-fund --no-audit --loglevel=error "${@:2}" </dev/null
  echo "${*:2}" >"$1/installed"
}

# Stubs for Python and for the browser; Node reads the .proto files themselves. Without reaching any network.
generate_stubs() {
  local sources
  sources=$(find proto -name '*.proto' -print0 | sort -z | xargs -0 cat tests/clients/browser/buf.gen.yaml | sha256sum)
  sources="$sources ${PYTHON_PACKAGES[*]} ${BROWSER_PACKAGES[*]}"
  [[ $(cat "$CLIENTS/stubs" 2>/dev/null) != "$sources" ]] || return 0
  rm -rf "$CLIENTS/python" "$BROWSER/gen"
  mkdir -p "$CLIENTS/python"
  "$VENV/bin/python" -m grpc_tools.protoc -Iproto --python_out="$CLIENTS/python" --grpc_python_out="$CLIENTS/python" \
    proto/handoff/v1/*.proto
  PATH="$PWD/$BROWSER/node_modules/.bin:$PATH" "$BUF/node_modules/.bin/buf" generate \
    --template tests/clients/browser/buf.gen.yaml
  echo "$sources" >"$CLIENTS/stubs"
  echo "prerequisites: generated the clients' stubs from proto/"
}

read -r -d '' -a tools < <(missing_tools) || true
if ((${#tools[@]})); then
  echo "prerequisites: not found: ${tools[*]}. Install Rust, Python 3.11 or later and Node 20 or later first." >&2
  exit 1
fi

read -r -d '' -a debian < <(missing_debian_packages) || true
read -r -d '' -a components < <(missing_rust_components) || true
plan=()
((${#components[@]} == 0)) || plan+=("Rust components, with rustup: ${components[*]}")
((${#debian[@]} == 0)) || plan+=("Debian packages, as root: ${debian[*]}")
python_clients_present || plan+=("Python packages in $VENV: ${PYTHON_PACKAGES[*]}")
node_present "$BUF" "$BUF_PACKAGE" || plan+=("Node package in $BUF: $BUF_PACKAGE")
node_present "$NODE" "${NODE_PACKAGES[@]}" || plan+=("Node packages in $NODE: ${NODE_PACKAGES[*]}")
node_present "$BROWSER" "${BROWSER_PACKAGES[@]}" || plan+=("Node packages in $BROWSER: ${BROWSER_PACKAGES[*]}")

if ((${#plan[@]} == 0)); then
  echo "prerequisites: all present, nothing to install"
  generate_stubs
  exit 0
fi
echo "prerequisites: missing, to be installed:"
printf '  %s\n' "${plan[@]}"
if [[ ${NO_INSTALL:-} == 1 ]]; then
  echo "prerequisites: NO_INSTALL=1 is set, so nothing was installed. Run scripts/prerequisites.sh without it." >&2
  exit 1
fi

((${#debian[@]} == 0)) || install_debian_packages "${debian[@]}"
((${#components[@]} == 0)) || rustup component add "${components[@]}"
python_clients_present || install_python_clients
node_present "$BUF" "$BUF_PACKAGE" || install_node "$BUF" "$BUF_PACKAGE"
node_present "$NODE" "${NODE_PACKAGES[@]}" || install_node "$NODE" "${NODE_PACKAGES[@]}"
node_present "$BROWSER" "${BROWSER_PACKAGES[@]}" || install_node "$BROWSER" "${BROWSER_PACKAGES[@]}"
generate_stubs
echo "prerequisites: installed"
