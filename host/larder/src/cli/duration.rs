//! Lengths of time as people type them: `90`, `60s`, `1m30s`, `500ms`.

use std::time::Duration;

/// Nobody waits longer than that for one command.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a length of time; a bare number counts seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "use a number of seconds, or a length of time like 60s, 5m or 1h30m".to_owned();
    if let Ok(seconds) = text.parse() {
        return bounded(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        total = total.saturating_add(Duration::from_millis(number.saturating_mul(unit_ms)));
        rest = tail;
    }
    if text.is_empty() { Err(wrong()) } else { bounded(total) }
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

fn bounded(duration: Duration) -> Result<Duration, String> {
    if duration > LONGEST { Err("the longest wait is 24h".to_owned()) } else { Ok(duration) }
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
    fn lengths_of_time_are_shown() {
        let shown = [250, 1_000, 60_000, 90_000, 600_000].map(|ms| show(Duration::from_millis(ms)));
        assert_eq!(shown, ["250 ms", "1 s", "60 s", "90 s", "10 min"]);
    }
}
