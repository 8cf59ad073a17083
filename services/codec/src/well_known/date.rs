//! Days since 1970-01-01 and dates of the Gregorian calendar, for the years 1 to 9999.

const DAYS_PER_400_YEARS: i64 = 146_097;
/// From 0000-03-01, where a cycle of 400 years begins, to 1970-01-01.
const DAYS_BEFORE_1970: i64 = 719_468;

/// Year, month and day of a day.
pub(crate) fn from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_BEFORE_1970;
    let (cycle, day) = (days.div_euclid(DAYS_PER_400_YEARS), days.rem_euclid(DAYS_PER_400_YEARS));
    // Every fourth year has a day more, the hundredth not, the last of the cycle again.
    let year_of_cycle = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - days_before_year(year_of_cycle);
    // Years begin in March, so that the leap day is the last: then 153 days are five months, wherever one begins.
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - days_before_month(month) + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * 400 + year_of_cycle + next_year, month, day_of_month)
}

/// The day of a date, or none if the calendar has no such date.
pub(crate) fn to_days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (from_march, year_from_march) = if month > 2 { (month - 3, year) } else { (month + 9, year - 1) };
    let (cycle, year_of_cycle) = (year_from_march.div_euclid(400), year_from_march.rem_euclid(400));
    let days = cycle * DAYS_PER_400_YEARS
        + days_before_year(year_of_cycle)
        + days_before_month(from_march)
        + (day - 1)
        - DAYS_BEFORE_1970;
    (from_days(days) == (year, month, day)).then_some(days)
}

fn days_before_year(year_of_cycle: i64) -> i64 {
    365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100
}

fn days_before_month(month_from_march: i64) -> i64 {
    (153 * month_from_march + 2) / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_follows_the_one_before() {
        let first = to_days(1, 1, 1).unwrap();
        let mut expected = (1, 1, 1);
        for days in first..=to_days(9999, 12, 31).unwrap() {
            assert_eq!(from_days(days), expected);
            assert_eq!(to_days(expected.0, expected.1, expected.2), Some(days));
            expected = next(expected);
        }
        assert_eq!(expected, (10000, 1, 1));
        assert_eq!(to_days(1970, 1, 1), Some(0));
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        for (year, month, day) in [
            (2025, 2, 29),
            (1900, 2, 29),
            (2000, 2, 30),
            (2026, 4, 31),
            (2026, 0, 1),
            (2026, 13, 1),
            (0, 1, 1),
        ] {
            assert_eq!(to_days(year, month, day), None, "{year}-{month}-{day}");
        }
    }

    fn next((year, month, day): (i64, i64, i64)) -> (i64, i64, i64) {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        match (month, day) {
            (12, 31) => (year + 1, 1, 1),
            _ if day == length => (year, month + 1, 1),
            _ => (year, month, day + 1),
        }
    }
}
