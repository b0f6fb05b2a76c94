//! Ways to go down.

use std::hint::black_box;
use std::time::Duration;

/// Executes `unreachable`.
pub(crate) fn trap() {
    #[cfg(target_family = "wasm")]
    std::arch::wasm32::unreachable();
}

#[expect(clippy::panic, reason = "to panic is what it is for")]
pub(crate) fn give_up(message: &str) {
    panic!("{message}");
}

pub(crate) fn compute_for_ever() {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

/// Takes memory and writes to all of it.
pub(crate) fn allocate(mib: usize) {
    black_box(vec![1_u8; mib.saturating_mul(1 << 20)]);
}

pub(crate) fn overflow_stack() {
    black_box(recurse(0));
}

/// Small frames: the stack of the machine has to end before the one that the guest keeps in its memory.
#[expect(unconditional_recursion, reason = "to run out of stack is what it is for")]
fn recurse(depth: u64) -> u64 {
    black_box(depth) + recurse(depth + 1)
}

#[expect(clippy::disallowed_methods, reason = "to be parked in a host call is what it is for")]
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}
