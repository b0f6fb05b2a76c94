//! What can be read as the body of a call, piece by piece, so that its size doesn't matter here.

use futures_util::stream;
use reqwest::Body;
use tokio::io::{AsyncRead, AsyncReadExt as _};

const PIECE_BYTES: usize = 64 * 1024;

/// All that can be read of a source. `told` hears how many bytes each piece has.
pub(crate) fn pieces(
    source: impl AsyncRead + Send + Unpin + 'static,
    told: impl FnMut(usize) + Send + 'static,
) -> Body {
    Body::wrap_stream(stream::try_unfold((source, told), |(mut source, mut told)| async move {
        let mut piece = vec![0; PIECE_BYTES];
        let read = source.read(&mut piece).await?;
        piece.truncate(read);
        told(read);
        Ok::<_, std::io::Error>((read > 0).then_some((piece, (source, told))))
    }))
}
