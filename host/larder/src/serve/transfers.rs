//! What exports and imports may take.

use clap::Args;
use larder_control::TransferLimits;

const GIB: u64 = 1024 * 1024 * 1024;

/// The bounds that an operator may set.
#[derive(Debug, Clone, Args)]
pub(crate) struct TransferArgs {
    /// The most data of one export or import, in bytes
    #[arg(long, value_name = "BYTES", env = "LARDER_TRANSFER_BYTES_MAX", default_value_t = TransferLimits::BYTES_MAX, value_parser = clap::value_parser!(u64).range(1..=1024 * 1024 * GIB))]
    pub(crate) transfer_bytes_max: u64,
    /// How many exports and imports there may be at once
    #[arg(long, value_name = "COUNT", env = "LARDER_TRANSFERS_MAX", default_value_t = TransferLimits::AT_ONCE_MAX as u64, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub(crate) transfers_max: u64,
}

impl TransferArgs {
    /// The same for the use cases.
    pub(super) fn limits(&self) -> TransferLimits {
        let at_once_max = usize::try_from(self.transfers_max).unwrap_or(TransferLimits::AT_ONCE_MAX);
        TransferLimits { bytes_max: self.transfer_bytes_max, at_once_max, ..TransferLimits::default() }
    }
}
