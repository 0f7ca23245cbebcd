//! Whole numbers of bodies.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// 2^63, the first number that is too large; a float has it exactly.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

/// A whole number that fits `T` and an `i64`. JSON knows one kind of number: `5.0` is 5, and programs that have floats
/// only write it so.
#[derive(Clone, Copy)]
pub(crate) struct Whole<T>(pub(crate) T);

impl<'de, T: TryFrom<i64>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor(PhantomData))
    }
}

struct WholeVisitor<T>(PhantomData<T>);

impl<T: TryFrom<i64>> Visitor<'_> for WholeVisitor<T> {
    type Value = Whole<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of its range")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Whole<T>, E> {
        let fits = T::try_from(number).ok().map(Whole);
        fits.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole<T>, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_too_large) => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Whole<T>, E> {
        if number.fract() == 0.0 && (-I64_END..I64_END).contains(&number) {
            return self.visit_i64(number as i64);
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn whole<T: TryFrom<i64>>(value: Value) -> Option<T> {
        serde_json::from_value(value).ok().map(|Whole(number)| number)
    }

    #[test]
    fn a_whole_number_may_be_written_as_a_float() {
        assert_eq!(whole::<u64>(json!(109_811.0)), Some(109_811));
        assert_eq!(whole::<i32>(json!(-1.0)), Some(-1));
        assert_eq!(whole::<u64>(json!(i64::MAX)), Some(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn what_is_not_whole_or_does_not_fit_is_refused() {
        for value in
            [json!(1.5), json!(-1), json!(1u64 << 63), json!(9.3e18), json!(1e300), json!("1"), json!(true)]
        {
            assert_eq!(whole::<u64>(value.clone()), None, "{value}");
        }
        assert_eq!(whole::<u32>(json!(1u64 << 32)), None);
        assert_eq!(whole::<i32>(json!(-2_147_483_649.0)), None);
    }
}
