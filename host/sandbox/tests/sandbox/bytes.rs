//! Components too large to be written as text: put together from their bytes (WebAssembly core specification, section 5.5).

/// A component that holds one core module.
pub(crate) fn component_of(module: &[u8]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0", section(1, module).as_slice()].concat()
}

/// A core module of these sections.
pub(crate) fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0", sections.concat().as_slice()].concat()
}

/// The section of types, with that of functions without parameters and results.
pub(crate) fn types() -> Vec<u8> {
    section(1, b"\x01\x60\0\0")
}

/// A section of `count` equal entries.
pub(crate) fn repeated(id: u8, count: usize, entry: &[u8]) -> Vec<u8> {
    section(id, &[leb128(count), entry.repeat(count)].concat())
}

/// A section of one function's code: that many instructions that do nothing.
pub(crate) fn code_of_nops(count: usize) -> Vec<u8> {
    let body = [b"\0", vec![1; count].as_slice(), b"\x0b"].concat();
    section(10, &[b"\x01", leb128(body.len()).as_slice(), &body].concat())
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id], leb128(body.len()).as_slice(), body].concat()
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = vec![];
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
