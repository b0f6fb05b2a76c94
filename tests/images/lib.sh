#!/bin/bash
# What the entrypoints of the test images share. They are written for the tests, and have the interface of the official
# images: the same variables, folders, ports, words and user ids. Of all that those can do, only this is here.

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# become USER FOLDER... -- WORD...: as root, gives the folders to the user and goes on as this user with the same script.
# Root without capabilities can do neither, which ends the container, as it does with the official images.
become() {
  local user=$1 folders=()
  shift
  while [ "$1" != -- ]; do
    folders+=("$1")
    shift
  done
  shift
  [ "$(id -u)" = 0 ] || return 0
  mkdir -p "${folders[@]}"
  find "${folders[@]}" \! -user "$user" -exec chown "$user:" {} +
  exec setpriv --reuid="$user" --regid="$user" --init-groups -- "$0" "$@"
}

# from_file NAME: where NAME_FILE is given, NAME becomes what is in that file.
from_file() {
  local name=$1 file=${1}_FILE
  [ -z "${!file:-}" ] || [ -z "${!name:-}" ] || die "$name and $file exclude each other"
  [ -z "${!file:-}" ] || export "$name=$(<"${!file}")"
  unset "$file"
}

# asks WORD...: whether the words only ask the program something, which needs no data.
asks() {
  local word
  for word; do
    case $word in
      --help | --version | -h | -V | -v | '-?') return 0 ;;
    esac
  done
  return 1
}

# writable FOLDER...: prints the first that is there, or can be made, and can be written to.
writable() {
  local folder
  for folder; do
    if mkdir -p "$folder" 2>/dev/null && [ -w "$folder" ]; then
      printf '%s\n' "$folder"
      return
    fi
  done
  die "none of $* can be written to"
}
