//! Numbers as people read them.
//!
//! Used wherever something is printed for a person; JSON has the plain numbers.

/// 1234567 as `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Nanoseconds with a unit that leaves one to three digits before the point.
pub(crate) fn time(ns: f64) -> String {
    const STEPS: [(f64, &str); 4] = [(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")];
    scaled(ns, &STEPS)
}

/// Bytes with a binary unit.
pub(crate) fn bytes(n: u64) -> String {
    const STEPS: [(f64, &str); 4] = [
        ((1_u64 << 30) as f64, "GiB"),
        ((1_u64 << 20) as f64, "MiB"),
        ((1_u64 << 10) as f64, "KiB"),
        (1.0, "B"),
    ];
    scaled(n as f64, &STEPS)
}

/// A number of workers in words.
pub(crate) fn workers(n: usize) -> String {
    match n {
        1 => "1 worker".to_owned(),
        n => format!("{n} workers"),
    }
}

fn scaled(value: f64, steps: &[(f64, &str)]) -> String {
    let &(unit, name) = steps
        .iter()
        .find(|(unit, _)| value >= *unit)
        .unwrap_or(&steps[steps.len() - 1]);
    let value = value / unit;
    let decimals = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1000), "1,000");
        assert_eq!(count(9_227_464), "9,227,464");
    }

    #[test]
    fn units_fit_the_size() {
        assert_eq!(time(0.4), "0.40 ns");
        assert_eq!(time(12.34), "12.3 ns");
        assert_eq!(time(1500.0), "1.50 us");
        assert_eq!(time(81_234_567.0), "81.2 ms");
        assert_eq!(time(123e9), "123 s");
        assert_eq!(bytes(0), "0.00 B");
        assert_eq!(bytes(3 << 20), "3.00 MiB");
    }
}
