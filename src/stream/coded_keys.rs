//! Keys of categories whose rows come as codes.

use polars::prelude::*;

use crate::frame::FrameError;

/// A key column of which each row is a code, and what the codes stand for.
///
/// Each library has its own codes for the same categories: a column that crosses into ours is translated row by row,
/// through strings, which took longer (30 ns a row) than its bars. So its rows come as the integers that they are, and each value once.
pub struct CodedKey {
    name: PlSmallStr,
    /// Each value that a row has, in the order of first appearance.
    values: Series,
    /// The place among the values of each code, and of null.
    places: Vec<IdxSize>,
    null: IdxSize,
}

/// A code that has no value.
const NOWHERE: IdxSize = IdxSize::MAX;

impl CodedKey {
    /// The key column of a name; the codes are those of the values.
    ///
    /// # Errors
    ///
    /// The codes are no integers, or not as many as the values.
    pub fn new(name: &str, codes: &Series, values: Series) -> Result<Self, FrameError> {
        if codes.len() != values.len() {
            return Err(FrameError(format!("each value of `{name}` has a code")));
        }
        let codes = codes.strict_cast(&DataType::UInt32)?;
        let (mut places, mut null) = (Vec::new(), NOWHERE);
        for (place, code) in codes.u32()?.iter().enumerate() {
            match code {
                Some(code) => {
                    let code = code as usize;
                    places.resize(places.len().max(code + 1), NOWHERE);
                    places[code] = place as IdxSize;
                }
                None => null = place as IdxSize,
            }
        }
        Ok(Self { name: name.into(), values, places, null })
    }

    /// The key column of a name, if it is among them.
    pub fn find<'a>(keys: &'a [Self], name: &str) -> Option<&'a Self> {
        keys.iter().find(|key| key.name == name)
    }

    /// Each value that a row has, in the order of first appearance.
    pub fn values(&self) -> &Series {
        &self.values
    }

    /// Adds what belongs to the value of each row.
    ///
    /// # Errors
    ///
    /// The rows are no codes, or one of them is of no value.
    pub fn of_rows(&self, rows: &Series, of_values: &[IdxSize], out: &mut Vec<IdxSize>) -> Result<(), FrameError> {
        let of = |place: IdxSize| of_values.get(place as usize).copied().unwrap_or(NOWHERE);
        let of_codes: Vec<_> = self.places.iter().map(|&place| of(place)).collect();
        let of_null = of(self.null);
        let rows = rows.cast(&DataType::UInt32)?;
        let rows = rows.u32()?;
        let from = out.len();
        let of_code = |code: u32| of_codes.get(code as usize).copied().unwrap_or(NOWHERE);
        if rows.has_nulls() {
            out.extend(rows.iter().map(|code| code.map_or(of_null, of_code)));
        } else {
            rows.downcast_iter().for_each(|codes| out.extend(codes.values().iter().map(|&code| of_code(code))));
        }
        if out[from..].contains(&NOWHERE) {
            return Err(FrameError(format!("a code of `{}` has no value", self.name)));
        }
        Ok(())
    }

    /// The values of some rows.
    ///
    /// # Errors
    ///
    /// A row that does not exist.
    pub fn values_of(&self, column: &Series, rows: &IdxCa) -> Result<Series, FrameError> {
        let own: Vec<_> = (0..self.values.len() as IdxSize).collect();
        let mut places = Vec::new();
        self.of_rows(&column.take(rows)?, &own, &mut places)?;
        Ok(self.values.take(&IdxCa::from_vec(PlSmallStr::EMPTY, places))?)
    }
}
