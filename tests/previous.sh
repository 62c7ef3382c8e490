#!/usr/bin/env bash
# Builds the release before this one, which the scenarios in tests/scenarios/previous start on the stores of this one.
set -euo pipefail
cd "$(dirname "$0")/.."

# The last commit of the release before. This is the only place that names it.
COMMIT=b9698cad5b5c5166e82b9fe5c54195eb16fb5a86

TARGET="$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)"
PLACE="$TARGET/previous"
if [ -x "$PLACE/primetrade" ] && [ "$(cat "$PLACE/commit" 2>/dev/null)" = "$COMMIT" ]; then exit 0; fi
rm -rf "$PLACE"

if [ "$(git rev-parse --show-toplevel 2>/dev/null)" != "$(pwd -P)" ] || ! git cat-file -e "$COMMIT^{commit}" 2>/dev/null; then
  echo "The release before is not built, and its scenarios will not run: there is no commit $COMMIT here." >&2
  echo "They need the repository with its history." >&2
  # A checkout that has the whole history must have that commit.
  if [ "$(git rev-parse --is-shallow-repository 2>/dev/null)" = false ] && [ "${CI:-}" = true ]; then exit 1; else exit 0; fi
fi

mkdir -p "$PLACE/source"
# Cargo compiles what is newer than what it has, so the files are of now, not of then.
git archive "$COMMIT" | tar -x -m -C "$PLACE/source"
# Its crates are called as ours, and so are their files. With another version both lie side by side in the target folder, and neither
# is taken for the other.
sed -i "/^\[workspace\.package\]/,/^\$/s/^version = \"\(.*\)\"/version = \"\1+${COMMIT:0:12}\"/" "$PLACE/source/Cargo.toml"

# All that is compiled of others is shared with our own build: the build folder is the same, and `--examples`, of which there are none,
# has cargo choose the features of dependencies as for tests. The profile's own settings are not for dependencies, so its few crates may
# be compiled quickly. Only the binary lies elsewhere, or it would take the place of ours.
(
  cd "$PLACE/source"
  export BUILD_REVISION="${COMMIT:0:12}" CARGO_BUILD_BUILD_DIR="$TARGET" CARGO_TARGET_DIR="$PLACE/built"
  CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=false "${CARGO:-cargo}" build --workspace --bin primetrade --examples
)
mv "$PLACE/built/debug/primetrade" "$PLACE/primetrade"
echo "$COMMIT" >"$PLACE/commit"
rm -rf "$PLACE/built" "$PLACE/source"
