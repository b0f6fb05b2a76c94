//! Moments as people read them: RFC 3339, UTC, with milliseconds, like `2026-01-31T08:09:10.011Z`.

use std::fmt;

use super::WallTime;

const MS_PER_DAY: i64 = 86_400_000;

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ms) = *self;
        let (year, month, day) = civil_date(ms.div_euclid(MS_PER_DAY));
        let of_day = ms.rem_euclid(MS_PER_DAY);
        let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
        let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01 in the Gregorian calendar (Howard Hinnant's `civil_from_days`).
///
/// Years are counted from March, so that the leap day is a year's last; eras of 400 years are all alike.
const fn civil_date(days_since_1970: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    let days = days_since_1970 + 719_468;
    let (era, of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + 400 * era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ms: i64, expected: &str) {
        assert_eq!(WallTime(ms).to_string(), expected);
    }

    #[test]
    fn moments_are_told_in_utc_with_milliseconds() {
        check(0, "1970-01-01T00:00:00.000Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(1_709_251_199_999, "2024-02-29T23:59:59.999Z");
        check(1_709_251_200_000, "2024-03-01T00:00:00.000Z");
        check(1_767_225_599_001, "2025-12-31T23:59:59.001Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
        check(253_402_300_799_999, "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn days_follow_one_another_through_eight_centuries() {
        let mut before = civil_date(-146_098);
        for day in -146_097..146_097 {
            let (year, month, date) = civil_date(day);
            let next_in_month = (before.0, before.1, before.2 + 1);
            let next_month = (before.0, before.1 + 1, 1);
            let next_year = (before.0 + 1, 1, 1);
            assert!([next_in_month, next_month, next_year].contains(&(year, month, date)), "{before:?} → {day}");
            assert!((1..=12).contains(&month) && (1..=31).contains(&date));
            before = (year, month, date);
        }
    }

    #[test]
    fn no_moment_is_too_far_away() {
        for ms in [i64::MIN, i64::MAX] {
            assert!(WallTime(ms).to_string().ends_with('Z'));
        }
    }
}
