//! A component of another world: a plain command, as any Rust program is when built for this target.

fn main() {
    println!("I am a command, not a provider");
}
