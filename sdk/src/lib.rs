//! larder-sdk
