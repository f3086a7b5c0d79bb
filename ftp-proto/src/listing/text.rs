//! Numbers and dates as bytes, without allocation: a listing has a hundred thousand lines.

use alloc::vec::Vec;

/// Digits of `u64::MAX`.
const DIGITS: usize = 20;

/// Appends a decimal number, filled with `fill` from the left up to `width`.
pub(super) fn decimal(out: &mut Vec<u8>, mut number: u64, width: usize, fill: u8) {
    let mut digits = [0u8; DIGITS];
    let mut count = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        count += 1;
        if number == 0 {
            break;
        }
    }
    out.resize(out.len() + width.saturating_sub(count), fill);
    out.extend_from_slice(digits.get(DIGITS - count..).unwrap_or_default());
}

/// Appends a hexadecimal number without leading zeros.
pub(super) fn hexadecimal(out: &mut Vec<u8>, number: u64) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (4 * place) & 0xf) as u8;
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}

/// Appends permission bits as four octal digits.
pub(super) fn octal_mode(out: &mut Vec<u8>, mode: u32) {
    for place in (0..4).rev() {
        out.push(b'0' + (mode >> (3 * place) & 7) as u8);
    }
}

/// Appends two decimal digits.
pub(super) fn two_digits(out: &mut Vec<u8>, number: u8) {
    out.extend_from_slice(&[b'0' + number / 10 % 10, b'0' + number % 10]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;
    use std::format;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> alloc::string::String {
        let mut out = Vec::new();
        write(&mut out);
        alloc::string::String::from_utf8(out).unwrap()
    }

    quickcheck! {
        fn numbers_look_as_format_prints_them(number: u64, shift: u8, width: u8) -> bool {
            let (number, width) = (number >> (shift % 64), usize::from(width % 30));
            written(|out| decimal(out, number, width, b' ')) == format!("{number:width$}")
                && written(|out| decimal(out, number, width, b'0')) == format!("{number:0width$}")
                && written(|out| hexadecimal(out, number)) == format!("{number:x}")
                && written(|out| octal_mode(out, number as u32)) == format!("{:04o}", number & 0o7777)
                && written(|out| two_digits(out, number as u8 % 100)) == format!("{:02}", number as u8 % 100)
        }
    }
}
