//! How much memory a compile may take on this machine.

use std::fs;
use std::path::{Path, PathBuf};

/// What a compile gets where there is plenty, in bytes of address space. (A hostile 2.7 MB can take 1.6 GB.)
const PLENTY_BYTES: u64 = 3 * 1024 * 1024 * 1024;
/// What it gets however little there is: less than this compiles nothing.
const LEAST_BYTES: u64 = 768 * 1024 * 1024;

/// Half of what this process's control group or machine has, within bounds.
pub(super) fn for_compiling() -> u64 {
    bounded([of_cgroup(Path::new("/")), of_machine(Path::new("/"))].into_iter().flatten().min())
}

fn bounded(has: Option<u64>) -> u64 {
    has.map_or(PLENTY_BYTES, |bytes| (bytes / 2).clamp(LEAST_BYTES, PLENTY_BYTES))
}

/// The smallest `memory.max` (cgroup v2) from this process's own group up to the root.
fn of_cgroup(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mount = root.join("sys/fs/cgroup");
    let own: PathBuf = mount.join(own);
    let upwards = own.ancestors().take_while(|group| group.starts_with(&mount));
    upwards.filter_map(|group| fs::read_to_string(group.join("memory.max")).ok()?.trim().parse().ok()).min()
}

fn of_machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", "0::/system.slice/larder.service\n");
        write("sys/fs/cgroup/system.slice/larder.service/memory.max", "max\n");
        write("sys/fs/cgroup/system.slice/memory.max", "2147483648\n");
        write("proc/meminfo", "MemTotal:       16384000 kB\nMemFree: 1 kB\n");
        assert_eq!(of_cgroup(root.path()), Some(2 << 30));
        assert_eq!(of_machine(root.path()), Some(16_384_000 * 1024));
        assert_eq!((bounded(Some(2 << 30)), bounded(None), bounded(Some(1))), (1 << 30, PLENTY_BYTES, LEAST_BYTES));
    }
}
