//! What comes packed arrives unpacked, and what only begins so is refused.

use std::io::Write as _;

use futures_util::stream;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(vec![], ::bzip2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn source(bytes: &[u8], size: usize) -> Source {
    let pieces: Vec<_> = bytes.chunks(size).map(|piece| Ok(piece.to_vec())).collect();
    Source::new(Box::pin(stream::iter(pieces)))
}

async fn read(mut source: Source) -> Result<Vec<u8>, NoMore> {
    let mut all = vec![];
    while let Some(piece) = source.next().await? {
        assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES, "{}", piece.len());
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

#[tokio::test]
async fn whatever_it_is_packed_in_it_arrives_the_same() {
    let data: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    // Files that were joined are as good as one.
    let twice = |pack: fn(&[u8]) -> Vec<u8>| [pack(&data[..1000]), pack(&data[1000..])].concat();
    for (what, bytes) in [("plain", data.clone()), ("gzip", twice(gzip)), ("bzip2", twice(bzip2))] {
        for size in [1021, 60_000] {
            assert_eq!(read(source(&bytes, size)).await.unwrap(), data, "{what} in pieces of {size}");
        }
    }
    assert_eq!(read(source(&gzip(&data[..4000]), 1)).await.unwrap(), &data[..4000], "byte by byte");
}

#[tokio::test]
async fn short_and_empty_bodies_are_what_they_are() {
    assert_eq!(read(source(b"", 1)).await.unwrap(), b"");
    assert_eq!(read(source(b"BZ", 1)).await.unwrap(), b"BZ");
    assert_eq!(read(source(&gzip(b""), 5)).await.unwrap(), b"");
}

#[tokio::test]
async fn what_is_cut_off_or_changed_is_no_whole() {
    let data = vec![7; 300_000];
    for (name, whole) in [("gzip", gzip(&data)), ("bzip2", bzip2(&data))] {
        let cut = read(source(&whole[..whole.len() - 6], 64)).await.unwrap_err().to_string();
        assert!(cut.contains(&format!("begin as {name}")), "{cut}");
        let mut changed = whole;
        let middle = changed.len() / 2;
        changed[middle] ^= 0xff;
        assert!(read(source(&changed, 64)).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_from_one_that_ends() {
    let data = gzip(&vec![7; 300_000]);
    let pieces = vec![Ok(data[..20].to_vec()), Err(BrokenBody)];
    let broken = read(Source::new(Box::pin(stream::iter(pieces)))).await.unwrap_err();
    assert!(matches!(broken, NoMore::Broken(_)), "{broken}");
}

#[tokio::test]
async fn little_that_becomes_much_is_unpacked_no_faster_than_it_is_taken() {
    // Mebibytes in a few bytes.
    let bomb = bzip2(&vec![0; 8 * 1024 * 1024]);
    assert!(bomb.len() < 1024);
    let mut source = source(&bomb, bomb.len());
    for _ in 0..4 {
        assert_eq!(source.next().await.unwrap().map(|piece| piece.len()), Some(PIECE_BYTES));
    }
    // Whoever stops taking is not waited for.
    drop(source);
}
