//! Finds a field by its number or its name, for types with few fields as for types with many.

use super::Field;

/// Numbers below this are looked up in a table.
const DENSE: u32 = 256;

/// The places of fields by their numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    /// By number, one more than the place, 0 for none.
    dense: Vec<u16>,
    /// Larger numbers and their places, sorted.
    sparse: Vec<(u32, u16)>,
}

impl Numbers {
    /// The numbers, in ascending order.
    pub(super) fn new(numbers: impl Iterator<Item = u32>) -> Self {
        let mut made = Self { dense: Vec::new(), sparse: Vec::new() };
        // The language allows far fewer fields in a message than 2^16.
        for (number, place) in numbers.zip(0u16..) {
            if number < DENSE {
                made.dense.resize(number as usize + 1, 0);
                made.dense[number as usize] = place + 1;
            } else {
                made.sparse.push((number, place));
            }
        }
        made
    }

    pub(super) fn find(&self, number: u32) -> Option<u16> {
        match self.dense.get(number as usize) {
            Some(place) => place.checked_sub(1),
            None if self.sparse.is_empty() => None,
            None => {
                let found = self.sparse.binary_search_by_key(&number, |&(number, _)| number).ok()?;
                Some(self.sparse[found].1)
            }
        }
    }
}

/// The places of fields by their names in both spellings.
#[derive(Debug)]
pub(super) struct Names {
    /// By the length of the name: few names of a type have the same.
    by_length: Vec<Vec<(Box<str>, u16)>>,
}

impl Names {
    pub(super) fn new(fields: &[Field]) -> Self {
        let mut made = Self { by_length: Vec::new() };
        // The spelling of JSON goes first, should one field's be another's name.
        for name in [|field: &Field| field.json_name.clone(), |field: &Field| field.name.clone()] {
            for (field, place) in fields.iter().zip(0u16..) {
                let name = name(field);
                if made.find(&name).is_none() {
                    if made.by_length.len() <= name.len() {
                        made.by_length.resize_with(name.len() + 1, Vec::new);
                    }
                    made.by_length[name.len()].push((name, place));
                }
            }
        }
        made
    }

    pub(super) fn find(&self, name: &str) -> Option<u16> {
        let same_length = self.by_length.get(name.len())?;
        same_length.iter().find(|(known, _)| **known == *name).map(|&(_, place)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_wherever_they_are() {
        let given = [1, 2, 7, 255, 256, 1000, (1 << 29) - 1];

        let numbers = Numbers::new(given.into_iter());

        for (number, place) in given.into_iter().zip(0u16..) {
            assert_eq!(numbers.find(number), Some(place));
        }
        for number in [0, 3, 254, 257, 999, 1001, u32::MAX] {
            assert_eq!(numbers.find(number), None, "{number}");
        }
        assert_eq!(Numbers::new([].into_iter()).find(1), None);
    }
}
