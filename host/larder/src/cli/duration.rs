//! Lengths of time as people type them: `90`, `60s`, `1m30s`, `500ms`, `7d`.

use std::time::Duration;

use larder_domain::Grace;
use larder_domain::operation::Operation;

/// Nobody waits longer than that for one command, in milliseconds.
const WAIT_MS_MAX: u64 = 24 * HOUR_MS;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Reads how long to wait; a bare number counts seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    at_most(WAIT_MS_MAX, "the longest wait is 24h", "60s, 5m or 1h30m", text)
}

/// Reads how long old credentials work beside the new ones.
pub(crate) fn parse_overlap(text: &str) -> Result<Duration, String> {
    at_most(Operation::OVERLAP_MS_MAX, "the longest overlap is 7d", IN_DAYS, text)
}

/// Reads how long deleted addons can be had back.
pub(crate) fn parse_grace(text: &str) -> Result<Duration, String> {
    at_most(Grace::MS_MAX, "the longest grace is 30d", IN_DAYS, text)
}

/// What may be written where days make sense.
const IN_DAYS: &str = "60s, 1h30m or 7d";

fn at_most(longest_ms: u64, refusal: &str, examples: &str, text: &str) -> Result<Duration, String> {
    let read = read(text).ok_or_else(|| format!("use a number of seconds, or a length of time like {examples}"))?;
    if read > Duration::from_millis(longest_ms) { Err(refusal.to_owned()) } else { Ok(read) }
}

fn read(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let number: u64 = number.parse().ok()?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => HOUR_MS,
            "d" => DAY_MS,
            _ => return None,
        };
        total = total.saturating_add(Duration::from_millis(number.saturating_mul(unit_ms)));
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// A length of time as people read it.
pub(crate) fn show(duration: Duration) -> String {
    let (seconds, ms) = (duration.as_secs(), duration.subsec_millis());
    match (seconds, ms) {
        (0, ms) if ms > 0 => format!("{ms} ms"),
        (seconds, _) if seconds >= 120 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        (seconds, _) => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        let read = |text| parse(text).map(|duration| duration.as_millis());
        assert_eq!(read("90"), Ok(90_000));
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("60s"), Ok(60_000));
        assert_eq!(read("1m30s"), Ok(90_000));
        assert_eq!(read("500ms"), Ok(500));
        assert_eq!(read("24h"), Ok(86_400_000));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "s", "1x", "-1", "1.5s", "1m30", "redis", "25h", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(parse(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_grace_may_be_as_long_as_a_month() {
        let grace = |text| parse_grace(text).map(|duration| duration.as_secs());
        assert_eq!((grace("0"), grace("7d"), grace("1d12h")), (Ok(0), Ok(604_800), Ok(129_600)));
        assert_eq!(grace("30d"), Ok(Grace::MS_MAX / 1000));
        assert!(grace("30d1s").unwrap_err().contains("30d") && grace("week").is_err());
    }

    #[test]
    fn an_overlap_may_be_as_long_as_the_server_takes() {
        let overlap = |text| parse_overlap(text).map(|duration| duration.as_millis());
        assert_eq!((overlap("0"), overlap("36h")), (Ok(0), Ok(129_600_000)));
        assert_eq!(overlap("7d"), Ok(u128::from(Operation::OVERLAP_MS_MAX)));
        assert_eq!(overlap("7d1s"), Err("the longest overlap is 7d".to_owned()));
    }

    #[test]
    fn a_refusal_names_what_would_be_taken() {
        assert!(parse_overlap("week").unwrap_err().contains("7d") && parse_grace("week").unwrap_err().contains("7d"));
        assert!(!parse("week").unwrap_err().contains("7d"), "nobody waits for days");
        assert_eq!(parse("25h"), Err("the longest wait is 24h".to_owned()));
        assert_eq!(parse_grace("31d"), Err("the longest grace is 30d".to_owned()));
    }

    #[test]
    fn lengths_of_time_are_shown() {
        let shown = [250, 1_000, 60_000, 90_000, 600_000].map(|ms| show(Duration::from_millis(ms)));
        assert_eq!(shown, ["250 ms", "1 s", "60 s", "90 s", "10 min"]);
    }
}
