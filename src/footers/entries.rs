//! The entries of a footer: texts under names, which whoever wrote the file has put there.
//!
//! A footer is one structure of Thrift in its compact protocol, of which the entries are a list. All else, the columns and
//! their statistics, is stepped over: to take it apart as well, as readers of Parquet do, takes several times as long.

use std::str;

/// The number of the list of entries in a footer, and those of the two texts in an entry.
const ENTRIES: i64 = 5;
const NAME: i64 = 1;
const TEXT: i64 = 2;

/// The kinds of values that we look into, as the protocol numbers them.
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// How deep structures and lists may lie in each other. In a footer they lie seven deep, in bytes that are none any depth.
const DEEPEST: usize = 32;

/// The texts under some names, in the order of these. None if one is missing, or the bytes are no footer.
///
/// Of two texts under one name the last one counts, as for Polars.
#[must_use]
pub fn entries<'a, N: AsRef<[u8]>>(footer: &'a [u8], names: &[N]) -> Option<Vec<&'a str>> {
    let mut found: Vec<Option<&[u8]>> = vec![None; names.len()];
    let mut rest = Compact(footer);
    let mut number = 0;
    while let Some(kind) = rest.field(&mut number)? {
        if number != ENTRIES {
            rest.skip(kind, DEEPEST)?;
            continue;
        }
        let (count, of) = if kind == LIST { rest.list()? } else { return None };
        for _ in 0..count {
            let (name, text) = if of == STRUCT { rest.entry()? } else { return None };
            if let Some(at) = names.iter().position(|wanted| wanted.as_ref() == name) {
                found[at] = text;
            }
        }
    }
    found.into_iter().map(|text| str::from_utf8(text?).ok()).collect()
}

/// Values that are taken off the front. None: there are too few bytes, or they are no such value.
struct Compact<'a>(&'a [u8]);

impl<'a> Compact<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, count: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    /// An integer: seven bits a byte, the lowest first; the last byte is below 128.
    fn integer(&mut self) -> Option<u64> {
        let mut integer = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            integer |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(integer);
            }
        }
        None
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let length = self.integer()?;
        self.bytes(length)
    }

    /// The kind of the next field of a structure, or nothing at its end; `number` becomes that of the field.
    fn field(&mut self, number: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        // By how much the number is above that of the field before; or it follows, signed, the sign in the lowest bit.
        *number = match i64::from(byte >> 4) {
            0 => {
                let signed = self.integer()?;
                (signed >> 1).cast_signed() ^ -(signed & 1).cast_signed()
            }
            step => number.checked_add(step)?,
        };
        Some(Some(byte & 0xf))
    }

    /// How many values a list has, and of which kind.
    fn list(&mut self) -> Option<(u64, u8)> {
        let byte = self.byte()?;
        let count = if byte >> 4 == 0xf { self.integer()? } else { u64::from(byte >> 4) };
        Some((count, byte & 0xf))
    }

    /// The name of an entry, and its text, if it has one.
    fn entry(&mut self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let (mut name, mut text, mut number) = (None, None, 0);
        while let Some(kind) = self.field(&mut number)? {
            match (number, kind) {
                (NAME, BINARY) => name = Some(self.binary()?),
                (TEXT, BINARY) => text = Some(self.binary()?),
                _ => self.skip(kind, DEEPEST)?,
            }
        }
        Some((name?, text))
    }

    /// Steps over a field of some kind.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        // The kind of a field says already whether a truth is one.
        if matches!(kind, 1 | 2) { Some(()) } else { self.skip_value(kind, depth) }
    }

    /// Steps over a value: each has at least a byte, so it ends with the bytes.
    fn skip_value(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        // Truths and bytes, integers of any size, doubles; sets are as lists, in maps keys stand before their values; and
        // identities.
        match kind {
            1..=3 => self.byte().map(drop),
            4..=6 => self.integer().map(drop),
            7 => self.bytes(8).map(drop),
            BINARY => self.binary().map(drop),
            LIST | 10 => {
                let (count, of) = self.list()?;
                (0..count).try_for_each(|_| self.skip_value(of, depth))
            }
            11 => {
                let count = self.integer()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count).try_for_each(|_| {
                    self.skip_value(kinds >> 4, depth)?;
                    self.skip_value(kinds & 0xf, depth)
                })
            }
            STRUCT => {
                let mut number = 0;
                while let Some(kind) = self.field(&mut number)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            13 => self.bytes(16).map(drop),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::entries;

    /// A text behind its length.
    fn text(text: &str) -> Vec<u8> {
        let (mut bytes, mut length) = (Vec::new(), text.len());
        while length >= 0x80 {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(text.bytes());
        bytes
    }

    fn entry(name: &str, value: Option<&str>) -> Vec<u8> {
        let mut bytes = [&[0x18][..], &text(name)].concat();
        if let Some(value) = value {
            bytes.push(0x18);
            bytes.extend(text(value));
        }
        bytes.push(0);
        bytes
    }

    /// A footer with values of every kind before its entries and behind them.
    fn footer(given: &[(&str, Option<&str>)]) -> Vec<u8> {
        let before: &[&[u8]] = &[
            &[0x15, 0x02],                                     // 1: an integer
            &[0x19, 0x2c, 0x48, 1, b'a', 0, 0x48, 1, b'b', 0], // 2: two structures
            &[0x16, 0xf6, 0x01],                               // 3: an integer of two bytes
            &[0x19, 0x1c, 0x19, 0x18, 2, b'x', b'y', 0x11, 0x12, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x13, 9, 0], // 4
        ];
        let behind: &[&[u8]] = &[
            &[0x18, 3, b'u', b's', b'!'],                                         // 6: a text
            &[0x1b, 1, 0x85, 2, b'k', b'v', 4],                                   // 7: a map of a text and an integer
            &[0x1b, 0],                                                           // 8: one without anything
            &[0x0d, 0x14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], // 10, said so: an identity
            &[0x1a, 0x21, 1, 2],                                                  // 11: a set of truths
            &[0],
        ];
        let many = if given.len() < 15 { vec![(given.len() as u8) << 4 | 0xc] } else { vec![0xfc, given.len() as u8] };
        let entries: Vec<u8> = given.iter().flat_map(|(name, value)| entry(name, *value)).collect();
        [before.concat(), vec![0x19], many, entries, behind.concat()].concat()
    }

    #[test]
    fn texts_are_found_among_others() {
        let long = "x".repeat(70_000);
        let given = [
            ("other", Some("\u{18}\u{1}a\u{18}\u{1}b")),
            ("b", Some("")),
            ("none", None),
            ("a", Some("old")),
            ("a", Some(long.as_str())),
            ("c", Some("ü\0\u{18}")),
        ];
        assert_eq!(entries(&footer(&given), &["a", "b", "c"]), Some(vec![long.as_str(), "", "ü\0\u{18}"]));
        assert_eq!(entries(&footer(&given), &["a", "none"]), None);
        assert_eq!(entries(&footer(&given), &["d"]), None);
        let many: Vec<_> = (0..99).map(|_| ("z", Some("1"))).chain([("a", Some("2"))]).collect();
        assert_eq!(entries(&footer(&many), &["a", "z"]), Some(vec!["2", "1"]));
    }

    #[test]
    fn bytes_that_are_no_footer() {
        let right = footer(&[("a", Some("1")), ("b", Some("2"))]);
        for length in 0..right.len() {
            assert_eq!(entries(&right[..length], &["a", "b"]), None, "{length}");
        }
        for at in 0..right.len() {
            for byte in 0..=255 {
                let mut altered = right.clone();
                altered[at] = byte;
                let _ = entries(&altered, &["a", "b"]); // whatever they say, there is an answer
            }
        }
        let no_text = footer(&[("a", Some("?"))]).iter().map(|&b| if b == b'?' { 0xff } else { b }).collect::<Vec<_>>();
        assert_eq!(entries(&no_text, &["a"]), None);
    }

    #[test]
    fn depth_and_number_have_an_end() {
        // Lists in lists, structures in structures, and lists of more values than there are bytes.
        for bytes in [[0x19, 0x19], [0x1c, 0x1c], [0x19, 0xfc], [0x1b, 0xff]] {
            assert_eq!(entries(&bytes.repeat(1 << 20), &["a"]), None);
        }
        let endless = [&[0x19, 0xfc][..], &[0xff; 9], &[1], &[0; 1_000]].concat();
        assert_eq!(entries(&endless, &["a"]), None);
    }
}
