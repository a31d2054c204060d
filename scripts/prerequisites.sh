#!/usr/bin/env bash
# What the tests need beside Rust: says what is missing, then installs just that.
#
# Everything goes under target/clients, except what only the distribution has (a C compiler, make, Python's venv), which
# needs root. With all present it installs nothing, reaches no network and takes no rights. NO_INSTALL=1: fail instead.

set -euo pipefail
cd "$(dirname "$0")/.."

# The four packages are released together, and the client packages refuse another runtime than they were generated for.
readonly GRPC_VERSION=1.85.1
readonly BUF_VERSION=1.75.0
readonly CLIENTS=target/clients
readonly VENV=$CLIENTS/venv
readonly BUF=$CLIENTS/buf
readonly PYTHON_PACKAGES=(
  "grpcio==$GRPC_VERSION"
  "grpcio-reflection==$GRPC_VERSION"
  "grpcio-health-checking==$GRPC_VERSION"
  "grpcio-status==$GRPC_VERSION"
  protobuf
)

# The stamp is written last, so that an installation cut off half-way counts as missing.
python_clients_present() {
  [[ -x $VENV/bin/python && $(cat "$VENV/installed" 2>/dev/null) == "${PYTHON_PACKAGES[*]}" ]]
}

buf_present() {
  [[ -x $BUF/node_modules/.bin/buf && $(cat "$BUF/installed" 2>/dev/null) == "$BUF_VERSION" ]]
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

missing_debian_packages() {
  command -v cc >/dev/null || echo gcc libc6-dev
  command -v make >/dev/null || echo make
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

install_debian_packages() {
  as_root apt-get update -q </dev/null
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" </dev/null
}

install_python_clients() {
  rm -rf "$VENV"
  mkdir -p "$CLIENTS"
  python3 -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check --no-input --retries 5 "${PYTHON_PACKAGES[@]}"
  echo "${PYTHON_PACKAGES[*]}" >"$VENV/installed"
}

install_buf() {
  rm -rf "$BUF"
  mkdir -p "$BUF"
  npm install --prefix "$BUF" --no-save --no-fund --no-audit --loglevel=error "@bufbuild/buf@$BUF_VERSION" </dev/null
  echo "$BUF_VERSION" >"$BUF/installed"
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
buf_present || plan+=("Node package in $BUF: @bufbuild/buf@$BUF_VERSION")

if ((${#plan[@]} == 0)); then
  echo "prerequisites: all present, nothing to install"
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
buf_present || install_buf
echo "prerequisites: installed"
