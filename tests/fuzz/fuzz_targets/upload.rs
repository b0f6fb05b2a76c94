//! Any bytes as an upload: accepted, or refused in bounded words that no terminal obeys.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wasmparser::WasmFeatures;

const WORDS_BYTES_MAX: usize = 8 * 1024;

fuzz_target!(|bytes: &[u8]| {
    if let Err(refusal) = larder_inspect::inspect(bytes, WasmFeatures::default()) {
        assert!(refusal.message.len() <= WORDS_BYTES_MAX, "{} bytes of words", refusal.message.len());
        assert!(!refusal.message.chars().any(char::is_control), "{:?}", refusal.message);
    }
});
