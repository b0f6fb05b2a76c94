#!/bin/bash
# Runs once inside the new root that all test images share, right after the packages were put there:
# gives services the user ids and folders that they have in the official images, and drops what no test reads.
set -euo pipefail

# The official images' ids. Four services have the same one: only one of them lives in a container.
renumber() {
  local id=$1 user
  shift
  for user; do
    groupmod --non-unique --gid "$id" "$(id -gn "$user")"
    [ "$(id -u "$user")" = "$id" ] || usermod --non-unique --uid "$id" --gid "$id" "$user"
  done
}
getent passwd mysql >/dev/null || useradd --system --no-create-home --shell /usr/sbin/nologin mysql
renumber 999 redis postgres mysql rabbitmq
renumber 11211 memcache

# An empty volume takes over owner and mode of the folder that it is mounted on.
folder() {
  local owner=$1 mode=$2 path=$3
  rm -rf "$path"
  install -d -o "$owner" -g "$owner" -m "$mode" "$path"
}
folder 999 0755 /data
folder 999 1777 /var/lib/postgresql/data
folder 999 1777 /var/lib/mysql
folder 999 1777 /var/lib/rabbitmq
folder 999 3777 /run/postgresql
folder 999 1777 /run/mysqld
folder 999 1777 /var/log/rabbitmq
folder 999 0755 /var/log/mysql
chown 999:999 /var/lib/postgresql

# Like the official images: whoever has a password may come from anywhere, and names aren't looked up.
mkdir -p /etc/mysql/mariadb.conf.d /etc/rabbitmq/conf.d
printf '[mariadbd]\nskip-name-resolve\nhost-cache-size=0\n' >/etc/mysql/mariadb.conf.d/90-container.cnf
printf '[rabbitmq_management,rabbitmq_prometheus].\n' >/etc/rabbitmq/enabled_plugins
printf 'loopback_users.guest = false\nlog.console = true\n' >/etc/rabbitmq/conf.d/10-defaults.conf
chown -R 999:999 /etc/rabbitmq
chmod 1777 /etc/rabbitmq /etc/rabbitmq/conf.d
sed --in-place "s/^#\?listen_addresses = .*/listen_addresses = '*'/" /usr/share/postgresql/15/postgresql.conf.sample

# A third of the bytes: package lists, archives, the compiler of queries, other languages.
rm -rf /var/cache/apt /var/lib/apt/lists /var/log/*.log /debootstrap /usr/share/locale /usr/share/i18n \
  /usr/lib/postgresql/15/lib/bitcode /usr/lib/postgresql/15/lib/llvmjit* /usr/lib/*/libLLVM-*
mkdir -p /var/cache/apt/archives/partial /var/lib/apt/lists/partial
